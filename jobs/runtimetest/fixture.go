package runtimetest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/rs/xid"

	"github.com/mydb-project/mydb/core/engine"
	"github.com/mydb-project/mydb/jobs"
)

const (
	// deadline is far above what anything here takes; only a broken runtime waits for it.
	deadline   = 90 * time.Second
	secretPath = "/run/secrets/instance"
	secretSeen = "/tmp/secret-seen"
	stateSeen  = "/tmp/state-seen"
	stopGrace  = 20 * time.Second
)

// entryScript leaves word of what it found: the server itself may not read the secret, and no longer knows how its
// predecessor ended.
const entryScript = `#!/bin/sh
set -eu
{ stat -c %a ` + secretPath + `; cat ` + secretPath + `; } >` + secretSeen + `
{ pg_controldata 2>/dev/null || true; } | sed -n 's/^Database cluster state: *//p' >` + stateSeen + `
chmod 0444 ` + secretSeen + ` ` + stateSeen + `
exec docker-entrypoint.sh "$@"
`

// instance is one instance of a case and the node that it is on.
type instance struct {
	t      *testing.T
	c      Cluster
	member int
	node   jobs.Node
	spec   jobs.Spec
}

// newInstance prepares a spec on a member, and its removal.
func newInstance(t *testing.T, c Cluster, member int) *instance {
	t.Helper()
	node, err := c.Members[member].Runtime.Self(t.Context())
	must(t, err)
	i := &instance{t: t, c: c, member: member, node: node}
	i.spec = jobs.Spec{
		InstanceID: xid.New().String(), Name: "case", Engine: "runtimetest", Generation: 1,
		NodeID: node.ID, Port: freePort(t), Secret: []byte("secret of the case"), Recipe: postgres(c.Image),
		Size: engine.Size{
			Name: "case", CPU: 1, CPUReserved: 0.01, Memory: 256 << 20, MemoryReserved: 16 << 20,
			SHM: 64 << 20, Disk: 1 << 30, Connections: 20,
		},
	}
	t.Cleanup(i.removeAll)
	return i
}

// postgres is a recipe with nothing of MyDB's but the shape: entry script, secret, volume, memory file systems.
func postgres(image string) engine.Recipe {
	return engine.Recipe{
		Image:      image,
		Entrypoint: []string{"/bin/sh", "/mydb-entry.sh"},
		Args:       []string{"postgres", "-c", "max_connections=20", "-c", "shared_buffers=16MB"},
		Env:        []string{"POSTGRES_HOST_AUTH_METHOD=trust", "POSTGRES_INITDB_ARGS=--no-sync"},
		Configs:    []engine.File{{Path: "/mydb-entry.sh", Mode: 0o555, Content: []byte(entryScript)}},
		SecretPath: secretPath,
		DataPath:   "/var/lib/postgresql/data",
		Tmpfs: []engine.Tmpfs{
			{Path: "/dev/shm", Size: 64 << 20, Mode: 0o1777},
			{Path: "/tmp", Size: 16 << 20, Mode: 0o1777},
		},
		Port:      5432,
		Health:    engine.Health{Test: []string{"CMD", "pg_isready", "-h", "127.0.0.1", "-U", "postgres"}, Interval: time.Second, Timeout: 5 * time.Second, Retries: 10},
		StopGrace: stopGrace,
	}
}

// hopeless replaces the server by a script.
func (i *instance) hopeless(script string) {
	i.spec.Recipe.Entrypoint = []string{"/bin/sh", "-c", script}
	i.spec.Recipe.Args, i.spec.Recipe.Health = nil, engine.Health{}
}

func (i *instance) manager() jobs.Runtime { return i.c.Members[0].Runtime }

func (i *instance) local() jobs.Runtime { return i.c.Members[i.member].Runtime }

func (i *instance) ensure() {
	i.t.Helper()
	must(i.t, i.manager().Ensure(i.t.Context(), i.spec))
}

func (i *instance) remove() {
	i.t.Helper()
	ctx, cancel := context.WithTimeout(i.t.Context(), deadline)
	defer cancel()
	must(i.t, i.manager().Remove(ctx, i.spec.InstanceID))
	if i.c.Inspector != nil {
		i.checkNoneRuns()
	}
}

