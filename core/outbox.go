package core

import (
	"context"
	"encoding/json"
	"fmt"
	"net/mail"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/rs/xid"
)

// The outbox: what people are to be told is written in the transaction that it tells of, as a row for each recipient with a job
// of its own, so that it is told exactly when it has happened, and a mail server that is away holds up nothing else.

// Audience is why somebody is told.
type Audience string

// The audiences. People who are told as two of them are told once.
const (
	ToOwner     Audience = "owner"
	ToPI        Audience = "pi"
	ToContact   Audience = "contact"   // when it is a login or a mail address
	ToRequester Audience = "requester" // of the operation
	ToAdmins    Audience = "admin"
	ToPerson    Audience = "person" // those in Notification.People
)

// Notification asks for people to be told of something. When none of the audience has an address, the administrators are told.
type Notification struct {
	News        News
	InstanceID  string // what it is about; empty: no instance
	OperationID string
	To          []Audience
	People      []string // ids of further people
	// Key names what has happened: the same kind of news with the same key goes to the same address once. Default: OperationID.
	Key string
	// NotBefore is the earliest time to tell it; zero: now.
	NotBefore time.Time

	fallbackOf *string
	except     string // an address
}

// recipient is somebody who is told.
type recipient struct {
	Audience Audience
	PersonID *string
	Name     string
	Address  string
}

// notify writes what people are to be told into the outbox, in the caller's transaction.
func (s *Service) notify(ctx context.Context, tx pgx.Tx, n Notification) error {
	if n.Key == "" {
		n.Key = n.OperationID
	}
	if n.Key == "" {
		return fmt.Errorf("news of the kind %s has neither a key nor an operation", n.News.kind())
	}
	data, err := json.Marshal(n.News)
	if err != nil {
		return fmt.Errorf("encode the notification: %w", err)
	}
	to, err := s.recipients(ctx, tx, n)
	if err != nil {
		return err
	}
	off, err := switchedOff(ctx, tx, n.News.topic(), to)
	if err != nil {
		return err
	}
	for _, r := range to {
		if off[r.Address] && n.News.topic() == TopicDigest {
			continue // there is one each day
		}
		if err := s.post(ctx, tx, n, data, r, off[r.Address]); err != nil {
			return err
		}
	}
	return nil
}

// post writes one recipient's row and its job, unless they were told before. Of what they have switched off, the row says so.
func (s *Service) post(ctx context.Context, tx pgx.Tx, n Notification, data []byte, r recipient, off bool) error {
	state, why := LetterPending, ""
	switch {
	case r.Address == "":
		state, why = LetterCancelled, "not sent: nobody who should know has a mail address"
	case off:
		state, why = LetterCancelled, fmt.Sprintf("not sent: they have switched off mail of the topic %s", n.News.topic())
	}
	at := s.now()
	if n.NotBefore.After(at) {
		at = n.NotBefore
	}
	var id string
	err := tx.QueryRow(ctx, `insert into notifications (id, dedupe, kind, channel, audience, person_id, name, address, data, instance_id, operation_id,
			fallback_of, state, last_error, not_before, created_at)
		values ($1, $2, $3, 'mail', $4, $5, $6, $7, $8, nullif($9, ''), nullif($10, ''), $11, $12, $13, $14, $15)
		on conflict (dedupe) do nothing returning id`,
		xid.New().String(), strings.Join([]string{n.News.kind(), n.Key, "mail", r.Address}, "/"), n.News.kind(), r.Audience, r.PersonID, r.Name, r.Address,
		string(data), n.InstanceID, n.OperationID, n.fallbackOf, state, why, at, s.now()).Scan(&id)
	if notFound(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("write the notification: %w", err)
	}
	if state != LetterPending {
		return nil
	}
	return s.enqueueLetter(ctx, tx, id, n.InstanceID, n.NotBefore)
}

func (s *Service) enqueueLetter(ctx context.Context, tx pgx.Tx, id, instanceID string, notBefore time.Time) error {
	err := s.queue.Enqueue(ctx, tx, Job{Kind: "notify", InstanceID: instanceID, NotificationID: id, NotBefore: notBefore})
	if err != nil {
		return fmt.Errorf("enqueue the notification: %w", err)
	}
	return nil
}

