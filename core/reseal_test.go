package core_test

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/mydb-project/mydb/core"
	"github.com/mydb-project/mydb/core/coretest"
	"github.com/mydb-project/mydb/core/crypt"
)

// TestReseal rotates the key of a site with secrets and backups: everything can be opened at every moment, and in the end only
// the old backups need the old key.
func TestReseal(t *testing.T) {
	_, appURL := coretest.Database(t)
	pool := coretest.Pool(t, appURL)
	content, err := crypt.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	start := func() (*core.Service, *crypt.Keyring) {
		keys, err := crypt.ReadKeyring(path)
		if err != nil {
			t.Fatal(err)
		}
		return coretest.Service(t, pool, core.Options{Keys: keys, Backups: core.Backups{On: true}}), keys
	}
	s, keys := start()
	if err := s.PreparePorts(t.Context()); err != nil {
		t.Fatal(err)
	}
	ada := coretest.Actor(t, s, "ada", false)
	r, err := s.Do(t.Context(), request(ada, "again", core.Create{Engine: "postgres", Name: "genomes", Password: "a password of hers", InitSQL: "select 1"}))
	if err != nil {
		t.Fatal(err)
	}
	ready(t, s, pool, r)
	if _, err := s.Authority(t.Context()); err != nil {
		t.Fatal(err)
	}
	backup := func(key string) {
		t.Helper()
		if _, err := s.Do(t.Context(), request(ada, "", core.MakeBackup{On: core.On{Database: "genomes"}})); err != nil {
			t.Fatal(err)
		}
		finishBackups(t, s, pool, 1000)
		if _, err := pool.Exec(t.Context(), `update backups set manifest = manifest || jsonb_build_object('keys', jsonb_build_array($1::text, 'age1escrow')) where not manifest ? 'keys'`, key); err != nil {
			t.Fatal(err)
		}
	}
	old := keys.Public()[0]
	backup(old)
	if _, err := crypt.RotateKeyFile(path); err != nil {
		t.Fatal(err)
	}

	after, rotated := start()
	fresh := rotated.Public()[0]
	backup(fresh)
	status := func(secrets, oldSecrets int) {
		t.Helper()
		got, err := after.KeyStatus(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if len(got.Keys) != 2 || got.Keys[0].Secrets != secrets || got.Keys[1].Secrets != oldSecrets || len(got.Keys[0].Backups) != 1 || len(got.Keys[1].Backups) != 1 {
			t.Errorf("status %+v; want %d secrets of the new key, %d of the old one, a backup of each", got, secrets, oldSecrets)
		}
		if got.Without.Secrets != 0 || got.Without.Backups != nil {
			t.Errorf("lost: %+v", got.Without)
		}
	}
	status(0, 3) // the password, the script and the authority
	if got, err := after.Reseal(t.Context(), "root@host"); err != nil || got != (core.Resealed{Now: 3}) {
		t.Errorf("resealed %+v, %v", got, err)
	}
	status(3, 0)
	if got, err := after.Reseal(t.Context(), "root@host"); err != nil || got != (core.Resealed{Before: 3}) {
		t.Errorf("a second time: %+v, %v", got, err)
	}
	// The process that runs on with the old file reads it again.
	for _, x := range []*core.Service{s, after} {
		if got, err := x.Collect(t.Context(), request(ada, "", nil), "genomes"); err != nil || got.Password != "a password of hers" {
			t.Errorf("%+v, %v", got, err)
		}
	}
	// A request of before the rotation that is repeated after it is recognised.
	again, err := after.Do(t.Context(), request(ada, "again", core.Create{Engine: "postgres", Name: "genomes", Password: "a password of hers", InitSQL: "select 1"}))
	if err != nil || !again.Replayed {
		t.Errorf("%+v, %v", again.Replayed, err)
	}
	root := coretest.Actor(t, s, "root", true)
	entries, err := s.Audit(t.Context(), root, 100)
	if err != nil || !slices.ContainsFunc(entries, func(e core.AuditEntry) bool {
		return e.Action == "key.reseal" && e.Actor == "root@host" && e.Subject == fresh
	}) {
		t.Errorf("not in the audit trail: %v", err)
	}
}

// TestOtherKey has a clear sentence in a process without the key, and loses nothing.
func TestOtherKey(t *testing.T) {
	_, appURL := coretest.Database(t)
	pool := coretest.Pool(t, appURL)
	s := coretest.Service(t, pool, core.Options{})
	if err := s.PreparePorts(t.Context()); err != nil {
		t.Fatal(err)
	}
	ada := coretest.Actor(t, s, "ada", false)
	r, err := s.Do(t.Context(), request(ada, "", core.Create{Engine: "postgres", Name: "genomes"}))
	if err != nil {
		t.Fatal(err)
	}
	ready(t, s, pool, r)
	if _, err := s.Authority(t.Context()); err != nil {
		t.Fatal(err)
	}
	other := coretest.Service(t, pool, core.Options{})
	_, collect := other.Collect(t.Context(), request(ada, "", nil), "genomes")
	_, authority := other.Authority(t.Context())
	for _, err := range []error{collect, authority} {
		if core.CodeOf(err) != core.CodeUnavailable || !strings.Contains(core.Explain(slog.New(slog.DiscardHandler), err).Message, "MYDB_KEY_FILE") {
			t.Errorf("%v", err)
		}
	}
	if got, err := other.Reseal(t.Context(), "root"); err != nil || got != (core.Resealed{Lost: 2}) {
		t.Errorf("%+v, %v", got, err)
	}
	status, err := other.KeyStatus(t.Context())
	if err != nil || status.Without.Secrets != 2 {
		t.Errorf("%+v, %v", status, err)
	}
	if _, err := s.Authority(t.Context()); err != nil {
		t.Errorf("after the attempt of another: %v", err)
	}
}

// TestSealedColumns knows of every column that might hold something sealed, so that none is forgotten when a key is rotated.
func TestSealedColumns(t *testing.T) {
	ownerURL, _ := coretest.Database(t)
	rows, err := coretest.Pool(t, ownerURL).Query(t.Context(), `select table_name || '.' || column_name from information_schema.columns
		where table_schema = 'public' and data_type = 'bytea' and table_name not like 'river%' order by 1`)
	if err != nil {
		t.Fatal(err)
	}
	columns, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	plain := []string{"audit_anchors.hash", "audit_chain.hash", "audit_pruned.hash", "link_codes.hash", "links.hash", "requests.digest", "sessions.data", "tokens.hash"} // hashes, and what holds no secret
	for _, column := range columns {
		if !slices.Contains(plain, column) && !slices.Contains(core.SealedColumns(), column) {
			t.Errorf("%s: if something sealed is in it, it belongs into sealedColumns; if not, into this test", column)
		}
	}
}

// TestEscrow warns of a key until a restore with it was proven, and a year later again.
func TestEscrow(t *testing.T) {
	now := time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC)
	_, appURL := coretest.Database(t)
	pool := coretest.Pool(t, appURL)
	s := coretest.Service(t, pool, core.Options{Now: func() time.Time { return now }, Backups: core.Backups{On: true, Escrow: []string{"age1one", "age1two"}}})
	if err := s.PreparePorts(t.Context()); err != nil {
		t.Fatal(err)
	}
	ada := coretest.Actor(t, s, "ada", false)
	r, err := s.Do(t.Context(), request(ada, "", core.Create{Engine: "postgres", Name: "genomes"}))
	if err != nil {
		t.Fatal(err)
	}
	ready(t, s, pool, r)
	made, err := s.Do(t.Context(), request(ada, "", core.MakeBackup{On: core.On{Database: "genomes"}}))
	if err != nil {
		t.Fatal(err)
	}
	warns := func(one, two string) {
		t.Helper()
		states, err := s.EscrowStates(t.Context())
		if err != nil || len(states) != 2 {
			t.Fatalf("%+v, %v", states, err)
		}
		for n, want := range []string{one, two} {
			if got := states[n].Warning; want == "" && got != "" || !strings.Contains(got, want) {
				t.Errorf("%s: %q, want %q", states[n].Escrow, got, want)
			}
		}
	}
	prove := func(key, backup string, level core.ProofLevel) error {
		return s.ProveEscrow(context.Background(), core.EscrowProof{Escrow: key, BackupID: backup, Level: level, By: "ada@vault"})
	}
	warns("nobody has proven", "nobody has proven")
	if err := prove("age1one", "unknown", core.ProofRestored); core.CodeOf(err) != core.CodeNotFound {
		t.Errorf("%v", err)
	}
	for _, x := range []struct {
		key   string
		level core.ProofLevel
	}{{"age1one", core.ProofRestored}, {"age1two", core.ProofRead}, {"age1three", core.ProofRestored}} {
		if err := prove(x.key, made.Backup.ID, x.level); err != nil {
			t.Fatal(err)
		}
	}
	warns("", "never restored")
	now = now.AddDate(0, 11, 0)
	if err := prove("age1one", made.Backup.ID, core.ProofRead); err != nil { // takes nothing away from the restore
		t.Fatal(err)
	}
	warns("", "never restored")
	now = now.AddDate(0, 2, 0)
	warns("never restored", "more than a year ago")
}
