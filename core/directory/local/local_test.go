package local_test

import (
	"runtime"
	"testing"

	"github.com/mydb-project/mydb/core"
	"github.com/mydb-project/mydb/core/coretest"
	"github.com/mydb-project/mydb/core/directory/directorytest"
	"github.com/mydb-project/mydb/core/directory/local"
)

func TestDirectory(t *testing.T) {
	s, pool := coretest.New(t)
	const password = "correct horse battery"
	hash, err := local.Hash(password)
	if err != nil {
		t.Fatal(err)
	}
	for _, login := range []string{"Ada", "left"} {
		if _, err := s.SavePerson(t.Context(), core.Account{Login: login, Email: login + "@example.com", Name: login, PasswordHash: hash}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := pool.Exec(t.Context(), "update people set disabled_at = now() where login = 'left'"); err != nil {
		t.Fatal(err)
	}
	d, err := local.New(s)
	if err != nil {
		t.Fatal(err)
	}
	directorytest.Test(t, directorytest.Directory{Directory: d, Service: s, Login: "ada", Mail: "ada@example.com", Password: password, Gone: "left"})
}

// TestUnknownPeopleCostAHash: somebody who is not there is compared with a hash, too, so that the time of the answer does not tell who is.
// What is measured is memory, of which each comparison takes 19 MiB: a time would depend on the machine.
func TestUnknownPeopleCostAHash(t *testing.T) {
	s, _ := coretest.New(t)
	hash, err := local.Hash("correct horse battery")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.SavePerson(t.Context(), core.Account{Login: "ada", Name: "Ada", PasswordHash: hash}); err != nil {
		t.Fatal(err)
	}
	d, err := local.New(s)
	if err != nil {
		t.Fatal(err)
	}
	for _, login := range []string{"ada", "nobody"} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := d.Authenticate(t.Context(), login, "a wrong password")
		runtime.ReadMemStats(&after)
		if took := after.TotalAlloc - before.TotalAlloc; core.CodeOf(err) != core.CodeUnauthenticated || took < 16<<20 {
			t.Errorf("%s: %v, with %d bytes", login, err, took)
		}
	}
}
