package mariadb_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/mydb-project/mydb/core/engine"
	"github.com/mydb-project/mydb/core/engine/enginetest"
	"github.com/mydb-project/mydb/core/engine/mariadb"
)

// Wherever the first start is killed, the next one ends with a whole server.
func TestInterruptedInitialisation(t *testing.T) {
	eachImage(t, func(t *testing.T, image string) {
		for _, moment := range []string{"port: 0", "zz-mydb.sh", "Normal shutdown"} {
			t.Run(moment, func(t *testing.T) {
				b := enginetest.NewBox(t, mariadb.Engine{}, image)
				b.Run()
				waitForLog(b, moment)
				b.Remove()
				t.Logf("left behind: %s", strings.Join(strings.Fields(b.OnVolume("cd /data; ls -d mysql "+mariadb.MarkerFile+" 2>/dev/null; true")), ", "))
				b.Start()
				provisioned(t, b)
				log(t, b, mariadb.ProbeUser, b.Secrets.Probe, "")
			})
		}
	})
}

var errNotYet = errors.New("not yet")

func waitForLog(b *enginetest.Box, text string) {
	b.Eventually("the log says "+text, func() error {
		if !strings.Contains(b.Logs(), text) {
			return errNotYet
		}
		return nil
	})
}

// The image takes a data directory with a folder mysql for a finished one; without MyDB's accounts it is not. Made on purpose here:
// the init script hangs half way.
func TestHalfInitialisedDirectory(t *testing.T) {
	eachImage(t, func(t *testing.T, image string) {
		b := enginetest.NewBox(t, mariadb.Engine{}, image)
		whole := b.Recipe.Configs[1].Content
		b.Recipe.Configs[1].Content = []byte("echo hanging; mkfifo /tmp/never; cat /tmp/never\n")
		b.Run()
		waitForLog(b, "hanging")
		b.Remove()
		b.Recipe.Configs[1].Content = whole
		const sums = "cd /data && find . -type f | sort | xargs -d '\\n' md5sum"
		before := b.OnVolume(sums)
		if !strings.Contains(before, "mysql/global_priv") || strings.Contains(before, mariadb.MarkerFile) {
			t.Fatalf("not half-initialised: %s", before)
		}
		inTime := slices.Clone(b.Recipe.Env)
		b.ExpireInit()
		b.Run()
		if code := b.Wait(); code != 78 || !strings.Contains(b.Logs(), "half-initialised") {
			t.Errorf("after the deadline: exit code %d, log: %s", code, b.Logs())
		}
		b.Remove()
		if after := b.OnVolume(sums); after != before {
			t.Error("files have changed after the deadline")
		}
		b.Recipe.Env = inTime
		b.Start()
		provisioned(t, b)
	})
}

// A data directory that has lost its head is nothing to start over in, not even before the deadline.
func TestMarkerWithoutServerIsRefused(t *testing.T) {
	eachImage(t, func(t *testing.T, image string) {
		b := enginetest.NewBox(t, mariadb.Engine{}, image)
		b.OnVolume("echo data >/data/precious; touch /data/" + mariadb.MarkerFile)
		b.Run()
		if code := b.Wait(); code != 78 || !strings.Contains(b.Logs(), "files are missing") {
			t.Errorf("exit code %d, log: %s", code, b.Logs())
		}
		if got := b.OnVolume("cat /data/precious"); got != "data\n" {
			t.Errorf("the file now holds %q", got)
		}
	})
}

func TestHealthCheck(t *testing.T) {
	eachImage(t, func(t *testing.T, image string) {
		b, tenant := started(t, image)
		check := func() string {
			return enginetest.Docker(t, "exec", b.Name, "/bin/sh", "-c", "("+b.Recipe.Health.Test[1]+") && echo alive || echo dead")
		}
		if got := check(); got != "alive\n" {
			t.Errorf("an answering server is %s", got)
		}
		for range 50 { // all connections that there are
			log(t, b, tenant.Username, tenant.Password, "")
		}
		if got := check(); got != "alive\n" {
			t.Errorf("a server without a free connection is %s", got)
		}
		if strings.Contains(b.Logs(), "Access denied for user '"+mariadb.ProbeUser) {
			t.Error("the health check is not let in")
		}
		must(t, mariadb.Engine{}.Ping(t.Context(), b.Server, b.Secrets.Admin)) // MyDB has one to itself

		// A server that still recovers has no process file yet.
		enginetest.Docker(t, "exec", b.Name, "rm", "/run/mydb/server.pid")
		enginetest.Docker(t, "exec", b.Name, "mv", "/run/mysqld/mysqld.sock", "/run/mysqld/away")
		if got := check(); got != "alive\n" {
			t.Errorf("a recovering server is %s", got)
		}
		enginetest.Docker(t, "exec", b.Name, "touch", "/run/mydb/server.pid")
		if got := check(); got != "dead\n" {
			t.Errorf("a server that does not answer is %s", got)
		}
	})
}

