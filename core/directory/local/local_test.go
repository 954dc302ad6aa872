package local_test

import (
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
