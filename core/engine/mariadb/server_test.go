package mariadb_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/mydb-project/mydb/core/engine"
	"github.com/mydb-project/mydb/core/engine/enginetest"
	"github.com/mydb-project/mydb/core/engine/mariadb"
)

// eachImage runs a test once for each MariaDB image at hand.
func eachImage(t *testing.T, test func(t *testing.T, image string)) {
	t.Helper()
	for _, image := range images(t) {
		_, tag, _ := strings.Cut(image, ":")
		t.Run(tag, func(t *testing.T) { test(t, image) })
	}
}

// started is a running server with a scientist.
func started(t *testing.T, image string) (*enginetest.Box, engine.Tenant) {
	t.Helper()
	b := enginetest.NewBox(t, mariadb.Engine{}, image)
	b.Start()
	return b, provisioned(t, b)
}

func provisioned(t *testing.T, b *enginetest.Box) engine.Tenant {
	t.Helper()
	tenant := enginetest.Tenant("ada")
	must(t, mariadb.Engine{}.Provision(t.Context(), b.Server, b.Secrets.Admin, tenant))
	must(t, mariadb.Engine{}.Prove(t.Context(), b.Server, tenant))
	return tenant
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func log(t *testing.T, b *enginetest.Box, user, password, database string) *client {
	t.Helper()
	c, err := dial(t.Context(), b.Server, user, password, database)
	must(t, err)
	t.Cleanup(c.Close)
	return c
}

func admin(t *testing.T, b *enginetest.Box) *client {
	t.Helper()
	return log(t, b, mariadb.AdminUser, b.Secrets.Admin, "")
}

func do(t *testing.T, c *client, statements ...string) {
	t.Helper()
	for _, s := range statements {
		if err := c.Exec(t.Context(), s); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
}

// words gives the first column of a query.
func words(t *testing.T, c *client, query string) []string {
	t.Helper()
	rows, err := c.QueryContext(t.Context(), query)
	must(t, err)
	defer func() { _ = rows.Close() }()
	var out []string
	for rows.Next() {
		var s string
		must(t, rows.Scan(&s))
		out = append(out, s)
	}
	must(t, rows.Err())
	return out
}

func wantNumber(t *testing.T, err error, number uint16) {
	t.Helper()
	var e *mysql.MySQLError
	if !errors.As(err, &e) || e.Number != number {
		t.Errorf("got %v, want error %d", err, number)
	}
}

func TestWhatIsOnAServer(t *testing.T) {
	eachImage(t, func(t *testing.T, image string) {
		b, tenant := started(t, image)
		a := admin(t, b)
		for query, want := range map[string][]string{
			"select concat(user, '@', host) from mysql.global_priv where user <> 'PUBLIC' order by 1":                  {"ada@%", "mariadb.sys@localhost", "mydb_admin@%", "mydb_probe@%", "mydb_replication@%"},
			"select schema_name from information_schema.schemata order by 1":                                           {"ada_db", "information_schema", "mysql", "performance_schema", "sys"},
			"select concat(user, ' ', db) from mysql.db where user not like 'mydb%' order by 1":                        {`ada ada\_db`, `ada ada\_db\_%`},
			"select default_character_set_name from information_schema.schemata where schema_name = 'ada_db'":          {"utf8mb4"},
			"select concat_ws(' ', @@log_bin, @@binlog_format, @@gtid_strict_mode, @@sync_binlog, @@expire_logs_days)": {"ON ROW ON 1 3.000000"},
			"select concat_ws(' ', @@general_log, @@slow_query_log, @@require_secure_transport, @@time_zone)":          {"OFF OFF ON +00:00"},
			"select @@innodb_buffer_pool_size div 1048576":                                                             {"512"},
			// Recent versions would keep all binary logs while no replica is connected.
			"select variable_value from information_schema.global_variables where variable_name = 'slave_connections_needed_for_purge' and variable_value <> '0'": nil,
		} {
			if got := words(t, a, query); !slices.Equal(got, want) {
				t.Errorf("%s: %q, want %q", query, got, want)
			}
		}
		if got := words(t, a, "select @@version_ssl_library is not null and (select variable_value from information_schema.session_status where variable_name = 'SSL_VERSION') like 'TLSv1.%'"); got[0] != "1" {
			t.Error("the session is not encrypted")
		}
		_, err := dial(t.Context(), b.Server, tenant.Username, tenant.Password, "", func(c *mysql.Config) { c.TLS = nil })
		var refused *mysql.MySQLError
		if !errors.As(err, &refused) {
			t.Errorf("without TLS: %v, want a refusal", err)
		}
	})
}

// The binary log leaves the server for the archive, and whoever reads a backup reads it.
func TestNoPasswordInTheDataDirectory(t *testing.T) {
	eachImage(t, func(t *testing.T, image string) {
		b, tenant := started(t, image)
		e := mariadb.Engine{}
		renewed, guest := "renewed-password-of-ada", engine.Access{Username: "grace", Password: "password-of-grace"}
		must(t, e.SetPassword(t.Context(), b.Server, b.Secrets.Admin, tenant.Username, renewed))
		must(t, e.Grant(t.Context(), b.Server, b.Secrets.Admin, tenant, guest))
		b.Stop()
		found := b.OnVolume("cd /data; ls mydb-bin.000001 >/dev/null; for p in " + strings.Join([]string{
			b.Secrets.Admin, b.Secrets.Probe, b.Secrets.Replication, tenant.Password, renewed, guest.Password,
		}, " ") + "; do grep -rlF -- \"$p\" . || true; done; grep -lF 'ada_db' mydb-bin.00000*")
		if lines := strings.Fields(found); len(lines) != 1 || !strings.HasPrefix(lines[0], "mydb-bin.") {
			t.Errorf("passwords, or no statement at all, in:\n%s", found)
		}
	})
}

func TestWhatTheScientistMayDo(t *testing.T) {
	eachImage(t, func(t *testing.T, image string) {
		b, tenant := started(t, image)
		ada := log(t, b, tenant.Username, tenant.Password, tenant.Database)
		do(t, ada,
			"create table t (i int)", "create view v as select * from t", "create procedure p() select 1", "create trigger tr before insert on t for each row set new.i = 1",
			"create event e on schedule every 1 year do select 1", "create temporary table x (i int)", "create database ada_db_more", "create table ada_db_more.t (i int)",
			"lock tables t write", "unlock tables", "call p()", "set password = password('what I like better')",
		)
		for _, sql := range []string{"create database ada_dbx", "create database adaxdb", "create database ada", "use mydb", "use mysql"} {
			wantNumber(t, ada.Exec(t.Context(), sql), 1044)
		}
		e := mariadb.Engine{}
		must(t, e.Probe(t.Context(), b.Server, b.Secrets, tenant))
		do(t, admin(t, b), "alter user ada account lock")
		enginetest.WantRefusal(t, e.Probe(t.Context(), b.Server, b.Secrets, tenant), "locked")
		must(t, e.SetPassword(t.Context(), b.Server, b.Secrets.Admin, "ada", tenant.Password))
		must(t, e.Probe(t.Context(), b.Server, b.Secrets, tenant))
		do(t, admin(t, b), `revoke insert on `+"`ada\\_db`.*"+` from ada`)
		enginetest.WantRefusal(t, e.Probe(t.Context(), b.Server, b.Secrets, tenant), "rights")
		must(t, e.Provision(t.Context(), b.Server, b.Secrets.Admin, tenant))
		must(t, e.Probe(t.Context(), b.Server, b.Secrets, tenant))
		for _, own := range []string{mariadb.AdminUser, mariadb.ProbeUser, "root", tenant.Username} {
			enginetest.WantRefusal(t, e.Grant(t.Context(), b.Server, b.Secrets.Admin, tenant, engine.Access{Username: own, Password: "long-enough-password"}))
			enginetest.WantRefusal(t, e.Revoke(t.Context(), b.Server, b.Secrets.Admin, tenant, own))
		}
	})
}

// A script that is cut off leaves nothing to the next attempt, although the server would have gone on with it.
func TestInterruptedInitScript(t *testing.T) {
	eachImage(t, func(t *testing.T, image string) {
		b := enginetest.NewBox(t, mariadb.Engine{}, image)
		b.Start()
		tenant := enginetest.Tenant("ada")
		tenant.InitSQL = "create table a (i int);\ncreate database ada_db_b;\ninsert into a values (1);\ndo sleep(2);\ninsert into a values (2);"
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		err := mariadb.Engine{}.Provision(ctx, b.Server, b.Secrets.Admin, tenant)
		var refused *engine.RefusedError
		if err == nil || errors.As(err, &refused) {
			t.Fatalf("got %v, want an error that a retry may mend", err)
		}
		b.Eventually("the next attempt gets the lock", func() error {
			return mariadb.Engine{}.Provision(t.Context(), b.Server, b.Secrets.Admin, tenant)
		})
		if got := words(t, log(t, b, tenant.Username, tenant.Password, tenant.Database), "select i from a order by 1"); !slices.Equal(got, []string{"1", "2"}) {
			t.Errorf("the table has %q", got)
		}
		tenant = enginetest.Tenant("eve")
		tenant.InitSQL = "create table a (t text);\nload data local infile '/etc/passwd' into table a;"
		enginetest.WantRefusal(t, mariadb.Engine{}.Provision(t.Context(), b.Server, b.Secrets.Admin, tenant), "LOAD DATA LOCAL")
	})
}

func TestSampleAndReport(t *testing.T) {
	eachImage(t, func(t *testing.T, image string) {
		b := enginetest.NewBox(t, mariadb.Engine{}, image)
		b.Start()
		e := mariadb.Engine{}
		sample := func() engine.Sample {
			s, err := e.Sample(t.Context(), b.Server, b.Secrets.Admin)
			must(t, err)
			return s
		}
		if s := sample(); s.LastLogin != nil || s.Connections != 0 || s.MaxConnections != 50 {
			t.Errorf("before anybody came: %+v", s)
		}
		tenant := provisioned(t, b) // which logs in and out again
		first := sample()
		if first.LastLogin == nil || first.Connections != 0 {
			t.Fatalf("after a visit: %+v", first)
		}
		if again := sample(); again.LastLogin == nil || again.LastLogin.Sub(*first.LastLogin).Abs() > time.Second {
			t.Errorf("last login %s, then %s, and nobody came", first.LastLogin, again.LastLogin)
		}

		ada := log(t, b, tenant.Username, tenant.Password, tenant.Database)
		do(t, ada, "create table myisam (i int) engine=MyISAM", "create table versioned (i int) with system versioning", "create sequence s", "insert into versioned values (1), (2)")
		busy := log(t, b, tenant.Username, tenant.Password, tenant.Database)
		ended := make(chan error, 1)
		go func() { ended <- busy.Exec(context.Background(), "do sleep(60)") }()
		b.Eventually("the query is seen", func() error {
			if s := sample(); s.LongestQuery <= 0 || s.LongestQuery > time.Minute || s.Connections != 2 {
				return errors.New("not yet")
			}
			return nil
		})
		do(t, admin(t, b), "kill query user ada")
		<-ended

		r, err := e.Report(t.Context(), b.Server, b.Secrets, tenant)
		must(t, err)
		var tables []string
		for _, table := range r.Databases[0].Tables {
			tables = append(tables, table.Name)
		}
		if len(r.Databases) != 1 || !slices.Equal(tables, []string{"myisam", "versioned"}) {
			t.Errorf("the report has %+v", r.Databases)
		}
		if want := []string{"ALL PRIVILEGES ON `ada\\_db\\_%`.*", "ALL PRIVILEGES ON `ada\\_db`.*"}; len(r.Accounts) != 1 || !equalSets(r.Accounts[0].Rights, want) {
			t.Errorf("accounts are %+v", r.Accounts)
		}
		countsInTime(t, b, tenant, ada)
	})
}

func equalSets(a, b []string) bool {
	a, b = slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b))
	return slices.Equal(a, b)
}

// countsInTime makes a table that cannot be counted in time: somebody holds a lock on it.
func countsInTime(t *testing.T, b *enginetest.Box, tenant engine.Tenant, ada *client) {
	t.Helper()
	do(t, ada, "create table z_locked (i int)", "insert into z_locked select seq from seq_1_to_20000", "lock tables z_locked write")
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	began := time.Now()
	r, err := mariadb.Engine{}.Report(ctx, b.Server, b.Secrets, tenant)
	if err != nil || r.Complete || time.Since(began) > 3*time.Second {
		t.Fatalf("after %s: complete %v, %v", time.Since(began), r.Complete, err)
	}
	counted := 0
	for _, table := range r.Databases[0].Tables {
		if table.Rows != nil {
			counted++
		}
	}
	if counted != 2 || len(r.Databases[0].Tables) != 3 {
		t.Errorf("%d tables counted: %+v", counted, r.Databases[0].Tables)
	}
	do(t, ada, "unlock tables")
}
