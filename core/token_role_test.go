package core_test

import (
	"regexp"
	"strings"
	"testing"

	"github.com/mydb-project/mydb/core"
)

// TestTokensOfRoles makes tokens that scanners recognise, and that are worth nothing without their person.
func TestTokensOfRoles(t *testing.T) {
	l := newLaboratory(t, nil)
	sam, ada, audrey := l.person("sam", false), l.person("ada", true), l.person("audrey", false, "compliance")
	made := func(who core.Actor, scope core.Scope) (core.Token, string) {
		t.Helper()
		token, secret, err := l.s.MakeToken(t.Context(), core.Request{Actor: who, Door: core.DoorPortal}, core.NewToken{Name: "x", Scope: scope})
		if err != nil {
			t.Fatal(err)
		}
		return token, secret
	}
	token, secret := made(sam, "")
	if token.Scope != core.ScopeOperate || !regexp.MustCompile(`^mydb_[a-z2-7]{39}$`).MatchString(secret) || !core.IsToken(secret) {
		t.Errorf("%+v %s", token, secret)
	}
	for _, wrong := range []string{secret[:len(secret)-1], secret + "a", strings.Replace(secret, "mydb_", "mydc_", 1), "mydb_" + strings.Repeat("a", 39), ""} {
		if core.IsToken(wrong) {
			t.Errorf("%s is taken for a token", wrong)
		}
	}
	if masked := core.MaskSecrets("token " + secret + " was used"); strings.Contains(masked, secret) {
		t.Error("a token stays in a log")
	}
	var stored string
	if err := l.db.QueryRow(t.Context(), "select t::text from tokens t where id = $1", token.ID).Scan(&stored); err != nil || strings.Contains(stored, secret[5:]) {
		t.Errorf("stored as %s, %v", stored, err)
	}
	if a, err := l.s.Bearer(t.Context(), secret); err != nil || a.Login != "sam" || a.Scope != core.ScopeOperate {
		t.Fatalf("%+v, %v", a, err)
	}
	if list, err := l.s.Tokens(t.Context(), sam); err != nil || len(list) != 1 || list[0].LastUsedAt == nil {
		t.Errorf("when it was used: %+v, %v", list, err)
	}

	// An auditor's token only reads, also one from before they were an auditor.
	if of, _ := made(audrey, ""); of.Scope != core.ScopeRead {
		t.Errorf("an auditor's token may %s", of.Scope)
	}
	_, _, err := l.s.MakeToken(t.Context(), core.Request{Actor: audrey, Door: core.DoorPortal}, core.NewToken{Name: "x", Scope: core.ScopeOperate})
	l.refused(core.CodeForbidden, "their tokens have the scope read", err)
	l.person("sam", false, "compliance")
	turned, err := l.s.Bearer(t.Context(), secret)
	if err != nil {
		t.Fatal(err)
	}
	_, err = l.do(turned, core.Create{Name: "genomes", Engine: "postgres"})
	l.refused(core.CodeForbidden, "You are an auditor here", err)

	// An administrator's narrow token administers nothing, and none does when they are no administrator any more.
	_, narrow := made(ada, core.ScopeOperate)
	_, wide := made(ada, core.ScopeAdmin)
	if a, err := l.s.Bearer(t.Context(), narrow); err != nil || a.Role() != core.RoleUser {
		t.Errorf("a narrow token acts as %s, %v", a.Role(), err)
	}
	l.person("ada", false)
	if a, err := l.s.Bearer(t.Context(), wide); err != nil || a.Role() != core.RoleUser {
		t.Errorf("a wide token of somebody who was an administrator acts as %s, %v", a.Role(), err)
	}

	if _, err := l.db.Exec(t.Context(), "update people set disabled_at = now() where login = 'ada'"); err != nil {
		t.Fatal(err)
	}
	_, err = l.s.Bearer(t.Context(), wide)
	l.refused(core.CodeUnauthenticated, "unknown, expired or revoked", err)
	if _, err := l.db.Exec(t.Context(), "update tokens set expires_at = now() where id = $1", token.ID); err != nil {
		t.Fatal(err)
	}
	_, err = l.s.Bearer(t.Context(), secret)
	l.refused(core.CodeUnauthenticated, "unknown, expired or revoked", err)

	// Administrators end anybody's.
	of, lost := made(audrey, core.ScopeRead)
	bob := l.person("bob", true)
	bob.Scope = core.ScopeOperate
	err = l.s.RevokeToken(t.Context(), core.Request{Actor: bob, Door: core.DoorPortal}, of.ID)
	l.refused(core.CodeNotFound, "", err)
	bob.Scope = core.ScopeAdmin
	if err := l.s.RevokeToken(t.Context(), core.Request{Actor: bob, Door: core.DoorPortal}, of.ID); err != nil {
		t.Error(err)
	}
	_, err = l.s.Bearer(t.Context(), lost)
	l.refused(core.CodeUnauthenticated, "", err)
}
