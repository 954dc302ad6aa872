package jobs_test

import (
	"errors"
	"log/slog"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/mydb-project/mydb/core"
	"github.com/mydb-project/mydb/core/crypt"
	"github.com/mydb-project/mydb/jobs"
	"github.com/mydb-project/mydb/jobs/swarm"
)

// identity makes a keyring of one identity, and gives its public key.
func identity(t *testing.T) (*crypt.Keyring, string) {
	t.Helper()
	content, err := crypt.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	keys, err := crypt.ParseKeyring(content)
	if err != nil {
		t.Fatal(err)
	}
	return keys, keys.Public()[0]
}

// TestProveEscrow opens a backup with nothing but an escrow key, restores it, and finds out when it cannot be opened.
func TestProveEscrow(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	escrow, public := identity(t)
	stranger, _ := identity(t)
	s.env = []string{escrowEnv + "=" + public}
	s.worker("")
	i, cred := s.made("genomes")
	s.execute(i, cred, sample)
	b, o := s.backup("genomes")
	if o.State != core.OperationDone {
		t.Fatalf("backup ended as %s: %+v", o.State, o.Error)
	}
	s.verified(b.ID)

	store, err := openStore(t.Context(), s.store)
	if err != nil {
		t.Fatal(err)
	}
	var told []string
	proof := jobs.Proof{
		Store: store, Keys: escrow, Engines: allEngines(crasher{}), Catalogue: s.service.Catalogue(), Log: slog.New(slog.DiscardHandler),
		Tell: func(line string) { told = append(told, line) },
	}
	m, err := proof.Find(t.Context(), "")
	if err != nil || m.BackupID != b.ID {
		t.Fatalf("found %s, %v; want %s", m.BackupID, err, b.ID)
	}
	if err := proof.Read(t.Context(), m); err != nil || len(told) != 2 {
		t.Errorf("read %v, %v", told, err)
	}
	receipt, err := proof.Restore(t.Context(), s.runtime, m)
	if err != nil || !receipt.Proves() || receipt.Tables != 7 {
		t.Errorf("receipt %+v, %v", receipt, err)
	}
	if left, err := s.runtime.Leftovers(t.Context()); err != nil || slices.ContainsFunc(left, func(id string) bool { return strings.HasPrefix(id, "prove-") }) {
		t.Errorf("left: %v, %v", left, err)
	}

	gone, err := swarm.New(t.Context(), swarm.Options{Host: "unix:///nowhere.sock"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := proof.Restore(t.Context(), gone, m); !errors.Is(err, jobs.ErrNoEngine) {
		t.Errorf("without an engine: %v", err)
	}
	says := func(err error, want string) {
		t.Helper()
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
	_, err = proof.Find(t.Context(), "unknown")
	says(err, "there is no backup unknown")
	other := proof
	other.Keys = stranger
	_, err = other.Find(t.Context(), "")
	says(err, "none of the 1 backups in the store was made for the key age1")
	_, err = other.Find(t.Context(), b.ID)
	says(err, "was not made for the key age1")
	says(other.Read(t.Context(), m), "encrypted with a key that this process does not have")
	for _, path := range s.objects() {
		if strings.Contains(path, "/1.dump") {
			content, err := os.ReadFile(path)
			if err == nil {
				content[len(content)/2] ^= 1
				err = os.WriteFile(path, content, 0o600)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	says(proof.Read(t.Context(), m), "is not what was written")
	_, err = proof.Restore(t.Context(), s.runtime, m)
	says(err, "is not what was written")
}
