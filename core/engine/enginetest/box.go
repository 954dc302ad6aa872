package enginetest

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/mydb-project/mydb/core/engine"
)

const testLabel = "mydb-test=engine"

// Box is a container that runs a recipe as a runtime would, with a volume that outlives it.
type Box struct {
	t       *testing.T
	engine  engine.Engine
	Name    string // of the container and of the volume
	Recipe  engine.Recipe
	Secrets engine.Secrets
	Server  engine.Server // for the current start; the port changes with each
}

// NewBox prepares a container and a new volume, which go when the test ends. It starts nothing. The image's tag is a version of the
// catalogue.
func NewBox(t *testing.T, e engine.Engine, image string) *Box {
	t.Helper()
	_, tag, _ := strings.Cut(image, ":")
	return NewBoxAs(t, e, image, tag)
}

// NewBoxAs is NewBox by the recipe of a version that need not be the image's own.
func NewBoxAs(t *testing.T, e engine.Engine, image, number string) *Box {
	t.Helper()
	offer, _ := engine.BuiltIn().Offer(e.Name())
	version, ok := offer.Version(number)
	if !ok {
		t.Fatalf("the catalogue has no %s version %q", e.Name(), number)
	}
	version.Image = image
	size, _ := engine.BuiltIn().Size("small")
	name := "mydb-test-" + strings.ToLower(rand.Text()[:12])
	recipe, err := e.Recipe(engine.Input{InstanceID: name, Version: version, Size: size, InitUntil: time.Now().Add(10 * time.Minute)})
	if err != nil {
		t.Fatal(err)
	}
	b := &Box{t: t, engine: e, Name: name, Recipe: recipe}
	certificate, key, pool := SelfSigned(t)
	b.Secrets = engine.Secrets{
		Admin: "admin-" + rand.Text(), Probe: "probe-" + rand.Text(), Replication: "replication-" + rand.Text(),
		Certificate: certificate, Key: key,
	}
	b.Server.CA = pool
	Docker(t, "volume", "create", "--label", testLabel, name)
	t.Cleanup(func() {
		b.Remove()
		Docker(t, "volume", "rm", "--force", name)
	})
	return b
}

// Tenant makes a scientist with a database.
func Tenant(name string) engine.Tenant {
	return engine.Tenant{Username: name, Password: "secret-of-" + name + "-" + rand.Text(), Database: name + "_db"}
}

// ExpireInit lets the moment pass up to which an empty data directory may be initialised.
func (b *Box) ExpireInit() {
	b.t.Helper()
	for i, e := range b.Recipe.Env {
		if strings.HasPrefix(e, "MYDB_INIT_UNTIL=") {
			b.Recipe.Env[i] = "MYDB_INIT_UNTIL=" + strconv.FormatInt(time.Now().Add(-time.Minute).Unix(), 10)
			return
		}
	}
	b.t.Fatal("the recipe has no variable MYDB_INIT_UNTIL")
}

// Run starts a container with the recipe on the volume and does not wait for the server.
func (b *Box) Run() {
	b.t.Helper()
	dir := b.t.TempDir()
	secret, err := b.engine.SecretFile(b.Secrets)
	if err != nil {
		b.t.Fatal(err)
	}
	args := []string{
		"run", "--detach", "--name", b.Name, "--label", testLabel, "--cpus", "1", "--memory", "1g",
		"--publish", "127.0.0.1::" + strconv.Itoa(b.Recipe.Port),
		"--volume", b.Name + ":" + b.Recipe.DataPath,
		"--volume", HostFile(b.t, dir, "secret", 0o400, secret) + ":" + b.Recipe.SecretPath + ":ro",
	}
	for i, c := range b.Recipe.Configs {
		args = append(args, "--volume", HostFile(b.t, dir, strconv.Itoa(i), os.FileMode(c.Mode), c.Content)+":"+c.Path+":ro")
	}
	for _, fs := range b.Recipe.Tmpfs {
		args = append(args, "--tmpfs", fmt.Sprintf("%s:size=%d,mode=%o", fs.Path, fs.Size, fs.Mode))
	}
	for _, e := range b.Recipe.Env {
		args = append(args, "--env", e)
	}
	args = append(args, "--entrypoint", b.Recipe.Entrypoint[0], b.Recipe.Image)
	args = append(args, b.Recipe.Entrypoint[1:]...)
	Docker(b.t, append(args, b.Recipe.Args...)...)
}

