package mongodb

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"regexp"
	"slices"

	"go.mongodb.org/mongo-driver/v2/mongo"

	"github.com/mydb-project/mydb/core/engine"
)

// MyDB's own accounts on every server. The password of BackupUser is Secrets.Replication.
const (
	AdminUser  = "mydb_admin"
	ProbeUser  = "mydb_probe"
	BackupUser = "mydb_backup"
)

// Engine implements engine.Engine for MongoDB.
type Engine struct{}

var _ engine.Engine = Engine{}

// Name is the catalogue's key.
func (Engine) Name() string { return "mongodb" }

// Title is the engine's name as its makers write it.
func (Engine) Title() string { return "MongoDB" }

// Lacks says what MongoDB does not have. What the stand-in of a development image lacks in addition, StandInLacks says.
func (Engine) Lacks() map[engine.Capability]string {
	return map[engine.Capability]string{
		engine.CanExtensions: "MongoDB has no extensions",
		engine.CanInitScript: "MongoDB's server runs no scripts",
	}
}

// ownPassword is what init.js and a tool's configuration file can take without quoting.
var ownPassword = regexp.MustCompile(`^[A-Za-z0-9._~+/=-]{12,128}$`)

// SecretFile renders one line "name base64" for each file that entry.sh puts on tmpfs.
func (Engine) SecretFile(s engine.Secrets) ([]byte, error) {
	for _, p := range []string{s.Admin, s.Probe, s.Replication} {
		if !ownPassword.MatchString(p) {
			return nil, errors.New("secret of a MongoDB instance: a password is missing, or is not of 12 to 128 letters, digits and . _ ~ + / = -")
		}
	}
	if len(s.Certificate) == 0 || len(s.Key) == 0 {
		return nil, errors.New("secret of a MongoDB instance: the certificate or its key is missing")
	}
	var b bytes.Buffer
	for _, f := range []struct {
		name  string
		value []byte
	}{
		{"admin_password", []byte(s.Admin)},
		{"probe_password", []byte(s.Probe)},
		{"backup_password", []byte(s.Replication)},
		{"keyfile", keyFile(s.Admin)},
		{"tls.crt", s.Certificate},
		{"tls.pem", slices.Concat(s.Certificate, s.Key)}, // mongod reads both from one file
	} {
		fmt.Fprintf(&b, "%s %s\n", f.name, base64.StdEncoding.EncodeToString(f.value))
	}
	return b.Bytes(), nil
}

// keyFile is the secret that the members of a replica set share. Who has it may do everything, as with the admin's password, from
// which it is derived: so it need not be kept, and is the same whenever the secret is rendered.
func keyFile(adminPassword string) []byte {
	mac := hmac.New(sha256.New, []byte(adminPassword))
	mac.Write([]byte("MyDB: key file of a MongoDB replica set"))
	return []byte(base64.StdEncoding.EncodeToString(mac.Sum(nil)))
}

// Ping logs in as MyDB's admin once, and starts the replica set of a new server. No error means that the server takes writes.
func (Engine) Ping(ctx context.Context, s engine.Server, adminPassword string) error {
	err := asAdmin(ctx, s, adminPassword, func(ctx context.Context, c *mongo.Client) error {
		return ensurePrimary(ctx, c.Database(adminDB))
	})
	if err != nil {
		return fmt.Errorf("ping: %w", err)
	}
	return nil
}
