package mongodb_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/mydb-project/mydb/core/engine"
	"github.com/mydb-project/mydb/core/engine/enginetest"
	"github.com/mydb-project/mydb/core/engine/mongodb"
)

func eachImage(t *testing.T, test func(t *testing.T, image string)) {
	t.Helper()
	for _, image := range images(t) {
		_, tag, _ := strings.Cut(image, ":")
		t.Run(tag, func(t *testing.T) { test(t, image) })
	}
}

// provisioned makes a tenant on a running server, with one document in the collection samples.
func provisioned(t *testing.T, b *enginetest.Box, password string) engine.Tenant {
	t.Helper()
	tenant := enginetest.Tenant("ada")
	if password != "" {
		tenant.Password = password
	}
	if err := (mongodb.Engine{}).Provision(t.Context(), b.Server, b.Secrets.Admin, tenant); err != nil {
		t.Fatalf("%v\n%s", err, b.Logs())
	}
	c := login(t, b, tenant.Username, tenant.Password, tenant.Database)
	if _, err := c.Database(tenant.Database).Collection("samples").InsertOne(t.Context(), bson.D{{Key: "name", Value: "yeast"}}); err != nil {
		t.Fatal(err)
	}
	return tenant
}

// login is dial for somebody who must get in.
func login(t *testing.T, b *enginetest.Box, user, password, database string) *client {
	t.Helper()
	c, err := dial(t.Context(), b.Server, user, password, database)
	if err != nil {
		t.Fatalf("%v\n%s", err, b.Logs())
	}
	t.Cleanup(c.Close)
	return c
}

// desk is a scientist's home folder after `mydb connect --save`.
type desk struct {
	home string
	card engine.Card
}

func newDesk(t *testing.T, b *enginetest.Box, tenant engine.Tenant) desk {
	t.Helper()
	d := desk{home: t.TempDir()}
	d.card = engine.Card{
		Name: "yeast-screen", Host: b.Server.Host, Port: b.Server.Port, Database: tenant.Database, Username: tenant.Username,
		CAPath: filepath.Join(d.home, "my ca's", "ca.crt"),
	}
	if err := os.Mkdir(filepath.Dir(d.card.CAPath), 0o700); err != nil {
		t.Fatal(err)
	}
	for path, content := range map[string]string{d.card.CAPath: string(b.Secrets.Certificate), mongodb.URIFile(d.card): mongodb.URI(d.card, tenant.Password)} {
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return d
}

func (d desk) snippet(t *testing.T, tool string) string {
	t.Helper()
	for _, s := range (mongodb.Engine{}).Snippets(d.card) {
		if s.Tool == tool {
			return s.Text
		}
	}
	t.Fatalf("there is no snippet for %s", tool)
	return ""
}

// runs runs a program that this machine may lack, with nothing of this process's environment but the way to programs.
func (d desk) runs(t *testing.T, want, input, name string, args ...string) {
	t.Helper()
	if _, err := exec.LookPath(name); err != nil {
		t.Skipf("this machine has no %s", name)
	}
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Dir, cmd.Stdin = d.home, strings.NewReader(input)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + d.home, "LANG=C.UTF-8"}
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), want) {
		t.Errorf("%v, want %q in:\n%s", err, want, out)
	}
}

// What the connection card shows works as it stands, with each tool that this machine or the image has.
func TestSnippetsConnect(t *testing.T) {
	eachImage(t, func(t *testing.T, image string) {
		b := enginetest.NewBox(t, mongodb.Engine{}, image)
		b.Start()
		d := newDesk(t, b, provisioned(t, b, `:colons\backslashes 'quotes' "more" @/?#%& `))
		t.Run("mongosh", func(t *testing.T) {
			if _, err := exec.LookPath("mongosh"); err != nil {
				t.Skip("this machine has no mongosh")
			}
			// The shell reads what a person would type.
			d.runs(t, "name: 'yeast'", "db.samples.findOne()\nexit\n", "sh", "-c", d.snippet(t, "mongosh"))
		})
		t.Run("pymongo", func(t *testing.T) {
			if exec.Command("python3", "-c", "import pymongo").Run() != nil {
				t.Skip("this machine has no PyMongo")
			}
			d.runs(t, "['samples']", "", "python3", "-c", d.snippet(t, "pymongo"))
		})
		t.Run("mongodump", func(t *testing.T) {
			t.Logf("%s", enginetest.Docker(t, "run", "--rm", "--network", "host", "--volume", d.home+":"+d.home, "--workdir", d.home,
				"--entrypoint", "sh", image, "-c", d.snippet(t, "dump")+` 2>&1`))
			archive, err := os.ReadFile(filepath.Join(d.home, d.card.Database+".archive"))
			if err != nil || !strings.Contains(string(archive), "yeast") {
				t.Errorf("the archive has %d bytes and no sample: %v", len(archive), err)
			}
		})
	})
}
