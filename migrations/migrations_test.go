package migrations_test

import (
	"strings"
	"sync"
	"testing"

	"github.com/mydb-project/mydb/core/coretest"
	"github.com/mydb-project/mydb/migrations"
)

func TestTwoProcessesMigrateAtOnce(t *testing.T) {
	ownerURL, appURL := coretest.Empty(t)
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			if err := migrations.Run(t.Context(), ownerURL, appURL); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	pool := coretest.Pool(t, appURL)
	behind, err := migrations.Behind(t.Context(), pool)
	if err != nil || behind != 0 {
		t.Errorf("behind = %d, %v; want 0", behind, err)
	}
}

func TestBehindAnEmptyDatabase(t *testing.T) {
	ownerURL, _ := coretest.Empty(t)
	if behind, err := migrations.Behind(t.Context(), coretest.Pool(t, ownerURL)); err != nil || behind < 1 {
		t.Errorf("behind = %d, %v; want at least 1", behind, err)
	}
}

func TestRunSaysWhatIsWrongWithoutSecrets(t *testing.T) {
	err := migrations.Run(t.Context(), "", "postgres://user:canary@host:notaport/db")
	if err == nil || !containsOnly(err.Error(), "MYDB_DATABASE_URL", "canary") {
		t.Errorf("err = %v; want the variable, without the password", err)
	}
}

func containsOnly(text, want, secret string) bool {
	return strings.Contains(text, want) && !strings.Contains(text, secret)
}
