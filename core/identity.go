package core

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"math/big"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// ChatIdentity is who a person is on a chat service.
type ChatIdentity struct {
	Platform Platform  `json:"platform"`
	Team     string    `json:"team"`
	UserID   string    `json:"user_id"`
	Name     string    `json:"name"`
	How      string    `json:"how"` // mail or code
	LinkedAt time.Time `json:"linked_at"`
}

// ChatProfile is what a chat service says of a user.
type ChatProfile struct {
	Name      string
	Email     string // empty where the service does not show it
	Confirmed bool   // the service has seen that the mail arrives
	Bot       bool
	Deleted   bool
	Guest     bool // restricted to some channels
	Stranger  bool // of another organisation
}

// AskChat asks a chat service about a user.
type AskChat func(ctx context.Context, user ChatUser) (ChatProfile, error)

// knownFor is for how long what a chat service has said of a user holds. Privileged acts need an answer that is no older.
const knownFor = 15 * time.Minute

// ChatActor finds out who a chat user is. Somebody who was linked by a code is known; others are known by the confirmed mail address
// that the service has of them. ask may be nil for a service that shows none.
//
// Errors: CodeUnauthenticated for whom MyDB does not know, with what they can do; CodeForbidden for bots, guests and strangers;
// CodeUnavailable when the service does not answer.
func (s *Service) ChatActor(ctx context.Context, user ChatUser, ask AskChat) (Actor, error) {
	type known struct {
		Person
		How       string
		CheckedAt time.Time
	}
	k, err := one[known](ctx, s.db, `select `+inTable("p", personColumns)+`, c.how, c.checked_at from chat_identities c join people p on p.id = c.person_id
		where c.platform = $1 and c.team = $2 and c.user_id = $3 and p.disabled_at is null`, user.Platform, user.Team, user.ID)
	if err != nil && !notFound(err) {
		return Actor{}, fmt.Errorf("look who a chat user is: %w", err)
	}
	found := err == nil
	if found && (ask == nil || s.now().Sub(k.CheckedAt) < knownFor) {
		return Actor{Person: k.Person, Scope: ScopeAdmin}, nil
	}
	if ask == nil {
		return Actor{}, unknownInChat(user)
	}
	profile, err := ask(ctx, user)
	if err != nil {
		return Actor{}, &Error{Code: CodeUnavailable, Message: "MyDB could not ask who you are. Try again in a minute.", Cause: err}
	}
	if err := profile.allowed(); err != nil {
		return Actor{}, err
	}
	if found && k.How == byCode {
		return Actor{Person: k.Person, Scope: ScopeAdmin}, s.checkedIdentity(ctx, user)
	}
	return s.actorByMail(ctx, user, profile, k.ID)
}

func (p ChatProfile) allowed() error {
	switch {
	case p.Bot:
		return Errorf(CodeForbidden, "MyDB does not work for bots. A program uses the API with a token.")
	case p.Deleted:
		return Errorf(CodeForbidden, "This account was deactivated.")
	case p.Stranger:
		return Errorf(CodeForbidden, "MyDB works for the people of its own organisation only. Ask a colleague there to share a database with you.")
	case p.Guest:
		return Errorf(CodeForbidden, "Guests cannot use MyDB. Ask the person who invited you to make a database and to share it with you.")
	}
	return nil
}

func unknownInChat(user ChatUser) error {
	return Errorf(CodeUnauthenticated, "MyDB does not know who you are here yet. Log in to the portal, get a code on your account page, and write: link <code>")
}

// actorByMail matches a chat user with the one person who has the confirmed mail address. That person is told when the chat user was none
// (known is empty) or another person before.
func (s *Service) actorByMail(ctx context.Context, user ChatUser, profile ChatProfile, known string) (Actor, error) {
	if profile.Email == "" || !profile.Confirmed {
		return Actor{}, unknownInChat(user)
	}
	list, err := many[Person](ctx, s.db, "select "+personColumns+" from people where email = lower($1) and disabled_at is null", profile.Email)
	if err != nil {
		return Actor{}, fmt.Errorf("find a person by mail address: %w", err)
	}
	if len(list) != 1 {
		return Actor{}, Errorf(CodeUnauthenticated, "No single person here has the mail address %s. Log in to the portal once, and if that does not help, "+
			"get a code on your account page there and write: link <code>", clip(profile.Email))
	}
	actor := Actor{Person: list[0], Scope: ScopeAdmin}
	if known == actor.ID {
		return actor, s.saveIdentity(ctx, s.db, user, actor.ID, byMail)
	}
	return actor, pgx.BeginFunc(ctx, s.db, func(tx pgx.Tx) error {
		if err := s.saveIdentity(ctx, tx, user, actor.ID, byMail); err != nil {
			return err
		}
		return s.tellOfIdentity(ctx, tx, Request{Actor: actor, Door: Door(user.Platform), Chat: &user}, NewsIdentity{Linked: true, How: byMail}, user)
	})
}