func (i *instance) removeAll() {
	// The test's own context has ended by now.
	ctx, cancel := context.WithTimeout(context.Background(), deadline)
	defer cancel()
	if err := i.manager().Remove(ctx, i.spec.InstanceID); err != nil {
		i.t.Errorf("clean up: %v", err)
	}
	for _, m := range i.c.Members {
		if err := m.Runtime.RemoveVolume(ctx, i.spec.InstanceID); err != nil {
			i.t.Errorf("clean up: %v", err)
		}
	}
}

// query runs one statement as soon as the server lets it, and returns the first column of the first row, if any.
func (i *instance) query(sql string) string {
	i.t.Helper()
	var out string
	eventually(i.t, func(ctx context.Context) error {
		conn, err := pgx.Connect(ctx, fmt.Sprintf("postgres://postgres@%s/postgres?sslmode=disable&connect_timeout=5",
			net.JoinHostPort(i.node.Addr, fmt.Sprint(i.spec.Port))))
		if err != nil {
			return err
		}
		defer conn.Close(ctx)
		rows, err := conn.Query(ctx, sql)
		if err != nil {
			return err
		}
		lines, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (s string, err error) { return s, row.Scan(&s) })
		if len(lines) > 0 {
			out = lines[0]
		}
		return err
	})
	return out
}

// awaitState waits until the runtime reports the state.
func (i *instance) awaitState(want jobs.TaskState) jobs.Status {
	i.t.Helper()
	var got jobs.Status
	eventually(i.t, func(ctx context.Context) (err error) {
		if got, err = i.manager().Status(ctx, i.spec.InstanceID); err == nil && got.State != want {
			return fmt.Errorf("state %s, problem %w; want %s", got.State, got.Problem, want)
		}
		return err
	})
	return got
}

// awaitProblem waits until the runtime reports the cause, and checks that a person is told something.
func (i *instance) awaitProblem(want jobs.Cause) *jobs.Problem {
	i.t.Helper()
	var got *jobs.Problem
	eventually(i.t, func(ctx context.Context) error {
		st, err := i.manager().Status(ctx, i.spec.InstanceID)
		if err != nil {
			return err
		}
		if got = st.Problem; got == nil || got.Cause != want {
			return fmt.Errorf("state %s, problem %+w; want cause %s", st.State, got, want)
		}
		return nil
	})
	if !strings.HasSuffix(got.Message, ".") || got.Detail == "" {
		i.t.Errorf("a problem needs a sentence and the engine's own words, got message %q and detail %q", got.Message, got.Detail)
	}
	i.t.Logf("%s\n%s", got.Message, got.Detail)
	return got
}

// container waits for the one running container and returns it with those that ended before it.
func (i *instance) container() (running Container, before []Container) {
	i.t.Helper()
	eventually(i.t, func(ctx context.Context) error {
		all, err := i.c.Inspector.Containers(ctx, i.member, i.spec.InstanceID)
		if err != nil {
			return err
		}
		if len(all) == 0 || !all[0].Running {
			return fmt.Errorf("no running container among %d", len(all))
		}
		running, before = all[0], all[1:]
		return nil
	})
	return running, before
}

func (i *instance) volumeNames(member int) []string {
	i.t.Helper()
	volumes, err := i.c.Inspector.Volumes(i.t.Context(), member, i.spec.InstanceID)
	must(i.t, err)
	return names(volumes)
}

func names(objects []Object) []string {
	out := []string{}
	for _, o := range objects {
		out = append(out, o.Name)
	}
	return out
}

// eventually tries until try succeeds.
func eventually(t *testing.T, try func(ctx context.Context) error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), deadline)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		err := try(ctx)
		if err == nil {
			return
		}
		select {
		case <-ctx.Done():
			t.Fatalf("not within %s: %v", deadline, err)
		case <-tick.C:
		}
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func problem(t *testing.T, err error) *jobs.Problem {
	t.Helper()
	var p *jobs.Problem
	if !errors.As(err, &p) {
		t.Fatalf("got %v, want a *jobs.Problem", err)
	}
	return p
}

func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", ":0")
	must(t, err)
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}
