package console_test

import (
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/mydb-project/mydb/bot/console"
	"github.com/mydb-project/mydb/core"
	"github.com/mydb-project/mydb/core/crypt"
)

const certificate = "-----BEGIN CERTIFICATE-----\n"

// onDatabase serves one database; a missing password was collected already.
func (s *server) onDatabase(i core.Instance, password string) {
	s.HandleFunc("GET /api/v1/databases/{name}", func(w http.ResponseWriter, r *http.Request) {
		if r.PathValue("name") != i.Name {
			refuse(w, http.StatusNotFound, "not_found", "You have no such database.")
			return
		}
		answer(w, i)
	})
	s.HandleFunc("GET /api/v1/databases/{name}/credentials", func(w http.ResponseWriter, _ *http.Request) {
		if password == "" {
			refuse(w, http.StatusGone, "gone", "The password of genomes was collected already, and MyDB keeps none.")
			return
		}
		answer(w, core.Credentials{Username: i.Username, Password: password})
	})
	s.HandleFunc("GET /api/v1/ca.crt", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(certificate)) })
}

func genomes(state core.State) core.Instance {
	host, port := "db1.example.org", 25010
	i := core.Instance{Name: "genomes", Engine: "postgres", State: state, Host: &host, Port: &port, Username: "ada", Database: "genomes"}
	if state == core.StateCreating {
		i.Host, i.Port = nil, nil
	}
	return i
}

// place is a home directory.
type place string

func (h place) path(name string) string { return filepath.Join(string(h), name) }

// holds checks a file's content and mode.
func (h place) holds(t *testing.T, name, want string, mode os.FileMode) {
	t.Helper()
	b, err := os.ReadFile(h.path(name))
	if err != nil || string(b) != want {
		t.Errorf("%s holds\n%s(%v), want\n%s", name, b, err, want)
		return
	}
	if info, err := os.Stat(h.path(name)); err != nil || info.Mode().Perm() != mode {
		t.Errorf("%s has mode %v, %v; want %v", name, info.Mode(), err, mode)
	}
}

