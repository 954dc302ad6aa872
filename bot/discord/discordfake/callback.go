package discordfake

import (
	"fmt"
	"slices"
	"strconv"
)

// Kinds of first answers.
const (
	pong           = 1
	answerMessage  = 4
	answerLater    = 5
	updateLater    = 6
	updateMessage  = 7
	answerChoices  = 8
	answerModal    = 9
	choicesLimit   = 25
	choiceNameMost = 100
)

// answer is the first answer to an interaction.
type answer struct {
	Type int    `json:"type"`
	Data *draft `json:"data"`
}

// callback is the first answer, sent to the interaction's own address.
func callback(f *Fake, r *request) (any, *apiError) {
	i := f.byToken[r.PathValue("token")]
	if i == nil || i.ID != r.PathValue("interaction") {
		return nil, errUnknownInteraction
	}
	var a answer
	if err := r.into(&a); err != nil {
		return nil, err
	}
	if a.Data == nil {
		a.Data = &draft{}
	}
	a.Data.files = r.files
	if err := f.acknowledge(i, a); err != nil {
		return nil, err
	}
	if r.URL.Query().Get("with_response") != "true" {
		return nil, nil
	}
	got := map[string]any{"interaction": map[string]any{"id": i.ID, "type": i.Type}}
	if i.original != nil {
		got["resource"] = map[string]any{"type": a.Type, "message": i.original.payload()}
	}
	return got, nil
}

// acknowledge takes the first answer: once, in time, and of a kind that fits.
func (f *Fake) acknowledge(i *Interaction, a answer) *apiError {
	err := f.acknowledgeable(i, a)
	if err != nil {
		f.record.lateAck(i, err)
		return err
	}
	if err := f.applyAnswer(i, a); err != nil {
		return err
	}
	i.ack = a.Type
	f.record.acks = append(f.record.acks, f.now().Sub(i.At))
	return nil
}

func (f *Fake) acknowledgeable(i *Interaction, a answer) *apiError {
	switch {
	case i.ack != 0:
		return errAcknowledged
	case i.state() == Failed:
		return errUnknownInteraction
	case !slices.Contains(i.answers(), a.Type):
		var p problems
		p.add("type", "BASE_TYPE_CHOICES", fmt.Sprintf("Value must be one of %v.", i.answers()))
		return p.err()
	}
	return nil
}

// answers are the kinds of first answers that fit.
func (i *Interaction) answers() []int {
	switch {
	case i.Type == AutocompleteKind:
		return []int{answerChoices}
	case i.Type == ComponentKind:
		return []int{answerMessage, answerLater, updateLater, updateMessage, answerModal}
	case i.Type == ModalKind && i.message != nil:
		return []int{answerMessage, answerLater, updateLater, updateMessage}
	case i.Type == ModalKind:
		return []int{answerMessage, answerLater}
	}
	return []int{answerMessage, answerLater, answerModal}
}

func (f *Fake) applyAnswer(i *Interaction, a answer) *apiError {
	d := a.Data
	if d == nil {
		d = &draft{}
	}
	switch a.Type {
	case answerChoices:
		return i.offer(d)
	case answerModal:
		return i.open(d)
	case updateLater:
		i.original = i.message
		return nil
	}
	if err := d.check("data."); err != nil {
		return err
	}
	if a.Type == updateMessage {
		if i.Channel.message(i.message.ID) == nil {
			return errUnknownMessage
		}
		i.original = i.message
		return f.rewrite(i.Channel, i.message, d)
	}
	m, err := f.respond(i, d, a.Type == answerLater)
	if err != nil {
		return err
	}
	i.original = m
	return nil
}

// respond writes a message that answers an interaction, or promises it. It needs no right to write into the channel.
func (f *Fake) respond(i *Interaction, d *draft, promised bool) (*Message, *apiError) {
	if promised {
		d = &draft{Flags: d.Flags}
	}
	return f.write(i.Channel, f.Bot, d, func(m *Message) {
		m.Type = commandMessage
		m.WebhookID, m.ApplicationID = f.AppID, f.AppID
		m.Metadata = &Metadata{ID: i.ID, Type: i.Type, User: i.User.author()}
		if i.message != nil {
			m.Type = replyMessage
			m.Reference = &Reference{MessageID: i.message.ID, ChannelID: i.Channel.ID}
		}
		if m.Ephemeral() {
			m.For = i.User.ID
		}
		if promised {
			m.Flags |= flagLoading
		}
	})
}

// offer takes the choices of autocompletion.
func (i *Interaction) offer(d *draft) *apiError {
	var p problems
	if len(d.Choices) > choicesLimit {
		p.add("data.choices", "BASE_TYPE_MAX_LENGTH", fmt.Sprintf("Must be %d or fewer in length.", choicesLimit))
	}
	for n, c := range d.Choices {
		checkChoice(&p, "data.choices."+strconv.Itoa(n), c)
	}
	if err := p.err(); err != nil {
		return err
	}
	i.choices = d.Choices
	return nil
}

func checkChoice(p *problems, at string, c Choice) {
	p.text(at+".name", c.Name, choiceNameMost)
	switch v := c.Value.(type) {
	case nil:
		p.required(at + ".value")
	case string:
		p.text(at+".value", v, choiceNameMost)
	case float64, bool:
	default:
		p.add(at+".value", "BASE_TYPE_BAD_TYPE", "Value is neither text nor number.")
	}
}

// open shows a form to the user. It takes the place of one that is open.
func (i *Interaction) open(d *draft) *apiError {
	var p problems
	d.checkModal(&p, "data.")
	if err := p.err(); err != nil {
		return err
	}
	i.modal = &Modal{CustomID: d.CustomID, Title: d.Title, from: i}
	for _, row := range *d.Components {
		i.modal.Inputs = append(i.modal.Inputs, row.Components...)
	}
	i.User.modal = i.modal
	return nil
}
