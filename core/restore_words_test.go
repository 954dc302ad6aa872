package core_test

import (
	"testing"

	"github.com/mydb-project/mydb/core"
	"github.com/mydb-project/mydb/core/coretest"
	"github.com/mydb-project/mydb/core/policy"
)

// TestRestoreSaysWhatToDo has a sentence for each restore into a new database that cannot be, which says what could be done, and makes none.
func TestRestoreSaysWhatToDo(t *testing.T) {
	b := newShelf(t, policy.Policy{})
	bob := coretest.Actor(t, b.Service, "bob", false)
	mine := b.backups["genomes"]
	ready(t, b.Service, b.pool, b.must(bob, core.Create{Engine: "postgres", Name: "bobs"}))
	for _, c := range []struct {
		actor core.Actor
		core.Restore
		code core.Code
		say  string
	}{
		{b.ada, core.Restore{On: genomes, Backup: mine, As: "other"}, core.CodeTaken, "other"},
		{b.ada, core.Restore{On: genomes, Backup: mine, As: "bobs"}, core.CodeTaken, "bobs"}, // somebody else's
		{b.ada, core.Restore{On: genomes, Backup: mine, As: "No Name"}, core.CodeInvalid, "lower"},
		{bob, core.Restore{On: genomes, Backup: mine}, core.CodeNotFound, "You have no database"},
		{bob, core.Restore{On: core.On{Database: "bobs"}, Backup: mine}, core.CodeNotFound, "The list of its backups shows those it has"},
		{b.ada, core.Restore{On: genomes, Backup: mine, Version: "15"}, core.CodeInvalid, "is of postgres 17 and cannot be restored into the older 15. Choose 17 or a later version"},
		{b.ada, core.Restore{On: genomes, Backup: mine, Size: "enormous"}, core.CodeInvalid, "Choose one of"},
	} {
		b.refused(c.actor, c.Restore, c.code, c.say)
	}
	b.sql("update backups set state = 'expired' where id = $1", mine)
	b.refused(b.ada, core.Restore{On: genomes, Backup: mine}, core.CodeGone, mine)
	b.refused(b.ada, core.Restore{On: genomes}, core.CodeNotFound, "Make one with: backup genomes")
	var n int
	if err := b.pool.QueryRow(t.Context(), "select count(*) from operations where kind = 'restore'").Scan(&n); err != nil || n != 0 {
		t.Errorf("%d restores began, %v", n, err)
	}
}
