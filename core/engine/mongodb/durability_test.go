package mongodb_test

import (
	"crypto/tls"
	"errors"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/mydb-project/mydb/core/engine/enginetest"
	"github.com/mydb-project/mydb/core/engine/mongodb"
)

var errNotYet = errors.New("not yet")

func waitForLog(b *enginetest.Box, text string) {
	b.Eventually("the log says "+text, func() error {
		if !strings.Contains(b.Logs(), text) {
			return errNotYet
		}
		return nil
	})
}

// Wherever the first start is killed, the next one ends with a whole server. Made on purpose here: the init script hangs at its
// beginning, half way, and at its end.
func TestInterruptedInitialisation(t *testing.T) {
	const hang = "\nprint('hanging'); require('fs').readFileSync('/tmp/never');\n"
	eachImage(t, func(t *testing.T, image string) {
		for name, cut := range map[string]string{"at the beginning": "const admin", "between accounts": "account('backup'", "before the marker": "const data"} {
			t.Run(name, func(t *testing.T) {
				b := enginetest.NewBox(t, mongodb.Engine{}, image)
				whole := b.Recipe.Configs[1].Content
				before, after, found := strings.Cut(string(whole), cut)
				if !found {
					t.Fatalf("init.js has no %q", cut)
				}
				b.Recipe.Configs[1].Content = []byte(before + hang + cut + after)
				makePipe(b)
				b.Run()
				waitForLog(b, "hanging")
				b.Remove()
				b.Recipe.Configs[1].Content = whole
				refusesLate(t, b)
				b.Start()
				tenant := provisioned(t, b, "")
				login(t, b, mongodb.ProbeUser, b.Secrets.Probe, "")
				login(t, b, mongodb.BackupUser, b.Secrets.Replication, "")
				login(t, b, tenant.Username, tenant.Password, tenant.Database)
			})
		}
	})
}

// makePipe makes a file that who reads it waits for ever.
func makePipe(b *enginetest.Box) {
	b.Recipe.Entrypoint = []string{"/bin/sh", "-c", `mkfifo -m 0666 /tmp/never; exec /bin/sh /mydb/entry.sh "$@"`, "sh"}
}

// refusesLate checks that after the deadline nothing is initialised again, and no file is touched.
func refusesLate(t *testing.T, b *enginetest.Box) {
	t.Helper()
	const sums = "cd /data && find . -type f | sort | xargs -d '\\n' md5sum"
	before, inTime := b.OnVolume(sums), slices.Clone(b.Recipe.Env)
	if strings.Contains(before, mongodb.MarkerFile) {
		t.Fatalf("not half-initialised: %s", before)
	}
	b.ExpireInit()
	b.Run()
	if code := b.Wait(); code != 78 || !strings.Contains(b.Logs(), "half-initialised") {
		t.Errorf("after the deadline: exit code %d, log: %s", code, b.Logs())
	}
	b.Remove()
	if after := b.OnVolume(sums); after != before {
		t.Error("files have changed after the deadline")
	}
	b.Recipe.Env = inTime
}

// A data directory that has lost its head is nothing to start over in, not even before the deadline.
func TestMarkerWithoutServerIsRefused(t *testing.T) {
	eachImage(t, func(t *testing.T, image string) {
		b := enginetest.NewBox(t, mongodb.Engine{}, image)
		b.OnVolume("echo data >/data/precious; touch /data/" + mongodb.MarkerFile)
		b.Run()
		if code := b.Wait(); code != 78 || !strings.Contains(b.Logs(), "files are missing") {
			t.Errorf("exit code %d, log: %s", code, b.Logs())
		}
		if got := b.OnVolume("cat /data/precious"); got != "data\n" {
			t.Errorf("the data is now %q", got)
		}
	})
}