// recipients finds whom to tell, each address once: the audiences, or else the administrators. When nobody has an address, one
// recipient without it stands for that.
func (s *Service) recipients(ctx context.Context, tx pgx.Tx, n Notification) ([]recipient, error) {
	found, err := many[recipient](ctx, tx, selectRecipients, n.InstanceID, n.OperationID, n.People, n.To)
	if err != nil {
		return nil, fmt.Errorf("find whom to notify: %w", err)
	}
	found = reachable(found, n.except)
	if slices.Contains(n.To, ToAdmins) || len(found) == 0 {
		admins, err := s.admins(ctx, tx)
		if err != nil {
			return nil, err
		}
		found = reachable(append(found, admins...), n.except)
	}
	if len(found) == 0 && n.fallbackOf == nil {
		found = []recipient{{Audience: ToAdmins}}
	}
	return found, nil
}

// selectRecipients gives people by audience, the closest first. Principal investigator and contact may be no people of the
// catalogue; then what was written of them may be an address.
const selectRecipients = `
	with who as (
		select 1 as rank, 'owner' as audience, owner_id as person_id, '' as written from instances where id = $1
		union all select 2, 'requester', requested_by, '' from operations where id = $2
		union all select 3, 'person', unnest($3::text[]), ''
		union all select 4, 'pi', p.id, i.pi from instances i left join people p on lower(i.pi) in (p.login, p.email) where i.id = $1
		union all select 5, 'contact', p.id, i.contact from instances i left join people p on lower(i.contact) in (p.login, p.email) where i.id = $1
	)
	select w.audience, w.person_id, coalesce(p.name, '') as name, coalesce(p.email, w.written) as address
	from who w left join people p on p.id = w.person_id
	where (w.audience = any($4) or w.audience = 'person') and p.disabled_at is null order by w.rank`

// admins are those that MYDB_MAIL_ADMINS names, or else the people who are administrators.
func (s *Service) admins(ctx context.Context, tx pgx.Tx) ([]recipient, error) {
	if len(s.mailAdmins) > 0 {
		out := make([]recipient, len(s.mailAdmins))
		for i, address := range s.mailAdmins {
			out[i] = recipient{Audience: ToAdmins, Address: address}
		}
		return out, nil
	}
	out, err := many[recipient](ctx, tx, `select 'admin' as audience, id as person_id, name, email as address from people
		where admin and disabled_at is null and email is not null order by id`)
	if err != nil {
		return nil, fmt.Errorf("find the administrators: %w", err)
	}
	return out, nil
}

// reachable keeps the first recipient with each address, in the form that addresses are compared in.
func reachable(all []recipient, except string) []recipient {
	var out []recipient
	seen := map[string]bool{except: true}
	for _, r := range all {
		a, err := mail.ParseAddress(r.Address)
		if err != nil || seen[strings.ToLower(a.Address)] {
			continue
		}
		if r.Name == "" {
			r.Name = a.Name
		}
		r.Address = strings.ToLower(a.Address)
		seen[r.Address] = true
		out = append(out, r)
	}
	return out
}

// tellOfCreate tells those who wait for it how a create ended. Administrators hear of what the person could not have done better.
func (s *Service) tellOfCreate(ctx context.Context, tx pgx.Tx, operationID string, i Instance, failure *Explanation) error {
	n := Notification{InstanceID: i.ID, OperationID: operationID, To: []Audience{ToOwner, ToRequester}}
	if failure == nil {
		old, err := oldPasswords(ctx, tx, operationID)
		if err != nil {
			return err
		}
		n.News = NewsReady{
			Old: old, Engine: i.Engine, Version: i.Version, Size: i.Size, Host: value(i.Host), Port: value(i.Port),
			Database: i.Database, Username: i.Username, ExpiresAt: i.ExpiresAt,
		}
		if err := s.offerPassword(ctx, tx, operationID, i); err != nil {
			return err
		}
		return s.notify(ctx, tx, n)
	}
	n.News = newsOfFailure("create", *failure)
	if failure.Code == CodeInternal || failure.Code == CodeUnavailable {
		n.To = append(n.To, ToAdmins)
	}
	return s.notify(ctx, tx, n)
}
