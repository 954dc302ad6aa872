package postgres

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/xdg-go/scram"

	"github.com/mydb-project/mydb/core/engine"
)

// Provision makes the scientist's side. A second run with the same tenant finds everything in place and sets the password again.
func (e Engine) Provision(ctx context.Context, s engine.Server, adminPassword string, t engine.Tenant) error {
	if err := e.CheckTenant(t); err != nil {
		return &engine.RefusedError{Message: "PostgreSQL cannot have this database as it was asked for.", Err: err}
	}
	admin := login{user: AdminUser, password: adminPassword, database: maintenanceDB, settings: adminSettings}
	err := withConn(ctx, s, admin, func(conn *pgx.Conn) error {
		if err := ensureRole(ctx, conn, t); err != nil {
			return err
		}
		return ensureDatabase(ctx, conn, t)
	})
	if err != nil {
		return refusal(fmt.Errorf("provision %s: %w", t.Database, err))
	}
	admin.database = t.Database
	err = withConn(ctx, s, admin, func(conn *pgx.Conn) error {
		if err := giveSchema(ctx, conn, t); err != nil {
			return err
		}
		return addExtensions(ctx, conn, t.Extensions)
	})
	if err != nil {
		return refusal(fmt.Errorf("provision %s: %w", t.Database, err))
	}
	if t.InitSQL == "" {
		return nil
	}
	return runInit(ctx, s, t)
}

// ensureRole makes the scientist's role, and lets MyDB's probe account act in its place.
func ensureRole(ctx context.Context, conn *pgx.Conn, t engine.Tenant) error {
	verifier, err := scramVerifier(t.Password)
	if err != nil {
		return err
	}
	role := quote(t.Username)
	if err := ensure(ctx, conn, "select from pg_roles where rolname = $1", t.Username, "create role "+role); err != nil {
		return fmt.Errorf("make role: %w", err)
	}
	// The server recognises the verifier by its form and stores it as it is, so the password itself never gets there. It
	// consists of letters, digits and "$:+/=" only.
	_, err = conn.Exec(ctx, "alter role "+role+" login createdb nosuperuser nocreaterole noreplication nobypassrls password '"+verifier+"'")
	if err != nil {
		return fmt.Errorf("set up role: %w", err)
	}
	if _, err = conn.Exec(ctx, "grant "+role+" to "+quote(ProbeUser)); err != nil {
		return fmt.Errorf("let the probe act as the role: %w", err)
	}
	return nil
}

// ensureDatabase makes the database. Only its owner, and those whom the owner lets in, may connect.
func ensureDatabase(ctx context.Context, conn *pgx.Conn, t engine.Tenant) error {
	database, owner := quote(t.Database), quote(t.Username)
	if err := ensure(ctx, conn, "select from pg_database where datname = $1", t.Database, "create database "+database+" owner "+owner); err != nil {
		return fmt.Errorf("make database: %w", err)
	}
	for _, sql := range []string{
		"alter database " + database + " owner to " + owner,
		"revoke all on database " + database + " from public",
		"grant all on database " + database + " to " + owner,
	} {
		if _, err := conn.Exec(ctx, sql); err != nil {
			return fmt.Errorf("hand over database: %w", err)
		}
	}
	return nil
}

// giveSchema makes the scientist the owner of the schema public, which in versions 13 and 14 belongs to the superuser. A scientist
// may have dropped it; then it stays away.
func giveSchema(ctx context.Context, conn *pgx.Conn, t engine.Tenant) error {
	var there bool
	if err := conn.QueryRow(ctx, "select exists (select from pg_namespace where nspname = 'public')").Scan(&there); err != nil {
		return fmt.Errorf("look for the schema public: %w", err)
	}
	if !there {
		return nil
	}
	if _, err := conn.Exec(ctx, "alter schema public owner to "+quote(t.Username)); err != nil {
		return fmt.Errorf("hand over the schema public: %w", err)
	}
	return nil
}

// addExtensions installs extensions as the superuser: an owner may install only those that PostgreSQL trusts.
func addExtensions(ctx context.Context, conn *pgx.Conn, names []string) error {
	for _, name := range names {
		_, err := conn.Exec(ctx, "create extension if not exists "+quote(name)+" cascade")
		if hasCode(err, "0A000", "58P01") { // how versions put "not available": the former from 15 on
			return &engine.RefusedError{Message: fmt.Sprintf("The extension %s is not available in this version of PostgreSQL; leave it out, or ask an admin to add it to the image.", name), Err: err}
		}
		if err != nil {
			return fmt.Errorf("install extension %s: %w", name, err)
		}
	}
	return nil
}

// ensure runs create when the query, which takes the name, finds nothing.
func ensure(ctx context.Context, conn *pgx.Conn, query, name, create string) error {
	var there bool
	if err := conn.QueryRow(ctx, "select exists ("+query+")", name).Scan(&there); err != nil || there {
		return err
	}
	_, err := conn.Exec(ctx, create)
	if hasCode(err, "42710", "42P04") { // somebody else was faster
		return nil
	}
	return err
}

// scramVerifier is what PostgreSQL stores in place of a password: RFC 5803 in the form of pg_authid.rolpassword. Passwords are
// taken as they are, because passwordProblem lets none through that normalising would change.
func scramVerifier(password string) (string, error) {
	salt := make([]byte, 16)
	if _, err := rand.Read(salt); err != nil {
		return "", fmt.Errorf("make a salt: %w", err)
	}
	client, err := scram.SHA256.NewClientUnprepped("", password, "")
	if err != nil {
		return "", fmt.Errorf("compute a password verifier: %w", err)
	}
	const iterations = 4096 // PostgreSQL's own default; clients pay for each of them at every login
	c, err := client.GetStoredCredentialsWithError(scram.KeyFactors{Salt: string(salt), Iters: iterations})
	if err != nil {
		return "", fmt.Errorf("compute a password verifier: %w", err)
	}
	b64 := base64.StdEncoding.EncodeToString
	return fmt.Sprintf("SCRAM-SHA-256$%d:%s$%s:%s", iterations, b64(salt), b64(c.StoredKey), b64(c.ServerKey)), nil
}

// withConn runs do on a connection of its own.
func withConn(ctx context.Context, s engine.Server, l login, do func(*pgx.Conn) error) error {
	conn, err := dial(ctx, s, l)
	if err != nil {
		return err
	}
	defer hangUp(conn)
	return do(conn)
}

// refusal marks errors that a retry cannot mend: data exceptions (22), violated constraints (23), syntax errors and refused
// rights (42). Everything else may be a server that is just going down or coming up.
func refusal(err error) error {
	var refused *engine.RefusedError
	var pg *pgconn.PgError
	if err == nil || errors.As(err, &refused) || !errors.As(err, &pg) {
		return err
	}
	switch codeClass(pg.Code) {
	case "22", "23", "42":
		return &engine.RefusedError{Message: fmt.Sprintf("PostgreSQL refused: %s.", pg.Message), Err: err}
	}
	return err
}

func hasCode(err error, codes ...string) bool {
	var pg *pgconn.PgError
	if !errors.As(err, &pg) {
		return false
	}
	for _, c := range codes {
		if pg.Code == c {
			return true
		}
	}
	return false
}

// codeClass is the first two characters of an SQLSTATE, which name its class.
func codeClass(code string) string { return code[:min(2, len(code))] }

// quote makes any name safe to put into SQL.
func quote(name string) string { return pgx.Identifier{name}.Sanitize() }
