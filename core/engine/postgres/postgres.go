package postgres

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"

	"github.com/mydb-project/mydb/core/engine"
)

// MyDB's own accounts on every server.
const (
	AdminUser       = "mydb_admin"
	ProbeUser       = "mydb_probe"
	ReplicationUser = "mydb_replication"
)

// maintenanceDB is the database that every server has; MyDB logs in here to make others.
const maintenanceDB = "postgres"

// Engine implements engine.Engine for PostgreSQL.
type Engine struct{}

var _ engine.Engine = Engine{}

// Name is the catalogue's key.
func (Engine) Name() string { return "postgres" }

// Title is the engine's name as its makers write it.
func (Engine) Title() string { return "PostgreSQL" }

// SecretFile renders one line "name base64" for each file that entry.sh puts on tmpfs.
func (Engine) SecretFile(s engine.Secrets) ([]byte, error) {
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
			return nil, fmt.Errorf("secret of a PostgreSQL instance: %s is empty", f.name)
		}
		fmt.Fprintf(&b, "%s %s\n", f.name, base64.StdEncoding.EncodeToString(f.value))
	}
	if err := checkOwnPasswords(s); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// checkOwnPasswords keeps line breaks out of MyDB's own passwords: the image reads the first line of a password's file only,
// and the server would silently get another password than MyDB has.
func checkOwnPasswords(s engine.Secrets) error {
	for _, p := range []string{s.Admin, s.Probe, s.Replication} {
		if passwordProblem(p) != "" {
			return errors.New("secret of a PostgreSQL instance: a password " + passwordProblem(p))
		}
	}
	return nil
}

// Ping logs in as MyDB's admin once.
func (Engine) Ping(ctx context.Context, s engine.Server, adminPassword string) error {
	conn, err := dial(ctx, s, login{user: AdminUser, password: adminPassword, database: maintenanceDB})
	if err != nil {
		return fmt.Errorf("ping: %w", err)
	}
	defer hangUp(conn)
	if err := conn.Ping(ctx); err != nil {
		return fmt.Errorf("ping: %w", err)
	}
	return nil
}
