package core

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/rs/xid"
)

// Card is what a message in chat shows, whatever the service. It never holds a secret. Text is plain, but for fences of three
// backticks around what must stay aligned.
type Card struct {
	Title   string   `json:"title,omitempty"`
	Text    string   `json:"text,omitempty"`
	Facts   []Fact   `json:"facts,omitempty"`
	Steps   []Step   `json:"steps,omitempty"` // of an operation, for a progress bar
	Tone    Tone     `json:"tone,omitempty"`
	Buttons []Button `json:"buttons,omitempty"`
	Image   []byte   `json:"image,omitempty"`  // a PNG
	Detail  string   `json:"detail,omitempty"` // what goes into a thread, where there are threads
	Footer  string   `json:"footer,omitempty"`
}

// Tone is how a card is meant.
type Tone string

// The tones.
const (
	ToneGood    Tone = "good"
	ToneBad     Tone = "bad"
	ToneWaiting Tone = "waiting"
)

// Button is something to press: an action with an opaque value, or an address.
type Button struct {
	Label  string `json:"label"`
	Action string `json:"action,omitempty"`
	Value  string `json:"value,omitempty"`
	URL    string `json:"url,omitempty"`
	Tone   Tone   `json:"tone,omitempty"`
}

// MessageKind is what a message in chat is made of.
type MessageKind string

// The kinds of messages.
const (
	MessageAnswer   MessageKind = "answer"   // said once
	MessageStatus   MessageKind = "status"   // of an operation, until it has ended
	MessageApproval MessageKind = "approval" // of an approval, until it was decided
)

// ChatMessage is a message that MyDB keeps up to date in chat. Times are UTC.
type ChatMessage struct {
	ID          string
	Platform    Platform
	Team        string
	Channel     string
	Thread      string
	UserID      string
	Private     bool
	Kind        MessageKind
	Content     *Card
	OperationID *string
	ApprovalID  *string
	InboxKey    *string
	Posted      string // the message's id at the service; empty until it is there
	PostedIn    string // and its channel
	Wanted      int
	Sent        int
	State       string // pending, posted or failed
	Attempts    int
	CreatedAt   time.Time
	SentAt      *time.Time

	Sealed []byte `db:"reply"`
	Reply  string `db:"-"` // where the service takes an answer for a few minutes after CreatedAt
}

const selectMessage = `select id, platform, team, channel, thread, user_id, private, kind, content, operation_id, approval_id, inbox_key,
	posted, posted_in, wanted, sent, state, attempts, created_at, sent_at, reply from chat_messages `

// postMessage writes a message that is to be posted, with its job.
func (s *Service) postMessage(ctx context.Context, tx pgx.Tx, m ChatMessage) error {
	var sealed []byte
	if m.Reply != "" {
		var err error
		if sealed, err = s.keys.Seal([]byte(m.Reply)); err != nil {
			return err
		}
	}
	id := xid.New().String()
	_, err := tx.Exec(ctx, `insert into chat_messages (id, platform, team, channel, thread, user_id, private, kind, content, reply, operation_id, approval_id, inbox_key, created_at)
		values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)`,
		id, m.Platform, m.Team, m.Channel, m.Thread, m.UserID, m.Private, m.Kind, m.Content, sealed, m.OperationID, m.ApprovalID, m.InboxKey, s.now())
	if err != nil {
		return fmt.Errorf("write the message: %w", err)
	}
	return s.queue.Enqueue(ctx, tx, Job{Kind: "chat_message", MessageID: id})
}

// touchMessages says that what the messages about an operation or an approval tell has changed.
func (s *Service) touchMessages(ctx context.Context, tx pgx.Tx, operationID, approvalID string) error {
	rows, err := tx.Query(ctx, `update chat_messages set wanted = wanted + 1 where (operation_id = nullif($1, '') or approval_id = nullif($2, '')) and state <> 'failed'
		returning id`, operationID, approvalID)
	if err != nil {
		return fmt.Errorf("mark messages as changed: %w", err)
	}
	ids, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return fmt.Errorf("mark messages as changed: %w", err)
	}
	for _, id := range ids {
		if err := s.queue.Enqueue(ctx, tx, Job{Kind: "chat_message", MessageID: id}); err != nil {
			return err
		}
	}
	return nil
}

