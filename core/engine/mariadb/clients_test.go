package mariadb_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mydb-project/mydb/core/engine"
	"github.com/mydb-project/mydb/core/engine/enginetest"
	"github.com/mydb-project/mydb/core/engine/mariadb"
)

// desk is a scientist's home folder after `mydb connect --save`.
type desk struct {
	home     string
	card     engine.Card
	password string
}

func newDesk(t *testing.T, b *enginetest.Box, tenant engine.Tenant) desk {
	t.Helper()
	d := desk{home: t.TempDir(), password: tenant.Password}
	d.card = engine.Card{
		Name: "yeast-screen", Host: b.Server.Host, Port: b.Server.Port, Database: tenant.Database, Username: tenant.Username,
		CAPath: filepath.Join(d.home, "my ca's.crt"),
	}
	d.write(t, "my ca's.crt", string(b.Secrets.Certificate))
	options := "[client]\nuser=somebody_else\npassword=of_somebody_else\n"
	for _, g := range mariadb.Options(d.card, tenant.Password) {
		options += g.Text
	}
	d.write(t, ".my.cnf", options)
	return d
}

func (d desk) write(t *testing.T, name, content string) {
	t.Helper()
	must(t, os.WriteFile(filepath.Join(d.home, name), []byte(content), 0o600))
}

// command is a program that sees nothing of this process's environment but the way to programs.
func (d desk) command(name string, args ...string) *exec.Cmd {
	cmd := exec.Command(name, args...)
	cmd.Dir = d.home
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "LANG=C.UTF-8", "HOME=" + d.home}
	return cmd
}

func (d desk) snippet(t *testing.T, tool string) string {
	t.Helper()
	for _, s := range (mariadb.Engine{}).Snippets(d.card) {
		if s.Tool == tool {
			return s.Text
		}
	}
	t.Fatalf("there is no snippet for %s", tool)
	return ""
}

func expect(t *testing.T, cmd *exec.Cmd, want string) {
	t.Helper()
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), want) {
		t.Errorf("%v, output without %q:\n%s", err, want, out)
	}
}

// What the connection card shows works as it stands, with each tool that this machine has.
func TestSnippetsConnect(t *testing.T) {
	eachImage(t, func(t *testing.T, image string) {
		b, tenant := started(t, image)
		d := newDesk(t, b, tenant)
		t.Run("mariadb", func(t *testing.T) {
			enginetest.Need(t, "mariadb")
			expect(t, d.command("/bin/sh", "-c", d.snippet(t, "mariadb")+` -e 'select database(); show status like "ssl_version"'`), "TLSv1.")
			expect(t, d.command("/bin/sh", "-c", d.snippet(t, "mariadb")+` -e 'select database()'`), tenant.Database)
			expect(t, d.command("mariadb-dump", "--defaults-group-suffix=_yeast-screen", "--no-tablespaces", tenant.Database), "-- Dump completed")
		})
		t.Run("pymysql", func(t *testing.T) {
			expect(t, d.command(enginetest.PythonWith(t, "pymysql"), "-c", d.snippet(t, "pymysql")), "MariaDB")
		})
		t.Run("sqlalchemy", func(t *testing.T) {
			expect(t, d.command(enginetest.PythonWith(t, "sqlalchemy", "pymysql"), "-c", d.snippet(t, "sqlalchemy")), "MariaDB")
		})
		t.Run("r", func(t *testing.T) {
			enginetest.Need(t, "Rscript")
			if exec.Command("Rscript", "-e", "library(RMariaDB)").Run() != nil {
				t.Skip("needs R's package RMariaDB")
			}
			expect(t, d.command("Rscript", "-e", d.snippet(t, "r")), "MariaDB")
		})
		t.Run("jdbc", func(t *testing.T) {
			enginetest.Need(t, "java")
			const jar = "/usr/share/java/mariadb-java-client.jar"
			if _, err := os.Stat(jar); err != nil {
				t.Skip("needs MariaDB's JDBC driver, Debian's libmariadb-java")
			}
			d.write(t, "Connect.java", javaProgram)
			cmd := d.command("java", "-cp", jar, filepath.Join(d.home, "Connect.java"), d.snippet(t, "jdbc"))
			cmd.Stdin = strings.NewReader(d.password + "\n")
			expect(t, cmd, "MariaDB")
		})
		t.Run("no snippet trusts a stranger", func(t *testing.T) {
			stranger, _, _ := enginetest.SelfSigned(t)
			d.write(t, "my ca's.crt", string(stranger))
			for tool, run := range map[string]func() *exec.Cmd{
				"mariadb": func() *exec.Cmd {
					enginetest.Need(t, "mariadb")
					return d.command("/bin/sh", "-c", d.snippet(t, "mariadb")+" -e 'select 1'")
				},
				"pymysql": func() *exec.Cmd { return d.command(enginetest.PythonWith(t, "pymysql"), "-c", d.snippet(t, "pymysql")) },
			} {
				out, err := run().CombinedOutput()
				if err == nil || !strings.Contains(strings.ToLower(string(out)), "certificate") {
					t.Errorf("%s: %v: %s", tool, err, out)
				}
			}
		})
	})
}

const javaProgram = `
import java.sql.*;
import java.util.*;

public class Connect {
    public static void main(String[] args) throws Exception {
        Properties more = new Properties();
        more.setProperty("password", new Scanner(System.in).nextLine());
        try (Connection c = DriverManager.getConnection(args[0], more);
             ResultSet r = c.createStatement().executeQuery("select version()")) {
            r.next();
            System.out.println(r.getString(1));
        }
    }
}
`
