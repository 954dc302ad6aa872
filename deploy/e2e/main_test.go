// Package e2e tests MyDB as people use it: the real binary, with a real metadata database and a real engine, through the terminal,
// the API, the pages and a browser.
//
// The way through: script_test.go runs the conversations in testdata/script, browser_test.go drives a browser, outage_test.go takes
// away what MyDB needs while it works. site_test.go starts the server that they all talk to.
package e2e

import (
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"github.com/mydb-project/mydb/core/coretest"
)

// binaryDir is where the binary under test is, for as long as the tests run.
var binaryDir string

func TestMain(m *testing.M) {
	os.Exit(run(m))
}

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "mydb-e2e-*")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	binaryDir = dir
	return m.Run()
}

var build = sync.OnceValue(func() error {
	const root = "../.."
	if err := noteSources(root); err != nil {
		return err
	}
	cmd := exec.Command("go", "build", "-o", filepath.Join(binaryDir, "mydb"), ".")
	cmd.Dir = root
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("go build: %w\n%s", err, out)
	}
	return nil
})

// noteSources looks at every file that the binary may be made of, because `go test` keeps a result for as long as the files that a
// test has looked at stay the same, and knows nothing of those that a child process reads.
func noteSources(root string) error {
	return filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		switch d.Name() {
		case ".git", ".mydb", "bin", "node_modules", "docs":
			return fs.SkipDir
		}
		if !d.IsDir() {
			_, _ = os.Stat(path) // a file that vanishes meanwhile was none of ours
		}
		return nil
	})
}

// binary builds mydb on the first call, and gives its path.
func binary(t testing.TB) string {
	t.Helper()
	if testing.Short() {
		t.Skip("builds and runs the binary, which takes a while: leave out -short")
	}
	if err := build(); err != nil {
		t.Fatal(err)
	}
	return filepath.Join(binaryDir, "mydb")
}

// needEngine skips tests that cannot make databases here.
func needEngine(t testing.TB) {
	t.Helper()
	if os.Getenv("MYDB_TEST_DOCKER") == "" {
		t.Skip("needs a Docker engine in Swarm mode: run `make test`, which sets MYDB_TEST_DOCKER")
	}
	if os.Getenv(coretest.DatabaseEnv) == "" {
		t.Skip("needs a Postgres server: set " + coretest.DatabaseEnv + ", or run `make test`")
	}
}

// needPsql skips tests that connect as people do.
func needPsql(t testing.TB) {
	t.Helper()
	if _, err := exec.LookPath("psql"); err != nil {
		t.Skip("needs psql, PostgreSQL's terminal client: install the package postgresql-client")
	}
}