// touchProgress is touchMessages for a step of an operation, which is written outside of any other transaction. A failure only means
// that people see the step later.
func (s *Service) touchProgress(ctx context.Context, operationID string) {
	err := pgx.BeginFunc(ctx, s.db, func(tx pgx.Tx) error { return s.touchMessages(ctx, tx, operationID, "") })
	if err != nil {
		s.log.Warn("a step could not be told in chat", "operation", operationID, "error", err)
	}
}

// The functions below are the worker's side.

// sendLease is how long a worker has a message for itself while it sends it.
const sendLease = time.Minute

// BeginMessage gives a message that is to be sent, for this worker alone. Errors: ErrFinished when what people see is up to date;
// CodeBusy while another worker sends it.
func (s *Service) BeginMessage(ctx context.Context, id string) (m ChatMessage, err error) {
	tag, err := s.db.Exec(ctx, `update chat_messages set busy_until = $2, attempts = attempts + 1
		where id = $1 and wanted > sent and state <> 'failed' and coalesce(busy_until, '-infinity') < $3`, id, s.now().Add(sendLease), s.now())
	if err != nil {
		return m, fmt.Errorf("begin message %s: %w", id, err)
	}
	if m, err = one[ChatMessage](ctx, s.db, selectMessage+"where id = $1", id); err != nil {
		return m, fmt.Errorf("read message %s: %w", id, err)
	}
	switch {
	case tag.RowsAffected() == 1:
	case m.Wanted > m.Sent && m.State != "failed":
		return m, Errorf(CodeBusy, "Another worker sends this message.")
	default:
		return m, ErrFinished
	}
	if m.Sealed != nil {
		plain, err := s.keys.Open(m.Sealed)
		if err != nil {
			return m, err
		}
		m.Reply = string(plain)
	}
	return m, nil
}

// MessagePosted keeps, at once, where a message is at the service.
func (s *Service) MessagePosted(ctx context.Context, id, channel, posted string) error {
	_, err := s.db.Exec(ctx, "update chat_messages set posted = $2, posted_in = $3 where id = $1", id, posted, channel)
	if err != nil {
		return fmt.Errorf("keep where message %s is: %w", id, err)
	}
	return nil
}

// MessageSent records that people see a message as it was wanted. It reports whether it has changed again since.
func (s *Service) MessageSent(ctx context.Context, tx pgx.Tx, m ChatMessage) (again bool, err error) {
	err = tx.QueryRow(ctx, `update chat_messages set sent = $2, state = 'posted', reply = null, busy_until = null, attempts = 0, last_error = '', sent_at = $3
		where id = $1 returning wanted > sent`, m.ID, m.Wanted, s.now()).Scan(&again)
	if err != nil {
		return false, fmt.Errorf("record that message %s was sent: %w", m.ID, err)
	}
	return again, nil
}

// MessageDelayed records why a message could not be sent yet.
func (s *Service) MessageDelayed(ctx context.Context, id, reason string) error {
	_, err := s.db.Exec(ctx, "update chat_messages set last_error = $2, busy_until = null where id = $1", id, MaskSecrets(reason))
	if err != nil {
		return fmt.Errorf("delay message %s: %w", id, err)
	}
	return nil
}

// MessageLife is for how long it is tried to send a message.
const MessageLife = 24 * time.Hour

