package mariadb

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/mydb-project/mydb/core/engine"
)

// plugin is the name of a way to log in, such as mysql_native_password.
var plugin = regexp.MustCompile(`^[a-z0-9_]+$`)

// Accounts implements engine.Archiver. A verifier is the way to log in, a blank, and what the server keeps for it.
func (Engine) Accounts(ctx context.Context, s engine.Server, secrets engine.Secrets) (out []engine.Account, err error) {
	err = asAdmin(ctx, s, secrets.Admin, func(conn *session) (err error) {
		rows, err := conn.QueryContext(ctx, `select user, coalesce(json_value(priv, '$.plugin'), ''), coalesce(json_value(priv, '$.authentication_string'), '') from mysql.global_priv
			where coalesce(json_value(priv, '$.is_role'), 0) <> 1 and host = '%' and user not in ('', 'mariadb.sys', '`+AdminUser+`', '`+ProbeUser+`', '`+ReplicationUser+`') order by 1`)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, rows.Close()) }()
		for rows.Next() {
			var a engine.Account
			var way, kept string
			if err := rows.Scan(&a.Username, &way, &kept); err != nil {
				return err
			}
			if kept != "" && kept != "invalid" {
				a.Verifier = way + " " + kept
			}
			out = append(out, a)
		}
		return rows.Err()
	})
	if err != nil {
		return nil, fmt.Errorf("read the accounts: %w", err)
	}
	return out, nil
}

// PutAccounts implements engine.Archiver.
func (Engine) PutAccounts(ctx context.Context, s engine.Server, secrets engine.Secrets, accounts []engine.Account) error {
	return asAdmin(ctx, s, secrets.Admin, func(conn *session) error {
		for _, a := range accounts {
			way, kept, found := strings.Cut(a.Verifier, " ")
			if !found || !plugin.MatchString(way) {
				return fmt.Errorf("take the password of %s along: %w", a.Username, errors.New("the verifier is of no known form"))
			}
			how := " identified via " + way + " using " + text(kept)
			err := conn.run(ctx,
				"create user if not exists "+account(a.Username)+how,
				"alter user "+account(a.Username)+how+" require none account unlock password expire never",
			)
			if err != nil {
				return fmt.Errorf("take the password of %s along: %w", a.Username, err)
			}
		}
		return nil
	})
}
