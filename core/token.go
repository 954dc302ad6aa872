package core

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"strings"
	"time"

	"github.com/rs/xid"
)

// Token is an API token as it may be listed; the secret itself is shown once, when it is made.
type Token struct {
	ID         string     `json:"id"`
	PersonID   string     `json:"-"`
	Name       string     `json:"name"`
	Scope      Scope      `json:"scope"`
	CreatedAt  time.Time  `json:"created_at"`
	ExpiresAt  time.Time  `json:"expires_at"`
	LastUsedAt *time.Time `json:"last_used_at"`
}

const tokenColumns = "id, person_id, name, scope, created_at, expires_at, last_used_at"

// TokenPrefix starts every token, so that secret scanners recognise one.
const TokenPrefix = "mydb_"

// NewToken asks for an API token. Scope defaults to operate, Expires to what the policy of the site says.
type NewToken struct {
	Name    string
	Scope   Scope
	Expires time.Time
}

// MakeToken makes a token for the actor and returns its secret, which is stored nowhere. Errors: CodeInvalid, CodeForbidden.
func (s *Service) MakeToken(ctx context.Context, req Request, n NewToken) (Token, string, error) {
	if n.Scope == "" {
		n.Scope = ScopeOperate
	}
	if n.Expires.IsZero() {
		n.Expires = s.now().Add(time.Duration(s.policy.Tokens.Default))
	}
	if err := s.checkToken(req.Actor, n); err != nil {
		return Token{}, "", err
	}
	secret := TokenPrefix + strings.ToLower(rand.Text()+rand.Text()[:6])
	t, err := one[Token](ctx, s.db, `insert into tokens (id, person_id, name, scope, hash, expires_at)
		values ($1, $2, $3, $4, $5, $6) returning `+tokenColumns,
		xid.New().String(), req.Actor.ID, n.Name, n.Scope, tokenHash(secret), n.Expires)
	if err != nil {
		return Token{}, "", fmt.Errorf("store the token: %w", err)
	}
	e := req.audit(OutcomeDone)
	e.Action, e.Subject, e.Data = "token.make", t.ID, map[string]any{"name": t.Name, "scope": t.Scope, "expires": t.ExpiresAt}
	return t, secret, writeAudit(ctx, s.db, e)
}

func (s *Service) checkToken(actor Actor, n NewToken) error {
	if l := len(n.Name); l < 1 || l > 100 || hasControl(n.Name) {
		return invalid("name", "Give the token a name of 1 to 100 characters that says what it is for.")
	}
	if scopeRank[n.Scope] == 0 {
		return invalid("scope", "A token's scope is read, operate or admin, not %q.", n.Scope)
	}
	if n.Scope == ScopeAdmin && !actor.Admin {
		return invalid("scope", "Only administrators can have tokens with the scope admin.")
	}
	if !n.Expires.After(s.now()) || n.Expires.After(s.now().Add(time.Duration(s.policy.Tokens.Maximum))) {
		return invalid("expires", "A token expires within %s from now on this site.", count(int(time.Duration(s.policy.Tokens.Maximum).Hours()/24), "day"))
	}
	return actor.covers(n.Scope)
}

// Tokens lists the actor's own live tokens, newest first.
func (s *Service) Tokens(ctx context.Context, actor Actor) ([]Token, error) {
	return many[Token](ctx, s.db, "select "+tokenColumns+` from tokens
		where person_id = $1 and revoked_at is null and expires_at > now() order by id desc`, actor.ID)
}

// RevokeToken ends one of the actor's own tokens, by id. Errors: CodeNotFound.
func (s *Service) RevokeToken(ctx context.Context, req Request, id string) error {
	tag, err := s.db.Exec(ctx, "update tokens set revoked_at = now() where id = $1 and person_id = $2 and revoked_at is null", id, req.Actor.ID)
	if err != nil {
		return fmt.Errorf("revoke the token: %w", err)
	}
	if tag.RowsAffected() == 0 {
		return Errorf(CodeNotFound, "You have no token %q.", id)
	}
	e := req.audit(OutcomeDone)
	e.Action, e.Subject = "token.revoke", id
	return writeAudit(ctx, s.db, e)
}

// Bearer recognises the person behind a token. Errors: CodeUnauthenticated, with one sentence for unknown, expired and revoked.
func (s *Service) Bearer(ctx context.Context, secret string) (Actor, error) {
	refused := Errorf(CodeUnauthenticated, "This token is unknown, expired or revoked. Make a new one on your account page.")
	if !strings.HasPrefix(secret, TokenPrefix) || len(secret) > 100 {
		return Actor{}, refused
	}
	type row struct {
		Person
		Scope Scope
	}
	r, err := one[row](ctx, s.db, `with t as (
			update tokens set last_used_at = now()
			where hash = $1 and (last_used_at is null or last_used_at < now() - interval '1 minute')
		) select `+inTable("p", personColumns)+`, t.scope
		from tokens t join people p on p.id = t.person_id
		where t.hash = $1 and t.revoked_at is null and t.expires_at > $2 and p.disabled_at is null`, tokenHash(secret), s.now())
	if notFound(err) {
		return Actor{}, refused
	}
	if err != nil {
		return Actor{}, fmt.Errorf("look up the token: %w", err)
	}
	return Actor(r), nil
}

func tokenHash(secret string) []byte {
	h := sha256.Sum256([]byte(secret))
	return h[:]
}
