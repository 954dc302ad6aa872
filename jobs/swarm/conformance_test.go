package swarm_test

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/mydb-project/mydb/jobs/runtimetest"
	"github.com/mydb-project/mydb/jobs/swarm"
)

// The gates of the tests that need an engine.
const (
	envDocker = "MYDB_TEST_DOCKER"         // 1: use the engine of DOCKER_HOST or the local socket, a manager of a one-node Swarm
	envImage  = "MYDB_TEST_POSTGRES_IMAGE" // default: the official image, else its stand-in, whichever the engine has
)

// testLabels mark what a test made, in case that it is killed before it can clean up.
var testLabels = map[string]string{"dev.mydb.test": "true"}

func needDocker(t *testing.T) {
	t.Helper()
	if testing.Short() || os.Getenv(envDocker) != "1" {
		t.Skipf("This test runs containers; set %s=1, without -short.", envDocker)
	}
}

func newRuntime(t *testing.T, host string) *swarm.Runtime {
	t.Helper()
	rt, err := swarm.New(t.Context(), swarm.Options{Host: host, InstanceLabels: testLabels})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { rt.Close() })
	return rt
}

func postgresImage(t *testing.T, rt *swarm.Runtime) string {
	t.Helper()
	find, err := rt.Images(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	image, ok := find("postgres:17")
	image = cmp.Or(os.Getenv(envImage), image)
	if image == "" && !ok {
		t.Fatalf("The engine has neither postgres:17 nor mydb-dev/postgres:17: run deploy/dev/images.sh postgres:17, or set %s.", envImage)
	}
	return image
}

// openCluster connects to the engines at hosts; an empty host is the environment's.
func openCluster(t *testing.T, local bool, hosts ...string) runtimetest.Cluster {
	t.Helper()
	c := runtimetest.Cluster{Gone: newRuntime(t, "unix://"+filepath.Join(t.TempDir(), "nobody.sock"))}
	inspector := inspector{}
	for _, host := range hosts {
		c.Members = append(c.Members, runtimetest.Member{Runtime: newRuntime(t, host), Local: local})
		inspector = append(inspector, newDocker(t, host))
	}
	c.Inspector = inspector
	c.Image = postgresImage(t, newRuntime(t, hosts[0]))
	return c
}

func TestRuntime(t *testing.T) {
	needDocker(t)
	runtimetest.Run(t, func(t *testing.T) runtimetest.Cluster { return openCluster(t, true, "") })
}

func TestRuntimeOnSeveralNodes(t *testing.T) {
	dir, hosts := runtimetest.Nodes(t)
	runtimetest.Run(t, func(t *testing.T) runtimetest.Cluster {
		c := openCluster(t, false, hosts...)
		for i := range c.Members {
			c.Members[i].Cut = cut(dir, i+1)
		}
		return c
	})
}

// cut pulls the network cable of a node that swarm-nodes.sh has started.
func cut(dir string, node int) func(context.Context) (func(context.Context) error, error) {
	cable := func(ctx context.Context, verb string) error {
		script := filepath.Join("..", "..", "deploy", "dev", "swarm-nodes.sh")
		if out, err := exec.CommandContext(ctx, script, verb, dir, strconv.Itoa(node)).CombinedOutput(); err != nil {
			return fmt.Errorf("%s node %d: %w: %s", verb, node, err, out)
		}
		return nil
	}
	return func(ctx context.Context) (func(context.Context) error, error) {
		return func(ctx context.Context) error { return cable(ctx, "mend") }, cable(ctx, "cut")
	}
}
