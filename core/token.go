package core

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"regexp"
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

// NewToken asks for an API token. Scope defaults to operate, or to read for those who can have no wider one, Expires to what the policy of the site says.
type NewToken struct {
	Name    string
	Scope   Scope
	Expires time.Time
}

// MakeToken makes a token for the actor and returns its secret, which is stored nowhere. Errors: CodeInvalid, CodeForbidden.
func (s *Service) MakeToken(ctx context.Context, req Request, n NewToken) (_ Token, _ string, err error) {
	defer s.refusing(ctx, req, "token.make", n.Name, &err)
	if n.Scope == "" {
		n.Scope = widest(req.Actor)
	}
	if n.Expires.IsZero() {
		n.Expires = s.now().Add(time.Duration(s.policy.Tokens.Default))
	}
	if n.Scope == ScopeAdmin {
		if err := s.sure(ctx, &req); err != nil {
			return Token{}, "", err
		}
	}
	if err := s.checkToken(req.Actor, n); err != nil {
		return Token{}, "", err
	}
	secret := newSecret()
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
	if n.Scope != ScopeRead && actor.onlyAudits() {
		return &Error{Code: CodeForbidden, Field: "scope", Message: "Auditors change nothing, so their tokens have the scope read."}
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

// RevokeToken ends a token, by id: one's own, or anybody's as an administrator. A token that may only read ends none but itself, which it
// does not know. Errors: CodeNotFound, CodeForbidden.
func (s *Service) RevokeToken(ctx context.Context, req Request, id string) (err error) {
	defer s.refusing(ctx, req, "token.revoke", id, &err)
	if err := req.Actor.covers(ScopeOperate); err != nil {
		return err
	}
	if req, err = s.privileged(ctx, req); err != nil {
		return err
	}
	var of, name string
	err = s.db.QueryRow(ctx, `update tokens t set revoked_at = now() from people p where t.id = $1 and (t.person_id = $2 or $3) and t.revoked_at is null
		and p.id = t.person_id returning p.login, t.name`, id, req.Actor.ID, req.Actor.IsAdmin()).Scan(&of, &name)
	if notFound(err) {
		return unsure(req, Errorf(CodeNotFound, "You have no token %q.", clip(id)))
	}
	if err != nil {
		return fmt.Errorf("revoke the token: %w", err)
	}
	e := req.audit(OutcomeDone)
	e.Action, e.Subject, e.Data = "token.revoke", id, map[string]any{"name": name, "of": of}
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

// newSecret makes a token: 160 random bits in base32, and the CRC-32 of them as seven more letters, by which a scanner tells a token from
// what only looks like one.
func newSecret() string {
	body := strings.ToLower(rand.Text() + rand.Text()[:6])
	return TokenPrefix + body + checksum(body)
}

// checksum is the CRC-32 (IEEE) of a text, in the letters of base32.
func checksum(body string) string {
	sum := binary.BigEndian.AppendUint32(nil, crc32.ChecksumIEEE([]byte(body)))
	return strings.ToLower(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(sum))
}

var tokenPattern = regexp.MustCompile(`^` + TokenPrefix + `([a-z2-7]{32})([a-z2-7]{7})$`)

// IsToken reports whether a text is a whole token, as scanners for secrets do. Tokens of before 2026-12 have no checksum.
func IsToken(text string) bool {
	m := tokenPattern.FindStringSubmatch(text)
	return m != nil && checksum(m[1]) == m[2]
}

// widest is the scope that a token has of which nothing is said.
func widest(a Actor) Scope {
	if a.onlyAudits() || !a.may(ScopeOperate) {
		return ScopeRead
	}
	return ScopeOperate
}

func tokenHash(secret string) []byte {
	h := sha256.Sum256([]byte(secret))
	return h[:]
}
