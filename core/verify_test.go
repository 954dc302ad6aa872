package core_test

import (
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/mydb-project/mydb/core"
)

// TestVerdict calls a backup what its newest verification has found: one that is spoilt is none, for restores, retention and the guard, until
// it is found well again. What says nothing about the backup changes nothing.
func TestVerdict(t *testing.T) {
	now := time.Now()
	s, pool, ada := withBackups(t, &now)
	r, err := s.Do(t.Context(), request(ada, "", core.Create{Engine: "postgres", Name: "genomes", Version: "17"}))
	if err != nil {
		t.Fatal(err)
	}
	ready(t, s, pool, r)
	on := core.On{Database: "genomes"}
	if r, err = s.Do(t.Context(), request(ada, "", core.MakeBackup{On: on})); err != nil {
		t.Fatal(err)
	}
	finishBackups(t, s, pool, 1000)
	if _, err := pool.Exec(t.Context(), `update backups set manifest = '{"database": {"engine": "postgres", "version": "17", "size": "small", "username": "genomes", "database": "genomes"}, "contents": {"databases": []}}'`); err != nil {
		t.Fatal(err)
	}
	id, i := r.Backup.ID, r.Database
	away := &core.Explanation{Code: core.CodeUnavailable, Message: "There was no room."}
	bad := &core.Explanation{Code: core.CodeInternal, Message: "1.dump was changed."}
	for n, c := range []struct {
		receipt *core.BackupReceipt
		failure *core.Explanation
		want    core.BackupState
	}{
		{nil, away, core.BackupDone},
		{&core.BackupReceipt{OK: true}, nil, core.BackupVerified},
		{nil, away, core.BackupVerified},
		{&core.BackupReceipt{OK: true}, away, core.BackupDone}, // counted, and then something failed
		{&core.BackupReceipt{OK: true}, nil, core.BackupVerified},
		{&core.BackupReceipt{Problems: []string{"1.dump"}}, bad, core.BackupFailed},
		{nil, away, core.BackupFailed},
		{&core.BackupReceipt{OK: true, NotCompared: "somebody wrote"}, nil, core.BackupDone},
		{&core.BackupReceipt{OK: true}, nil, core.BackupVerified},
	} {
		if _, err := pool.Exec(t.Context(), "update operations set finished_at = now(), state = 'done' where finished_at is null"); err != nil {
			t.Fatal(err)
		}
		v, err := s.Do(t.Context(), request(ada, "", core.VerifyBackup{On: on, Backup: id}))
		if err != nil {
			t.Fatal(n, err)
		}
		err = pgx.BeginFunc(t.Context(), pool, func(tx pgx.Tx) error {
			return s.FinishVerify(t.Context(), tx, v.Operation.ID, i, id, c.receipt, c.failure)
		})
		if err != nil {
			t.Fatal(n, err)
		}
		b, err := s.Backup(t.Context(), ada, "genomes", id)
		if err != nil || b.State != c.want || (b.Error != "") != (b.State == core.BackupFailed) {
			t.Errorf("%d: it is %s, %q, %v; want %s", n, b.State, b.Error, err, c.want)
		}
		for backup, want := range map[string]core.Code{"": core.CodeNotFound, id: core.CodeGone} {
			err := pgx.BeginFunc(t.Context(), pool, func(tx pgx.Tx) error {
				_, _, err := core.ChooseBackup(s, t.Context(), tx, i, backup)
				return err
			})
			if good := c.want != core.BackupFailed; good != (err == nil) || !good && core.CodeOf(err) != want {
				t.Errorf("%d: a restore of %q: %v", n, backup, err)
			}
		}
	}
}