// How a chat user was recognised.
const (
	byMail = "mail"
	byCode = "code"
)

func (s *Service) saveIdentity(ctx context.Context, db execer, user ChatUser, personID, how string) error {
	_, err := db.Exec(ctx, `insert into chat_identities (platform, team, user_id, person_id, name, how, linked_at, checked_at) values ($1, $2, $3, $4, $5, $6, $7, $7)
		on conflict (platform, team, user_id) do update set person_id = excluded.person_id, name = excluded.name, how = excluded.how, checked_at = excluded.checked_at`,
		user.Platform, user.Team, user.ID, personID, user.Name, how, s.now())
	if err != nil {
		return fmt.Errorf("keep who a chat user is: %w", err)
	}
	return nil
}

func (s *Service) checkedIdentity(ctx context.Context, user ChatUser) error {
	_, err := s.db.Exec(ctx, "update chat_identities set checked_at = $4, name = $5 where platform = $1 and team = $2 and user_id = $3",
		user.Platform, user.Team, user.ID, s.now(), user.Name)
	if err != nil {
		return fmt.Errorf("keep when a chat user was checked: %w", err)
	}
	return nil
}

// Identities lists who a person is on chat services.
func (s *Service) Identities(ctx context.Context, actor Actor) ([]ChatIdentity, error) {
	list, err := many[ChatIdentity](ctx, s.db, "select platform, team, user_id, name, how, linked_at from chat_identities where person_id = $1 order by linked_at", actor.ID)
	if err != nil {
		return nil, fmt.Errorf("list chat identities: %w", err)
	}
	return list, nil
}

// LinkCode is a one-time code with which a person proves in chat who they are.
type LinkCode struct {
	Code      string    `json:"code"` // such as K7QM-2XPA
	ExpiresAt time.Time `json:"expires"`
}

// How codes are made and tried: 40 bits, valid for ten minutes, and a chat user may be wrong five times in that time.
const (
	codeLetters = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ" // without what is taken for another
	codeLength  = 8
	codeLife    = 10 * time.Minute
	codeTries   = 5
)

// MakeLinkCode makes a code for the person; an earlier one is not valid any more.
func (s *Service) MakeLinkCode(ctx context.Context, req Request) (LinkCode, error) {
	if err := req.Actor.covers(ScopeAdmin); err != nil {
		return LinkCode{}, err
	}
	code := newCode()
	l := LinkCode{Code: code[:codeLength/2] + "-" + code[codeLength/2:], ExpiresAt: s.now().Add(codeLife)}
	err := pgx.BeginFunc(ctx, s.db, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "delete from link_codes where person_id = $1 and used_at is null", req.Actor.ID); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, "insert into link_codes (hash, person_id, expires_at, created_at) values ($1, $2, $3, $4)", s.codeHash(code), req.Actor.ID, l.ExpiresAt, s.now())
		if err != nil {
			return err
		}
		e := req.audit(OutcomeDone)
		e.Action, e.Subject = "identity.code", req.Actor.Login
		return writeAudit(ctx, tx, e)
	})
	if err != nil {
		return LinkCode{}, fmt.Errorf("make a code: %w", err)
	}
	return l, nil
}

func newCode() string {
	var b strings.Builder
	for range codeLength {
		n, err := rand.Int(rand.Reader, big.NewInt(int64(len(codeLetters))))
		if err != nil {
			panic("no randomness: " + err.Error()) // crypto/rand never fails on a supported system
		}
		b.WriteByte(codeLetters[n.Int64()])
	}
	return b.String()
}

// codeHash is what is kept of a code. People write it with or without its hyphen, in any case.
func (s *Service) codeHash(code string) []byte {
	plain := strings.NewReplacer("-", "", " ", "").Replace(strings.ToUpper(code))
	return s.keys.Digest([]byte("link code\n" + plain))
}

