package config_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mydb-project/mydb/core/config"
)

func TestLoadSaysWhatIsWrong(t *testing.T) {
	for _, c := range []struct{ env, want string }{
		{"MYDB_LISTEN=nowhere", `MYDB_LISTEN is "nowhere": write an address and a port`},
		{"MYDB_LISTEN=127.0.0.1:99999", `MYDB_LISTEN is "127.0.0.1:99999"`},
		{"MYDB_PORT_RANGE=30-20", `MYDB_PORT_RANGE is "30-20": write two ports from 1024 to 65535`},
		{"MYDB_PUBLISH=mesh", `MYDB_PUBLISH is "mesh": write host or ingress`},
		{"MYDB_PUBLIC_URL=mydb.example.org", `MYDB_PUBLIC_URL is "mydb.example.org"`},
		{"MYDB_SESSION_IDLE=13h", `MYDB_SESSION_IDLE is "13h0m0s": write 5m or more, and no more than MYDB_SESSION_LIFE`},
		{"MYDB_SESSION_LIFE=400h", `MYDB_SESSION_LIFE is "400h0m0s": write 10m to 168h`},
		{"MYDB_STEP_UP=0s", `MYDB_STEP_UP is "0s": write 1m or more`},
		{"MYDB_TLS_CERT_FILE=/does/not/exist", "MYDB_TLS_CERT_FILE and MYDB_TLS_KEY_FILE go together: set both, or none"},
		{"MYDB_PROXIES=everybody", `MYDB_PROXIES is "everybody": write networks and addresses with commas, such as 10.20.0.0/16,192.0.2.7`},
		{"MYDB_PROXIES=10.0.0.1,0.0.0.0/0", `MYDB_PROXIES is "10.0.0.1,0.0.0.0/0": a network of all addresses`},
		{"MYDB_CREATE_TIMEOUT=soon", `MYDB_CREATE_TIMEOUT is "soon": write a duration`},
		{"MYDB_LOG=loud", `MYDB_LOG is "loud": write text or json`},
		{"MYDB_LISTNE=:80", "MYDB_LISTNE is not a variable that this version knows"},
		{"MYDB_DATABASE_URL=mysql://u:canary@h/d", "MYDB_DATABASE_URL (its value is a secret)"},
		{"MYDB_SMTP_URL=http://u:canary@h", "MYDB_SMTP_URL (its value is a secret): write an address"},
		{"MYDB_SMTP_URL=smtp://u:canary@h:port", "MYDB_SMTP_URL (its value is a secret): write an address"},
		{"MYDB_SMTP_URL=smtp://u:can/ary@h", "written as %40 and %2F"},
		{"MYDB_SMTP_URL=smtp://u:canary@h?tls=maybe", "its tls is none, starttls or tls"},
		{"MYDB_SMTP_URL=smtp://u:canary@h?ssl=1", `it knows no "ssl"`},
		{"MYDB_SMTP_URL=smtp://u:canary@h?tls=none", "would cross the network in the clear"},
		{"MYDB_SMTP_URL=smtp://u@h", "a user without a password"},
		{"MYDB_SMTP_URL=smtp://h", "MYDB_MAIL_FROM is not set"},
		{"MYDB_MAIL_FROM=mydb", `MYDB_MAIL_FROM is "mydb": write a mail address`},
		{"MYDB_MAIL_ADMINS=dba@example.org,root", `MYDB_MAIL_ADMINS is "root": write mail addresses`},
		{"MYDB_SMTP_CA_FILE=/does/not/exist", `MYDB_SMTP_CA_FILE is "/does/not/exist"`},
		{"MYDB_DATABASE_URL_FILE=/does/not/exist", "MYDB_DATABASE_URL_FILE: open /does/not/exist"},
	} {
		_, err := config.Load([]string{c.env})
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "canary") {
			t.Errorf("Load(%s) = %v; want %q", c.env, err, c.want)
		}
	}
}

func TestLoadSaysAllThatIsWrong(t *testing.T) {
	_, err := config.Load([]string{"MYDB_PORT_RANGE=30-20", "MYDB_CREATE_TIMEOUT=soon", "MYDB_PUBLISH=mesh", "MYDB_LISTNE=:80"})
	if err == nil {
		t.Fatal("Load takes four wrong values")
	}
	for _, name := range []string{"MYDB_PORT_RANGE", "MYDB_CREATE_TIMEOUT", "MYDB_PUBLISH", "MYDB_LISTNE"} {
		if n := strings.Count(err.Error(), name); n != 1 {
			t.Errorf("the error names %s %d times; want once:\n%v", name, n, err)
		}
	}
}

func TestLoadDefaultsAndFiles(t *testing.T) {
	file := filepath.Join(t.TempDir(), "url")
	if err := os.WriteFile(file, []byte("postgres://a:b@h/d\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := config.Load([]string{"MYDB_DATABASE_URL_FILE=" + file, "HOME=/root"})
	if err != nil {
		t.Fatal(err)
	}
	if c.DatabaseURL != "postgres://a:b@h/d" || c.PublicURL != "http://127.0.0.1:8080" || c.PortRange != (config.PortRange{First: 25010, Last: 25999}) {
		t.Errorf("Load = %+v", c)
	}
	if err := c.NeedServer(); err == nil || !strings.Contains(err.Error(), "MYDB_KEY_FILE") || strings.Contains(err.Error(), "MYDB_DATABASE_URL") {
		t.Errorf("NeedServer = %v; want only the key to be missing", err)
	}
	if _, err := config.Load([]string{"MYDB_DATABASE_URL_FILE=" + file, "MYDB_DATABASE_URL=postgres://x@y/z"}); err == nil {
		t.Error("both forms at once were accepted")
	}
}

func TestMailServer(t *testing.T) {
	for url, want := range map[string]config.MailServer{
		"smtp://mail.example.org":                          {Host: "mail.example.org", Port: 587, TLS: config.TLSStart},
		"smtp://mail.example.org?tls=tls":                  {Host: "mail.example.org", Port: 465, TLS: config.TLSFull},
		"smtp://mail.example.org:2525/?tls=none":           {Host: "mail.example.org", Port: 2525, TLS: config.TLSNone},
		"smtp://a%40b.org:p%2Fw@[::1]:26?tls=none":         {Host: "::1", Port: 26, TLS: config.TLSNone, Username: "a@b.org", Password: "p/w"},
		"smtp://mydb:secret@mail.example.org?tls=starttls": {Host: "mail.example.org", Port: 587, TLS: config.TLSStart, Username: "mydb", Password: "secret"},
	} {
		c, err := config.Load([]string{"MYDB_SMTP_URL=" + url, "MYDB_MAIL_FROM=MyDB <mydb@example.org>", "MYDB_MAIL_ADMINS=dba@example.org, ops@example.org"})
		if err != nil || len(c.MailAdmins) != 2 {
			t.Errorf("Load(%s) = %v, admins %q", url, err, c.MailAdmins)
		}
		if got, err := c.MailServer(); err != nil || got != want {
			t.Errorf("MailServer(%s) = %+v, %v; want %+v", url, got, err, want)
		}
	}
}

func FuzzPortRange(f *testing.F) {
	f.Add("25010-25999")
	f.Add("-")
	f.Fuzz(func(t *testing.T, s string) {
		var r config.PortRange
		if r.UnmarshalText([]byte(s)) == nil && (r.First < 1024 || r.First > r.Last || r.Last > 65535) {
			t.Errorf("%q was read as %v", s, r)
		}
	})
}
