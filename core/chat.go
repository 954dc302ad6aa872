package core

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// Platform is a chat service.
type Platform string

// The chat services.
const (
	Slack   Platform = "slack"
	Discord Platform = "discord"
)

// The doors of the chat services.
const (
	DoorSlack   Door = "slack"
	DoorDiscord Door = "discord"
)

// ChatUser is who wrote, by ids: names change. Name is for people to recognise.
type ChatUser struct {
	Platform Platform `json:"platform"`
	Team     string   `json:"team"` // workspace or guild
	ID       string   `json:"id"`
	Name     string   `json:"name"`
}

// InboundKind is what somebody did in chat.
type InboundKind string

// The kinds of what comes in.
const (
	InboundCommand InboundKind = "command" // wrote a command
	InboundClick   InboundKind = "click"   // pressed a button
	InboundForm    InboundKind = "form"    // sent a form
)

// Inbound is something that came in from a chat service.
type Inbound struct {
	Key     string      `json:"-"` // names this event for ever: the service may bring it twice
	User    ChatUser    `json:"user"`
	Channel string      `json:"channel"`
	Thread  string      `json:"thread,omitempty"`
	Direct  bool        `json:"direct,omitempty"`  // a conversation with the bot alone
	Foreign bool        `json:"foreign,omitempty"` // people of other organisations read along
	Kind    InboundKind `json:"kind"`
	Text    string      `json:"text,omitempty"`    // of a command
	Action  string      `json:"action,omitempty"`  // of a button or form
	Value   string      `json:"value,omitempty"`   // what the button or form is about: an opaque id
	Message string      `json:"message,omitempty"` // id of the message whose button was pressed
	// Fields are what was filled into a form, by name.
	Fields map[string]string `json:"fields,omitempty"`
	// Reply is where the service takes an answer to this for a few minutes. Whoever has it can post there.
	Reply string    `json:"reply,omitempty"`
	At    time.Time `json:"at"`
}

// Door is the one that the event came through.
func (in Inbound) Door() Door { return Door(in.User.Platform) }

// Received says what became of an event.
type Received struct {
	Repeated bool  // it came before
	Answer   *Card // what was answered then; nil while it is being worked on
}

// ReceiveChat takes an event into the inbox, with the job that answers it, or not at all. It is what has to be done before the service
// gets its acknowledgement, and so nothing more than that.
func (s *Service) ReceiveChat(ctx context.Context, in Inbound) (r Received, err error) {
	body, err := json.Marshal(in)
	if err != nil {
		return r, fmt.Errorf("encode what came in: %w", err)
	}
	sealed, err := s.keys.Seal(body)
	if err != nil {
		return r, err
	}
	err = pgx.BeginFunc(ctx, s.db, func(tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, `insert into inbox (key, platform, team, user_id, kind, sealed) values ($1, $2, $3, $4, $5, $6) on conflict (key) do nothing`,
			in.Key, in.User.Platform, in.User.Team, in.User.ID, in.Kind, sealed)
		if err != nil {
			return fmt.Errorf("put it into the inbox: %w", err)
		}
		if tag.RowsAffected() == 0 {
			r.Repeated = true
			return tx.QueryRow(ctx, "select answer from inbox where key = $1", in.Key).Scan(&r.Answer)
		}
		return s.queue.Enqueue(ctx, tx, Job{Kind: "chat", InboxKey: in.Key})
	})
	return r, err
}

// BeginChat reads an event that is to be answered. Errors: ErrFinished when it was.
func (s *Service) BeginChat(ctx context.Context, key string) (in Inbound, err error) {
	var sealed []byte
	err = s.db.QueryRow(ctx, "select sealed from inbox where key = $1 and answered_at is null and sealed is not null", key).Scan(&sealed)
	if notFound(err) {
		return in, ErrFinished
	}
	if err != nil {
		return in, fmt.Errorf("read the inbox: %w", err)
	}
	body, err := s.keys.Open(sealed)
	if err != nil {
		return in, err
	}
	in.Key = key
	return in, json.Unmarshal(body, &in)
}

// Reply is what an event is answered with.
type Reply struct {
	Card Card
	// OperationID is work to follow: the answer is a message in the channel that tells how far it is.
	OperationID string
	// Private keeps it between the bot and the person.
	Private bool
	// Nothing says that there is nothing to say, because another message shows it.
	Nothing bool
}

// AnswerChat records how an event was answered, and the message that says so, inside the transaction that completes its job.
func (s *Service) AnswerChat(ctx context.Context, tx pgx.Tx, in Inbound, personID string, r Reply) error {
	tag, err := tx.Exec(ctx, "update inbox set answered_at = $2, person_id = nullif($3, ''), answer = $4, sealed = null where key = $1 and answered_at is null",
		in.Key, s.now(), personID, r.Card)
	if err != nil {
		return fmt.Errorf("record the answer: %w", err)
	}
	if tag.RowsAffected() == 0 || r.Nothing {
		return nil
	}
	m := ChatMessage{
		Platform: in.User.Platform, Team: in.User.Team, Channel: in.Channel, Thread: in.Thread, UserID: in.User.ID,
		Private: r.Private, Kind: MessageAnswer, Content: &r.Card, InboxKey: &in.Key, Reply: in.Reply,
	}
	if r.OperationID != "" {
		m.Kind, m.Content, m.OperationID = MessageStatus, nil, &r.OperationID
	}
	return s.postMessage(ctx, tx, m)
}

// inboxLife is for how long events are known, so that a late repetition is recognised.
const inboxLife = 7 * 24 * time.Hour

// forgetChat removes what has had its time.
func (s *Service) forgetChat(ctx context.Context) error {
	for _, sql := range []string{
		"delete from inbox where received_at < $1",
		"delete from link_codes where expires_at < $1",
		"delete from link_tries where at < $1",
		"delete from chat_messages where created_at < $1::timestamptz - interval '1 year'",
	} {
		if _, err := s.db.Exec(ctx, sql, s.now().Add(-inboxLife)); err != nil {
			return fmt.Errorf("forget old chat: %w", err)
		}
	}
	return nil
}
