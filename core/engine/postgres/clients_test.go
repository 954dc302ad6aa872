package postgres_test

import (
	"encoding/pem"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mydb-project/mydb/core/engine"
	"github.com/mydb-project/mydb/core/engine/enginetest"
	"github.com/mydb-project/mydb/core/engine/postgres"
)

// psqlLogin logs in with libpq, which normalises passwords in its own way.
func psqlLogin(t *testing.T, b *box, tenant engine.Tenant) {
	t.Helper()
	if _, err := exec.LookPath("psql"); err != nil {
		return // the Go client has done its part
	}
	d := newDesk(t, b, tenant)
	out, err := d.command("psql", "--no-psqlrc", "service="+d.card.Name, "-Atc", "select current_user").CombinedOutput()
	if err != nil || strings.TrimSpace(string(out)) != tenant.Username {
		t.Errorf("psql with the password %q: %v: %s", tenant.Password, err, out)
	}
}

// desk is a scientist's home folder after `mydb connect --save`.
type desk struct {
	home string
	card engine.Card
}

func newDesk(t *testing.T, b *box, tenant engine.Tenant) desk {
	t.Helper()
	d := desk{home: t.TempDir()}
	d.card = engine.Card{
		Name: "yeast-screen", Host: b.Server.Host, Port: b.Server.Port, Database: tenant.Database, Username: tenant.Username,
		CAPath: filepath.Join(d.home, "my ca's.crt"),
	}
	if block, _ := pem.Decode(b.Secrets.Certificate); block == nil {
		t.Fatal("the certificate is not PEM")
	}
	enginetest.HostFile(t, d.home, "my ca's.crt", 0o644, b.Secrets.Certificate)
	enginetest.HostFile(t, d.home, ".pg_service.conf", 0o600, []byte(postgres.ServiceEntry(d.card)))
	enginetest.HostFile(t, d.home, ".pgpass", 0o600, []byte(postgres.PassfileLine(d.card, tenant.Password)))
	return d
}

// command is a program that sees nothing of this process's environment but the way to programs.
func (d desk) command(name string, args ...string) *exec.Cmd {
	cmd := exec.Command(name, args...)
	cmd.Dir = d.home
	// libpq finds the home folder in the account database or in HOME, by version; the explicit names hold for all.
	cmd.Env = []string{
		"PATH=" + os.Getenv("PATH"), "LANG=C.UTF-8", "HOME=" + d.home,
		"PGSERVICEFILE=" + filepath.Join(d.home, ".pg_service.conf"), "PGPASSFILE=" + filepath.Join(d.home, ".pgpass"),
	}
	return cmd
}

func (d desk) snippet(t *testing.T, tool string) string {
	t.Helper()
	for _, s := range (postgres.Engine{}).Snippets(d.card) {
		if s.Tool == tool {
			return s.Text
		}
	}
	t.Fatalf("there is no snippet for %s", tool)
	return ""
}

// What the connection card shows works as it stands, with each tool that this machine has.
func TestSnippetsConnect(t *testing.T) {
	eachImage(t, func(t *testing.T, image string) {
		b := newBox(t, image)
		b.Start()
		tenant := enginetest.Tenant("ada")
		tenant.Password = `:colons\backslashes 'quotes' and more: ñ`
		b.provision(tenant)
		d := newDesk(t, b, tenant)

		expect := func(t *testing.T, cmd *exec.Cmd, want string) {
			t.Helper()
			out, err := cmd.CombinedOutput()
			if err != nil || !strings.Contains(string(out), want) {
				t.Errorf("%v, output without %q:\n%s", err, want, out)
			}
		}
		t.Run("psql", func(t *testing.T) {
			enginetest.Need(t, "psql")
			expect(t, d.command("/bin/sh", "-c", d.snippet(t, "psql")+" -Atc 'select version()'"), "PostgreSQL")
		})
		t.Run("uri", func(t *testing.T) {
			enginetest.Need(t, "psql")
			const ssl = "select 'TLS ' || ssl from pg_stat_ssl where pid = pg_backend_pid()"
			expect(t, d.command("psql", d.snippet(t, "uri"), "-Atc", ssl), "TLS true")
		})
		t.Run("psycopg", func(t *testing.T) {
			python := enginetest.PythonWith(t, "psycopg")
			expect(t, d.command(python, "-c", d.snippet(t, "psycopg")), "PostgreSQL")
		})
		t.Run("sqlalchemy", func(t *testing.T) {
			python := enginetest.PythonWith(t, "sqlalchemy.dialects.postgresql.psycopg", "psycopg")
			expect(t, d.command(python, "-c", d.snippet(t, "sqlalchemy")), "PostgreSQL")
		})
		t.Run("jupyter", func(t *testing.T) {
			python := enginetest.PythonWith(t, "sql.magic", "IPython", "psycopg")
			notebook := filepath.Join(d.home, "notebook.ipy")
			enginetest.HostFile(t, d.home, "notebook.ipy", 0o644, []byte(strings.Replace(d.snippet(t, "jupyter"), "%sql select", "print(get_ipython().run_line_magic('sql', 'select", 1)+"'))\n"))
			expect(t, d.command(python, "-m", "IPython", notebook), "PostgreSQL")
		})
		t.Run("r", func(t *testing.T) {
			enginetest.Need(t, "Rscript")
			if exec.Command("Rscript", "-e", "library(RPostgres)").Run() != nil {
				t.Skip("needs R's package RPostgres")
			}
			expect(t, d.command("Rscript", "-e", d.snippet(t, "r")), "PostgreSQL")
		})
		t.Run("julia", func(t *testing.T) {
			enginetest.Need(t, "julia")
			if exec.Command("julia", "-e", "using LibPQ").Run() != nil {
				t.Skip("needs Julia's package LibPQ")
			}
			expect(t, d.command("julia", "-e", d.snippet(t, "julia")+"; print(conn)"), d.card.Database)
		})
		t.Run("jdbc", func(t *testing.T) {
			enginetest.Need(t, "java")
			const jar = "/usr/share/java/postgresql.jar"
			if _, err := os.Stat(jar); err != nil {
				t.Skip("needs PostgreSQL's JDBC driver, Debian's libpostgresql-jdbc-java")
			}
			enginetest.HostFile(t, d.home, "Connect.java", 0o644, []byte(javaProgram))
			expect(t, d.command("java", "-Duser.home="+d.home, "-Dorg.postgresql.pgpassfile="+filepath.Join(d.home, ".pgpass"), "-Dorg.postgresql.pgservicefile="+filepath.Join(d.home, ".pg_service.conf"),
				"-cp", jar, filepath.Join(d.home, "Connect.java"), d.snippet(t, "jdbc")), "PostgreSQL")
		})
		t.Run("no snippet trusts a stranger", func(t *testing.T) {
			enginetest.Need(t, "psql")
			stranger, _, _ := enginetest.SelfSigned(t)
			enginetest.HostFile(t, d.home, "my ca's.crt", 0o644, stranger)
			for _, target := range []string{"service=" + d.card.Name, d.snippet(t, "uri")} {
				out, err := d.command("psql", target, "-Atc", "select 1").CombinedOutput()
				if err == nil || !strings.Contains(string(out), "certificate verify failed") {
					t.Errorf("psql %s: %v: %s", target, err, out)
				}
			}
		})
	})
}

const javaProgram = `
import java.sql.*;

public class Connect {
    public static void main(String[] args) throws Exception {
        try (Connection c = DriverManager.getConnection(args[0]);
             ResultSet r = c.createStatement().executeQuery("select version()")) {
            r.next();
            System.out.println(r.getString(1));
        }
    }
}
`
