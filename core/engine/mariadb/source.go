package mariadb

import (
	"context"
	"crypto/tls"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"

	"github.com/go-sql-driver/mysql"

	"github.com/mydb-project/mydb/core/engine"
)

// SourceForm implements engine.Importer. MySQL speaks the same protocol and its dumps mostly the same SQL.
func (Engine) SourceForm() engine.SourceForm {
	form := engine.SourceForm{
		Schemes: []string{"mariadb", "mysql"}, Port: port, Default: engine.TLSPrefer, NeedsDatabase: true,
		TLS:     map[string]string{},
		Ignored: []string{"charset", "collation", "parsetime", "loc", "timeout"},
	}
	for _, option := range []string{"tls", "ssl", "ssl-mode", "sslmode"} {
		for value, mode := range map[string]string{
			"false": engine.TLSOff, "0": engine.TLSOff, "disabled": engine.TLSOff, "disable": engine.TLSOff, "preferred": engine.TLSPrefer, "prefer": engine.TLSPrefer,
			"true": engine.TLSRequire, "1": engine.TLSRequire, "required": engine.TLSRequire, "require": engine.TLSRequire, "skip-verify": engine.TLSRequire,
		} {
			form.TLS[option+"="+value] = mode
		}
	}
	return form
}

// dialSource logs in to a source, at the address that was checked and nowhere else.
func dialSource(ctx context.Context, src engine.Source) (*session, error) {
	if err := src.Reach(ctx); err != nil {
		return nil, err
	}
	cfg := mysql.NewConfig()
	cfg.Net, cfg.Addr = "tcp", net.JoinHostPort(src.Address, strconv.Itoa(src.Port))
	cfg.User, cfg.Passwd, cfg.DBName = src.Username, src.Password, src.Database
	cfg.Timeout, cfg.Logger, cfg.InterpolateParams = connectTimeout, &mysql.NopLogger{}, true
	cfg.Params = map[string]string{"sql_mode": "''"}
	if src.TLS != engine.TLSOff {
		cfg.TLS = &tls.Config{InsecureSkipVerify: true} //nolint:gosec // nobody knows who should vouch for it; see engine.TLSOff
		cfg.AllowFallbackToPlaintext = src.TLS == engine.TLSPrefer
	}
	connector, err := mysql.NewConnector(cfg)
	if err != nil {
		return nil, fmt.Errorf("prepare a connection to the source: %w", err)
	}
	pool := sql.OpenDB(connector)
	pool.SetMaxOpenConns(1)
	soon, cancel := context.WithTimeout(ctx, 2*connectTimeout)
	defer cancel()
	conn, err := pool.Conn(soon)
	if err != nil {
		_ = pool.Close()
		return nil, src.Problem(ctx, "MariaDB", sourceRefusal(src, err), err)
	}
	return &session{Conn: conn, pool: pool}, nil
}

// The errors with which a server keeps somebody out.
const (
	errHostNotAllowed = 1130
	errAccessDenied   = 1045
	errNoAccess       = 1044 // to the database
)

// sourceRefusal puts into words what a server that speaks MariaDB's protocol says no to; empty when it said nothing.
func sourceRefusal(src engine.Source, err error) string {
	var e *mysql.MySQLError
	switch {
	case errors.Is(err, mysql.ErrNoTLS):
		return fmt.Sprintf("The source %s does not encrypt connections. Write tls=false if the network between is yours alone.", src)
	case !errors.As(err, &e):
		return ""
	case e.Number == errAccessDenied && src.TLS == engine.TLSOff:
		return fmt.Sprintf("The source %s refuses the user name or the password; or it lets in only those who encrypt: leave tls=false out.", src)
	case e.Number == errAccessDenied:
		return fmt.Sprintf("The source %s refuses the user name or the password.", src)
	case e.Number == errNoDatabase:
		return fmt.Sprintf("The source has no database %s: look at the end of the address.", src)
	case e.Number == errNoAccess:
		return fmt.Sprintf("The source has no database %s, or its user may not use it.", src)
	case e.Number == errHostNotAllowed:
		return fmt.Sprintf("The source %s lets nobody in from here. Its administrator must allow it.", src)
	}
	return fmt.Sprintf("The source %s refuses the connection: %s.", src, strings.TrimSuffix(e.Message, "."))
}

// Look implements engine.Importer.
func (Engine) Look(ctx context.Context, src engine.Source, _ string) (engine.Found, error) {
	var out engine.Found
	conn, err := dialSource(ctx, src)
	if err != nil {
		return out, err
	}
	defer hangUp(conn)
	if err := conn.one(ctx, &out.ServerVersion, "select version()"); err != nil {
		return out, fmt.Errorf("look at the source: %w", err)
	}
	tables, err := tablesOf(ctx, conn, src.Database)
	if err != nil {
		return out, fmt.Errorf("list the tables of the source: %w", err)
	}
	out.Tables = len(tables)
	return out, nil
}

// encrypted reports whether a session is.
func encrypted(ctx context.Context, conn *session) (bool, error) {
	var name, cipher string
	err := conn.QueryRowContext(ctx, "show session status like 'Ssl_cipher'").Scan(&name, &cipher)
	return cipher != "", err
}

// sourceTool is mariadb-dump that logs in to a source. Whether it encrypts was settled before: it cannot try both.
func sourceTool(src engine.Source, encrypt bool) engine.Tool {
	secure := "skip-ssl\n"
	if encrypt {
		secure = "ssl\nskip-ssl-verify-server-cert\n"
	}
	options := fmt.Sprintf("[client]\nhost=%s\nport=%d\nprotocol=tcp\nuser=%s\npassword=%s\nmax-allowed-packet=1G\n%s", src.Address, src.Port, optionValue(src.Username), optionValue(src.Password), secure)
	return engine.Tool{
		Command: []string{
			"mariadb-dump", "--defaults-file=" + engine.ToolDir + "/client.cnf", "--single-transaction", "--quick", "--routines", "--events", "--triggers", "--hex-blob",
			"--tz-utc", "--no-tablespaces", "--default-character-set=utf8mb4", "--", src.Database,
		},
		Files:   map[string][]byte{"client.cnf": []byte(options)},
		Secrets: []string{src.Password},
	}
}
