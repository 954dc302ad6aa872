package core_test

import (
	"strings"
	"testing"

	"github.com/mydb-project/mydb/core"
	"github.com/mydb-project/mydb/core/coretest"
)

// TestTokensAreRecognised: a scanner for secrets tells a token from what only looks like one.
func TestTokensAreRecognised(t *testing.T) {
	s, _ := coretest.New(t)
	_, secret, err := s.MakeToken(t.Context(), core.Request{Actor: coretest.Actor(t, s, "ada", false), Door: core.DoorPortal}, core.NewToken{Name: "laptop"})
	if err != nil || !core.IsToken(secret) {
		t.Fatalf("a token is not recognised (%v)", err)
	}
	other := "a"
	if secret[10] == 'a' {
		other = "b"
	}
	for what, text := range map[string]string{
		"a letter changed": secret[:10] + other + secret[11:], "cut short": secret[:len(secret)-1], "longer": secret + "a",
		"another prefix": "mydc_" + strings.TrimPrefix(secret, core.TokenPrefix), "nothing": "",
	} {
		if core.IsToken(text) {
			t.Errorf("%s: %q", what, text)
		}
	}
}