// MessageUndeliverable gives a message up where it was to go. What was for a channel goes to the person directly; what cannot go there
// either is told by mail, and stays in the list of what could not be delivered.
func (s *Service) MessageUndeliverable(ctx context.Context, tx pgx.Tx, m ChatMessage, reason string) error {
	reason = MaskSecrets(reason)
	if !m.Private && m.UserID != "" && m.Posted == "" {
		_, err := tx.Exec(ctx, "update chat_messages set private = true, busy_until = null, attempts = 0, last_error = $2 where id = $1", m.ID, reason)
		if err != nil {
			return fmt.Errorf("turn to the person: %w", err)
		}
		return s.queue.Enqueue(ctx, tx, Job{Kind: "chat_message", MessageID: m.ID})
	}
	if _, err := tx.Exec(ctx, "update chat_messages set state = 'failed', busy_until = null, last_error = $2 where id = $1", m.ID, reason); err != nil {
		return fmt.Errorf("give message %s up: %w", m.ID, err)
	}
	return s.tellOfUndelivered(ctx, tx, m)
}

// tellOfUndelivered tells by mail what chat would have told.
func (s *Service) tellOfUndelivered(ctx context.Context, tx pgx.Tx, m ChatMessage) error {
	n := Notification{News: NewsUndelivered{Platform: m.Platform, Text: m.summary()}, Key: m.ID}
	var person *string
	err := tx.QueryRow(ctx, "select person_id from chat_identities where platform = $1 and team = $2 and user_id = $3", m.Platform, m.Team, m.UserID).Scan(&person)
	if err != nil && !notFound(err) {
		return fmt.Errorf("find whom the message is for: %w", err)
	}
	if person != nil {
		n.To, n.People = []Audience{ToPerson}, []string{*person}
	} else {
		n.To = []Audience{ToAdmins}
	}
	if m.OperationID != nil {
		n.OperationID = *m.OperationID
		if err := tx.QueryRow(ctx, "select instance_id from operations where id = $1", n.OperationID).Scan(&n.InstanceID); err != nil {
			return fmt.Errorf("find what the message is about: %w", err)
		}
	}
	return s.notify(ctx, tx, n)
}

func (m ChatMessage) summary() string {
	if m.Content != nil {
		return m.Content.Text
	}
	return ""
}

// MessagesBehind lists messages whose change nobody has sent for a while, because a worker died. Periodic.
func (s *Service) MessagesBehind(ctx context.Context) ([]string, error) {
	rows, err := s.db.Query(ctx, `select id from chat_messages where wanted > sent and state <> 'failed' and coalesce(busy_until, '-infinity') < $1
		and created_at > $2 order by id limit 500`, s.now(), s.now().Add(-MessageLife))
	if err != nil {
		return nil, fmt.Errorf("look for messages that are behind: %w", err)
	}
	return pgx.CollectRows(rows, pgx.RowTo[string])
}

// inChat counts the messages that tell of the operation $1.
const inChat = "select id from chat_messages where operation_id = $1"

// Undelivered lists the messages that could not be delivered, newest first, for administrators. Errors: CodeForbidden.
func (s *Service) Undelivered(ctx context.Context, actor Actor) ([]UndeliveredMessage, error) {
	if !actor.IsAdmin() {
		return nil, Errorf(CodeForbidden, "Only administrators may read what people were told.")
	}
	list, err := many[UndeliveredMessage](ctx, s.db, `select id, platform, team, channel, user_id, kind, last_error, created_at from chat_messages
		where state = 'failed' order by id desc limit 200`)
	if err != nil {
		return nil, fmt.Errorf("list undelivered messages: %w", err)
	}
	return list, nil
}

// UndeliveredMessage is a message that was given up.
type UndeliveredMessage struct {
	ID        string      `json:"id"`
	Platform  Platform    `json:"platform"`
	Team      string      `json:"team"`
	Channel   string      `json:"channel"`
	UserID    string      `json:"user_id"`
	Kind      MessageKind `json:"kind"`
	LastError string      `json:"last_error"`
	CreatedAt time.Time   `json:"created_at"`
}
