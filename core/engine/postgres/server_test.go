package postgres_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/mydb-project/mydb/core/engine"
	"github.com/mydb-project/mydb/core/engine/enginetest"
	"github.com/mydb-project/mydb/core/engine/postgres"
)

// connect logs in over TLS as anybody.
func (b *box) connect(user, password, database string, edit ...func(*pgx.ConnConfig)) (*pgx.Conn, error) {
	b.t.Helper()
	cfg, err := pgx.ParseConfig("host=localhost sslmode=disable connect_timeout=5")
	if err != nil {
		b.t.Fatal(err)
	}
	cfg.Host, cfg.Port = b.Server.Host, uint16(b.Server.Port)
	cfg.User, cfg.Password, cfg.Database = user, password, database
	cfg.TLSConfig = &tls.Config{RootCAs: b.Server.CA, ServerName: b.Server.Host}
	for _, e := range edit {
		e(cfg)
	}
	conn, err := pgx.ConnectConfig(b.t.Context(), cfg)
	if err == nil {
		b.t.Cleanup(func() { _ = conn.Close(context.Background()) })
	}
	return conn, err
}

// login is connect for somebody who must get in.
func (b *box) login(user, password, database string) *pgx.Conn {
	b.t.Helper()
	conn, err := b.connect(user, password, database)
	if err != nil {
		b.t.Fatalf("%v\n%s", err, b.Logs())
	}
	return conn
}

func (b *box) admin(database string) *pgx.Conn {
	b.t.Helper()
	return b.login(postgres.AdminUser, b.Secrets.Admin, database)
}

// one runs a query that gives one text.
func one(t *testing.T, conn *pgx.Conn, sql string) string {
	t.Helper()
	var out string
	if err := conn.QueryRow(t.Context(), sql).Scan(&out); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return out
}

func do(t *testing.T, conn *pgx.Conn, statements ...string) {
	t.Helper()
	for _, sql := range statements {
		if _, err := conn.Exec(t.Context(), sql); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
	}
}

// wantCode checks that an error comes from the server and has that SQLSTATE.
func wantCode(t *testing.T, err error, code string) {
	t.Helper()
	var pg *pgconn.PgError
	if !errors.As(err, &pg) || pg.Code != code {
		t.Errorf("got %v, want SQLSTATE %s", err, code)
	}
}

func TestFromNothingToUse(t *testing.T) {
	eachImage(t, func(t *testing.T, image string) {
		b := newBox(t, image)
		began := time.Now()
		b.Start()
		answered := time.Since(began)
		tenant := enginetest.Tenant("ada")
		b.provision(tenant)
		b.prove(tenant)
		t.Logf("first login after %.2f s, the scientist's row read back after %.2f s", answered.Seconds(), time.Since(began).Seconds())

		began = time.Now()
		b.provision(tenant) // again, as after a crash of the worker
		t.Logf("provisioning what is there already: %.0f ms", time.Since(began).Seconds()*1000)
		tenant.Password = "another password than before"
		b.provision(tenant)
		b.prove(tenant)

		admin := b.admin(tenant.Database)
		for sql, want := range map[string]string{
			"show ssl": "on", "show data_checksums": "on", "show fsync": "on", "show full_page_writes": "on", "show wal_level": "replica",
			"show shared_buffers": "256MB", "show max_connections": "50", "show max_slot_wal_keep_size": "2GB", "show server_encoding": "UTF8",
			"select datcollate from pg_database where datname = current_database()":              "en_US.utf8",
			"select count(*)::text from pg_hba_file_rules where auth_method <> 'scram-sha-256'":  "0",
			"select count(*)::text from pg_tables where schemaname = 'public'":                   "0",
			"select pg_get_userbyid(datdba) from pg_database where datname = current_database()": tenant.Username,
		} {
			if got := one(t, admin, sql); got != want {
				t.Errorf("%s: %s, want %s", sql, got, want)
			}
		}
	})
}

