package core

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// LetterState is where a letter is in its life.
type LetterState string

// The states of a letter.
const (
	LetterPending   LetterState = "pending" // or being tried again
	LetterSent      LetterState = "sent"    // the mail server has taken it over
	LetterFailed    LetterState = "failed"  // given up: a dead letter
	LetterCancelled LetterState = "cancelled"
)

// LetterLife is for how long the delivery of a letter is tried: a mail server that is repaired over a weekend loses none.
const LetterLife = 48 * time.Hour

// Letter is one notification to one recipient. Times are UTC.
type Letter struct {
	ID          string          `json:"id"`
	Kind        string          `json:"kind"`
	Channel     string          `json:"channel"`
	State       LetterState     `json:"state"`
	Audience    Audience        `json:"audience"`
	Name        string          `json:"name"`
	Address     string          `json:"address"`
	Data        json.RawMessage `json:"-"`
	InstanceID  *string         `json:"database_id"`
	Database    string          `json:"database"`
	OperationID *string         `json:"operation_id"`
	FallbackOf  *string         `json:"fallback_of"`
	Attempts    int             `json:"attempts"`
	LastError   string          `json:"last_error"`
	NotBefore   time.Time       `json:"not_before"`
	CreatedAt   time.Time       `json:"created_at"`
	SentAt      *time.Time      `json:"sent_at"`
	PersonID    *string         `json:"-"`
	Subject     string          `json:"subject" db:"-"`
}

const selectLetter = `select n.id, n.kind, n.channel, n.state, n.audience, n.name, n.address, n.data, n.instance_id, coalesce(i.name, '') as database,
	n.operation_id, n.fallback_of, n.attempts, n.last_error, n.not_before, n.created_at, n.sent_at, n.person_id
	from notifications n left join instances i on i.id = n.instance_id `

// Text puts the letter into words.
func (l Letter) Text() (Text, error) {
	empty, known := newsKinds[l.Kind]
	if !known {
		return Text{}, fmt.Errorf("there are no words for notifications of the kind %q", l.Kind)
	}
	news := empty()
	if err := json.Unmarshal(l.Data, news); err != nil {
		return Text{}, fmt.Errorf("read the data of notification %s: %w", l.ID, err)
	}
	t := news.tell(l.Database)
	if t.Page == "" && l.InstanceID != nil {
		t.Page = "/databases/" + *l.InstanceID // names may be another's by the time that it is read
	}
	t.Subject = oneLine(t.Subject, 150)
	return t, nil
}

// Why says why the recipient is told.
func (l Letter) Why() string {
	switch l.Audience {
	case ToOwner:
		return "You are told because you own " + l.Database + "."
	case ToPI:
		return "You are told because you are named as the principal investigator of " + l.Database + "."
	case ToContact:
		return "You are told because you are named as the contact for " + l.Database + "."
	case ToRequester:
		return "You are told because you asked for it."
	case ToAdmins:
		return "You are told because you are an administrator of MyDB."
	}
	return "You are told because it concerns you."
}

// Choice is the path of the page on which the recipient chooses not to be told of such things; empty when there is nothing to choose.
func (l Letter) Choice() string {
	empty, known := newsKinds[l.Kind]
	if !known || l.PersonID == nil {
		return ""
	}
	news := empty()
	if json.Unmarshal(l.Data, news) != nil || news.topic() == alwaysTold {
		return ""
	}
	return "/account#mail"
}

// Letters lists what was to be told to people, newest first, for administrators; state (empty: any) narrows it down, and "failed"
// gives the dead letters. next is the cursor of the next page, or empty. Errors: CodeForbidden, CodeInvalid.
func (s *Service) Letters(ctx context.Context, actor Actor, state LetterState, page Page) (list []Letter, next string, err error) {
	if !actor.IsAdmin() {
		return nil, "", Errorf(CodeForbidden, "Only administrators may read what people were told.")
	}
	switch state {
	case "", LetterPending, LetterSent, LetterFailed, LetterCancelled:
	default:
		return nil, "", invalid("state", "A notification is pending, sent, failed or cancelled, not %q.", clip(string(state)))
	}
	list, err = many[Letter](ctx, s.db, selectLetter+`where ($1 = '' or n.state = $1) and ($2 = '' or n.id < $2) order by n.id desc limit $3`,
		state, page.Cursor, page.limit()+1)
	if err != nil {
		return nil, "", fmt.Errorf("list notifications: %w", err)
	}
	if len(list) > page.limit() {
		list = list[:page.limit()]
		next = list[len(list)-1].ID
	}
	for i := range list {
		list[i].entitle()
	}
	return list, next, nil
}

// entitle fills in the subject. A letter that has no words is listed with its kind.
func (l *Letter) entitle() {
	l.Subject = l.Kind
	if t, err := l.Text(); err == nil {
		l.Subject = t.Subject
	}
}

// LetterCounts tells how many letters are in each state.
func (s *Service) LetterCounts(ctx context.Context) (map[LetterState]int64, error) {
	type row struct {
		State LetterState
		N     int64
	}
	rows, err := many[row](ctx, s.db, "select state, count(*) as n from notifications group by state")
	if err != nil {
		return nil, fmt.Errorf("count notifications: %w", err)
	}
	out := map[LetterState]int64{LetterPending: 0, LetterSent: 0, LetterFailed: 0, LetterCancelled: 0}
	for _, r := range rows {
		out[r.State] = r.N
	}
	return out, nil
}

