package discordfake

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"
)

// Kinds of interactions.
const (
	pingInteraction   = 1
	CommandKind       = 2
	ComponentKind     = 3
	AutocompleteKind  = 4
	ModalKind         = 5
	acknowledgeWithin = 3 * time.Second
	tokenLife         = 15 * time.Minute
)

// State is what has become of an interaction.
type State string

// The states.
const (
	Pending      State = "pending"      // the bot has some time left
	Acknowledged State = "acknowledged" // in time
	Failed       State = "failed"       // its user reads "The application did not respond", or could not even send it
)

// Choice is what autocompletion offers, or what an option can be.
type Choice struct {
	Name  string `json:"name"`
	Value any    `json:"value"`
}

// Interaction is a command, a click, a form that was sent, or a question of autocompletion.
type Interaction struct {
	ID      string
	Token   string
	Type    int
	User    *User
	Channel *Channel
	At      time.Time

	fake     *Fake
	err      error    // why it was never sent
	message  *Message // whose component was clicked, or led to the form
	edits    int      // how often that had been edited before
	body     []byte   // what the bot got
	ack      int      // the type of the first answer; 0: none yet
	original *Message
	follows  []*Message
	choices  []Choice
	modal    *Modal
}

func (i *Interaction) String() string {
	kind := map[int]string{CommandKind: "command", ComponentKind: "click", AutocompleteKind: "autocompletion", ModalKind: "form"}[i.Type]
	return fmt.Sprintf("%s %s of %s", kind, i.ID, i.User.Name)
}

// State is what has become of it so far.
func (i *Interaction) State() State {
	defer i.fake.hold()()
	return i.state()
}

func (i *Interaction) state() State {
	switch {
	case i.ack != 0:
		return Acknowledged
	case i.err != nil || i.fake.now().Sub(i.At) > acknowledgeWithin:
		return Failed
	}
	return Pending
}

// Err says why the interaction could not be sent, or that nobody answered in time. It is nil while there is hope.
func (i *Interaction) Err() error {
	defer i.fake.hold()()
	return i.failure()
}

func (i *Interaction) failure() error {
	switch {
	case i.err != nil:
		return i.err
	case i.state() == Failed:
		return fmt.Errorf("%s: the application did not respond within %s", i, acknowledgeWithin)
	}
	return nil
}

// Body is the interaction as the bot got it.
func (i *Interaction) Body() []byte { return i.body }

// Acked is the type of the first answer: 4 a message, 5 one that is promised, 6 nothing yet, 7 a change of the message that was
// clicked, 8 choices, 9 a form; 0 if there was no answer.
func (i *Interaction) Acked() int {
	defer i.fake.hold()()
	return i.ack
}

// Messages are those that answer the interaction, the first one first, without those that are only promised.
func (i *Interaction) Messages() (found []Message) {
	defer i.fake.hold()()
	return i.messages()
}

func (i *Interaction) messages() (found []Message) {
	for _, m := range append([]*Message{i.original}, i.follows...) {
		if m != nil && !m.Thinking() && (m != i.message || m.Edits > i.edits) {
			found = append(found, *m)
		}
	}
	return found
}

// Tamper changes the next interaction before the bot gets it, by the JSON that it is: another guild, an action that nobody knows.
func (f *Fake) Tamper(change func(interaction map[string]any)) {
	f.lock(func() { f.tampers = append(f.tampers, change) })
}

// Interactions are all so far.
func (f *Fake) Interactions() []*Interaction {
	defer f.hold()()
	return slices.Clone(f.interactions)
}

// start makes an interaction out of what a user does, and sends it to the bot. The data is filled in under the lock; an error of that means
// that the user's program would not even have sent it.
func (u *User) start(kind int, c *Channel, from *Message, fill func() (map[string]any, error)) *Interaction {
	f := u.fake
	i := &Interaction{Type: kind, User: u, Channel: c, fake: f, message: from}
	f.lock(func() {
		i.ID, i.Token, i.At = f.newID(), rand.Text()+rand.Text(), f.now()
		if from != nil {
			i.edits = from.Edits
		}
		if !c.seenBy(u) {
			i.err = fmt.Errorf("%s does not see #%s", u.Name, c.Name)
			return
		}
		data, err := fill()
		if err != nil {
			i.err = fmt.Errorf("%s cannot do that: %w", u.Name, err)
			return
		}
		f.interactions = append(f.interactions, i)
		f.byToken[i.Token] = i
		f.send(i, data)
	})
	return i
}

// send brings an interaction to the bot, on the way that is set.
func (f *Fake) send(i *Interaction, data map[string]any) {
	payload := i.payload(data)
	if len(f.tampers) > 0 {
		f.tampers[0](payload)
		f.tampers = f.tampers[1:]
	}
	body, err := json.Marshal(payload)
	if err != nil {
		i.err = fmt.Errorf("this is no interaction: %w", err)
		return
	}
	i.body = body
	// Whoever waits for it hears in the end that nobody answered.
	time.AfterFunc(acknowledgeWithin+time.Millisecond, func() { f.lock(func() {}) })
	if f.postTo != "" {
		f.post(i)
		return
	}
	f.dispatch("INTERACTION_CREATE", 0, json.RawMessage(body))
}

var errGone = errors.New("the message is not there any more")
