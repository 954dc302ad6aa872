package jobs_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"

	"filippo.io/age"

	"github.com/mydb-project/mydb/core"
	"github.com/mydb-project/mydb/core/coretest"
	"github.com/mydb-project/mydb/core/crypt"
	"github.com/mydb-project/mydb/jobs"
)

// spoilingStore is a store that cannot keep the backups of MyDB's own database when it is told so.
type spoilingStore struct {
	jobs.Store
	spoil string // put, change, or nothing
}

func (s *spoilingStore) Put(ctx context.Context, key string, r io.Reader, expected int64) error {
	if s.spoil == "put" {
		_, _ = io.CopyN(io.Discard, r, 10)
		return errors.New("the bucket is full")
	}
	return s.Store.Put(ctx, key, r, expected)
}

func (s *spoilingStore) Get(ctx context.Context, key string) (io.ReadCloser, error) {
	r, err := s.Store.Get(ctx, key)
	if err != nil || s.spoil != "change" {
		return r, err
	}
	return struct {
		io.Reader
		io.Closer
	}{io.MultiReader(io.LimitReader(r, 300), strings.NewReader("x"), r), r}, nil
}

// TestCatalogueBackup backs up MyDB's own database, which counts only once it was read back, and leaves nothing of one that failed.
func TestCatalogueBackup(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	_, appURL := coretest.Database(t)
	pool := coretest.Pool(t, appURL)
	escrow, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	key, err := crypt.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	keys, err := crypt.ParseKeyring(key)
	if err != nil {
		t.Fatal(err)
	}
	service := coretest.Service(t, pool, core.Options{Keys: keys, Backups: core.Backups{On: true, Escrow: []string{escrow.Recipient().String()}}})
	root := coretest.Actor(t, service, "root", true)
	kept, err := openStore(ctx, "file://"+t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	store := &spoilingStore{Store: kept}
	o := jobs.Options{DB: pool, Service: service, Store: store, Log: slog.New(slog.DiscardHandler)}
	objects := func() (all []string) {
		t.Helper()
		for o, err := range kept.List(ctx, "") {
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, o.Key)
		}
		return all
	}
	for spoil, want := range map[string]string{"put": "could not write into the store", "change": "is not what was written"} {
		store.spoil = spoil
		if _, err := jobs.BackupCatalogue(ctx, o); err == nil {
			t.Errorf("%s: it is taken for a backup", spoil)
		}
		list, _, err := service.CatalogueBackups(ctx, root, core.Page{})
		if err != nil || len(list) != 1 || list[0].State != core.BackupFailed || !strings.Contains(list[0].Error, want) {
			t.Errorf("%s: %+v, %v", spoil, list, err)
		}
		if left := objects(); len(left) > 0 {
			t.Errorf("%s: left in the store: %s", spoil, left)
		}
		if _, err := pool.Exec(ctx, "delete from catalogue_backups"); err != nil {
			t.Fatal(err)
		}
	}
	store.spoil = ""
	id, err := jobs.BackupCatalogue(ctx, o)
	if err != nil || id == "" {
		t.Fatalf("%q, %v", id, err)
	}
	if again, err := jobs.BackupCatalogue(ctx, o); err != nil || again != "" {
		t.Errorf("another one is due at once: %q, %v", again, err)
	}
	if got := strings.Join(objects(), " "); got != "catalogue/"+id+"/catalogue.sql.zst.age catalogue/"+id+"/key.age catalogue/"+id+"/manifest.json" {
		t.Errorf("in the store: %s", got)
	}
	// The holder of the escrow key gets the key file, and with it all that is in the archive.
	r, err := kept.Get(ctx, filepath.Join("catalogue", id, "key.age"))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if content, err := crypt.TakeOver(r, escrow.String()); err != nil || !strings.Contains(key, strings.TrimSpace(content[strings.Index(content, "AGE-SECRET-KEY"):])) {
		t.Errorf("the key that was handed over is another, %v", err)
	}
	if g, err := service.Gauges(ctx); err != nil || g.Catalogue == nil || *g.Catalogue > 600 {
		t.Errorf("gauges %+v, %v", g, err)
	}
	if err := jobs.Retain(ctx, o); err != nil || len(objects()) != 3 {
		t.Errorf("retention has left %s, %v", objects(), err)
	}
}
