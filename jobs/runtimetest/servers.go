package runtimetest

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rs/xid"

	"github.com/mydb-project/mydb/core/engine"
	"github.com/mydb-project/mydb/jobs"
)

func testAsAsked(t *testing.T, c Cluster) {
	i := newInstance(t, c, 0)
	i.ensure()
	if seen, want := i.query(fmt.Sprintf("select pg_read_file('%s')", secretSeen)), "400\n"+string(i.spec.Secret); seen != want {
		t.Errorf("mode and content of the secret: %q, want %q", seen, want)
	}
	if got := i.query("select pg_read_file('/mydb-entry.sh')"); got != entryScript {
		t.Errorf("content of the config: %q", got)
	}
	i.checkContainer(VolumeOf(i.spec))
	volumes, err := c.Inspector.Volumes(t.Context(), i.member, i.spec.InstanceID)
	must(t, err)
	if len(volumes) != 1 || volumes[0].Labels["dev.mydb.engine"] != i.spec.Engine {
		t.Errorf("volumes %+v", volumes)
	}
}

// VolumeOf is the name that the volume of a spec must have.
func VolumeOf(s jobs.Spec) string { return fmt.Sprintf("mydb-%s-g%d", s.InstanceID, s.Generation) }

// checkContainer compares the running container with the spec.
func (i *instance) checkContainer(volume string) Container {
	i.t.Helper()
	got, _ := i.container()
	if want := map[string]string{i.spec.Recipe.DataPath: volume}; !maps.Equal(got.Volumes, want) {
		i.t.Errorf("volumes %v, want %v", got.Volumes, want)
	}
	want := map[string]int64{}
	for _, m := range i.spec.Recipe.Tmpfs {
		want[m.Path] = m.Size
	}
	if !maps.Equal(got.Tmpfs, want) {
		i.t.Errorf("memory file systems %v, want %v", got.Tmpfs, want)
	}
	if got.CPU != i.spec.Size.CPU || got.Memory != int64(i.spec.Size.Memory) {
		i.t.Errorf("limits %v cores and %d bytes, want %+v", got.CPU, got.Memory, i.spec.Size)
	}
	if got.Labels["dev.mydb.instance"] != i.spec.InstanceID || got.Labels["dev.mydb.engine"] != i.spec.Engine {
		i.t.Errorf("labels %v", got.Labels)
	}
	if name, there := got.Labels["dev.mydb.name"]; there {
		i.t.Errorf("the container bears the name %q, so that renaming would restart it", name)
	}
	return got
}

func testReadSecret(t *testing.T, c Cluster) {
	i := newInstance(t, c, 0)
	if _, err := i.local().ReadSecret(t.Context(), i.spec.InstanceID, i.spec.Recipe.SecretPath); err == nil {
		t.Error("the secret of what does not run is read")
	}
	i.ensure()
	i.query("select 'ready'")
	content, err := i.local().ReadSecret(t.Context(), i.spec.InstanceID, i.spec.Recipe.SecretPath)
	if err != nil || !bytes.Equal(content, i.spec.Secret) {
		t.Errorf("the secret is %d bytes of another content, %v", len(content), err)
	}
}

func testDataSurvive(t *testing.T, c Cluster) {
	i := newInstance(t, c, 0)
	i.ensure()
	i.query("create table kept as select 'still here' as word")
	i.remove()
	i.ensure()
	if got := i.query("select word from kept"); got != "still here" {
		t.Errorf("read %q", got)
	}
}

func testUpdate(t *testing.T, c Cluster) {
	i := newInstance(t, c, 0)
	i.ensure()
	i.query("create table kept as select 'still here' as word")
	old, _ := i.container()
	i.spec.Size.CPU, i.spec.Size.Memory = 1.5, 384<<20
	i.ensure()
	i.awaitReplaced(old.ID)
	if got := i.query("select word from kept"); got != "still here" {
		t.Errorf("read %q", got)
	}
	now := i.checkContainer(VolumeOf(i.spec))
	_, before := i.container()
	if len(before) != 1 || before[0].ID != old.ID {
		t.Fatalf("containers before: %+v, want %s alone", before, old.ID)
	}
	if before[0].ExitCode != 0 {
		t.Errorf("the server ended with %d, so it was killed", before[0].ExitCode)
	}
	if before[0].Finished.After(now.Started) {
		t.Errorf("the old server ended %s after the new one started", before[0].Finished.Sub(now.Started))
	}
}

