package postgres_test

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
	"github.com/mydb-project/mydb/core/engine/postgres"
)

// These tests run real servers. MYDB_TEST_DOCKER=1 turns them on; MYDB_TEST_POSTGRES_IMAGE names the images to test, with the
// major version as tag, separated by commas.

const testLabel = "mydb-test=postgres-engine"

// eachImage runs a test once for each PostgreSQL image at hand.
func eachImage(t *testing.T, test func(t *testing.T, image string)) {
	t.Helper()
	if testing.Short() || os.Getenv("MYDB_TEST_DOCKER") != "1" {
		t.Skip("needs a Docker engine and PostgreSQL images: set MYDB_TEST_DOCKER=1")
	}
	images := strings.FieldsFunc(os.Getenv("MYDB_TEST_POSTGRES_IMAGE"), func(r rune) bool { return r == ',' })
	if len(images) == 0 {
		for _, image := range []string{"mydb-dev/postgres:17", "mydb-dev/postgres:15"} {
			if exec.Command("docker", "image", "inspect", image).Run() == nil {
				images = append(images, image)
			}
		}
	}
	if len(images) == 0 {
		t.Fatal("MYDB_TEST_DOCKER=1, but there is no image mydb-dev/postgres:17 or :15, and MYDB_TEST_POSTGRES_IMAGE names none")
	}
	for _, image := range images {
		_, tag, _ := strings.Cut(image, ":")
		t.Run(tag, func(t *testing.T) { test(t, image) })
	}
}

// box is a container that runs a recipe as the runtime would, with a volume that outlives it.
type box struct {
	t       *testing.T
	name    string
	volume  string
	recipe  engine.Recipe
	secrets engine.Secrets
	server  engine.Server // for the current start; the port changes with each
}

// newBox prepares a container and a new volume. It starts nothing.
func newBox(t *testing.T, image string) *box {
	t.Helper()
	_, tag, _ := strings.Cut(image, ":")
	return newBoxAs(t, image, tag)
}

// newBoxAs runs the image by the recipe of a version that need not be the image's own.
func newBoxAs(t *testing.T, image, major string) *box {
	t.Helper()
	offer, _ := engine.BuiltIn().Offer("postgres")
	version, ok := offer.Version(major)
	if !ok {
		t.Fatalf("the catalogue has no version %q", major)
	}
	version.Image = image
	size, _ := engine.BuiltIn().Size("small")
	name := "mydb-test-" + strings.ToLower(rand.Text()[:12])
	recipe, err := postgres.Engine{}.Recipe(engine.Input{InstanceID: name, Version: version, Size: size, InitUntil: time.Now().Add(10 * time.Minute)})
	if err != nil {
		t.Fatal(err)
	}
	b := &box{t: t, name: name, volume: name, recipe: recipe}
	certificate, key, pool := selfSigned(t)
	b.secrets = engine.Secrets{
		Admin: "admin-" + rand.Text(), Probe: "probe-" + rand.Text(), Replication: "replication-" + rand.Text(),
		Certificate: certificate, Key: key,
	}
	b.server.CA = pool
	docker(t, "volume", "create", "--label", testLabel, b.volume)
	t.Cleanup(func() {
		b.remove()
		docker(t, "volume", "rm", "--force", b.volume)
	})
	return b
}

// setEnv replaces a variable of the recipe.
func (b *box) setEnv(name, value string) {
	for i, e := range b.recipe.Env {
		if strings.HasPrefix(e, name+"=") {
			b.recipe.Env[i] = name + "=" + value
			return
		}
	}
	b.t.Fatalf("the recipe has no variable %s", name)
}

// expireInit lets the moment pass up to which an empty data directory may be initialised.
func (b *box) expireInit() {
	b.setEnv("MYDB_INIT_UNTIL", strconv.FormatInt(time.Now().Add(-time.Minute).Unix(), 10))
}

// run starts a container with the recipe on the volume and does not wait for the server.
func (b *box) run() {
	b.t.Helper()
	dir := b.t.TempDir()
	secret, err := postgres.Engine{}.SecretFile(b.secrets)
	if err != nil {
		b.t.Fatal(err)
	}
	args := []string{
		"run", "--detach", "--name", b.name, "--label", testLabel,
		"--publish", "127.0.0.1::" + strconv.Itoa(b.recipe.Port),
		"--volume", b.volume + ":" + b.recipe.DataPath,
		"--volume", hostFile(b.t, dir, "secret", 0o400, secret) + ":" + b.recipe.SecretPath + ":ro",
		"--cpus", "1", "--memory", "1g",
		"--health-cmd", b.recipe.Health.Test[1], "--health-interval", "1s", "--health-start-period", b.recipe.Health.StartPeriod.String(),
	}
	for i, c := range b.recipe.Configs {
		args = append(args, "--volume", hostFile(b.t, dir, strconv.Itoa(i), os.FileMode(c.Mode), c.Content)+":"+c.Path+":ro")
	}
	for _, fs := range b.recipe.Tmpfs {
		args = append(args, "--tmpfs", fmt.Sprintf("%s:size=%d,mode=%o", fs.Path, fs.Size, fs.Mode))
	}
	for _, e := range b.recipe.Env {
		args = append(args, "--env", e)
	}
	args = append(args, "--entrypoint", b.recipe.Entrypoint[0], b.recipe.Image)
	args = append(args, b.recipe.Entrypoint[1:]...)
	docker(b.t, append(args, b.recipe.Args...)...)
}

