package swarm_test

import (
	"context"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/jackc/pgx/v5"
	"github.com/rs/xid"

	"github.com/mydb-project/mydb/jobs/swarm"
)

func TestMetadata(t *testing.T) {
	needDocker(t)
	t.Parallel()
	rt, docker := newRuntime(t, ""), newDocker(t, "")
	name := "mydb-test-metadata-" + xid.New().String()
	o := swarm.MetadataOptions{
		Image: postgresImage(t, rt), Name: name, Volume: name, Labels: testLabels,
		Password: "it's \"quoted\" $HOME", // nothing may read it as anything but text
	}
	t.Cleanup(func() {
		_ = docker.ContainerRemove(context.Background(), name, container.RemoveOptions{Force: true, RemoveVolumes: true})
		_ = docker.VolumeRemove(context.Background(), name, true)
	})
	start := func() string {
		t.Helper()
		addr, err := rt.StartMetadata(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		logIn(t, addr, o.Password)
		return addr
	}

	first := start()
	made, err := docker.ContainerInspect(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(fmt.Sprint(made.Config), o.Password) {
		t.Error("the password is in the container's configuration")
	}
	if host, _, _ := net.SplitHostPort(first); host != "127.0.0.1" {
		t.Errorf("the address is %s, want one on loopback", first)
	}
	if again := start(); again != first {
		t.Errorf("address %s while it runs, then %s", first, again)
	}

	stop(t, docker.ContainerStop, name)
	if again := start(); again != first {
		t.Errorf("address %s, and %s after a stop", first, again)
	}

	stop(t, docker.ContainerStop, name)
	l, err := net.Listen("tcp", first)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if again := start(); again == first {
		t.Errorf("the address is still %s, whose port another program has taken", again)
	}
}

func stop(t *testing.T, stop func(context.Context, string, container.StopOptions) error, name string) {
	t.Helper()
	if err := stop(t.Context(), name, container.StopOptions{}); err != nil {
		t.Fatal(err)
	}
}

func logIn(t *testing.T, addr, password string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	config, err := pgx.ParseConfig("postgres://postgres@" + addr + "/postgres?sslmode=disable&connect_timeout=5")
	if err != nil {
		t.Fatal(err)
	}
	config.Password = password
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		conn, err := pgx.ConnectConfig(ctx, config)
		if err == nil {
			conn.Close(ctx)
			return
		}
		select {
		case <-ctx.Done():
			t.Fatal(err)
		case <-tick.C:
		}
	}
}

func TestEnsureSwarmLeavesASwarmAlone(t *testing.T) {
	needDocker(t)
	rt := newRuntime(t, "")
	before, err := rt.Self(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := rt.EnsureSwarm(t.Context()); err != nil {
		t.Fatal(err)
	}
	if after, err := rt.Self(t.Context()); err != nil || after.ID != before.ID {
		t.Errorf("node %s, then %s, %v", before.ID, after.ID, err)
	}
}

func TestImages(t *testing.T) {
	needDocker(t)
	find, err := newRuntime(t, "").Images(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if got, ok := find("postgres:17"); ok && got != "postgres:17" && got != "mydb-dev/postgres:17" {
		t.Errorf("found %s", got)
	}
	if got, ok := find("no-such-image:17"); ok {
		t.Errorf("found %s", got)
	}
}
