package core_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rs/xid"

	"github.com/mydb-project/mydb/core"
	"github.com/mydb-project/mydb/core/coretest"
)

// kindsOf lists the findings that are open, as kind and severity.
func kindsOf(t *testing.T, s *core.Service, admin core.Actor) (out []string) {
	t.Helper()
	list, _, err := s.Findings(t.Context(), admin, false, core.Page{})
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range list {
		out = append(out, f.Kind+" "+string(f.Severity))
	}
	slices.Sort(out)
	return out
}

// TestOrphans lists what belongs to no backup and nothing else, and raises an alarm for a backup that is not there.
func TestOrphans(t *testing.T) {
	now := time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC)
	s, pool, ada := withBackups(t, &now)
	admin := coretest.Actor(t, s, "root", true)
	r, err := s.Do(t.Context(), request(ada, "", core.Create{Engine: "postgres", Name: "genomes"}))
	if err != nil {
		t.Fatal(err)
	}
	ready(t, s, pool, r)
	backup := func(size int64, state string) string {
		t.Helper()
		made, err := s.Do(t.Context(), request(ada, "", core.MakeBackup{On: core.On{Database: "genomes"}}))
		if err != nil {
			t.Fatal(err)
		}
		if state == "running" {
			return made.Backup.ID
		}
		finishBackups(t, s, pool, size)
		_, err = pool.Exec(t.Context(), "update backups set state = $2, expired_at = case when $3 then now() end where id = $1", made.Backup.ID, strings.TrimSuffix(state, " left"), strings.HasSuffix(state, " left"))
		if err != nil {
			t.Fatal(err)
		}
		return made.Backup.ID
	}
	i := r.Database.ID
	good, gone, failed, leaving, left := backup(1, "done"), backup(1, "verified"), backup(0, "failed"), backup(1, "expired"), backup(1, "expired left")
	fresh, running := backup(0, "failed"), backup(1, "running")
	if due, err := s.LookDue(t.Context()); err != nil || !due {
		t.Errorf("due before the first look: %v, %v", due, err)
	}
	if list, look, _, err := s.Orphans(t.Context(), admin, core.Page{}); err != nil || look != nil || len(list) > 0 {
		t.Errorf("before the first look: %v, %v, %v", list, look, err)
	}

	now = now.Add(48 * time.Hour)
	old, young := now.Add(-25*time.Hour), now.Add(-time.Hour)
	folder := func(backup string, bytes int64, manifest bool, at time.Time) core.StoreFolder {
		return core.StoreFolder{Name: i + "/" + backup, InstanceID: i, BackupID: backup, Objects: 2, Bytes: bytes, Manifest: manifest, WrittenAt: at}
	}
	unknown, unfinished, coming := xid.New().String(), xid.New().String(), xid.New().String()
	other := folder(good, 7, true, old)
	other.InstanceID, other.Name = xid.New().String(), "another/"+good
	look := func(folders ...core.StoreFolder) {
		t.Helper()
		if err := s.KeepOrphans(t.Context(), folders, now); err != nil {
			t.Fatal(err)
		}
	}
	whole := []core.StoreFolder{folder(good, 1000, true, old), folder(gone, 1000, true, old)}
	look(append(whole, folder(failed, 1, false, old), folder(leaving, 1000, true, old), folder(left, 2, false, young), folder(fresh, 1000, false, young),
		folder(running, 1000, false, old), folder(unknown, 4, true, young), folder(unfinished, 5, false, old), folder(coming, 1000, false, young), other,
		core.StoreFolder{Name: "notes.txt", Objects: 1, Bytes: 6, WrittenAt: old}, core.StoreFolder{Name: "new.txt", Objects: 1, Bytes: 1000, WrittenAt: young})...)
	list, seen, _, err := s.Orphans(t.Context(), admin, core.Page{})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, o := range list {
		got = append(got, fmt.Sprint(o.Bytes, " ", o.Reason))
	}
	if want := []string{"7 strange", "6 strange", "5 unfinished", "4 unknown", "2 expired", "1 failed"}; !slices.Equal(got, want) {
		t.Errorf("orphans %v, want %v", got, want)
	}
	if seen == nil || seen.Orphans != 6 || seen.Bytes != 25 {
		t.Errorf("look %+v", seen)
	}
	if kinds := kindsOf(t, s, admin); !slices.Equal(kinds, []string{"store_orphans info"}) {
		t.Errorf("findings %v", kinds)
	}
	pages, cursor := 0, ""
	for {
		list, _, next, err := s.Orphans(t.Context(), admin, core.Page{Limit: 2, Cursor: cursor})
		if err != nil {
			t.Fatal(err)
		}
		if pages, cursor = pages+len(list), next; next == "" {
			break
		}
	}
	if pages != 6 {
		t.Errorf("%d in all pages", pages)
	}
	if g, err := s.Gauges(t.Context()); err != nil || g.Store == nil || g.Store.Orphans != 6 {
		t.Errorf("gauges %+v, %v", g.Store, err)
	}

	// A day later all is cleaned up, but a good backup is gone; then that is back.
	if due, err := s.LookDue(t.Context()); err != nil || due {
		t.Errorf("due at once: %v, %v", due, err)
	}
	now = now.Add(24 * time.Hour)
	if due, err := s.LookDue(t.Context()); err != nil || !due {
		t.Errorf("due a day later: %v, %v", due, err)
	}
	look(whole[0])
	if kinds := kindsOf(t, s, admin); !slices.Equal(kinds, []string{"backup_lost alarm"}) {
		t.Errorf("findings %v", kinds)
	}
	alarms, err := s.AlarmsOf(t.Context(), r.Database)
	if err != nil || len(alarms) != 1 || !strings.Contains(alarms[0].Message, "1 good backup of genomes should be in the store") {
		t.Errorf("alarms %+v, %v", alarms, err)
	}
	look(whole...)
	if kinds := kindsOf(t, s, admin); kinds != nil {
		t.Errorf("findings %v", kinds)
	}
	if _, _, _, err := s.Orphans(t.Context(), ada, core.Page{}); core.CodeOf(err) != core.CodeForbidden {
		t.Errorf("for ada: %v", err)
	}
	now = now.AddDate(-1, 0, 0) // the clock was wrong, and is put right
	if due, err := s.LookDue(t.Context()); err != nil || !due {
		t.Errorf("due after the clock was put back: %v, %v", due, err)
	}
}

