package jobs_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mydb-project/mydb/core"
)

// commandsOf gives the commands of a section of docs/restore-without-mydb.md.
func commandsOf(t *testing.T, section string) string {
	t.Helper()
	text, err := os.ReadFile("../docs/restore-without-mydb.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, found := strings.Cut(string(text), "\n## "+section+"\n")
	_, rest, opened := strings.Cut(rest, "```bash\n")
	commands, _, closed := strings.Cut(rest, "```\n")
	if !found || !opened || !closed {
		t.Fatalf("docs/restore-without-mydb.md has no commands for %s", section)
	}
	return commands
}

// TestRestoreWithoutMyDB runs exactly the commands that the documentation has for it.
func TestRestoreWithoutMyDB(t *testing.T) {
	for _, tool := range []string{"age", "zstd", "jq"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("needs %s: run `make test`, which installs it", tool)
		}
	}
	for section, c := range map[string]struct{ engine, ask, want string }{
		"PostgreSQL": {"postgres", "psql --username postgres --dbname genomes -At -c 'select count(*) from happy'", "1000"},
		"MariaDB":    {"mariadb", "mariadb --user=root --password=rescue --batch --skip-column-names --execute='select count(*) from genomes.genes'", "2"},
	} {
		t.Run(section, func(t *testing.T) {
			t.Parallel()
			s := newSite(t)
			s.worker("")
			r := s.create(core.Create{Engine: c.engine})
			if o := s.await(r.Operation.ID); o.State != core.OperationDone {
				t.Fatalf("create ended as %+v", o)
			}
			i, cred := s.instance("genomes"), s.collect("genomes")
			if c.engine == "postgres" {
				s.fillPostgres(i, cred)
			} else {
				for range 2 {
					if err := stores[c.engine].put(t.Context(), i, cred); err != nil {
						t.Fatal(err)
					}
				}
			}
			b, o := s.backup("genomes")
			if o.State != core.OperationDone {
				t.Fatalf("backup ended as %s: %+v", o.State, o.Error)
			}
			s.verified(b.ID) // nothing else is at work then
			key := filepath.Join(t.TempDir(), "mydb.key")
			if err := os.WriteFile(key, []byte(s.key), 0o600); err != nil {
				t.Fatal(err)
			}
			name := "mydb-rescue-" + b.ID
			t.Cleanup(func() {
				_ = exec.CommandContext(context.WithoutCancel(t.Context()), "docker", "rm", "--force", "--volumes", name).Run()
			})
			cmd := exec.CommandContext(t.Context(), "bash", "-euo", "pipefail", "-c", commandsOf(t, "For every engine")+commandsOf(t, section))
			cmd.Env = append(os.Environ(), "KEY="+key, "BACKUP="+strings.TrimPrefix(b.Location, "file://"), "RESCUE="+name)
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			out, err := exec.CommandContext(t.Context(), "bash", "-c", fmt.Sprintf("docker exec %s %s", name, c.ask)).CombinedOutput()
			if got := strings.TrimSpace(string(out)); got != c.want || err != nil {
				t.Errorf("%q, %v; want %s", got, err, c.want)
			}
		})
	}
}