// The health check counts a server that does not listen yet as alive, and one that listens but does not answer as dead.
func TestHealthCheck(t *testing.T) {
	eachImage(t, func(t *testing.T, image string) {
		b := enginetest.NewBox(t, mongodb.Engine{}, image)
		check := b.Recipe.Health.Test[1]
		try := func() string {
			return enginetest.Docker(t, "exec", b.Name, "sh", "-c", `if timeout 5 sh -c "$1"; then echo alive; else echo dead; fi`, "sh", check)
		}
		recipe := b.Recipe
		b.Recipe.Entrypoint, b.Recipe.Args = []string{"sleep"}, []string{"600"}
		b.Run()
		if got := try(); got != "alive\n" {
			t.Errorf("before there is a server: %s", got)
		}
		b.Remove()
		b.Recipe = recipe
		b.Start()
		if got := try(); got != "alive\n" {
			t.Errorf("a server that answers: %s", got)
		}
		// Process 1 cannot be stopped from within.
		pid := strings.TrimSpace(enginetest.Docker(t, "inspect", "--format", "{{.State.Pid}}", b.Name))
		if err := exec.Command("kill", "-STOP", pid).Run(); err != nil {
			t.Skipf("this needs to be root on the machine of the containers: %v", err)
		}
		if got := try(); got != "dead\n" {
			t.Errorf("a server that hangs: %s", got)
		}
	})
}

// Nobody gets in without TLS, and MyDB's passwords are neither in the description of the container nor in the data.
func TestNoPasswordWhereItCanBeSeen(t *testing.T) {
	eachImage(t, func(t *testing.T, image string) {
		b := enginetest.NewBox(t, mongodb.Engine{}, image)
		b.Start()
		tenant := provisioned(t, b, "")
		if _, err := dial(t.Context(), b.Server, tenant.Username, tenant.Password, "", func(o *options.ClientOptions) { o.TLSConfig = nil }); err == nil {
			t.Error("got in without TLS")
		}
		if _, err := dial(t.Context(), b.Server, tenant.Username, tenant.Password, "", func(o *options.ClientOptions) {
			o.SetTLSConfig(&tls.Config{RootCAs: b.Server.CA, ServerName: b.Server.Host, MaxVersion: tls.VersionTLS11, MinVersion: tls.VersionTLS10})
		}); err == nil {
			t.Error("got in with TLS 1.1")
		}
		places := enginetest.Docker(t, "inspect", b.Name) + b.Logs() + enginetest.Docker(t, "exec", b.Name, "sh", "-c",
			"cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ 2>/dev/null; grep -rah . "+b.Recipe.DataPath+" | tr -d '\\000'")
		for _, secret := range []string{b.Secrets.Admin, b.Secrets.Probe, b.Secrets.Replication, tenant.Password} {
			if strings.Contains(places, secret) {
				t.Errorf("the password %s can be seen", secret)
			}
		}
		who := enginetest.Docker(t, "exec", b.Name, "sh", "-c", "stat -c '%a %U' /run/mydb/keyfile /run/mydb/tls.pem; stat -c %U /proc/1")
		if who != "400 mongodb\n400 mongodb\nmongodb\n" {
			t.Errorf("key file, certificate and server belong to %s", who)
		}
	})
}

// Drivers of people use sessions and retry writes by themselves.
func TestDriverWithItsDefaults(t *testing.T) {
	eachImage(t, func(t *testing.T, image string) {
		b := enginetest.NewBox(t, mongodb.Engine{}, image)
		b.Start()
		tenant := provisioned(t, b, "")
		c := login(t, b, tenant.Username, tenant.Password, tenant.Database)
		samples := c.Database(tenant.Database).Collection("samples")
		if _, err := samples.UpdateOne(t.Context(), bson.D{{Key: "name", Value: "yeast"}}, bson.D{{Key: "$set", Value: bson.D{{Key: "n", Value: 1}}}}); err != nil {
			t.Error(err)
		}
		if n, err := samples.CountDocuments(t.Context(), bson.D{{Key: "n", Value: 1}}); n != 1 || err != nil {
			t.Errorf("%d documents, %v", n, err)
		}
	})
}