func TestWhoMayComeIn(t *testing.T) {
	eachImage(t, func(t *testing.T, image string) {
		b := newBox(t, image)
		b.Start()
		tenant := b.provisioned("ada")
		e := postgres.Engine{}

		t.Run("a server that another authority vouches for is not talked to", func(t *testing.T) {
			s := b.Server
			_, _, s.CA = enginetest.SelfSigned(t)
			var unknown x509.UnknownAuthorityError
			if err := e.Ping(t.Context(), s, b.Secrets.Admin); !errors.As(err, &unknown) {
				t.Errorf("got %v", err)
			}
		})
		t.Run("nor one whose certificate is for another host", func(t *testing.T) {
			s := b.Server
			s.Host = "localhost"
			var name x509.HostnameError
			if err := e.Ping(t.Context(), s, b.Secrets.Admin); !errors.As(err, &name) {
				t.Errorf("got %v", err)
			}
		})
		t.Run("wrong passwords", func(t *testing.T) {
			wantCode(t, e.Ping(t.Context(), b.Server, "not the password"), "28P01")
			wrong := tenant
			wrong.Password = "not the password"
			wantCode(t, e.Prove(t.Context(), b.Server, wrong), "28P01")
		})
		t.Run("the environment of this process does not matter", func(t *testing.T) {
			t.Setenv("PGHOST", "nowhere.invalid")
			t.Setenv("PGOPTIONS", "-c search_path=nowhere")
			t.Setenv("PGSSLMODE", "disable")
			t.Setenv("PGTARGETSESSIONATTRS", "standby")
			if err := e.Prove(t.Context(), b.Server, tenant); err != nil {
				t.Error(err)
			}
		})
		t.Run("replication is for its own account, over TLS", func(t *testing.T) {
			replication := func(c *pgx.ConnConfig) { c.RuntimeParams["replication"] = "true" }
			plain := func(c *pgx.ConnConfig) { c.TLSConfig = nil }
			conn, err := b.connect(postgres.ReplicationUser, b.Secrets.Replication, "", replication)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := conn.PgConn().Exec(t.Context(), "IDENTIFY_SYSTEM").ReadAll(); err != nil {
				t.Error(err)
			}
			_, err = b.connect(postgres.ReplicationUser, b.Secrets.Replication, "", replication, plain)
			wantCode(t, err, "28000")
			_, err = b.connect(postgres.ProbeUser, b.Secrets.Probe, "", replication)
			wantCode(t, err, "28000")
			_, err = b.connect(tenant.Username, tenant.Password, "", replication)
			wantCode(t, err, "28000")
		})
		t.Run("nobody comes in without TLS, with the right password either", func(t *testing.T) {
			_, err := b.connect(tenant.Username, tenant.Password, tenant.Database, func(c *pgx.ConnConfig) { c.TLSConfig = nil })
			wantCode(t, err, "28000")
			if err == nil || !strings.Contains(err.Error(), "no encryption") {
				t.Errorf("got %v", err)
			}
		})
		t.Run("others stay out of the database", func(t *testing.T) {
			_, err := b.connect(postgres.ReplicationUser, b.Secrets.Replication, tenant.Database)
			wantCode(t, err, "42501")
		})
		t.Run("the probe has the scientist's rights", func(t *testing.T) {
			probe := engine.Tenant{Username: postgres.ProbeUser, Password: b.Secrets.Probe, Database: tenant.Database}
			if err := e.Prove(t.Context(), b.Server, probe); err != nil {
				t.Error(err)
			}
		})
	})
}

