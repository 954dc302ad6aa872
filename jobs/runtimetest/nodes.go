package runtimetest

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// EnvNodes names a folder with node1/docker.sock (a manager), node2/docker.sock, ... of one Swarm, as swarm-nodes.sh makes it.
const EnvNodes = "MYDB_TEST_SWARM_NODES"

// Nodes gives a test the nodes of EnvNodes, and keeps the tests of other packages off them until it has ended: tests cut nodes off.
// hosts are the engines' addresses, the manager's first. Without the variable, the test is skipped.
func Nodes(t *testing.T) (dir string, hosts []string) {
	t.Helper()
	dir = os.Getenv(EnvNodes)
	if testing.Short() || dir == "" {
		t.Skipf("This test needs a Swarm of several nodes: run `make test`, which sets %s.", EnvNodes)
	}
	lock, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { lock.Close() })
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	for i := 1; ; i++ {
		socket := filepath.Join(dir, fmt.Sprintf("node%d", i), "docker.sock")
		if _, err := os.Stat(socket); err != nil {
			break
		}
		hosts = append(hosts, "unix://"+socket)
	}
	if len(hosts) < 3 {
		t.Fatalf("%s=%s holds the sockets of %d nodes, want at least 3", EnvNodes, dir, len(hosts))
	}
	return dir, hosts
}
