package images_test

import (
	"bytes"
	"compress/gzip"
	"os"
	"strings"
	"testing"
	"time"
)

// TestMariaDB holds every MariaDB image on the engine to the contract of the official one.
func TestMariaDB(t *testing.T) {
	if os.Getenv("MYDB_TEST_DOCKER") != "1" {
		t.Skip("needs a Docker engine: make test")
	}
	images := existing("mariadb:11.8", "mydb-dev/mariadb:11.8", "mariadb:10.11", "mydb-dev/mariadb:10.11")
	if len(images) == 0 {
		t.Fatal("The engine has no MariaDB image: run deploy/dev/images.sh mariadb:11.8.")
	}
	for _, image := range images {
		t.Run(image, func(t *testing.T) {
			t.Run("refuses to start without a password", func(t *testing.T) {
				if out, err := docker("run", "--rm", image); err == nil || !strings.Contains(out, "MARIADB_ROOT_PASSWORD") {
					t.Errorf("started without a password, or did not say what is missing (%v):\n%s", err, out)
				}
			})
			t.Run("runs other commands as they are", func(t *testing.T) {
				out := must(t, "run", "--rm", image, "bash", "-c", "id -u mysql; command -v mariadb mariadb-admin mariadb-dump mariadb-binlog mariadb-upgrade mariadb-backup base64 setpriv")
				for _, want := range []string{"999\n", "/mariadb\n", "/mariadb-admin\n", "/mariadb-dump\n", "/mariadb-binlog\n", "/mariadb-upgrade\n", "/mariadb-backup\n", "/base64\n"} {
					if !strings.Contains(out, want) {
						t.Errorf("want %q in:\n%s", want, out)
					}
				}
			})
			t.Run("initialises, restarts and stops", func(t *testing.T) { mariadbLivesAndDies(t, image) })
		})
	}
}

// mariadbLivesAndDies follows one server from its first start, with everything that the entry point is asked to do, through a
// stop to a second start on the same data.
func mariadbLivesAndDies(t *testing.T, image string) {
	id := strings.TrimSpace(must(t, "create", "--env", "MYSQL_USER=owner", "--env", "MARIADB_DATABASE=a_database",
		"--env", "MARIADB_PASSWORD_FILE=/run/password", "--env", "MARIADB_ROOT_PASSWORD_FILE=/run/password", image, "--max-connections=77"))
	t.Cleanup(func() { must(t, "rm", "--force", "--volumes", id) })
	must(t, "cp", mariadbInitFiles(t)+"/.", id+":/docker-entrypoint-initdb.d")
	must(t, "cp", file(t, "password", password, 0o644), id+":/run/password")
	must(t, "start", id)
	awaitMariaDB(t, id)

	for sql, want := range map[string]string{
		"select concat(a.x, b.x, c.x, d.x) from a, b, c, d":           "plain compressed executed sourced ",
		"select concat_ws(' ', @@max_connections, @@datadir, @@port)": "77 /var/lib/mysql/ 3306",
		"select convert_tz('2026-07-01 12:00', 'UTC', 'Asia/Tokyo')":  "2026-07-01 21:00:00",
	} {
		if got := queryMariaDB(t, id, "owner", sql); got != want {
			t.Errorf("%s: %q, want %q", sql, got, want)
		}
	}
	if got := queryMariaDB(t, id, "root", "select group_concat(host order by 1) from mysql.user where user = 'root'"); got != "%,localhost" {
		t.Errorf("root may come from %s", got)
	}
	for _, user := range []string{"owner", "root", ""} {
		if out, err := docker("exec", "--env", "MYSQL_PWD=wrong", id, "mariadb", "-h127.0.0.1", "--skip-ssl", "-u"+user, "-e", "select 1"); err == nil {
			t.Errorf("a wrong password was accepted of %q: %s", user, out)
		}
	}
	if out := must(t, "exec", id, "cat", "/proc/1/comm"); strings.TrimSpace(out) != "mariadbd" {
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
	awaitMariaDB(t, id)
	if got := queryMariaDB(t, id, "owner", "select x from a"); got != "plain " {
		t.Errorf("after a restart the data reads %q", got)
	}
}

// mariadbInitFiles makes one init file of each kind; each leaves a table with one word.
func mariadbInitFiles(t *testing.T) string {
	dir := t.TempDir()
	var compressed bytes.Buffer
	w := gzip.NewWriter(&compressed)
	if _, err := w.Write([]byte("create table b as select 'compressed ' as x")); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	write(t, dir, "1.sql", "create table a as select 'plain ' as x", 0o644)
	write(t, dir, "2.sql.gz", compressed.String(), 0o644)
	write(t, dir, "3.sh", "#!/bin/sh\nset -e\nMYSQL_PWD=\"$MARIADB_ROOT_PASSWORD\" mariadb -uroot \"$MARIADB_DATABASE\" -e \"create table c as select 'executed ' as x\"", 0o755)
	write(t, dir, "4.sh", "docker_process_sql <<<\"create table d as select 'sourced ' as x\"", 0o644)
	return dir
}

func awaitMariaDB(t *testing.T, id string) {
	// Over TCP, where the server for the init files never listens.
	const ask = "until mariadb-admin -h127.0.0.1 --skip-ssl -uroot ping >/dev/null 2>&1; do sleep .1; done"
	if out, err := docker("exec", id, "timeout", "60", "bash", "-c", ask); err != nil {
		logs, _ := docker("logs", id)
		t.Fatalf("the server did not come up: %v\n%s\n%s", err, out, logs)
	}
}

func queryMariaDB(t *testing.T, id, user, sql string) string {
	out := must(t, "exec", "--env", "MYSQL_PWD="+password, id, "mariadb", "-h127.0.0.1", "--skip-ssl", "-u"+user, "-BN", "a_database", "-e", sql)
	return strings.TrimSuffix(out, "\n")
}
