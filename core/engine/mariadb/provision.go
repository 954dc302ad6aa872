package mariadb

import (
	"context"
	"crypto/sha1" // the server's own format
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/mydb-project/mydb/core/engine"
)

// Provision makes the scientist's side. A second run with the same tenant finds everything in place and sets the password again.
func (e Engine) Provision(ctx context.Context, s engine.Server, adminPassword string, t engine.Tenant) error {
	if err := e.CheckTenant(t); err != nil {
		return &engine.RefusedError{Message: "MariaDB cannot have this database as it was asked for.", Err: err}
	}
	err := asAdmin(ctx, s, adminPassword, func(conn *session) error {
		if err := ensureAccount(ctx, conn, t.Username, t.Password); err != nil {
			return err
		}
		if err := ensureDatabase(ctx, conn, t.Database); err != nil {
			return err
		}
		if err := giveRights(ctx, conn, t.Username, t.Database, ownerRights); err != nil {
			return err
		}
		return giveRights(ctx, conn, ProbeUser, t.Database, ownerRights)
	})
	if err != nil {
		return refusal(fmt.Errorf("provision %s: %w", t.Database, err))
	}
	if t.InitSQL == "" {
		return nil
	}
	return runInit(ctx, s, adminPassword, t)
}

// The rights of accounts on a tenant's databases. Nobody may pass any on: who has access is MyDB's to know. A table has no owner, so
// who may write may also change and drop; but views, routines, triggers and events run with the rights of the one who made them, and
// would end with that account, so only the owner may make those.
const (
	ownerRights = "all privileges"
	readRights  = "select, show view"
	writeRights = "select, show view, insert, update, delete, create, alter, drop, index, references, create temporary tables, lock tables, execute"
)

// ensureAccount makes an account that can log in with the password, and has no rights of its own.
func ensureAccount(ctx context.Context, conn *session, user, password string) error {
	how := " identified via mysql_native_password using " + text(passwordHash(password))
	err := conn.run(ctx,
		"create user if not exists "+account(user)+how,
		"alter user "+account(user)+how+" require none account unlock password expire never",
	)
	if err != nil {
		return fmt.Errorf("make account: %w", err)
	}
	return nil
}

func ensureDatabase(ctx context.Context, conn *session, database string) error {
	if err := conn.run(ctx, "create database if not exists "+quote(database)+" character set utf8mb4"); err != nil {
		return fmt.Errorf("make database: %w", err)
	}
	return nil
}

// giveRights gives an account exactly these rights on the tenant's databases. Where it had others, there is a moment without any.
func giveRights(ctx context.Context, conn *session, user, database, rights string) error {
	for _, pattern := range patterns(database) {
		var has int
		// In rows, because REVOKE of what was never granted is an error.
		if err := conn.one(ctx, &has, "select count(*) from mysql.db where user = ? and host = '%' and db = ?", user, pattern); err != nil {
			return fmt.Errorf("look for rights: %w", err)
		}
		if has > 0 && rights != ownerRights {
			if err := conn.run(ctx, "revoke all privileges on "+quote(pattern)+".* from "+account(user)); err != nil {
				return fmt.Errorf("take rights: %w", err)
			}
		}
		if err := conn.run(ctx, "grant "+rights+" on "+quote(pattern)+".* to "+account(user)); err != nil {
			return fmt.Errorf("give rights: %w", err)
		}
	}
	return nil
}

// patterns are those of the tenant's databases, as grants have them: the one that MyDB made, and all whose names begin with its
// name and "_". In such a pattern "_" stands for any character, unless escaped.
func patterns(database string) []string {
	escaped := strings.ReplaceAll(database, "_", `\_`)
	return []string{escaped, escaped + `\_%`}
}

// passwordHash is what MariaDB stores in place of a password for mysql_native_password, the one method that every client has. The
// password itself never gets to the server, whose binary log would keep it.
func passwordHash(password string) string {
	once := sha1.Sum([]byte(password))
	twice := sha1.Sum(once[:])
	return "*" + strings.ToUpper(hex.EncodeToString(twice[:]))
}
