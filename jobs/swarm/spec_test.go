package swarm

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mydb-project/mydb/core/engine"
	"github.com/mydb-project/mydb/jobs"
)

var update = flag.Bool("update", false, "write the golden files anew")

func exampleSpec() jobs.Spec {
	return jobs.Spec{
		InstanceID: "d4ei9dj3m5c8s73b1q20", Name: "plates", Engine: "postgres", Generation: 2,
		NodeID: "t4x1vzror5ta2kw0bg3fpj0g3", Port: 25010, Secret: []byte("hunter2"),
		Size: engine.Size{Name: "small", CPU: 1, CPUReserved: 0.05, Memory: 1 << 30, MemoryReserved: 128 << 20, SHM: 256 << 20, Connections: 50},
		Recipe: engine.Recipe{
			Image:      "postgres:17",
			Entrypoint: []string{"/mydb/entry.sh"},
			Args:       []string{"postgres", "-c", "max_connections=50"},
			Env:        []string{"POSTGRES_PASSWORD_FILE=/run/mydb/admin"},
			Configs: []engine.File{
				{Path: "/mydb/entry.sh", Mode: 0o555, Content: []byte("#!/bin/sh\n")},
				{Path: "/docker-entrypoint-initdb.d/10 mydb roles.sql", Mode: 0o444, Content: []byte("-- roles\n")},
			},
			SecretPath: "/run/secrets/mydb",
			DataPath:   "/var/lib/postgresql/data",
			Tmpfs:      []engine.Tmpfs{{Path: "/dev/shm", Size: 256 << 20, Mode: 0o1777}, {Path: "/run/mydb", Size: 1 << 20, Mode: 0o700}},
			Port:       5432,
			Health:     engine.Health{Test: []string{"CMD", "/mydb/health.sh"}, Interval: 10 * time.Second, Timeout: 5 * time.Second, StartPeriod: time.Minute, Retries: 3},
			StopGrace:  time.Minute,
		},
	}
}

func TestServiceSpec(t *testing.T) {
	for _, tc := range []struct {
		name    string
		publish string
		labels  map[string]string
		change  func(*jobs.Spec)
	}{
		{name: "host", publish: PublishHost},
		{name: "ingress-dev", publish: PublishIngress, labels: map[string]string{LabelDev: "true"}},
		{name: "bare", publish: PublishHost, change: func(s *jobs.Spec) {
			s.Recipe = engine.Recipe{Image: "postgres:17", DataPath: "/data", Port: 5432}
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := exampleSpec()
			if tc.change != nil {
				tc.change(&s)
			}
			got, err := json.MarshalIndent((&Runtime{publish: tc.publish, labels: tc.labels}).serviceSpec(s), "", "  ")
			if err != nil {
				t.Fatal(err)
			}
			if bytes.Contains(got, s.Secret) {
				t.Error("the secret is in the spec")
			}
			golden(t, "service-"+tc.name, append(got, '\n'))
		})
	}
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name+".golden.json")
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s differs (-want +got); if that is right, run the test with -update:\n%s", path, diff)
	}
}

// An update restarts a database, so the hash must change with whatever the cluster should do differently, and with nothing else.
func TestHash(t *testing.T) {
	r := &Runtime{publish: PublishHost}
	hash := func(change func(*jobs.Spec)) string {
		s := exampleSpec()
		change(&s)
		return r.serviceSpec(s).Labels[labelSpec]
	}
	same := hash(func(*jobs.Spec) {})
	if hash(func(s *jobs.Spec) { s.Secret = []byte("another") }) != same {
		t.Error("the hash depends on the secret, which makes it a way to guess it")
	}
	for name, change := range map[string]func(*jobs.Spec){
		"name":       func(s *jobs.Spec) { s.Name = "other" },
		"memory":     func(s *jobs.Spec) { s.Size.Memory *= 2 },
		"generation": func(s *jobs.Spec) { s.Generation++ },
		"port":       func(s *jobs.Spec) { s.Port++ },
		"image":      func(s *jobs.Spec) { s.Recipe.Image = "postgres:18" },
		"config":     func(s *jobs.Spec) { s.Recipe.Configs[0].Content = []byte("#!/bin/bash\n") },
		"node":       func(s *jobs.Spec) { s.NodeID = "elsewhere" },
	} {
		if hash(change) == same {
			t.Errorf("the hash does not depend on the %s", name)
		}
	}
}

func TestConfigName(t *testing.T) {
	for path, want := range map[string]string{
		"/mydb/entry.sh":                 "mydb-postgres-entry.sh-",
		"/a b/c d!.sql":                  "mydb-postgres-c-d-.sql-",
		"/" + strings.Repeat("long", 30): "mydb-postgres-longlonglonglonglonglonglonglonglongl-",
	} {
		got := configName("postgres", engine.File{Path: path, Content: []byte("x")})
		if !strings.HasPrefix(got, want) || len(got) != len(want)+12 || len(got) > 64 {
			t.Errorf("%s: %q (%d characters), want %q and 12 digits", path, got, len(got), want)
		}
	}
}