func (h place) write(t *testing.T, name, content string) {
	t.Helper()
	if err := os.WriteFile(h.path(name), []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

func (s *server) connect(t *testing.T, h place, change func(*console.ConnectOptions)) (*terminal, error) {
	t.Helper()
	var o terminal
	options := console.ConnectOptions{
		Client: s.client(), Name: "genomes", Save: true, Home: string(h), Out: &o.out, Err: &o.err,
		In: strings.NewReader(""), Getenv: func(string) string { return "" },
	}
	if change != nil {
		change(&options)
	}
	return &o, console.Connect(t.Context(), options)
}

func (h place) entry() string {
	return "[genomes]\nhost=db1.example.org\nport=25010\ndbname=genomes\nuser=ada\nsslmode=verify-full\nsslrootcert=" + h.path(".mydb/ca.crt") + "\n"
}

func TestConnectShowsTheCard(t *testing.T) {
	s := newServer(t)
	s.onCreate()
	h := place(t.TempDir())
	o, err := s.connect(t, h, func(o *console.ConnectOptions) { o.Save = false })
	if err != nil {
		t.Errorf("Connect: %v", err)
	}
	o.wants(t, "How to connect to genomes\nHost  db1.example.org\n", "")
	if left, _ := filepath.Glob(h.path("*")); left != nil {
		t.Errorf("without --save, it wrote %q", left)
	}
}

func TestConnectSaves(t *testing.T) {
	s := newServer(t)
	s.onDatabase(genomes(core.StateReady), `pass:canary\word`)
	h := place(t.TempDir())
	h.write(t, ".pgpass", "other:5432:*:x:y\n")
	h.write(t, ".pg_service.conf", "[other]\nhost=x\n")
	o, err := s.connect(t, h, nil)
	if err != nil {
		t.Errorf("Connect: %v", err)
	}
	o.wants(t, "Wrote "+h.path(".mydb/ca.crt")+" and the entry [genomes] of "+h.path(".pg_service.conf")+".\n"+
		"Saved the password in "+h.path(".pgpass")+".\nTo connect: psql service=genomes\n", "")
	h.holds(t, ".mydb/ca.crt", certificate, 0o644)
	h.holds(t, ".pg_service.conf", "[other]\nhost=x\n\n"+h.entry(), 0o600)
	h.holds(t, ".pgpass", `db1.example.org:25010:*:ada:pass\:canary\\word`+"\nother:5432:*:x:y\n", 0o600)

	// A client that reads these files as libpq does finds everything.
	h.write(t, ".mydb/ca.crt", realCertificate(t))
	c, err := pgx.ParseConfig("service=genomes servicefile=" + h.path(".pg_service.conf") + " passfile=" + h.path(".pgpass"))
	if err != nil {
		t.Fatal(err)
	}
	if c.Host != "db1.example.org" || c.Port != 25010 || c.User != "ada" || c.Database != "genomes" || c.Password != `pass:canary\word` || c.TLSConfig.ServerName != c.Host {
		t.Errorf("a client understands host %s, port %d, user %s, database %s, TLS to %s, password right: %v",
			c.Host, c.Port, c.User, c.Database, c.TLSConfig.ServerName, c.Password == `pass:canary\word`)
	}
}

func TestConnectAgainChangesNothing(t *testing.T) {
	s := newServer(t)
	s.onDatabase(genomes(core.StateReady), "")
	h := place(t.TempDir())
	h.write(t, ".pgpass", "db1.example.org:25010:*:ada:kept-canary\n")
	o, err := s.connect(t, h, nil)
	if err != nil {
		t.Errorf("Connect: %v", err)
	}
	if want := "The password in " + h.path(".pgpass") + " stays as it is.\nTo connect: psql service=genomes\n"; !strings.HasSuffix(o.out.String(), want) {
		t.Errorf("out is %s, want %s", o.out.String(), want)
	}
	h.holds(t, ".pg_service.conf", h.entry(), 0o600)
}

func TestConnectWhenThePasswordWasCollectedElsewhere(t *testing.T) {
	s := newServer(t)
	s.onDatabase(genomes(core.StateReady), "")
	h := place(t.TempDir())
	o, err := s.connect(t, h, nil)
	if !errors.Is(err, console.ErrFailed) {
		t.Errorf("Connect: %v, want ErrFailed, because no password was saved", err)
	}
	want := "The password of genomes was collected already, and MyDB keeps none. The entry is written: psql service=genomes asks for the password. " +
		"To save one that you have: mydb connect genomes --save --password-stdin\n"
	if o.err.String() != want {
		t.Errorf("err is %s, want %s", o.err.String(), want)
	}
	h.holds(t, ".pg_service.conf", h.entry(), 0o600)
	if _, err := os.Stat(h.path(".pgpass")); !os.IsNotExist(err) {
		t.Errorf(".pgpass: %v, want none", err)
	}

	o, err = s.connect(t, h, func(o *console.ConnectOptions) {
		o.PasswordStdin, o.In = true, strings.NewReader("typed-canary\r\nignored")
	})
	if err != nil || strings.Contains(o.out.String()+o.err.String(), "canary") {
		t.Errorf("Connect with the password: %v, %s%s", err, o.out.String(), o.err.String())
	}
	h.holds(t, ".pgpass", "db1.example.org:25010:*:ada:typed-canary\n", 0o600)
	if n := s.times("GET /databases/genomes/credentials"); n != 1 {
		t.Errorf("the password was asked for %d times, want only without --password-stdin", n)
	}
}

func TestConnectHonoursTheEnvironmentOfPostgres(t *testing.T) {
	s := newServer(t)
	s.onDatabase(genomes(core.StateReady), "canary")
	h := place(t.TempDir())
	_, err := s.connect(t, h, func(o *console.ConnectOptions) {
		o.Getenv = func(name string) string {
			return map[string]string{"PGPASSFILE": h.path("pass"), "PGSERVICEFILE": h.path("conf/services")}[name]
		}
	})
	if err != nil {
		t.Errorf("Connect: %v", err)
	}
	h.holds(t, "pass", "db1.example.org:25010:*:ada:canary\n", 0o600)
	h.holds(t, "conf/services", h.entry(), 0o600)
}

// MariaDB's tools have settings and password in one file.
func TestConnectSavesForMariaDB(t *testing.T) {
	i := genomes(core.StateReady)
	i.Engine = "mariadb"
	s := newServer(t)
	s.onDatabase(i, "canary#1")
	h := place(t.TempDir())
	const before, after = "[client]\nuser=somebody\n", "[client_other]\npassword=theirs\n"
	h.write(t, ".my.cnf", before+"[client_genomes]\nhost=old\npassword=old\n"+after)
	o, err := s.connect(t, h, nil)
	if err != nil {
		t.Errorf("Connect: %v", err)
	}
	o.wants(t, "Wrote "+h.path(".mydb/ca.crt")+" and the group [client_genomes] of "+h.path(".my.cnf")+".\n"+
		"Saved the password in "+h.path(".my.cnf")+".\nTo connect: mariadb --defaults-group-suffix=_genomes\n", "")
	want := func(password string) string {
		return before + "[client_genomes]\nhost=db1.example.org\nport=25010\nuser=ada\nssl-ca=" + h.path(".mydb/ca.crt") + "\nssl-verify-server-cert\n" +
			password + after + "\n[mysql_genomes]\ndatabase=genomes\n"
	}
	h.holds(t, ".my.cnf", want("password=\"canary#1\"\n"), 0o600)

	s = newServer(t)
	s.onDatabase(i, "") // collected by now
	o, err = s.connect(t, h, nil)
	if err != nil || !strings.Contains(o.out.String(), "The password in "+h.path(".my.cnf")+" stays as it is.") {
		t.Errorf("Connect again: %v, %s", err, o.out.String())
	}
	h.holds(t, ".my.cnf", want("password=\"canary#1\"\n"), 0o600)

	h = place(t.TempDir())
	o, err = s.connect(t, h, nil)
	if !errors.Is(err, console.ErrFailed) || !strings.Contains(o.err.String(), "mariadb --defaults-group-suffix=_genomes --password asks for the password. To save one") {
		t.Errorf("Connect elsewhere: %v, %s", err, o.err.String())
	}
	if content, err := os.ReadFile(h.path(".my.cnf")); err != nil || strings.Contains(string(content), "password") {
		t.Errorf("the file is %s, %v", content, err)
	}
}

func TestConnectRefuses(t *testing.T) {
	other := genomes(core.StateReady)
	other.Engine = "dbase"
	for name, c := range map[string]struct {
		instance core.Instance
		change   func(*console.ConnectOptions)
		want     string
	}{
		"too early":       {instance: genomes(core.StateCreating), want: "genomes is being created. Try again as soon as it is ready."},
		"gone":            {instance: genomes(core.StateTrashed), want: "genomes is in the trash, so nobody can connect to it."},
		"another engine":  {instance: other, want: "genomes is a database of dbase, for which --save knows no files"},
		"unknown":         {instance: genomes(core.StateReady), change: func(o *console.ConnectOptions) { o.Name = "x" }, want: "You have no such database."},
		"no password":     {instance: genomes(core.StateReady), change: func(o *console.ConnectOptions) { o.PasswordStdin = true }, want: "is no password"},
		"broken password": {instance: genomes(core.StateReady), change: func(o *console.ConnectOptions) { o.PasswordStdin, o.In = true, strings.NewReader("a\x00b") }, want: "is no password"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newServer(t)
			s.onDatabase(c.instance, "canary")
			h := place(t.TempDir())
			o, err := s.connect(t, h, c.change)
			if !errors.Is(err, console.ErrFailed) || !strings.Contains(o.err.String(), c.want) {
				t.Errorf("Connect: %v, %q; want %q", err, o.err.String(), c.want)
			}
			if _, err := os.Stat(h.path(".pgpass")); !os.IsNotExist(err) {
				t.Errorf(".pgpass: %v, want none", err)
			}
		})
	}
}

// A failure to write keeps the old file, and says that there is time.
func TestConnectCannotWrite(t *testing.T) {
	s := newServer(t)
	s.onDatabase(genomes(core.StateReady), "canary")
	h := place(t.TempDir())
	if err := os.Mkdir(h.path(".pgpass"), 0o700); err != nil {
		t.Fatal(err)
	}
	o, err := s.connect(t, h, nil)
	if !errors.Is(err, console.ErrFailed) || !strings.Contains(o.err.String(), "within ten minutes this can be tried again") {
		t.Errorf("Connect: %v, %s", err, o.err.String())
	}
}

// realCertificate is one that a client can read.
func realCertificate(t *testing.T) string {
	t.Helper()
	pem, _, err := crypt.NewAuthority(start)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem)
}
