package local_test

import (
	"testing"

	"github.com/mydb-project/mydb/core"
	"github.com/mydb-project/mydb/core/coretest"
	"github.com/mydb-project/mydb/core/directory/local"
)

func TestAuthenticate(t *testing.T) {
	s, _ := coretest.New(t)
	hash, err := local.Hash("correct horse battery")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.SavePerson(t.Context(), core.Account{Login: "Ada", Email: "Ada@example.com", Name: "Ada", PasswordHash: hash}); err != nil {
		t.Fatal(err)
	}
	d, err := local.New(s)
	if err != nil {
		t.Fatal(err)
	}
	for _, login := range []string{"ada", "ADA", "ada@example.com"} {
		if p, err := d.Authenticate(t.Context(), login, "correct horse battery"); err != nil || p.Login != "ada" {
			t.Errorf("Authenticate(%q) = %v, %v; want ada", login, p, err)
		}
	}
	for _, c := range [][2]string{{"ada", "wrong"}, {"ada", ""}, {"nobody", "correct horse battery"}, {"' or 1=1 --", "x"}} {
		if _, err := d.Authenticate(t.Context(), c[0], c[1]); core.CodeOf(err) != core.CodeUnauthenticated {
			t.Errorf("Authenticate(%q, %q): %v; want %s", c[0], c[1], err, core.CodeUnauthenticated)
		}
	}
}