// The process file, which the health check goes by, comes when recovery is over.
func TestProcessFileComesAfterRecovery(t *testing.T) {
	eachImage(t, func(t *testing.T, image string) {
		b, tenant := started(t, image)
		ada := log(t, b, tenant.Username, tenant.Password, tenant.Database)
		do(t, ada, "create table t (i int)", "insert into t select seq from seq_1_to_100000")
		b.Remove()
		// The shell stands where the server would, and holds the file's moment in its log.
		b.Recipe.Configs[0].Content = append([]byte("(until [ -e /run/mydb/server.pid ]; do sleep 0.005; done; echo the process file is there) &\n"), b.Recipe.Configs[0].Content...)
		b.Start()
		logs := b.Logs()
		recovered, file := strings.Index(logs, "InnoDB: End of log"), strings.Index(logs, "the process file is there")
		if recovered < 0 || file < recovered {
			t.Errorf("the log is\n%s", logs)
		}
	})
}

// A volume of an earlier version is upgraded by the next version's server: its system tables too.
func TestUpgrade(t *testing.T) {
	all := images(t)
	older, newer := slices.IndexFunc(all, func(i string) bool { return strings.HasSuffix(i, ":10.11") }), slices.IndexFunc(all, func(i string) bool { return strings.HasSuffix(i, ":11.8") })
	if older < 0 || newer < 0 {
		t.Skip("needs images of 10.11 and 11.8")
	}
	b, tenant := started(t, all[older])
	do(t, log(t, b, tenant.Username, tenant.Password, tenant.Database), "create table kept (i int)", "insert into kept values (1)")
	b.Stop()
	b.Remove()
	offer, _ := engine.BuiltIn().Offer("mariadb")
	version, _ := offer.Version("11.8")
	size, _ := engine.BuiltIn().Size("small")
	version.Image = all[newer]
	recipe, err := mariadb.Engine{}.Recipe(engine.Input{InstanceID: b.Name, Version: version, Size: size})
	must(t, err)
	b.Recipe = recipe
	b.Start()
	must(t, mariadb.Engine{}.Prove(t.Context(), b.Server, tenant))
	must(t, mariadb.Engine{}.Probe(t.Context(), b.Server, b.Secrets, tenant))
	if n, err := log(t, b, tenant.Username, tenant.Password, tenant.Database).Count(t.Context(), "kept"); err != nil || n != 1 {
		t.Errorf("%d rows, %v", n, err)
	}
	if got := strings.TrimSpace(b.OnVolume("cat /data/mariadb_upgrade_info")); !strings.HasPrefix(got, "11.8") {
		t.Errorf("the system tables are of %q", got)
	}
	accounts := "select count(*) from mysql.global_priv where user in ('', 'root', 'healthcheck')"
	if got := words(t, admin(t, b), accounts); got[0] != "0" {
		t.Error("the upgrade has let somebody in")
	}
}

// The replication account may take a whole copy with the image's own tool, and read the binary log.
func TestReplicationAccountMayCopy(t *testing.T) {
	eachImage(t, func(t *testing.T, image string) {
		b, tenant := started(t, image)
		do(t, log(t, b, tenant.Username, tenant.Password, tenant.Database),
			"create table t (i int)", "insert into t values (42)", "create view v as select * from t", "create procedure p() select 1",
			"create trigger tr before insert on t for each row set new.i = 1", "create event e on schedule every 1 year do select 1")
		options := "printf '[client]\\nuser=" + mariadb.ReplicationUser + "\\npassword=%s\\nsocket=/run/mysqld/mysqld.sock\\n' \"$(cat /run/mydb/replication_password)\" >/run/mydb/copy.cnf; "
		dump := enginetest.Docker(t, "exec", b.Name, "/bin/sh", "-c", options+"mariadb-dump --defaults-file=/run/mydb/copy.cnf --single-transaction --quick "+
			"--master-data=2 --gtid --routines --events --triggers --hex-blob --databases ada_db")
		for _, want := range []string{"SET GLOBAL gtid_slave_pos", "(42)", "PROCEDURE `p`", "VIEW `v`", "trigger tr", "EVENT `e`", "-- Dump completed"} {
			if !strings.Contains(dump, want) {
				t.Errorf("the dump lacks %s", want)
			}
		}
		out := enginetest.Docker(t, "exec", b.Name, "/bin/sh", "-c", "mariadb-binlog --defaults-file=/run/mydb/copy.cnf --read-from-remote-server mydb-bin.000001 | wc -c")
		if strings.TrimSpace(out) == "0" {
			t.Error("the binary log is empty")
		}
		copier := log(t, b, mariadb.ReplicationUser, b.Secrets.Replication, "")
		for _, sql := range []string{"create table ada_db.x (i int)", "delete from ada_db.t", "create user eve", "set global max_connections = 1"} {
			if err := copier.Exec(t.Context(), sql); err == nil {
				t.Errorf("%s: allowed", sql)
			}
		}
	})
}