// OfferLink takes a code that was typed in chat, and gives whom it would make the chat user. It counts only after ConfirmLink.
// Errors: CodeInvalid for a wrong code, CodeTooMany after too many of them, CodeForbidden.
func (s *Service) OfferLink(ctx context.Context, user ChatUser, code string, ask AskChat) (p Person, offer string, err error) {
	if ask != nil {
		profile, err := ask(ctx, user)
		if err != nil {
			return p, "", &Error{Code: CodeUnavailable, Message: "MyDB could not ask who you are here. Try again in a minute.", Cause: err}
		}
		if err := profile.allowed(); err != nil {
			return p, "", err
		}
	}
	var tries int
	err = s.db.QueryRow(ctx, "select count(*) from link_tries where platform = $1 and team = $2 and user_id = $3 and at > $4",
		user.Platform, user.Team, user.ID, s.now().Add(-codeLife)).Scan(&tries)
	if err != nil {
		return p, "", fmt.Errorf("count wrong codes: %w", err)
	}
	if tries >= codeTries {
		return p, "", Errorf(CodeTooMany, "That were too many wrong codes. Wait ten minutes, then get a new code on your account page in the portal.")
	}
	hash := s.codeHash(code)
	p, err = one[Person](ctx, s.db, `with mine as (update link_codes set platform = $2, team = $3, user_id = $4, name = $5
			where hash = $1 and used_at is null and expires_at > $6 and (user_id is null or user_id = $4 and platform = $2 and team = $3) returning person_id)
		select `+inTable("p", personColumns)+` from mine join people p on p.id = mine.person_id where p.disabled_at is null`,
		hash, user.Platform, user.Team, user.ID, user.Name, s.now())
	if notFound(err) {
		if _, err := s.db.Exec(ctx, "insert into link_tries (platform, team, user_id, at) values ($1, $2, $3, $4)", user.Platform, user.Team, user.ID, s.now()); err != nil {
			return p, "", fmt.Errorf("count a wrong code: %w", err)
		}
		return p, "", Errorf(CodeInvalid, "This code is wrong, used or older than ten minutes. Get a new one on your account page in the portal.")
	}
	if err != nil {
		return p, "", fmt.Errorf("look for the code: %w", err)
	}
	return p, hex.EncodeToString(hash), nil
}

// ConfirmLink makes a link count that OfferLink has offered to this chat user. The person is told by mail.
func (s *Service) ConfirmLink(ctx context.Context, user ChatUser, offer string) (p Person, err error) {
	hash, err := hex.DecodeString(offer)
	if err != nil {
		return p, Errorf(CodeInvalid, "This button is none of MyDB's.")
	}
	err = pgx.BeginFunc(ctx, s.db, func(tx pgx.Tx) error {
		p, err = one[Person](ctx, tx, `with mine as (update link_codes set used_at = $5
				where hash = $1 and used_at is null and expires_at > $5 and platform = $2 and team = $3 and user_id = $4 returning person_id)
			select `+inTable("p", personColumns)+` from mine join people p on p.id = mine.person_id where p.disabled_at is null`,
			hash, user.Platform, user.Team, user.ID, s.now())
		if notFound(err) {
			return Errorf(CodeGone, "This was confirmed already, or its ten minutes are over. Get a new code on your account page in the portal.")
		}
		if err != nil {
			return err
		}
		if err := s.saveIdentity(ctx, tx, user, p.ID, byCode); err != nil {
			return err
		}
		return s.tellOfIdentity(ctx, tx, Request{Actor: Actor{Person: p}, Door: Door(user.Platform), Chat: &user}, NewsIdentity{Linked: true, How: byCode}, user)
	})
	return p, err
}

// Unlink forgets who a person is on a chat service; one's own identities only. Doing it twice is success.
func (s *Service) Unlink(ctx context.Context, req Request, user ChatUser) error {
	return pgx.BeginFunc(ctx, s.db, func(tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, "delete from chat_identities where platform = $1 and team = $2 and user_id = $3 and person_id = $4", user.Platform, user.Team, user.ID, req.Actor.ID)
		if err != nil {
			return fmt.Errorf("unlink: %w", err)
		}
		if tag.RowsAffected() == 0 {
			return nil
		}
		return s.tellOfIdentity(ctx, tx, req, NewsIdentity{}, user)
	})
}

// tellOfIdentity records, and tells by mail, that somebody acts as a person in chat from now on, or not any more.
func (s *Service) tellOfIdentity(ctx context.Context, tx pgx.Tx, req Request, news NewsIdentity, user ChatUser) error {
	action, p := "identity.link", req.Actor.Person
	if !news.Linked {
		action = "identity.unlink"
	}
	news.Platform, news.Name = user.Platform, user.Name
	e := req.audit(OutcomeDone)
	e.Action, e.Subject = action, p.Login
	e.Data = map[string]any{"platform": user.Platform, "team": user.Team, "user": user.ID, "name": user.Name}
	if err := writeAudit(ctx, tx, e); err != nil {
		return err
	}
	return s.notify(ctx, tx, Notification{
		News: news, To: []Audience{ToPerson}, People: []string{p.ID},
		Key: strings.Join([]string{string(user.Platform), user.Team, user.ID, action, s.now().Format(time.RFC3339Nano)}, "/"),
	})
}
