package enginetest

import (
	"context"
	"errors"
	"maps"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/mydb-project/mydb/core/engine"
)

// Case is an engine under test, and what the suite cannot know of it.
type Case struct {
	Engine engine.Engine
	Images []string // to run, with the catalogue's version as tag, such as "mydb-dev/postgres:17"
	// Dial logs in once over TLS, with the certificate verified. A database "" is none, or the one that everybody has.
	Dial  func(ctx context.Context, s engine.Server, user, password, database string) (Client, error)
	Words Words
	// StandIn says what a server lacks that only stands in for the engine, in addition to the engine's own Lacks. nil: nothing does.
	StandIn func(ctx context.Context, s engine.Server, adminPassword string) (map[engine.Capability]string, error)
}

// Client is somebody's session. It is used by one goroutine at a time.
type Client interface {
	// Exec runs a command in the engine's language. A refusal is an error.
	Exec(ctx context.Context, command string) error
	// Count counts the rows of a table, or of a collection, of the client's database.
	Count(ctx context.Context, table string) (int64, error)
	Close()
}

// Words are commands in an engine's language. Names are plain: small letters, digits and "_".
type Words struct {
	CreateTable  func(table string) string       // of a table for Insert
	Insert       func(table string) string       // of one row; each call's row differs
	CreateView   func(view, table string) string // nil: the engine has none
	DropTable    func(table string) string
	DropDatabase func(database string) string
	// CreateDatabase brings a dropped database back, run by a client that has none. nil: the first write does it.
	CreateDatabase func(database string) string
	// Init is an init script that makes the table and writes one row; InitBroken writes one and then fails.
	Init, InitBroken func(table string) string
	// Forbidden are commands that no tenant may run, such as those that reach MyDB's accounts or the server's files.
	Forbidden []string
	// Strangers are names with which somebody might try to get in, such as root. The suite tries them without a password.
	Strangers []string
}

// Images finds the images to test: those that the variable names, separated by commas, or else those among the candidates that
// the local Docker engine has. It skips the test unless MYDB_TEST_DOCKER=1.
func Images(t *testing.T, variable string, candidates ...string) []string {
	t.Helper()
	if testing.Short() || os.Getenv("MYDB_TEST_DOCKER") != "1" {
		t.Skip("needs a Docker engine and images of database engines: set MYDB_TEST_DOCKER=1")
	}
	images := strings.FieldsFunc(os.Getenv(variable), func(r rune) bool { return r == ',' })
	if len(images) == 0 {
		for _, image := range candidates {
			if exec.Command("docker", "image", "inspect", image).Run() == nil {
				images = append(images, image)
			}
		}
	}
	if len(images) == 0 {
		t.Fatalf("MYDB_TEST_DOCKER=1, but there is none of the images %s, and %s names none", strings.Join(candidates, ", "), variable)
	}
	return images
}

// suite is a case on one image.
type suite struct {
	Case
	image string
}

// Run tries everything on each image.
func Run(t *testing.T, c Case) {
	for _, image := range c.Images {
		_, tag, _ := strings.Cut(image, ":")
		t.Run(tag, func(t *testing.T) {
			s := suite{Case: c, image: image}
			t.Run("life of a server", s.life)
			t.Run("init script", s.initScript)
			t.Run("empty volume", s.emptyVolume)
		})
	}
}

// life is one server with one tenant, from its first start on. The parts build on each other.
func (s suite) life(t *testing.T) {
	b := NewBox(t, s.Engine, s.image)
	s.firstStart(t, b)
	f := &fixture{suite: s, box: b, tenant: Tenant("ada"), lacks: s.lacks(t, b)}
	for _, part := range []struct {
		name string
		run  func(*testing.T)
	}{
		{"provision", f.provision},
		{"who may come in", f.whoMayComeIn},
		{"what a tenant may not do", f.forbidden},
		{"set password", f.setPassword},
		{"share to read", f.shareToRead},
		{"share to write", f.shareToWrite},
		{"take passwords along", f.takeAlong},
		{"revoke", f.revoke},
		{"sample", f.sample},
		{"report", f.report},
		{"probe", f.probe},
		{"restart", f.restart},
	} {
		if !t.Run(part.name, part.run) {
			t.Logf("log of the server:\n%s", b.Logs())
			return
		}
	}
	b.noSecretsInLog(t, f.tenant.Password)
}

// lacks adds what a stand-in lacks to what the engine does.
func (s suite) lacks(t *testing.T, b *Box) map[engine.Capability]string {
	t.Helper()
	out := maps.Clone(s.Engine.Lacks())
	if s.StandIn == nil {
		return out
	}
	more, err := s.StandIn(t.Context(), b.Server, b.Secrets.Admin)
	if err != nil {
		t.Fatalf("ask the server what it lacks: %v", err)
	}
	maps.Copy(out, more)
	return out
}

// firstStart starts a server, and tries to get in from before its port is open until it is ready: nobody may, but MyDB.
func (s suite) firstStart(t *testing.T, b *Box) {
	t.Helper()
	began := time.Now()
	b.Run()
	tries, answered := 0, 0
	b.Eventually("the server answers", func() error {
		if err := b.Locate(); err != nil {
			return err
		}
		for _, name := range append([]string{""}, s.Words.Strangers...) {
			client, err := s.Dial(t.Context(), b.Server, name, "", "")
			if err == nil {
				client.Close()
				t.Fatalf("%q got in without a password, %s after the start", name, time.Since(began))
			}
			tries++
		}
		err := s.Engine.Ping(t.Context(), b.Server, "wrong-"+b.Secrets.Admin)
		if err == nil {
			t.Fatal("the server took a wrong password for MyDB's admin")
		}
		answered++
		return s.Engine.Ping(t.Context(), b.Server, b.Secrets.Admin)
	})
	t.Logf("ready after %.2f s; %d attempts without a password and %d with a wrong one were refused", time.Since(began).Seconds(), tries, answered)
}

// WantRefusal checks for a *engine.RefusedError with a sentence that holds the words.
func WantRefusal(t *testing.T, err error, words ...string) {
	t.Helper()
	var refused *engine.RefusedError
	if !errors.As(err, &refused) {
		t.Errorf("got %v, want a refusal", err)
		return
	}
	for _, w := range words {
		if !strings.Contains(refused.Message, w) {
			t.Errorf("the sentence is %q and does not speak of %q", refused.Message, w)
		}
	}
}
