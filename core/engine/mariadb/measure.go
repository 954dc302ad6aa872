package mariadb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/mydb-project/mydb/core/engine"
)

// clients selects the sessions of people and programs, not those of MyDB and of the server itself.
const clients = `user not like 'mydb\_%' and user not in ('system user', 'event_scheduler', 'unauthenticated user', 'mariadb.sys')`

// Sample implements engine.Engine. LastLogin is known to the time between two samples: MariaDB counts logins, and Sample keeps
// the count of last time.
func (Engine) Sample(ctx context.Context, s engine.Server, adminPassword string) (engine.Sample, error) {
	var out engine.Sample
	err := asAdmin(ctx, s, adminPassword, func(conn *session) error {
		var err error
		if out, err = look(ctx, conn); err != nil {
			return err
		}
		out.LastLogin, err = lastLogin(ctx, conn, out)
		return err
	})
	if err != nil {
		return engine.Sample{}, fmt.Errorf("sample: %w", err)
	}
	return out, nil
}

func look(ctx context.Context, conn *session) (engine.Sample, error) {
	var up, longest float64
	out := engine.Sample{At: time.Now().UTC()}
	err := conn.QueryRowContext(ctx, `select
			(select variable_value from information_schema.global_status where variable_name = 'UPTIME'),
			@@max_connections, count(*), coalesce(max(case when command in ('Query', 'Execute') then time_ms end), 0)
		from information_schema.processlist where `+clients).Scan(&up, &out.MaxConnections, &out.Connections, &longest)
	if err != nil {
		return out, err
	}
	out.UpSince = out.At.Add(-time.Duration(max(up, 1) * float64(time.Second)))
	out.LongestQuery = time.Duration(longest * float64(time.Millisecond))
	out.Bytes, err = bytesOnDisk(ctx, conn)
	return out, err
}

// bytesOnDisk adds up the files of InnoDB, which the server knows without opening a table. Tables of other engines must be opened:
// they are added if that takes less than the blink of an eye.
func bytesOnDisk(ctx context.Context, conn *session) (int64, error) {
	var files, others int64
	if err := conn.one(ctx, &files, "select coalesce(sum(file_size), 0) from information_schema.innodb_sys_tablespaces"); err != nil {
		return 0, err
	}
	err := conn.one(ctx, &others, `set statement max_statement_time = 0.3 for
		select coalesce(sum(data_length + index_length), 0) from information_schema.tables
		where engine not in ('InnoDB', 'MEMORY', 'FEDERATED', 'CONNECT', 'SPIDER') and table_schema not in (`+systemDatabases+`)`)
	if err != nil && !hasNumber(err, errStatementTime) {
		return 0, err
	}
	return files + others, nil
}

// systemDatabases are the server's own and MyDB's.
const systemDatabases = "'mysql', 'sys', 'information_schema', 'performance_schema', 'mydb'"

// lastLogin is when somebody was last seen. The server counts logins from its start; a count that differs from that of last time
// means that somebody was there in between.
func lastLogin(ctx context.Context, conn *session, now engine.Sample) (*time.Time, error) {
	if err := conn.run(ctx, "set sql_log_bin = 0"); err != nil {
		return nil, err
	}
	var total int64
	if err := conn.one(ctx, &total, "select coalesce(sum(total_connections), 0) from information_schema.user_statistics where "+clients); err != nil {
		return nil, err
	}
	before, at, err := loginsBefore(ctx, conn)
	if err != nil {
		return nil, err
	}
	seen := now.Connections > 0 || total > 0 && total != before
	if seen && (at == nil || now.At.Sub(*at) > time.Minute) {
		at = &now.At
	}
	if at == nil || total == before && at != &now.At {
		return at, nil
	}
	// A minute's grain saves a write with each sample of a busy server.
	_, err = conn.ExecContext(ctx, "replace into mydb.logins values (1, ?, ?)", total, at.Format(time.DateTime))
	return at, err
}

// loginsBefore reads what the sample before has left, if there was one.
func loginsBefore(ctx context.Context, conn *session) (total int64, at *time.Time, err error) {
	var text string
	err = conn.QueryRowContext(ctx, "select total, date_format(at, '%Y-%m-%d %H:%i:%s') from mydb.logins where one = 1").Scan(&total, &text)
	switch {
	case hasNumber(err, errNoDatabase, errNoTable):
		return 0, nil, conn.run(ctx, ownTables...)
	case errors.Is(err, sql.ErrNoRows):
		return 0, nil, nil
	case err != nil:
		return 0, nil, err
	}
	when, err := time.Parse(time.DateTime, strings.TrimSpace(text))
	return total, &when, err
}