func TestWhatTheScientistMayDo(t *testing.T) {
	eachImage(t, func(t *testing.T, image string) {
		b := newBox(t, image)
		b.Start()
		tenant := b.provisioned("ada")
		conn := b.login(tenant.Username, tenant.Password, tenant.Database)
		do(t, conn,
			"drop schema public cascade", "create schema public", "create schema lab", "create table lab.t (i int)",
			"create extension pg_trgm", "create temporary table x (i int)", "create database another",
			"create function f() returns int language sql as 'select 1'",
		)
		b.provision(tenant) // the schema that the scientist made stays
		if got := one(t, conn, "select count(*)::text from lab.t"); got != "0" {
			t.Errorf("lab.t has %s rows", got)
		}
		for _, sql := range []string{
			"alter role ada superuser", "create role eve", "alter role ada replication", "set role mydb_admin", "drop role mydb_probe",
			"select * from pg_authid", "copy (select 1) to program 'id'", "select pg_read_file('/run/mydb/admin_password')",
			"alter system set fsync = off", "create extension postgres_fdw", "alter role mydb_admin password 'x'",
		} {
			_, err := conn.Exec(t.Context(), sql)
			if err == nil {
				t.Errorf("%s: allowed", sql)
				continue
			}
			wantCode(t, err, "42501")
		}
		// Visiting the maintenance database is fine, leaving things there is not.
		visit := b.login(tenant.Username, tenant.Password, "postgres")
		_, err := visit.Exec(t.Context(), "create table public.litter (i int)")
		wantCode(t, err, "42501")

		do(t, visit, "drop database another")
		do(t, conn, "drop schema public cascade")
		wantRefusal(t, postgres.Engine{}.Prove(t.Context(), b.Server, tenant), "CREATE SCHEMA public")
		b.provision(tenant)
		_ = conn.Close(t.Context())
		do(t, visit, "drop database "+tenant.Database)
		wantRefusal(t, postgres.Engine{}.Prove(t.Context(), b.Server, tenant), "dropped")
		do(t, visit, "create database "+tenant.Database)
	})
}

// wantRefusal checks for a *engine.RefusedError whose sentence holds the words.
func wantRefusal(t *testing.T, err error, words ...string) {
	t.Helper()
	var refused *engine.RefusedError
	if !errors.As(err, &refused) {
		t.Errorf("got %v, want a refusal", err)
		return
	}
	for _, w := range words {
		if !strings.Contains(refused.Message, w) {
			t.Errorf("the sentence %q does not speak of %q", refused.Message, w)
		}
	}
}

func TestPasswordsOfAllKinds(t *testing.T) {
	eachImage(t, func(t *testing.T, image string) {
		b := newBox(t, image)
		b.Start()
		tenant := enginetest.Tenant("ada")
		for _, password := range []string{
			`it's "quoted" \ and $100%`, `'); drop role ada; --`, `  blanks around  `, "пароль-длинный-ñ", "日本語のとても長いパスワード",
			"كلمة مرور طويلة 123", "emoji 🙂🦖 password", "SCRAM-SHA-256$4096:", strings.Repeat("ß", 128), `:colon\:backslash\\`,
		} {
			tenant.Password = password
			b.provision(tenant)
			b.prove(tenant)
			psqlLogin(t, b, tenant)
		}
	})
}

func TestNoPasswordInTheLog(t *testing.T) {
	eachImage(t, func(t *testing.T, image string) {
		b := newBox(t, image)
		b.Recipe.Args = append(b.Recipe.Args, "-c", "log_statement=all", "-c", "log_min_duration_statement=0", "-c", "log_connections=on")
		b.Start()
		tenant := enginetest.Tenant("ada")
		tenant.InitSQL = "create table from_the_init_script (i int)"
		b.provision(tenant)
		b.prove(tenant)
		b.waitForLog("from_the_init_script") // statements are logged indeed
		log := b.Logs()
		for _, secret := range []string{b.Secrets.Admin, b.Secrets.Probe, b.Secrets.Replication, tenant.Password, "SCRAM-SHA-256$"} {
			if strings.Contains(log, secret) {
				t.Errorf("the log holds a secret: %s", secret)
			}
		}
		inspect := enginetest.Docker(t, "inspect", b.Name)
		for _, secret := range []string{b.Secrets.Admin, b.Secrets.Probe, b.Secrets.Replication} {
			if strings.Contains(inspect, secret) {
				t.Errorf("the container's description holds a secret: %s", secret)
			}
		}
		do(t, b.admin("postgres"), "create extension pg_stat_statements")
		n := one(t, b.admin("postgres"), "select count(*)::text from pg_stat_statements where query like '%SCRAM-SHA-256$%' and query not like '%pg_stat_statements%'")
		if n != "0" {
			t.Errorf("pg_stat_statements holds %s verifiers", n)
		}
	})
}