// RetryLetter sends a letter that failed or was cancelled after all, to the address that the person has now, for administrators. One
// that is pending stays as it is.
// Errors: CodeForbidden, CodeNotFound, CodeBusy for one that was sent, CodeInvalid for one without an address.
func (s *Service) RetryLetter(ctx context.Context, req Request, id string) (l Letter, err error) {
	defer s.refusing(ctx, req, "notification.retry", id, &err)
	if err := s.sure(ctx, &req); err != nil {
		return l, err
	}
	if !req.Actor.IsAdmin() {
		return l, Errorf(CodeForbidden, "Only administrators may send notifications again.")
	}
	err = pgx.BeginFunc(ctx, s.db, func(tx pgx.Tx) error {
		if l, err = one[Letter](ctx, tx, selectLetter+"where n.id = $1 for update of n", id); err != nil {
			return err
		}
		if err := l.mayRetry(); err != nil || l.State == LetterPending {
			return err
		}
		_, err := tx.Exec(ctx, `update notifications n set state = 'pending', attempts = 0, not_before = $2,
			address = coalesce((select email from people where id = n.person_id), address) where id = $1`, id, s.now())
		if err != nil {
			return fmt.Errorf("send the notification again: %w", err)
		}
		if err := s.enqueueLetter(ctx, tx, id, value(l.InstanceID), time.Time{}); err != nil {
			return err
		}
		e := req.audit(OutcomeAccepted)
		e.Action, e.InstanceID, e.Subject = "notification.retry", value(l.InstanceID), id
		e.Data = map[string]any{"kind": l.Kind, "address": l.Address}
		if err := writeAudit(ctx, tx, e); err != nil {
			return err
		}
		l, err = one[Letter](ctx, tx, selectLetter+"where n.id = $1", id)
		return err
	})
	if notFound(err) {
		return l, Errorf(CodeNotFound, "There is no notification %q.", clip(id))
	}
	l.entitle()
	return l, err
}

func (l Letter) mayRetry() error {
	if l.State == LetterSent {
		return Errorf(CodeBusy, "This notification was sent on %s, so it is not sent again.", moment(value(l.SentAt)))
	}
	if l.Address == "" {
		return invalid("", "This notification has no mail address to go to. Tell the person another way.")
	}
	return nil
}

// The functions below are the worker's side.

// BeginLetter counts an attempt at delivering a letter and gives it. Errors: ErrFinished when there is nothing to deliver.
func (s *Service) BeginLetter(ctx context.Context, id string) (Letter, error) {
	tag, err := s.db.Exec(ctx, "update notifications set attempts = attempts + 1 where id = $1 and state = 'pending'", id)
	if err != nil {
		return Letter{}, fmt.Errorf("begin notification %s: %w", id, err)
	}
	if tag.RowsAffected() == 0 {
		return Letter{}, ErrFinished
	}
	l, err := one[Letter](ctx, s.db, selectLetter+"where n.id = $1", id)
	if err != nil {
		return l, fmt.Errorf("read notification %s: %w", id, err)
	}
	return l, nil
}

// GivesUp reports whether an attempt that fails now was the last one.
func (l Letter) GivesUp(now time.Time) bool { return now.After(l.NotBefore.Add(LetterLife)) }

// DelayLetter keeps why an attempt failed that is followed by another. Reason is for administrators.
func (s *Service) DelayLetter(ctx context.Context, id, reason string) error {
	_, err := s.db.Exec(ctx, "update notifications set last_error = $2 where id = $1 and state = 'pending'", id, oneLine(reason, 500))
	if err != nil {
		return fmt.Errorf("keep why notification %s waits: %w", id, err)
	}
	return nil
}

// FinishLetter records the end of a letter, inside the transaction that completes its job. Of a dead letter whose address was
// refused, the administrators are told. Errors: ErrFinished when it has ended already.
func (s *Service) FinishLetter(ctx context.Context, tx pgx.Tx, l Letter, end LetterState, reason string, refused bool) error {
	reason = oneLine(reason, 500)
	tag, err := tx.Exec(ctx, `update notifications set state = $2::text, last_error = $3, sent_at = case when $2 = 'sent' then $4::timestamptz end
		where id = $1 and state = 'pending'`, l.ID, end, reason, s.now())
	if err != nil {
		return fmt.Errorf("finish notification %s: %w", l.ID, err)
	}
	if tag.RowsAffected() == 0 {
		return ErrFinished
	}
	if end != LetterFailed {
		return nil
	}
	if err := writeAudit(ctx, tx, AuditEntry{
		Actor: "mydb", Door: DoorSystem, Action: "notification.send", InstanceID: value(l.InstanceID), Subject: l.ID, Outcome: OutcomeFailed,
		Data: map[string]any{"kind": l.Kind, "address": l.Address, "attempts": l.Attempts, "error": reason},
	}); err != nil {
		return err
	}
	if !refused || l.FallbackOf != nil {
		return nil // a server that took nothing for two days will not take this either
	}
	l.entitle()
	return s.notify(ctx, tx, Notification{
		News:       NewsUndeliverable{Subject: l.Subject, Name: l.Name, Address: l.Address, Reason: reason},
		InstanceID: value(l.InstanceID), To: []Audience{ToAdmins}, Key: l.ID, fallbackOf: &l.ID, except: l.Address,
	})
}

// oneLine makes text safe for a header or a list: no line breaks, no control characters, at most so many characters.
func oneLine(s string, limit int) string {
	s = strings.Join(strings.FieldsFunc(strings.ToValidUTF8(s, "?"), func(r rune) bool { return r <= ' ' || r == 0x7f || hasControl(string(r)) }), " ")
	if r := []rune(s); len(r) > limit {
		return string(r[:limit-3]) + "..."
	}
	return s
}