// HostFile writes a file into a folder of this machine, and gives its path.
func HostFile(t *testing.T, dir, name string, mode os.FileMode, content []byte) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, content, mode); err != nil {
		t.Fatal(err)
	}
	return path
}

// Start runs the container and waits until the server answers MyDB.
func (b *Box) Start() {
	b.t.Helper()
	b.Run()
	b.Await()
}

// Await waits until the server in a container that was started answers MyDB.
func (b *Box) Await() {
	b.t.Helper()
	b.Eventually("the server answers", func() error {
		if err := b.Locate(); err != nil {
			return err
		}
		return b.engine.Ping(b.t.Context(), b.Server, b.Secrets.Admin)
	})
}

// Locate finds out where the container's port is published. A container that has ended fails the test.
func (b *Box) Locate() error {
	out, err := exec.CommandContext(b.t.Context(), "docker", "port", b.Name, strconv.Itoa(b.Recipe.Port)+"/tcp").Output()
	if err != nil {
		if state := Docker(b.t, "inspect", "--format", "{{.State.Status}}", b.Name); strings.TrimSpace(state) == "exited" {
			b.t.Fatalf("the container has ended:\n%s", b.Logs())
		}
		return fmt.Errorf("docker port %s: %w", b.Name, err)
	}
	address, _, _ := strings.Cut(string(out), "\n")
	host, port, err := net.SplitHostPort(strings.TrimSpace(address))
	if err != nil {
		return fmt.Errorf("published at %q: %w", address, err)
	}
	b.Server.Host = host
	b.Server.Port, err = strconv.Atoi(port)
	return err
}

// Eventually asks again and again until there is no error, for a minute.
func (b *Box) Eventually(what string, ask func() error) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.t.Context(), time.Minute)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		err := ask()
		if err == nil {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			b.t.Fatalf("%s: not within a minute: %v\n%s", what, err, b.Logs())
		}
	}
}

// Wait waits until the container has ended and gives its exit code.
func (b *Box) Wait() int {
	b.t.Helper()
	code, err := strconv.Atoi(strings.TrimSpace(Docker(b.t, "wait", b.Name)))
	if err != nil {
		b.t.Fatal(err)
	}
	return code
}

// Stop stops the server as the runtime would and gives the time that took and the exit code.
func (b *Box) Stop() (time.Duration, int) {
	b.t.Helper()
	began := time.Now()
	Docker(b.t, "stop", "--time", strconv.Itoa(int(b.Recipe.StopGrace.Seconds())), b.Name)
	return time.Since(began), b.Wait()
}

// Logs is what the container has written so far.
func (b *Box) Logs() string {
	out, _ := exec.Command("docker", "logs", b.Name).CombinedOutput()
	return string(out)
}

// Remove removes the container as a crash would: without a clean shutdown. The volume stays.
func (b *Box) Remove() {
	_ = exec.Command("docker", "rm", "--force", "--volumes", b.Name).Run() // a container that never was is as good
}

// OnVolume runs a shell command in a container of its own that sees the volume at /data.
func (b *Box) OnVolume(command string) string {
	b.t.Helper()
	return Docker(b.t, "run", "--rm", "--label", testLabel, "--volume", b.Name+":/data", "--entrypoint", "/bin/sh", b.Recipe.Image, "-c", command)
}

// noSecretsInLog looks for passwords in what the server has written.
func (b *Box) noSecretsInLog(t *testing.T, more ...string) {
	t.Helper()
	logs := b.Logs()
	for _, secret := range append(more, b.Secrets.Admin, b.Secrets.Probe, b.Secrets.Replication) {
		if strings.Contains(logs, secret) {
			t.Errorf("the log of the server holds the password %q", secret)
		}
	}
}

// Docker runs the docker command and gives its output.
func Docker(t *testing.T, args ...string) string {
	t.Helper()
	var out, problem bytes.Buffer
	cmd := exec.Command("docker", args...)
	cmd.Stdout, cmd.Stderr = &out, &problem
	if err := cmd.Run(); err != nil {
		t.Fatalf("docker %s: %v\n%s", strings.Join(args, " "), err, problem.String())
	}
	return out.String()
}

// SelfSigned makes a certificate for 127.0.0.1 that is its own authority.
func SelfSigned(t *testing.T) (certificate, key []byte, pool *x509.CertPool) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: "MyDB test"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		IsCA:        true, BasicConstraintsValid: true,
		KeyUsage:    x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	certificate = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	key = pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER})
	pool = x509.NewCertPool()
	pool.AppendCertsFromPEM(certificate)
	return certificate, key, pool
}
