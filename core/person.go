package core

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/rs/xid"
)

// Person is somebody who may use MyDB.
type Person struct {
	ID         string     `json:"id"`
	Login      string     `json:"login"`
	Email      *string    `json:"email"`
	Name       string     `json:"name"`
	Admin      bool       `json:"admin"`
	Groups     []string   `json:"groups,omitempty"` // of the directory, as it said last
	Auditor    bool       `json:"auditor,omitempty"`
	Leads      []string   `json:"leads,omitempty"` // groups of whose members they see the databases
	DisabledAt *time.Time `json:"disabled_at,omitempty"`
	CreatedAt  time.Time  `json:"created_at"`
	// AnsweredAt is when the directory said last that they are there.
	AnsweredAt *time.Time `json:"-"`
}

const personColumns = "id, login, email, name, admin, groups, auditor, leads, disabled_at, created_at, answered_at"

// Scope says what a token may be used for. A person who is logged in has every scope.
type Scope string

// The scopes, from narrow to wide; each includes those before it.
const (
	ScopeRead    Scope = "read"
	ScopeOperate Scope = "operate"
	ScopeAdmin   Scope = "admin"
)

var scopeRank = map[Scope]int{ScopeRead: 1, ScopeOperate: 2, ScopeAdmin: 3}

// Actor is a person who was recognised at a door, and what they may do through it.
type Actor struct {
	Person
	Scope Scope
}

// may reports whether the actor's scope covers what is asked.
func (a Actor) may(scope Scope) bool { return scopeRank[a.Scope] >= scopeRank[scope] }

// IsAdmin reports whether the actor acts as an administrator: the person is one, and the token allows it.
func (a Actor) IsAdmin() bool { return a.Admin && a.may(ScopeAdmin) }

// needs refuses what the scope does not cover, and all changes to those who only audit.
func (a Actor) needs(scope Scope) error {
	if a.ID == "" || scope == ScopeRead || !a.onlyAudits() {
		return a.covers(scope)
	}
	return Errorf(CodeForbidden, "You are an auditor here: you read what is known of every database, and change nothing. Somebody else has to do this.")
}

// covers is needs for what also auditors do, which is about nobody but themselves.
func (a Actor) covers(scope Scope) error {
	if a.ID == "" {
		return Errorf(CodeUnauthenticated, "Log in first.")
	}
	if !a.may(scope) {
		return Errorf(CodeForbidden, "This token may only %s. Make a token with the scope %s on your account page.", a.Scope, scope)
	}
	return nil
}

// Directory knows who a person is. Implementations live in core/directory.
type Directory interface {
	// Authenticate checks a login and password and gives the person, who has a row in the catalogue afterwards. Login may be the
	// login name or the mail address. It takes the same time for unknown people as for wrong passwords.
	// Errors: CodeUnauthenticated with one sentence for both; CodeForbidden for somebody who may not log in, and CodeTaken for a mail address
	// that two have, each with the reason; CodeUnavailable when the directory does not answer.
	Authenticate(ctx context.Context, login, password string) (Person, error)
	// Lookup reads an account anew, without its password. Errors: CodeNotFound for somebody who is not there any more, CodeForbidden for
	// somebody who may not log in any more, CodeUnavailable.
	Lookup(ctx context.Context, login string) (Account, error)
}

// Account is a person as a directory or development mode describes them.
type Account struct {
	Login        string
	Email        string
	Name         string
	Admin        bool
	Groups       []string
	PasswordHash string // argon2id, for local accounts
}

// SavePerson makes or updates the person with the account's login. An empty password hash keeps the one that is there. A mail address
// that another person has already is left out: it stands for one person. Somebody whom MyDB had disabled because the directory said that
// they were gone is back with it.
func (s *Service) SavePerson(ctx context.Context, a Account) (Person, error) {
	type saved struct {
		Person
		WasAdmin, WasAuditor, WasGone bool
		WasLeads                      []string
	}
	p, err := one[saved](ctx, s.db, `
		with was as (select admin, auditor, leads, gone_why <> '' as gone from people where login = lower($2)), saved as (
		insert into people (id, login, email, name, admin, password_hash, groups, auditor, leads, asked_at, answered_at)
		select $1, lower($2), case when not exists (select from people o where o.email = lower($3) and o.login <> lower($2)) then lower(nullif($3, '')) end,
			$4, $5, nullif($6, ''), coalesce($7::text[], '{}'), $8, $9, $10, $10
		on conflict (login) do update set email = excluded.email, name = excluded.name, admin = excluded.admin, groups = excluded.groups,
			auditor = excluded.auditor, leads = excluded.leads, asked_at = excluded.asked_at, answered_at = excluded.answered_at,
			missing_since = null, missing_at = null, missing_why = '', gone_why = '',
			disabled_at = case when people.gone_why = '' then people.disabled_at end,
			password_hash = coalesce(excluded.password_hash, people.password_hash)
		returning `+personColumns+`) select saved.*, coalesce(was.admin, false) as was_admin, coalesce(was.gone, false) as was_gone,
			coalesce(was.auditor, false) as was_auditor, coalesce(was.leads, '{}') as was_leads from saved left join was on true`, xid.New().String(), a.Login, a.Email, a.Name, a.Admin, a.PasswordHash, a.Groups,
		s.policy.Roles.Audits(a.Groups), s.policy.Roles.Led(a.Groups), s.now())
	if err != nil {
		return p.Person, fmt.Errorf("save person %s: %w", a.Login, err)
	}
	if p.WasGone {
		if err := s.noteReturn(ctx, p.Person); err != nil {
			return p.Person, err
		}
	}
	was := Person{Admin: p.WasAdmin, Auditor: p.WasAuditor, Leads: p.WasLeads}
	return p.Person, s.noteRole(ctx, p.Person, was)
}

// PasswordHash reads the hash of a local account by login name or mail address. Errors: CodeNotFound.
func (s *Service) PasswordHash(ctx context.Context, login string) (Person, string, error) {
	type row struct {
		Person
		PasswordHash string
	}
	r, err := one[row](ctx, s.db, `select `+personColumns+`, password_hash from people
		where (login = $1 or email = $1) and password_hash is not null and disabled_at is null`, strings.ToLower(login))
	if notFound(err) {
		return Person{}, "", Errorf(CodeNotFound, "There is no local account %q.", login)
	}
	return r.Person, r.PasswordHash, err
}

// Person finds somebody by id, as the doors do for a session. Errors: CodeNotFound, also for people who were disabled.
func (s *Service) Person(ctx context.Context, id string) (Person, error) {
	p, err := one[Person](ctx, s.db, "select "+personColumns+" from people where id = $1 and disabled_at is null", id)
	if notFound(err) {
		return p, Errorf(CodeNotFound, "There is no such person.")
	}
	return p, err
}

// Account gives a local account by its login name. Errors: CodeNotFound; CodeForbidden for one that was disabled.
func (s *Service) Account(ctx context.Context, login string) (Account, error) {
	r, err := one[Person](ctx, s.db, "select "+personColumns+" from people where login = lower($1) and password_hash is not null", login)
	switch {
	case notFound(err):
		return Account{}, Errorf(CodeNotFound, "There is no local account %q.", clip(login))
	case err != nil:
		return Account{}, fmt.Errorf("read the account: %w", err)
	case r.DisabledAt != nil:
		return Account{}, Errorf(CodeForbidden, "The account %s was disabled.", r.Login)
	}
	return Account{Login: r.Login, Email: value(r.Email), Name: r.Name, Admin: r.Admin, Groups: r.Groups}, nil
}
