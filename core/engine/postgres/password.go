package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/mydb-project/mydb/core/engine"
)

// SetPassword implements engine.Engine. The server gets the verifier only, see ensureRole.
func (Engine) SetPassword(ctx context.Context, s engine.Server, adminPassword, username, password string) error {
	verifier, err := scramVerifier(password)
	if err != nil {
		return err
	}
	admin := login{user: AdminUser, password: adminPassword, database: maintenanceDB, settings: adminSettings}
	err = withConn(ctx, s, admin, func(conn *pgx.Conn) error {
		_, err := conn.Exec(ctx, "alter role "+quote(username)+" login password '"+verifier+"'")
		return err
	})
	if hasCode(err, "42704") { // undefined_object
		return &engine.RefusedError{Message: missingRole(username), Err: err}
	}
	if err != nil {
		return refusal(fmt.Errorf("set the password of %s: %w", username, err))
	}
	return nil
}

func missingRole(username string) string {
	return fmt.Sprintf("The user %s is gone: somebody has dropped or renamed it. An administrator can make it again.", username)
}

// Probe implements engine.Engine.
func (e Engine) Probe(ctx context.Context, s engine.Server, secrets engine.Secrets, t engine.Tenant) error {
	probe := login{user: ProbeUser, password: secrets.Probe, database: maintenanceDB}
	err := withConn(ctx, s, probe, func(conn *pgx.Conn) error {
		var there, mayLogin bool
		err := conn.QueryRow(ctx, "select count(*) > 0, coalesce(bool_or(rolcanlogin), false) from pg_roles where rolname = $1", t.Username).Scan(&there, &mayLogin)
		switch {
		case err != nil:
			return err
		case !there:
			return &engine.RefusedError{Message: missingRole(t.Username), Err: fmt.Errorf("no role %s", t.Username)}
		case !mayLogin:
			return &engine.RefusedError{Message: fmt.Sprintf("The user %s may no longer log in. Ask for a new password, which lets it in again.", t.Username), Err: fmt.Errorf("role %s has no login", t.Username)}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("look at the user %s: %w", t.Username, err)
	}
	return e.Prove(ctx, s, engine.Tenant{Username: ProbeUser, Password: secrets.Probe, Database: t.Database})
}
