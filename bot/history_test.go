package bot_test

import (
	"testing"

	"github.com/mydb-project/mydb/core"
	"github.com/mydb-project/mydb/core/coretest"
)

// TestHistoryInChat tells what was done with backups, and administrators who did what.
func TestHistoryInChat(t *testing.T) {
	k := newTalk(t)
	ada, grace, root := k.person("ada"), k.person("grace"), coretest.Actor(t, k.service, "boss", true)
	k.make(k.hear(ada, "create postgres genomes"), nil)
	k.hear(ada, "history", "Nothing was done with backups of your databases yet.")
	answer := k.hear(ada, "backup genomes")
	b := coretest.Backed(t, k.service, k.db, coretest.Folder(t, t.TempDir()), answer.OperationID, k.instance(ada, "genomes"), coretest.Part{File: "1.dump", Content: "PGDMP"})
	k.hear(ada, "backups genomes", b.ID, "To download one, or to keep it for good: https://mydb.example.org/databases/genomes")
	k.hear(ada, "history genomes", "backup", "verify", "running", "done", "https://mydb.example.org/history?database="+b.InstanceID)
	k.hear(ada, "history", "genomes")
	k.hear(grace, "history", "Nothing was done")
	k.hear(root, "history all", "genomes", "ada", "https://mydb.example.org/history?all=true")
	k.hear(root, "history genomes", "genomes", "ada")
	k.hear(root, "audit genomes", "create", "backup", "ada", "terminal", "accepted", "https://mydb.example.org/audit?database="+b.InstanceID)
	k.hear(root, "audit", "genomes")
	k.hear(ada, "audit genomes", "create", "backup", "ada", "https://mydb.example.org/databases/genomes/timeline")
	k.refused(grace, "audit genomes", core.CodeNotFound, "You have no database")
	k.refused(ada, "audit", core.CodeForbidden, "Only administrators")
	k.refused(ada, "history all", core.CodeForbidden, "Only administrators")
	k.refused(ada, "history genoms", core.CodeNotFound, "Did you mean genomes?")
	k.refused(grace, "history genomes", core.CodeNotFound, "You have no database")
}

func (k *talk) instance(who core.Actor, name string) core.Instance {
	k.Helper()
	i, err := k.service.Instance(k.Context(), who, name)
	if err != nil {
		k.Fatal(err)
	}
	return i
}
