package postgres

import (
	"context"
	"crypto/tls"
	"fmt"
	"maps"
	"math"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/mydb-project/mydb/core/engine"
)

// connectTimeout covers the whole way to a login: name lookup, TLS and authentication.
const connectTimeout = 5 * time.Second

// login is who logs in where.
type login struct {
	user, password, database string
	settings                 map[string]string // of the session, such as log_statement
}

// plainSettings are those of a session of MyDB's own, whatever an owner has set for all sessions of their database: it may be read-only,
// end statements after a second, or have everybody act as somebody else.
var plainSettings = map[string]string{
	"default_transaction_read_only": "off", "default_transaction_isolation": "read committed", "role": "none", "standard_conforming_strings": "on",
	"statement_timeout": "0", "lock_timeout": "0", "idle_in_transaction_session_timeout": "0",
}

// adminSettings keep what MyDB's admin does out of the server's log and statistics, too: it is where role verifiers are written, and
// a verifier is enough to guess a weak password at leisure.
var adminSettings = with(plainSettings, map[string]string{
	"log_statement":              "none",
	"log_min_duration_statement": "-1",
	"log_min_error_statement":    "panic",
	"pg_stat_statements.track":   "none",
})

func with(settings, more map[string]string) map[string]string {
	out := maps.Clone(settings)
	maps.Copy(out, more)
	return out
}

// dial logs in once over TLS, and only to the server whose certificate the instance's CA has signed for s.Host.
func dial(ctx context.Context, s engine.Server, l login) (*pgx.Conn, error) {
	if s.Port <= 0 || s.Port > math.MaxUint16 {
		return nil, fmt.Errorf("port %d is no port", s.Port)
	}
	// pgx wants its configuration parsed. What the environment of this process says (PGHOST, PGOPTIONS, ...) must not matter, so
	// every field is set again below.
	cfg, err := pgx.ParseConfig("host=localhost port=5432 user=nobody dbname=postgres sslmode=disable connect_timeout=5")
	if err != nil {
		return nil, fmt.Errorf("prepare a connection: %w", err)
	}
	cfg.Host, cfg.Port = s.Host, uint16(s.Port)
	cfg.User, cfg.Password, cfg.Database = l.user, l.password, l.database
	cfg.TLSConfig = &tls.Config{RootCAs: s.CA, ServerName: s.Host, MinVersion: tls.VersionTLS12}
	cfg.Fallbacks, cfg.ValidateConnect = nil, nil
	cfg.ConnectTimeout = connectTimeout
	cfg.RuntimeParams = map[string]string{"application_name": "mydb"}
	for k, v := range l.settings {
		cfg.RuntimeParams[k] = v
	}
	conn, err := pgx.ConnectConfig(ctx, cfg)
	if err != nil {
		return nil, fmt.Errorf("log in as %s: %w", l.user, err)
	}
	return conn, nil
}

// hangUp closes a connection that is no longer needed. The server notices a lost one by itself, so errors do not matter, but
// waiting for a dead host would.
func hangUp(conn *pgx.Conn) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = conn.Close(ctx)
}
