package mariadb

import (
	"context"
	"crypto/tls"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/mydb-project/mydb/core/engine"
)

// connectTimeout covers the way to the server, not TLS and the login: those end with the context.
const connectTimeout = 5 * time.Second

// login is who logs in where.
type login struct {
	user, password, database string
	manyStatements           bool // allow several statements in one text, as in a script
	anyLength                bool // of a statement, as far as the server takes it
}

// session is one connection, which no pool lends to anybody else.
type session struct {
	*sql.Conn
	pool *sql.DB
}

// dial logs in once over TLS, and only to the server whose certificate the instance's CA has signed for s.Host. Passwords never
// leave this side: the driver answers the server's challenge, and accounts are made with hashes.
func dial(ctx context.Context, s engine.Server, l login) (*session, error) {
	if s.Port <= 0 || s.Port > math.MaxUint16 {
		return nil, fmt.Errorf("port %d is no port", s.Port)
	}
	cfg := mysql.NewConfig()
	cfg.Net, cfg.Addr = "tcp", net.JoinHostPort(s.Host, strconv.Itoa(s.Port))
	cfg.User, cfg.Passwd, cfg.DBName = l.user, l.password, l.database
	cfg.TLS = &tls.Config{RootCAs: s.CA, ServerName: s.Host, MinVersion: tls.VersionTLS12}
	cfg.Timeout = connectTimeout
	cfg.Logger = &mysql.NopLogger{} // what goes wrong comes back as an error
	cfg.MultiStatements = l.manyStatements
	if l.anyLength {
		cfg.MaxAllowedPacket = 0 // asks the server
	}
	cfg.InterpolateParams = true // half the way to the server and back
	if !l.manyStatements {
		// What a name or a text in a statement means must not depend on how the server is set up, nor for how long it may take. A
		// script gets what everybody gets.
		cfg.Params = map[string]string{"sql_mode": "'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION'", "max_statement_time": "0"}
	}
	connector, err := mysql.NewConnector(cfg)
	if err != nil {
		return nil, fmt.Errorf("prepare a connection: %w", err)
	}
	pool := sql.OpenDB(connector)
	pool.SetMaxOpenConns(1)
	conn, err := pool.Conn(ctx)
	if err != nil {
		_ = pool.Close()
		return nil, fmt.Errorf("log in as %s: %w", l.user, err)
	}
	return &session{Conn: conn, pool: pool}, nil
}

// hangUp closes a connection that is no longer needed. Errors do not matter: the server notices a lost one by itself.
func hangUp(s *session) {
	_ = s.Close()
	_ = s.pool.Close()
}

// run executes statements, one after the other.
func (s *session) run(ctx context.Context, statements ...string) error {
	for _, statement := range statements {
		if _, err := s.ExecContext(ctx, statement); err != nil {
			return err
		}
	}
	return nil
}

// one asks for a single value. No row is sql.ErrNoRows.
func (s *session) one(ctx context.Context, out any, query string, arguments ...any) error {
	return s.QueryRowContext(ctx, query, arguments...).Scan(out)
}

// column asks for the first column of all rows as text.
func (s *session) column(ctx context.Context, query string, arguments ...any) (out []string, err error) {
	rows, err := s.QueryContext(ctx, query, arguments...)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var text string
		if err := rows.Scan(&text); err != nil {
			return nil, err
		}
		out = append(out, text)
	}
	return out, rows.Err()
}

// asAdmin runs do on a connection of MyDB's admin.
func asAdmin(ctx context.Context, s engine.Server, password string, do func(*session) error) error {
	conn, err := dial(ctx, s, login{user: AdminUser, password: password})
	if err != nil {
		return err
	}
	defer hangUp(conn)
	return do(conn)
}

// The server's error numbers that mean something to MyDB.
const (
	errNoDatabase      = 1049
	errNoTable         = 1146
	errCannotUser      = 1396 // CREATE USER and ALTER USER: it is there, or is not
	errNoSuchThread    = 1094
	errStatementTime   = 1969
	errConnectionEnded = 1927
)

func hasNumber(err error, numbers ...uint16) bool {
	var e *mysql.MySQLError
	return errors.As(err, &e) && slices.Contains(numbers, e.Number)
}

// refusal marks errors that a retry cannot mend: data exceptions (22), violated constraints (23), syntax errors and refused
// rights (42). Everything else may be a server that is just going down or coming up.
func refusal(err error) error {
	var refused *engine.RefusedError
	var e *mysql.MySQLError
	if err == nil || errors.As(err, &refused) || !errors.As(err, &e) {
		return err
	}
	switch string(e.SQLState[:2]) {
	case "22", "23", "42":
		return &engine.RefusedError{Message: fmt.Sprintf("MariaDB refused: %s.", strings.TrimSuffix(e.Message, ".")), Err: err}
	}
	return err
}

// quote makes any name safe to put into SQL.
func quote(name string) string { return "`" + strings.ReplaceAll(name, "`", "``") + "`" }

// text makes any text a literal of SQL, for where no placeholder may stand.
func text(s string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, `'`, `''`).Replace(s) + "'"
}

// account is a user as SQL names it. MyDB's users come from everywhere.
func account(user string) string { return text(user) + "@'%'" }
