package console_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mydb-project/mydb/bot/console"
)

func TestFind(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	home := filepath.Join(dir, "home")
	write := func(path, content string) string {
		path = filepath.Join(dir, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	flag, named := write("flag", "mydb_flag\n"), write("named", " mydb_named\r\n")
	write("state/token", "mydb_state")
	for _, c := range []struct {
		name          string
		o             console.FindOptions
		env           map[string]string
		server, token string
	}{
		{
			name: "the command line comes first", o: console.FindOptions{Server: "https://a.example/", TokenFile: flag},
			env: map[string]string{"MYDB_URL": "http://b", "MYDB_TOKEN": "mydb_env"}, server: "https://a.example", token: "mydb_flag",
		},
		{name: "environment", env: map[string]string{"MYDB_URL": "http://b", "MYDB_PUBLIC_URL": "http://c", "MYDB_TOKEN": "mydb_env", "MYDB_TOKEN_FILE": named}, server: "http://b", token: "mydb_env"},
		{name: "file named in the environment", env: map[string]string{"MYDB_PUBLIC_URL": "http://c", "MYDB_TOKEN_FILE": named}, server: "http://c", token: "mydb_named"},
		{name: "development mode elsewhere", env: map[string]string{"MYDB_STATE_DIR": "state"}, server: "http://127.0.0.1:8080", token: "mydb_state"},
	} {
		c.o.Home, c.o.Getenv = home, func(name string) string { return c.env[name] }
		got, err := console.Find(c.o)
		if err != nil || got.BaseURL != c.server || got.Token != c.token {
			t.Errorf("%s: %+v, %v; want %s with %s", c.name, got, err, c.server, c.token)
		}
	}

	usual := console.FindOptions{Home: home, Getenv: func(string) string { return "" }}
	if _, err := console.Find(usual); err == nil || !strings.Contains(err.Error(), "Make one on your account page") {
		t.Errorf("without a token: %v", err)
	}
	write("home/.mydb/token", "mydb_home")
	if got, err := console.Find(usual); err != nil || got.Token != "mydb_home" {
		t.Errorf("token of the home directory: %+v, %v", got, err)
	}
	write(".mydb/token", "mydb_here")
	if got, err := console.Find(usual); err != nil || got.Token != "mydb_here" {
		t.Errorf("token of development mode: %+v, %v", got, err)
	}
}

func TestFindRefuses(t *testing.T) {
	dir := t.TempDir()
	empty, binary := filepath.Join(dir, "empty"), filepath.Join(dir, "binary")
	for path, content := range map[string]string{empty: " \n", binary: "mydb_canary two\nlines"} {
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		server, file, want string
	}{
		{"mydb.example.org", empty, "is no address"},
		{"ftp://mydb.example.org", empty, "is no address"},
		{"http://user:canary@mydb.example.org", empty, "holds a login"},
		{"http://mydb.example.org", empty, "holds no token"},
		{"http://mydb.example.org", binary, "holds no token"},
		{"http://mydb.example.org", dir + "/missing", "no such file"},
	} {
		_, err := console.Find(console.FindOptions{Server: c.server, TokenFile: c.file, Home: dir, Getenv: func(string) string { return "" }})
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "canary") {
			t.Errorf("%s, %s: %v, want %q", c.server, c.file, err, c.want)
		}
	}
}
