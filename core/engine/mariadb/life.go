package mariadb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/mydb-project/mydb/core/engine"
)

// Probe implements engine.Engine. That the owner's account is as MyDB has made it is read from the server's own tables.
func (e Engine) Probe(ctx context.Context, s engine.Server, secrets engine.Secrets, t engine.Tenant) error {
	probe := engine.Tenant{Username: ProbeUser, Password: secrets.Probe, Database: t.Database}
	if err := e.Prove(ctx, s, probe); err != nil {
		return fmt.Errorf("probe: %w", err)
	}
	return asAdmin(ctx, s, secrets.Admin, func(conn *session) error { return checkOwner(ctx, conn, t) })
}

// checkOwner makes sure that the owner may log in and has the rights that the probe was measured with.
func checkOwner(ctx context.Context, conn *session, t engine.Tenant) error {
	var mayLogIn bool
	err := conn.one(ctx, &mayLogIn, `select json_value(priv, '$.plugin') = 'mysql_native_password' and json_value(priv, '$.authentication_string') like '*%'
			and coalesce(json_value(priv, '$.account_locked'), '0') not in ('1', 'true') and coalesce(json_value(priv, '$.password_last_changed'), '1') <> '0'
		from mysql.global_priv where user = ? and host = '%'`, t.Username)
	if errors.Is(err, sql.ErrNoRows) {
		return absent(t.Username, err)
	}
	if err != nil {
		return fmt.Errorf("probe the account %s: %w", t.Username, err)
	}
	if !mayLogIn {
		return &engine.RefusedError{Message: fmt.Sprintf("The account %s is locked, or its password has expired; rotate its password to unlock it.", t.Username), Err: errors.New("the account may not log in")}
	}
	grants, err := conn.column(ctx, "show grants for "+account(t.Username))
	if err != nil {
		return fmt.Errorf("probe the rights of %s: %w", t.Username, err)
	}
	for _, pattern := range patterns(t.Database) {
		want := "GRANT ALL PRIVILEGES ON " + quote(pattern) + ".* TO "
		if !slices.ContainsFunc(grants, func(g string) bool { return strings.HasPrefix(g, want) }) {
			return &engine.RefusedError{Message: fmt.Sprintf("The account %s has lost rights on the database %s; an admin can give them again.", t.Username, t.Database), Err: errors.New("a grant is missing")}
		}
	}
	return nil
}

func absent(user string, err error) error {
	return &engine.RefusedError{Message: fmt.Sprintf("There is no account %s on this server: somebody has dropped it. An admin can make it again.", user), Err: err}
}

// SetPassword implements engine.Engine.
func (Engine) SetPassword(ctx context.Context, s engine.Server, adminPassword, username, password string) error {
	if m := passwordProblem(password); m != "" {
		return &engine.RefusedError{Message: "The password " + m + ".", Err: errors.New("unusable password")}
	}
	if m := nameProblem("user name", username, 80, userName, reservedUsers); m != "" {
		return &engine.RefusedError{Message: m, Err: errors.New("unusable name")}
	}
	err := asAdmin(ctx, s, adminPassword, func(conn *session) error {
		return conn.run(ctx, "alter user "+account(username)+" identified via mysql_native_password using "+text(passwordHash(password))+" account unlock password expire never")
	})
	if hasNumber(err, errCannotUser) {
		return absent(username, err)
	}
	if err != nil {
		return refusal(fmt.Errorf("set the password of %s: %w", username, err))
	}
	return nil
}

// Grant implements engine.Engine.
func (e Engine) Grant(ctx context.Context, s engine.Server, adminPassword string, t engine.Tenant, a engine.Access) error {
	rights := readRights
	if a.Write {
		rights = writeRights
	}
	if err := checkAccess(t, a.Username); err != nil {
		return err
	}
	if m := passwordProblem(a.Password); m != "" && a.Password != "" {
		return &engine.RefusedError{Message: "The password " + m + ".", Err: errors.New("unusable password")}
	}
	err := asAdmin(ctx, s, adminPassword, func(conn *session) error {
		if a.Password != "" {
			if err := ensureAccount(ctx, conn, a.Username, a.Password); err != nil {
				return err
			}
		}
		return giveRights(ctx, conn, a.Username, t.Database, rights)
	})
	if err != nil {
		return refusal(fmt.Errorf("give %s access to %s: %w", a.Username, t.Database, err))
	}
	return nil
}

// Login implements engine.Engine.
func (Engine) Login(ctx context.Context, s engine.Server, t engine.Tenant) error {
	conn, err := dial(ctx, s, login{user: t.Username, password: t.Password, database: t.Database})
	if err != nil {
		return fmt.Errorf("log in as %s: %w", t.Username, err)
	}
	hangUp(conn)
	return nil
}

// checkAccess keeps further accounts apart from the owner's and from the server's own.
func checkAccess(t engine.Tenant, username string) error {
	if m := nameProblem("user name", username, 80, userName, reservedUsers); m != "" {
		return &engine.RefusedError{Message: m, Err: errors.New("unusable name")}
	}
	if username == t.Username {
		return &engine.RefusedError{Message: fmt.Sprintf("The account %s owns the database; choose another name.", username), Err: errors.New("the owner's name")}
	}
	return nil
}

// Revoke implements engine.Engine. The account is locked first, so that it cannot come back while its sessions end. Nothing is to be
// handed over: tables have no owner, and Grant gives no right to make what has one.
func (Engine) Revoke(ctx context.Context, s engine.Server, adminPassword string, t engine.Tenant, username string) error {
	if err := checkAccess(t, username); err != nil {
		return err
	}
	err := asAdmin(ctx, s, adminPassword, func(conn *session) error {
		err := conn.run(ctx, "alter user "+account(username)+" account lock")
		if hasNumber(err, errCannotUser) {
			return nil // it is gone already
		}
		if err != nil {
			return err
		}
		if err := endSessions(ctx, conn, username); err != nil {
			return err
		}
		return conn.run(ctx, "drop user if exists "+account(username))
	})
	if err != nil {
		return fmt.Errorf("take the access to %s from %s: %w", t.Database, username, err)
	}
	return nil
}

// EndSessions implements engine.Engine.
func (Engine) EndSessions(ctx context.Context, s engine.Server, adminPassword, username string) error {
	return asAdmin(ctx, s, adminPassword, func(conn *session) error { return endSessions(ctx, conn, username) })
}
