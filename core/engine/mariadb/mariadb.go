package mariadb

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"regexp"

	"github.com/mydb-project/mydb/core/engine"
)

// MyDB's own accounts on every server.
const (
	AdminUser       = "mydb_admin"
	ProbeUser       = "mydb_probe"
	ReplicationUser = "mydb_replication"
)

// Engine implements engine.Engine for MariaDB.
type Engine struct{}

var _ engine.Engine = Engine{}

// Name is the catalogue's key.
func (Engine) Name() string { return "mariadb" }

// Title is the engine's name as its makers write it.
func (Engine) Title() string { return "MariaDB" }

// Lacks says what MariaDB does not have.
func (Engine) Lacks() map[engine.Capability]string {
	return map[engine.Capability]string{
		engine.CanExtensions: "MariaDB's plugins are for the whole server and are loaded by its administrator only",
	}
}

// ownPassword is what entry.sh and init.sh can pass on without quoting.
var ownPassword = regexp.MustCompile(`^[A-Za-z0-9._~+/=-]{12,128}$`)

// SecretFile renders one line "name base64" for each file that entry.sh puts on tmpfs.
func (Engine) SecretFile(s engine.Secrets) ([]byte, error) {
	for _, p := range []string{s.Admin, s.Probe, s.Replication} {
		if !ownPassword.MatchString(p) {
			return nil, errors.New("secret of a MariaDB instance: a password is missing, or holds more than 12 to 128 letters, digits and . _ ~ + / = -")
		}
	}
	var b bytes.Buffer
	for _, f := range []struct {
		name  string
		value []byte
	}{
		{"admin_password", []byte(s.Admin)},
		{"probe_password", []byte(s.Probe)},
		{"replication_password", []byte(s.Replication)},
		{"tls.crt", s.Certificate},
		{"tls.key", s.Key},
	} {
		if len(f.value) == 0 {
			return nil, fmt.Errorf("secret of a MariaDB instance: %s is empty", f.name)
		}
		fmt.Fprintf(&b, "%s %s\n", f.name, base64.StdEncoding.EncodeToString(f.value))
	}
	return b.Bytes(), nil
}

// Ping logs in as MyDB's admin once.
func (Engine) Ping(ctx context.Context, s engine.Server, adminPassword string) error {
	conn, err := dial(ctx, s, login{user: AdminUser, password: adminPassword})
	if err != nil {
		return fmt.Errorf("ping: %w", err)
	}
	hangUp(conn)
	return nil
}