// TestRetentionHolds keeps what an operation of any kind needs or an approval waits for, and tells of what the store does not let go.
func TestRetentionHolds(t *testing.T) {
	now := time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC)
	s, pool, ada := withBackups(t, &now)
	admin := coretest.Actor(t, s, "root", true)
	r, err := s.Do(t.Context(), request(ada, "", core.Create{Engine: "postgres", Name: "genomes"}))
	if err != nil {
		t.Fatal(err)
	}
	ready(t, s, pool, r)
	var ids []string
	for range 8 {
		now = now.Add(time.Hour)
		made, err := s.Do(t.Context(), request(ada, "", core.MakeBackup{On: core.On{Database: "genomes"}}))
		if err != nil {
			t.Fatal(err)
		}
		finishBackups(t, s, pool, 1000)
		ids = append(ids, made.Backup.ID)
	}
	exec := func(sql string, args ...any) {
		t.Helper()
		if _, err := pool.Exec(t.Context(), sql, args...); err != nil {
			t.Fatal(err)
		}
	}
	exec("update operations set state = 'done', started_at = now(), finished_at = now() where finished_at is null") // the verifications
	exec("update backups set state = 'verified' where id = $1", ids[0])
	exec(`insert into operations (id, instance_id, kind, requested_by, door, args) select 'open', $1, 'heal', owner_id, 'api', jsonb_build_object('backup_id', $2::text) from instances where id = $1`,
		r.Database.ID, ids[1])
	exec(`insert into approvals (id, instance_id, action, about, args, requested_by, door, created_at, expires_at)
		select 'asked', $1, 'restore', $2, '{}', owner_id, 'api', now(), now() + interval '1 day' from instances where id = $1`, r.Database.ID, ids[2])
	if n, err := s.ExpireBackups(t.Context()); err != nil || n != 2 {
		t.Errorf("%d expire, %v; want 2: 3 are the newest, one is the last verified, one in use, one waited for", n, err)
	}
	exec("update operations set state = 'done', started_at = now(), finished_at = now() where id = 'open'")
	exec("update approvals set expires_at = now() - interval '1 hour'")
	if n, err := s.ExpireBackups(t.Context()); err != nil || n != 2 {
		t.Errorf("%d more expire, %v; want those that are not held any more", n, err)
	}

	leaving, err := s.LeavingBackups(t.Context())
	if err != nil || len(leaving) != 4 {
		t.Fatalf("%v, %v", leaving, err)
	}
	if err := s.BackupStays(t.Context(), leaving[0].ID, true, "the store keeps it locked until 2026-08-01T00:00:00Z"); err != nil {
		t.Fatal(err)
	}
	if err := s.BackupStays(t.Context(), leaving[1].ID, false, "it refuses the key"); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := s.BackupLeft(t.Context(), leaving[2].ID); err != nil {
			t.Fatal(err)
		}
	}
	judged := func(want ...string) {
		t.Helper()
		if err := s.JudgeLeaving(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := kindsOf(t, s, admin); !slices.Equal(got, want) {
			t.Errorf("findings %v, want %v", got, want)
		}
	}
	judged("backup_locked info", "backup_stuck warning")
	if again, err := s.LeavingBackups(t.Context()); err != nil || len(again) != 2 {
		t.Errorf("%v, %v; want the one that is stuck and one that was not tried", again, err)
	}
	b, err := s.Backup(t.Context(), ada, "genomes", leaving[0].ID)
	if err != nil || b.State != core.BackupExpired || b.ExpiredAt != nil {
		t.Errorf("the locked one: %+v, %v", b, err)
	}
	now = now.Add(25 * time.Hour)
	again, err := s.LeavingBackups(t.Context())
	if err != nil || len(again) != 3 {
		t.Errorf("a day later %v, %v", again, err)
	}
	for _, b := range again {
		if err := s.BackupLeft(t.Context(), b.ID); err != nil {
			t.Fatal(err)
		}
	}
	judged()
	entries, err := s.Audit(t.Context(), admin, 1000)
	if err != nil {
		t.Fatal(err)
	}
	audited := map[string]int{}
	for _, e := range entries {
		audited[e.Action]++
	}
	if audited["backup.expire"] != 4 || audited["backup.remove"] != 4 {
		t.Errorf("audited %v", audited)
	}
}
