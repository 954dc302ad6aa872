package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/mydb-project/mydb/core/engine"
)

// clients selects the sessions of people and programs, not those of MyDB and of the server itself.
const clients = `backend_type = 'client backend' and usename not like 'mydb\_%'`

// sampleSQL reads catalogues and counters only, so that no lock of a scientist's can hold it up. The connections that are kept for
// superusers are no use to clients, so they do not count as allowed.
const sampleSQL = `select now(), pg_postmaster_start_time(),
	(select coalesce(sum(pg_database_size(oid)), 0)::bigint from pg_database),
	(select count(*)::int from pg_stat_activity where ` + clients + `),
	current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int
		- coalesce(current_setting('reserved_connections', true)::int, 0),
	(select coalesce(max(extract(epoch from clock_timestamp() - query_start)), 0)::float8 from pg_stat_activity where state = 'active' and ` + clients + `)`

// Sample implements engine.Engine. LastLogin is known only while somebody is connected: then it is now.
func (Engine) Sample(ctx context.Context, s engine.Server, adminPassword string) (engine.Sample, error) {
	var out engine.Sample
	var longest float64
	admin := login{user: AdminUser, password: adminPassword, database: maintenanceDB, settings: adminSettings}
	err := withConn(ctx, s, admin, func(conn *pgx.Conn) error {
		return conn.QueryRow(ctx, sampleSQL).Scan(&out.At, &out.UpSince, &out.Bytes, &out.Connections, &out.MaxConnections, &longest)
	})
	if err != nil {
		return engine.Sample{}, fmt.Errorf("sample: %w", err)
	}
	out.At, out.UpSince = out.At.UTC(), out.UpSince.UTC()
	out.LongestQuery = time.Duration(max(longest, 0) * float64(time.Second))
	if out.Connections > 0 {
		out.LastLogin = &out.At
	}
	return out, nil
}
