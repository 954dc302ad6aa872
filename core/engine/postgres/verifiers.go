package postgres

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/mydb-project/mydb/core/engine"
)

// verifier is what pg_authid.rolpassword may hold: of SCRAM, or of MD5, with which pg_hba.conf lets nobody in.
var verifier = regexp.MustCompile(`^(SCRAM-SHA-256\$[0-9]+:[A-Za-z0-9+/=]+\$[A-Za-z0-9+/=]+:[A-Za-z0-9+/=]+|md5[0-9a-f]{32})$`)

// Accounts implements engine.Archiver.
func (Engine) Accounts(ctx context.Context, s engine.Server, secrets engine.Secrets) (out []engine.Account, err error) {
	admin := login{user: AdminUser, password: secrets.Admin, database: maintenanceDB, settings: adminSettings}
	err = withConn(ctx, s, admin, func(conn *pgx.Conn) error {
		rows, err := conn.Query(ctx, "select rolname, coalesce(rolpassword, '') from pg_authid where rolcanlogin and rolname !~ '^(pg|mydb)_' order by 1")
		if err != nil {
			return err
		}
		out, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (a engine.Account, err error) {
			err = row.Scan(&a.Username, &a.Verifier)
			a.Old = strings.HasPrefix(a.Verifier, "md5")
			return a, err
		})
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read the accounts: %w", err)
	}
	return out, nil
}

// PutAccounts implements engine.Archiver. The server recognises a verifier by its form and stores it as it is.
func (Engine) PutAccounts(ctx context.Context, s engine.Server, secrets engine.Secrets, accounts []engine.Account) error {
	admin := login{user: AdminUser, password: secrets.Admin, database: maintenanceDB, settings: adminSettings}
	return withConn(ctx, s, admin, func(conn *pgx.Conn) error {
		for _, a := range accounts {
			if !verifier.MatchString(a.Verifier) {
				return fmt.Errorf("take the password of %s along: %w", a.Username, errors.New("the verifier is of no known form"))
			}
			role := quote(a.Username)
			if err := ensure(ctx, conn, "select from pg_roles where rolname = $1", a.Username, "create role "+role); err != nil {
				return fmt.Errorf("make role %s: %w", a.Username, err)
			}
			if err := execAll(ctx, conn, "alter role "+role+" login password '"+a.Verifier+"'"); err != nil {
				return err
			}
		}
		return nil
	})
}