func (i *instance) awaitReplaced(old string) {
	i.t.Helper()
	eventually(i.t, func(context.Context) error {
		if now, _ := i.container(); now.ID == old {
			return fmt.Errorf("container %s still runs", old)
		}
		return nil
	})
}

func testRename(t *testing.T, c Cluster) {
	i := newInstance(t, c, 0)
	i.ensure()
	i.query("select 'ready'")
	old, _ := i.container()
	i.spec.Name = "renamed"
	i.ensure()
	i.awaitState(jobs.TaskRunning)
	if now, before := i.container(); now.ID != old.ID || len(before) > 0 {
		t.Errorf("the container was replaced")
	}
	i.checkOneOfEach()
}

func testExchange(t *testing.T, c Cluster) {
	i := newInstance(t, c, 0)
	i.ensure()
	i.query("create table first_volume ()")
	for _, generation := range []int{2, 1} {
		old, _ := i.container()
		i.spec.Generation = generation
		i.ensure()
		i.awaitReplaced(old.ID)
		there := i.query("select coalesce(to_regclass('first_volume')::text, 'none')")
		if want := map[int]string{1: "first_volume", 2: "none"}[generation]; there != want {
			t.Errorf("generation %d has the table %q, want %q", generation, there, want)
		}
		i.checkContainer(VolumeOf(i.spec))
	}
	if got := i.volumeNames(i.member); len(got) != 2 {
		t.Errorf("volumes %v, want those of both generations", got)
	}
}

func testCleanStop(t *testing.T, c Cluster) {
	i := newInstance(t, c, 0)
	i.ensure()
	i.query("select 'ready'")
	start := time.Now()
	i.remove()
	if took := time.Since(start); took > stopGrace/2 {
		t.Errorf("the removal took %s, so the server did not hear the signal", took)
	}
	i.ensure()
	if got := i.query(fmt.Sprintf("select trim(pg_read_file('%s'), E'\\n')", stateSeen)); got != "shut down" {
		t.Errorf("the data were left in the state %q", got)
	}
}

func testReservation(t *testing.T, c Cluster) {
	i := newInstance(t, c, 0)
	i.hopeless("sleep 600")
	i.spec.Recipe.StopGrace = time.Second
	// Other cases come and go at the same time; this is more than they all reserve.
	i.spec.Size.MemoryReserved, i.spec.Size.Memory = 4<<30, 4<<30
	before := i.nodeNow()
	i.ensure()
	i.awaitState(jobs.TaskRunning)
	after := i.nodeNow()
	if taken := before.FreeMemory - after.FreeMemory; taken < 3<<30 || taken > 5<<30 {
		t.Errorf("free memory went from %d to %d, want about 4 GiB less", before.FreeMemory, after.FreeMemory)
	}
	if id := i.spec.InstanceID; slices.Contains(before.Instances, id) || !slices.Contains(after.Instances, id) {
		t.Errorf("instances %v, then %v; want %s to come in", before.Instances, after.Instances, id)
	}
}

func (i *instance) nodeNow() jobs.Node {
	i.t.Helper()
	nodes, err := i.manager().Nodes(i.t.Context())
	must(i.t, err)
	at := slices.IndexFunc(nodes, func(n jobs.Node) bool { return n.ID == i.node.ID })
	if at < 0 {
		i.t.Fatalf("node %s is not among %+v", i.node.ID, nodes)
	}
	return nodes[at]
}

func testConfigs(t *testing.T, c Cluster) {
	engineName := "configs" + xid.New().String()
	first, second := newInstance(t, c, 0), newInstance(t, c, 0)
	for _, i := range []*instance{first, second} {
		i.spec.Engine = engineName
		i.hopeless("sleep 600")
		i.spec.Recipe.StopGrace = time.Second
		i.ensure()
	}
	configs := func() []string {
		list, err := c.Inspector.Configs(t.Context(), engineName)
		must(t, err)
		return names(list)
	}
	if got := configs(); len(got) != 1 || !strings.HasPrefix(got[0], "mydb-"+engineName+"-mydb-entry.sh-") {
		t.Errorf("configs %v, want one for both", got)
	}
	first.remove()
	if got := configs(); len(got) != 1 {
		t.Errorf("configs %v while one instance is left", got)
	}
	second.spec.Recipe.Configs = []engine.File{{Path: "/mydb-entry.sh", Mode: 0o555, Content: []byte("# changed\n")}}
	second.ensure()
	if got := configs(); len(got) != 2 {
		t.Errorf("configs %v, want a new one for the new content", got)
	}
	second.remove()
	if got := configs(); len(got) != 0 {
		t.Errorf("configs %v are left", got)
	}
}
