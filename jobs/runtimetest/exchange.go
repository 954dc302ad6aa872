package runtimetest

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/rs/xid"

	"github.com/mydb-project/mydb/jobs"
)

// testBeside fills a volume with a server beside an instance, exchanges the volumes, and removes the one that is not used any more, although
// the cluster remembers the containers that used it.
func testBeside(t *testing.T, c Cluster) {
	if !c.Members[0].Local {
		t.Skip("A server beside an instance is reached on its own node alone.")
	}
	i := newInstance(t, c, 0)
	i.ensure()
	i.query("create table first_volume ()")
	op := i.beside(2, "create table second_volume ()")
	clean, err := i.local().Retire(t.Context(), op, stopGrace)
	must(t, err)
	if !clean {
		t.Error("the server beside did not stop in good order")
	}
	old, _ := i.container()
	i.spec.Generation = 2
	i.ensure()
	i.awaitReplaced(old.ID)
	if got := i.query("select coalesce(to_regclass('second_volume')::text, 'none')"); got != "second_volume" {
		t.Errorf("the second volume has the table %q", got)
	}
	if got := i.query("select pg_read_file('" + stateSeen + "')"); got != "shut down\n" {
		t.Errorf("its server found the state %q", got)
	}
	volumes, err := c.Inspector.Volumes(t.Context(), i.member, i.spec.InstanceID)
	must(t, err)
	if len(volumes) != 2 || slices.ContainsFunc(volumes, func(v Object) bool { return v.Labels["dev.mydb.engine"] != i.spec.Engine }) {
		t.Errorf("volumes %+v", volumes)
	}
	must(t, i.local().RemoveGeneration(t.Context(), i.spec.InstanceID, 1))
	must(t, i.local().RemoveGeneration(t.Context(), i.spec.InstanceID, 1))
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if err := i.local().RemoveGeneration(ctx, i.spec.InstanceID, 2); err == nil {
		t.Error("the volume of a running server was removed")
	}
	if got := i.volumeNames(i.member); !slices.Equal(got, []string{VolumeOf(i.spec)}) {
		t.Errorf("volumes %v, want %s alone", got, VolumeOf(i.spec))
	}
	if got := i.query("select to_regclass('second_volume')::text"); got != "second_volume" {
		t.Errorf("then there is %q", got)
	}
}

// testKilledBeside tells of a server that had no time to stop, and removes it all the same. Its volume stays.
func testKilledBeside(t *testing.T, c Cluster) {
	if !c.Members[0].Local {
		t.Skip("A server beside an instance is reached on its own node alone.")
	}
	i := newInstance(t, c, 0)
	op := i.beside(1, "create table kept ()")
	clean, err := i.local().Retire(t.Context(), op, 0)
	must(t, err)
	if clean {
		t.Error("a server that was killed has stopped in good order")
	}
	left, err := i.local().Leftovers(t.Context())
	must(t, err)
	if slices.Contains(left, op) {
		t.Errorf("operation %s has left something", op)
	}
	i.ensure()
	if got := i.query("select to_regclass('kept')::text"); got != "kept" {
		t.Errorf("on the volume is %q", got)
	}
}

// beside starts a server on a volume of the instance, runs a statement there, and gives the operation that it is of.
func (i *instance) beside(generation int, sql string) (operationID string) {
	i.t.Helper()
	operationID = xid.New().String()
	i.t.Cleanup(func() {
		if err := i.local().Sweep(context.WithoutCancel(i.t.Context()), operationID); err != nil {
			i.t.Errorf("clean up: %v", err)
		}
	})
	port, err := i.local().Scratch(i.t.Context(), jobs.ScratchSpec{
		OperationID: operationID, Engine: i.spec.Engine, Size: i.spec.Size, Recipe: i.spec.Recipe, Secret: i.spec.Secret, InstanceID: i.spec.InstanceID, Generation: generation,
	})
	must(i.t, err)
	eventually(i.t, func(ctx context.Context) error {
		conn, err := pgx.Connect(ctx, fmt.Sprintf("postgres://postgres@127.0.0.1:%d/postgres?sslmode=disable&connect_timeout=5", port))
		if err != nil {
			return err
		}
		defer conn.Close(ctx)
		_, err = conn.Exec(ctx, sql)
		return err
	})
	return operationID
}
