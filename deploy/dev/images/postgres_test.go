package images_test

import (
	"bytes"
	"compress/gzip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const password = "with a blank and a 'quote"

// TestPostgres holds every PostgreSQL image on the engine to the contract of the official one.
func TestPostgres(t *testing.T) {
	if os.Getenv("MYDB_TEST_DOCKER") != "1" {
		t.Skip("needs a Docker engine: make test")
	}
	images := existing("postgres:17", "mydb-dev/postgres:17", "postgres:15", "mydb-dev/postgres:15")
	if len(images) == 0 {
		t.Fatal("The engine has no PostgreSQL image: run deploy/dev/images.sh.")
	}
	for _, image := range images {
		t.Run(image, func(t *testing.T) {
			t.Parallel()
			t.Run("refuses to start without a password", func(t *testing.T) { refusesNoPassword(t, image) })
			t.Run("runs other commands as they are", func(t *testing.T) { runsOtherCommands(t, image) })
			t.Run("initialises, restarts and stops", func(t *testing.T) { livesAndDies(t, image) })
		})
	}
}

func refusesNoPassword(t *testing.T, image string) {
	out, err := docker("run", "--rm", image)
	if err == nil || !strings.Contains(out, "POSTGRES_PASSWORD") {
		t.Errorf("started without a password, or did not say what is missing (%v):\n%s", err, out)
	}
}

func runsOtherCommands(t *testing.T, image string) {
	out := must(t, "run", "--rm", image, "bash", "-c", "id -u postgres; id -g postgres; locale -a; command -v initdb pg_dump pg_basebackup")
	for _, want := range []string{"999\n999\n", "en_US.utf8", "/initdb", "/pg_dump", "/pg_basebackup"} {
		if !strings.Contains(out, want) {
			t.Errorf("want %q in:\n%s", want, out)
		}
	}
}

// livesAndDies follows one server from its first start, with everything that the entry point is asked to do, through a stop
// to a second start on the same data.
func livesAndDies(t *testing.T, image string) {
	id := strings.TrimSpace(must(t, "create", "--hostname", "server",
		"--env", "POSTGRES_USER=owner", "--env", "POSTGRES_DB=a database", "--env", "POSTGRES_PASSWORD_FILE=/run/password",
		"--env", "POSTGRES_INITDB_ARGS=--data-checksums --locale='C.UTF-8'",
		image, "-c", "cluster_name=two words"))
	t.Cleanup(func() { must(t, "rm", "--force", "--volumes", id) })
	must(t, "cp", initFiles(t)+"/.", id+":/docker-entrypoint-initdb.d")
	must(t, "cp", file(t, "password", password, 0o644), id+":/run/password")
	must(t, "start", id)
	awaitReady(t, id)

	// Over TCP, because the image trusts those who come through the socket.
	got := query(t, id, `select a.x || b.x || c.x || d.x from a, b, c, d`)
	if got != "plain compressed executed sourced " {
		t.Errorf("the init files left %q", got)
	}
	for setting, want := range map[string]string{"data_checksums": "on", "cluster_name": "two words", "listen_addresses": "*"} {
		if got := query(t, id, "show "+setting); got != want {
			t.Errorf("%s is %q, want %q", setting, got, want)
		}
	}
	if out, err := docker("exec", "--env", "PGPASSWORD=wrong", id, "psql", "-h", "server", "-U", "owner", "a database"); err == nil {
		t.Errorf("a wrong password was accepted: %s", out)
	}
	if out := must(t, "exec", id, "cat", "/proc/1/comm"); strings.TrimSpace(out) != "postgres" {
		t.Errorf("process 1 is %q: it would not hear the signal to stop", out)
	}

	begun := time.Now()
	must(t, "stop", "--time", "10", id)
	if took := time.Since(begun); took > 4*time.Second {
		t.Errorf("stopping took %s", took)
	}
	if code := strings.TrimSpace(must(t, "inspect", "--format", "{{.State.ExitCode}}", id)); code != "0" {
		t.Errorf("stopped with exit code %s", code)
	}
	must(t, "start", id)
	awaitReady(t, id)
	if got := query(t, id, "select x from a"); got != "plain " {
		t.Errorf("after a restart the data reads %q", got)
	}
}

// initFiles makes one init file of each kind; each leaves a table with one word.
func initFiles(t *testing.T) string {
	dir := t.TempDir()
	var compressed bytes.Buffer
	w := gzip.NewWriter(&compressed)
	if _, err := w.Write([]byte("create table b as select text 'compressed ' as x")); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	run := `psql -v ON_ERROR_STOP=1 -U "$POSTGRES_USER" -d "$POSTGRES_DB" -c "create table `
	write(t, dir, "1.sql", "create table a as select text 'plain ' as x", 0o644)
	write(t, dir, "2.sql.gz", compressed.String(), 0o644)
	write(t, dir, "3.sh", "#!/bin/sh\nset -e\n"+run+`c as select text 'executed ' as x"`, 0o755)
	write(t, dir, "4.sh", run+`d as select text 'sourced ' as x"`, 0o644)
	return dir
}

func file(t *testing.T, name, content string, mode os.FileMode) string {
	return write(t, t.TempDir(), name, content, mode)
}

func write(t *testing.T, dir, name, content string, mode os.FileMode) string {
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte(content), mode); err != nil {
		t.Fatal(err)
	}
	return path
}

func awaitReady(t *testing.T, id string) {
	// One exec that asks until the server listens on TCP, which the one for the init files never does.
	if out, err := docker("exec", id, "timeout", "60", "bash", "-c", "until pg_isready -qh 127.0.0.1; do sleep .1; done"); err != nil {
		logs, _ := docker("logs", id)
		t.Fatalf("the server did not come up: %v\n%s\n%s", err, out, logs)
	}
}

func query(t *testing.T, id, sql string) string {
	out := must(t, "exec", "--env", "PGPASSWORD="+password, id, "psql", "-h", "server", "-U", "owner", "-d", "a database", "-Atc", sql)
	return strings.TrimSuffix(out, "\n")
}

func existing(images ...string) []string {
	var found []string
	for _, image := range images {
		if _, err := docker("image", "inspect", image); err == nil {
			found = append(found, image)
		}
	}
	return found
}

func must(t *testing.T, args ...string) string {
	t.Helper()
	out, err := docker(args...)
	if err != nil {
		t.Fatalf("docker %s: %v\n%s", args[0], err, out)
	}
	return out
}

func docker(args ...string) (string, error) {
	out, err := exec.Command("docker", args...).CombinedOutput()
	return string(out), err
}
