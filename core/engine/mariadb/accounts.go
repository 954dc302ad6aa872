package mariadb

import (
	"bytes"
	"context"
	"fmt"
	"regexp"
	"strings"
)

// dumpAccounts writes SQL that makes the accounts with their passwords and rights. A line is a statement; none holds a line break,
// because the server writes them so. rights are those on single tables and routines, which must be there before; nil when there are none.
func dumpAccounts(ctx context.Context, conn *session) (accounts, rights []byte, err error) {
	roles, err := conn.column(ctx, "select user from mysql.global_priv where json_value(priv, '$.is_role') = 1 and user <> 'PUBLIC' order by 1")
	if err != nil {
		return nil, nil, err
	}
	users, err := conn.column(ctx, `select concat(quote(user), '@', quote(host)) from mysql.global_priv where coalesce(json_value(priv, '$.is_role'), 0) <> 1
		and user not in ('', 'mariadb.sys', '`+AdminUser+`', '`+ProbeUser+`', '`+ReplicationUser+`') order by 1`)
	if err != nil {
		return nil, nil, err
	}
	everybody, err := conn.column(ctx, "select user from mysql.global_priv where user = 'PUBLIC'") // from 10.11 on, when it has rights
	if err != nil {
		return nil, nil, err
	}
	var first, last bytes.Buffer
	for _, role := range roles {
		fmt.Fprintf(&first, "CREATE ROLE IF NOT EXISTS %s;\n", quote(role))
	}
	for _, user := range users {
		made, err := conn.column(ctx, "show create user "+user)
		if err != nil {
			return nil, nil, err
		}
		for _, statement := range made {
			fmt.Fprintf(&first, "%s;\n", oneLine(strings.Replace(statement, "CREATE USER ", "CREATE USER IF NOT EXISTS ", 1)))
		}
	}
	for _, who := range append(append(quoteAll(roles), users...), everybody...) {
		grants, err := conn.column(ctx, "show grants for "+who)
		if err != nil {
			return nil, nil, err
		}
		for _, grant := range grants {
			to := &first
			if onThing.MatchString(grant) {
				to = &last
			}
			fmt.Fprintf(to, "%s;\n", oneLine(grant))
		}
	}
	fmt.Fprintln(&first, accountsTrailer)
	if last.Len() == 0 {
		return first.Bytes(), nil, nil
	}
	fmt.Fprintln(&last, accountsTrailer)
	return first.Bytes(), last.Bytes(), nil
}

// onThing tells a right on a table, a view or a routine: the server gives none on what it does not have.
var onThing = regexp.MustCompile("(?s)^GRANT .* ON (?:(?:FUNCTION|PROCEDURE|PACKAGE|PACKAGE BODY) )?`(?:[^`]|``)+`\\.`(?:[^`]|``)+` TO ")

func oneLine(s string) string { return strings.ReplaceAll(s, "\n", " ") }

func quoteAll(names []string) (out []string) {
	for _, name := range names {
		out = append(out, quote(name))
	}
	return out
}
