package bot_test

import (
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/mydb-project/mydb/core"
)

// TestRestoreInPlace needs the name once more.
func TestRestoreInPlace(t *testing.T) {
	k := newTalk(t)
	ada := k.person("ada")
	k.make(k.hear(ada, "create postgres genomes"), nil)
	backup := k.hear(ada, "backup genomes").OperationID
	b, err := k.service.BackupOfOperation(t.Context(), backup)
	if err != nil {
		t.Fatal(err)
	}
	made := &core.MadeBackup{ID: b.ID, Text: []byte(`{"database": {"engine": "postgres", "version": "17"}, "contents": {"databases": []}}`)}
	err = pgx.BeginFunc(t.Context(), k.db, func(tx pgx.Tx) error {
		return k.service.FinishBackup(t.Context(), tx, backup, core.Instance{ID: b.InstanceID, Name: "genomes"}, made, nil)
	})
	if err != nil {
		t.Fatal(err)
	}
	k.refused(ada, "restore genomes in_place=yes", core.CodeInvalid, "type its name")
	k.refused(ada, "restore genomes in_place=yes confirm=genome", core.CodeInvalid, "type its name")
	k.refused(ada, "restore genomes in_place=yes confirm=genomes as=other", core.CodeInvalid, "keeps its name")
	k.refused(ada, "restore genomes confirm=genomes", core.CodeInvalid, "say in_place, too")
	k.refused(ada, "undo genomes", core.CodeGone, "nothing to undo on genomes")
	answer := k.hear(ada, "restore genomes in_place=yes confirm=genomes", "in the place of what genomes holds", "undo genomes")
	if answer.OperationID == "" {
		t.Error("there is nothing to follow")
	}
	k.hear(ada, "status genomes", "genomes is being restored", "Restoring genomes in place is about to begin.")
	k.refused(ada, "undo genomes", core.CodeBusy, "genomes is restoring")
}
