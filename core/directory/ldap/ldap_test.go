package ldap_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mydb-project/mydb/core"
	"github.com/mydb-project/mydb/core/coretest"
	"github.com/mydb-project/mydb/core/directory/ldap"
)

// servers are the two real directories that deploy/dev/directory.sh starts: their variables begin with these words.
var servers = map[string]string{"Active Directory": "MYDB_TEST_AD_", "OpenLDAP": "MYDB_TEST_LDAP_"}

// options of a directory, as the tests' servers want them.
func options(t *testing.T, prefix string) ldap.Options {
	t.Helper()
	if os.Getenv(prefix+"URL") == "" {
		t.Skip("needs a directory: run `make test`, which sets " + prefix + "URL")
	}
	of := func(name string) string { return os.Getenv(prefix + name) }
	return ldap.Options{
		URLs: []string{of("URL")}, StartTLS: strings.HasPrefix(of("URL"), "ldap://"), CAFile: of("CA_FILE"), BaseDN: of("BASE_DN"),
		BindDN: of("BIND_DN"), BindPassword: of("BIND_PASSWORD"), AdminGroup: "mydb-admins", UserGroup: "mydb-users",
		Log: slog.New(slog.DiscardHandler),
	}
}

func discard() *slog.Logger { return slog.New(slog.DiscardHandler) }

func password() string { return os.Getenv("MYDB_TEST_DIRECTORY_PASSWORD") }

func open(t *testing.T, o ldap.Options) (*ldap.Directory, *core.Service) {
	t.Helper()
	s, _ := coretest.New(t)
	d, err := ldap.New(o, s)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.Close)
	return d, s
}

func each(t *testing.T, test func(t *testing.T, o ldap.Options, ad bool)) {
	for name, prefix := range servers {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, options(t, prefix), prefix == "MYDB_TEST_AD_")
		})
	}
}

func TestLogin(t *testing.T) {
	each(t, func(t *testing.T, o ldap.Options, ad bool) {
		d, _ := open(t, o)
		logins := []string{"ada", "ADA", " ada "}
		if ad {
			logins = append(logins, "ada@lab.test") // the principal name, although a colleague has the same mail address
		}
		for _, login := range logins {
			p, err := d.Authenticate(t.Context(), login, password())
			if err != nil || p.Login != "ada" || p.Admin || p.Email == nil || *p.Email != "ada@lab.test" || !strings.Contains(p.Name, "Lab") {
				t.Errorf("%q: %+v, %v", login, p, err)
			}
		}
		if p, err := d.Authenticate(t.Context(), "grace@lab.test", password()); err != nil || p.Login != "grace" || !p.Admin {
			t.Errorf("an administrator through a group in a group: %+v, %v", p, err)
		}
		a, err := d.Lookup(t.Context(), "grace")
		for _, group := range []string{"mydb-admins", "platform-team", "mydb-users"} {
			if err != nil || !slices.Contains(a.Groups, group) {
				t.Errorf("groups %v, %v; want %s among them", a.Groups, err, group)
			}
		}
	})
}

func TestRefusedLogins(t *testing.T) {
	each(t, func(t *testing.T, o ldap.Options, ad bool) {
		d, _ := open(t, o)
		long := strings.Repeat("x", 4096)
		for _, c := range []struct{ login, password string }{
			{"ada", "wrong"},
			{"ada", ""},
			{"ada", long},
			{"ada", password() + "\x00"},
			{"nobody", password()},
			{"", password()},
			{"*", password()},
			{"*)(uid=*", password()},
			{"*)(sAMAccountName=*", password()},
			{"ada)(|(uid=*", password()},
			{"ada\x00", password()},
			{long, password()},
			{"ad*", password()},
			{`ada\2a`, password()},
		} {
			p, err := d.Authenticate(t.Context(), c.login, c.password)
			if core.CodeOf(err) != core.CodeUnauthenticated {
				t.Errorf("%.40q with %.20q: %+v, %v", c.login, c.password, p, err)
			}
		}
		for login, says := range map[string]string{"dora": "not in the group mydb-users", "expired": "has expired"} {
			if _, err := d.Authenticate(t.Context(), login, password()); core.CodeOf(err) != core.CodeForbidden || !strings.Contains(err.Error(), says) {
				t.Errorf("%s: %v, want %q", login, err, says)
			}
			// What is wrong with an account is told to those who know its password.
			if _, err := d.Authenticate(t.Context(), login, "wrong"); core.CodeOf(err) != core.CodeUnauthenticated {
				t.Errorf("%s with a wrong password: %v", login, err)
			}
		}
		if !ad {
			if _, err := d.Authenticate(t.Context(), "ada@lab.test", password()); core.CodeOf(err) != core.CodeTaken {
				t.Errorf("a mail address that two have: %v", err)
			}
			return
		}
		if _, err := d.Authenticate(t.Context(), "left", password()); core.CodeOf(err) != core.CodeForbidden || !strings.Contains(err.Error(), "disabled") {
			t.Errorf("disabled: %v", err)
		}
	})
}

// Two people of two domains may have one mail address; the second one logs in without it.
func TestSharedMailAddress(t *testing.T) {
	each(t, func(t *testing.T, o ldap.Options, _ bool) {
		d, _ := open(t, o)
		if _, err := d.Authenticate(t.Context(), "ada", password()); err != nil {
			t.Fatal(err)
		}
		p, err := d.Authenticate(t.Context(), "twin", password())
		if err != nil || p.Login != "twin" || p.Email != nil {
			t.Errorf("%+v, %v", p, err)
		}
	})
}