func hostFile(t *testing.T, dir, name string, mode os.FileMode, content []byte) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, content, mode); err != nil {
		t.Fatal(err)
	}
	return path
}

// start runs the container and waits until the server answers.
func (b *box) start() {
	b.t.Helper()
	b.run()
	b.waitForServer()
}

func (b *box) waitForServer() {
	b.t.Helper()
	address, _, _ := strings.Cut(docker(b.t, "port", b.name, strconv.Itoa(b.recipe.Port)+"/tcp"), "\n")
	host, port, err := net.SplitHostPort(strings.TrimSpace(address))
	if err != nil {
		b.t.Fatalf("published at %q: %v\n%s", address, err, b.logs())
	}
	b.server.Host = host
	b.server.Port, _ = strconv.Atoi(port)
	b.eventually("the server answers", func() error {
		return postgres.Engine{}.Ping(b.t.Context(), b.server, b.secrets.Admin)
	})
}

// eventually asks again and again until there is no error.
func (b *box) eventually(what string, ask func() error) {
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
			b.t.Fatalf("%s: not within a minute: %v\n%s", what, err, b.logs())
		}
	}
}

// waitForLog waits until the container's log holds the text.
func (b *box) waitForLog(text string) {
	b.t.Helper()
	b.eventually("log says "+text, func() error {
		if !strings.Contains(b.logs(), text) {
			return fmt.Errorf("the log does not hold %q", text)
		}
		return nil
	})
}

// wait waits until the container has ended and gives its exit code.
func (b *box) wait() int {
	b.t.Helper()
	code, err := strconv.Atoi(strings.TrimSpace(docker(b.t, "wait", b.name)))
	if err != nil {
		b.t.Fatal(err)
	}
	return code
}

func (b *box) logs() string {
	out, _ := exec.Command("docker", "logs", b.name).CombinedOutput()
	return string(out)
}

// remove removes the container as a crash would: without a clean shutdown. The volume stays.
func (b *box) remove() {
	_ = exec.Command("docker", "rm", "--force", "--volumes", b.name).Run() // a container that never was is as good
}

// onVolume runs a shell command in a container of its own that sees the data directory at /data.
func (b *box) onVolume(command string) string {
	b.t.Helper()
	return docker(b.t, "run", "--rm", "--label", testLabel, "--volume", b.volume+":/data", "--entrypoint", "/bin/sh", b.recipe.Image, "-c", command)
}

// tenant makes a scientist whom CheckTenant lets pass.
func (b *box) tenant(name string) engine.Tenant {
	return engine.Tenant{Username: name, Password: "secret-of-" + name + "-" + rand.Text(), Database: name + "_db"}
}

// provisioned makes a scientist with a database, and proves it.
func (b *box) provisioned(name string) engine.Tenant {
	b.t.Helper()
	tenant := b.tenant(name)
	b.provision(tenant)
	b.prove(tenant)
	return tenant
}

func (b *box) provision(tenant engine.Tenant) {
	b.t.Helper()
	if err := (postgres.Engine{}).Provision(b.t.Context(), b.server, b.secrets.Admin, tenant); err != nil {
		b.t.Fatalf("%v\n%s", err, b.logs())
	}
}

func (b *box) prove(tenant engine.Tenant) {
	b.t.Helper()
	if err := (postgres.Engine{}).Prove(b.t.Context(), b.server, tenant); err != nil {
		b.t.Fatalf("%v\n%s", err, b.logs())
	}
}

func docker(t *testing.T, args ...string) string {
	t.Helper()
	var out, problem bytes.Buffer
	cmd := exec.Command("docker", args...)
	cmd.Stdout, cmd.Stderr = &out, &problem
	if err := cmd.Run(); err != nil {
		t.Fatalf("docker %s: %v\n%s", strings.Join(args, " "), err, problem.String())
	}
	return out.String()
}

// selfSigned makes a certificate for 127.0.0.1 that is its own authority.
func selfSigned(t *testing.T) (certificate, key []byte, pool *x509.CertPool) {
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
