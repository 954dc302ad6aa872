package jobs_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"slices"
	"testing"
	"time"

	"github.com/rs/xid"

	"github.com/mydb-project/mydb/core"
	"github.com/mydb-project/mydb/core/coretest"
	"github.com/mydb-project/mydb/jobs"
	"github.com/mydb-project/mydb/jobs/store/storetest"
)

// TestLockedBackup keeps a backup whole for as long as the store has it locked, and then takes it out.
func TestLockedBackup(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	endpoint := storetest.Serve(t)
	s.store = storetest.LockedBucket(t, endpoint)
	s.worker("")
	i, _ := s.made("genomes")
	b, o := s.backup("genomes")
	if o.State != core.OperationDone {
		t.Fatalf("backup ended as %s: %+v %+v", o.State, o.Error, o.Steps)
	}
	s.verified(b.ID)
	where, err := openStore(t.Context(), s.store)
	if err != nil {
		t.Fatal(err)
	}
	left := func() (keys []string) {
		for o, err := range where.List(t.Context(), i.ID) {
			if err != nil {
				t.Fatal(err)
			}
			keys = append(keys, o.Key)
		}
		return keys
	}
	before := left()
	s.sql("update backups set state = 'expired'")
	options := jobs.Options{Service: s.service, Store: where, Log: slog.New(slog.DiscardHandler)}
	for range 2 {
		if err := jobs.Retain(t.Context(), options); err != nil {
			t.Errorf("a lock is no error: %v", err)
		}
	}
	if after := left(); len(after) != 3 || !slices.Equal(after, before) {
		t.Errorf("%v are left of %v", after, before)
	}
	admin := coretest.Actor(t, s.service, "root", true)
	findings, _, err := s.service.Findings(t.Context(), admin, false, core.Page{})
	if err != nil || !slices.ContainsFunc(findings, func(f core.Finding) bool { return f.Kind == core.FindingLocked }) {
		t.Errorf("findings %+v, %v", findings, err)
	}
	storetest.Unlock(t, endpoint)
	s.eventually("the store lets go of it", func() error {
		s.sql("update backups set leave_after = null")
		if err := jobs.Retain(t.Context(), options); err != nil {
			return err
		}
		if keys := left(); len(keys) > 0 {
			return fmt.Errorf("%v are left", keys)
		}
		return nil
	})
}

// TestFindOrphans looks at every object of a store but at those that are no backups by their place.
func TestFindOrphans(t *testing.T) {
	service, _ := coretest.New(t)
	admin := coretest.Actor(t, service, "root", true)
	store, err := openStore(t.Context(), "file://"+t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	instance, whole, broken := xid.New().String(), xid.New().String(), xid.New().String()
	for key, size := range map[string]int{
		"catalogue/1/manifest.json": 100, "uploads/x": 100, "readme.txt": 1, "some/where/far/away.txt": 2,
		instance + "/" + whole + "/1.dump.zst.age": 40, instance + "/" + whole + "/manifest.json": 5, instance + "/" + broken + "/1.dump.zst.age": 30,
	} {
		if err := store.Put(t.Context(), key, bytes.NewReader(make([]byte, size)), 0); err != nil {
			t.Fatal(err)
		}
	}
	options := jobs.Options{Service: service, Store: store, Log: slog.New(slog.DiscardHandler), Now: func() time.Time { return time.Now().Add(25 * time.Hour) }}
	if err := jobs.FindOrphans(t.Context(), options); err != nil {
		t.Fatal(err)
	}
	list, look, _, err := service.Orphans(context.Background(), admin, core.Page{})
	if err != nil {
		t.Fatal(err)
	}
	want := []core.Orphan{
		{Folder: instance + "/" + whole, Reason: core.OrphanUnknown, Objects: 2, Bytes: 45},
		{Folder: instance + "/" + broken, Reason: core.OrphanUnfinished, Objects: 1, Bytes: 30},
		{Folder: "some/where/far/away.txt", Reason: core.OrphanStrange, Objects: 1, Bytes: 2},
		{Folder: "readme.txt", Reason: core.OrphanStrange, Objects: 1, Bytes: 1},
	}
	for n := range list {
		list[n].WrittenAt = time.Time{}
	}
	if !slices.Equal(list, want) || look.Orphans != 4 || look.Bytes != 78 {
		t.Errorf("%+v %+v, want %+v", list, look, want)
	}
}