func TestLookup(t *testing.T) {
	each(t, func(t *testing.T, o ldap.Options, ad bool) {
		d, _ := open(t, o)
		for login, want := range map[string]core.Code{"ada": "", "nobody": core.CodeNotFound, "dora": core.CodeNotFound, "expired": core.CodeForbidden} {
			if _, err := d.Lookup(t.Context(), login); core.CodeOf(err) != want && (want != "" || err != nil) {
				t.Errorf("%s: %v, want %s", login, err, want)
			}
		}
		if ad {
			if _, err := d.Lookup(t.Context(), "left"); core.CodeOf(err) != core.CodeForbidden {
				t.Errorf("disabled: %v", err)
			}
		}
	})
}

func TestCheck(t *testing.T) {
	each(t, func(t *testing.T, o ldap.Options, _ bool) {
		d, _ := open(t, o)
		if text, err := d.Check(t.Context()); err != nil || !strings.Contains(text, "answers at") {
			t.Errorf("%q, %v", text, err)
		}
		for what, c := range map[string]struct {
			change func(*ldap.Options)
			says   string
		}{
			"a wrong password":       {func(o *ldap.Options) { o.BindPassword = "wrong" }, "MYDB_LDAP_BIND_PASSWORD are refused"},
			"an unknown authority":   {func(o *ldap.Options) { o.CAFile = "" }, "MYDB_LDAP_CA_FILE"},
			"a group that is not":    {func(o *ldap.Options) { o.AdminGroup = "mydb-adminz" }, `the group "mydb-adminz" was not found`},
			"nothing at the address": {func(o *ldap.Options) { o.URLs = []string{"ldap://127.0.0.1:9"} }, "is MYDB_LDAP_URL right?"},
		} {
			changed := o
			c.change(&changed)
			d, _ := open(t, changed)
			if _, err := d.Check(t.Context()); err == nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("%s: %v, want %q", what, err, c.says)
			}
		}
	})
}

func TestOptions(t *testing.T) {
	for what, change := range map[string]func(*ldap.Options){
		"no server":           func(o *ldap.Options) { o.URLs = nil },
		"no address":          func(o *ldap.Options) { o.URLs = []string{"dc1"} },
		"another protocol":    func(o *ldap.Options) { o.URLs = []string{"http://dc1"} },
		"StartTLS over TLS":   func(o *ldap.Options) { o.StartTLS = true },
		"no base":             func(o *ldap.Options) { o.BaseDN = "" },
		"a base that is none": func(o *ldap.Options) { o.BaseDN = "lab.test" },
		"a filter for all":    func(o *ldap.Options) { o.UserFilter = "(objectClass=*)" },
		"half a filter":       func(o *ldap.Options) { o.UserFilter = "(uid={login}" },
		"no authority":        func(o *ldap.Options) { o.CAFile = os.DevNull },
	} {
		o := ldap.Options{URLs: []string{"ldaps://dc1"}, BaseDN: "dc=lab,dc=test", Log: slog.New(slog.DiscardHandler)}
		change(&o)
		if _, err := ldap.New(o, nil); err == nil {
			t.Errorf("%s: accepted", what)
		}
	}
	if a, err := ldap.ReadAttributes("login=uid, mail=rfc822Mailbox"); err != nil || a.Login != "uid" || a.Mail != "rfc822Mailbox" {
		t.Errorf("%+v, %v", a, err)
	}
	for _, text := range []string{"login", "login=", "shoe=size"} {
		if _, err := ldap.ReadAttributes(text); err == nil {
			t.Errorf("%q: accepted", text)
		}
	}
}

// proxy stands between MyDB and a directory, so that a test can take that away.
type proxy struct {
	net.Listener
	to string

	mu    sync.Mutex
	conns []net.Conn
	mute  bool
}

func newProxy(t *testing.T, to string) *proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{Listener: l, to: to}
	t.Cleanup(func() { p.Close(); p.cut() })
	go p.serve()
	return p
}

func (p *proxy) serve() {
	for {
		in, err := p.Accept()
		if err != nil {
			return
		}
		p.mu.Lock()
		p.conns = append(p.conns, in)
		mute := p.mute
		p.mu.Unlock()
		if mute {
			continue // takes the connection, and never says anything
		}
		out, err := net.Dial("tcp", p.to)
		if err != nil {
			in.Close()
			continue
		}
		go func() { _, _ = io.Copy(out, in); out.Close() }()
		go func() { _, _ = io.Copy(in, out); in.Close() }()
	}
}

func (p *proxy) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.conns {
		c.Close()
	}
	p.conns = nil
}

// A directory that went away and came back, one that never answers, and one of two that is down.
func TestAwayDirectory(t *testing.T) {
	o := options(t, "MYDB_TEST_LDAP_")
	address := strings.TrimPrefix(o.URLs[0], "ldap://")
	p := newProxy(t, address)
	behind := "ldap://" + p.Addr().String()
	o.URLs = []string{behind}
	d, _ := open(t, o)
	for range 2 {
		if _, err := d.Authenticate(t.Context(), "ada", password()); err != nil {
			t.Fatal(err)
		}
		p.cut() // the connections that were kept are dead now
	}
	both := o
	both.URLs = []string{"ldap://127.0.0.1:9", behind}
	d2, _ := open(t, both)
	if _, err := d2.Authenticate(t.Context(), "ada", password()); err != nil {
		t.Errorf("with one of two servers down: %v", err)
	}
	p.mu.Lock()
	p.mute = true
	p.mu.Unlock()
	p.cut()
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if _, err := d.Authenticate(ctx, "ada", password()); core.CodeOf(err) != core.CodeUnavailable || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a directory that never answers: %v", err)
	}
	p.Close()
	if _, err := d.Authenticate(t.Context(), "ada", password()); core.CodeOf(err) != core.CodeUnavailable {
		t.Errorf("a directory that is down: %v", err)
	}
}
