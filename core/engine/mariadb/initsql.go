package mariadb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/mydb-project/mydb/core/engine"
)

// ownDatabase is where MyDB remembers things about the server. Nothing about it goes to the binary log: a copy of the server has
// a memory of its own.
const ownDatabase = "mydb"

var ownTables = []string{
	"set sql_log_bin = 0",
	"create database if not exists mydb character set utf8mb4",
	"create table if not exists mydb.init_script (database_name varchar(64) primary key, done boolean not null)",
	"create table if not exists mydb.logins (one int primary key, total bigint not null, at datetime not null)",
}

// runInit runs the scientist's init script as the scientist. MariaDB commits with every statement that makes or changes a
// table, so a script cannot be one transaction. It happens as a whole or not at all nevertheless: nobody was given the database before its
// script has run, so what an attempt has left that did not get to its end is dropped before the next.
func runInit(ctx context.Context, s engine.Server, adminPassword string, t engine.Tenant) error {
	return asAdmin(ctx, s, adminPassword, func(admin *session) error {
		if err := lockInit(ctx, admin); err != nil {
			return fmt.Errorf("run the init script: %w", err)
		}
		done, err := beginInit(ctx, admin, t)
		if err != nil || done {
			return err
		}
		if err := runScript(ctx, s, t); err != nil {
			return initRefusal(err)
		}
		return admin.run(ctx, "update mydb.init_script set done = true where database_name = "+text(t.Database))
	})
}

// lockInit lets one attempt at a time work on this server. The lock ends with the connection.
func lockInit(ctx context.Context, admin *session) error {
	if err := admin.run(ctx, ownTables...); err != nil {
		return err
	}
	var got sql.NullBool
	if err := admin.one(ctx, &got, "select get_lock('mydb_init_script', 10)"); err != nil {
		return err
	}
	if !got.Bool {
		return errors.New("another attempt is running it")
	}
	return nil
}

// beginInit reports whether the script has run, and clears the place where it has not.
func beginInit(ctx context.Context, admin *session, t engine.Tenant) (done bool, err error) {
	err = admin.one(ctx, &done, "select done from mydb.init_script where database_name = ?", t.Database)
	if errors.Is(err, sql.ErrNoRows) {
		return false, admin.run(ctx, "insert into mydb.init_script values ("+text(t.Database)+", false)")
	}
	if err != nil || done {
		return done, err
	}
	// The server goes on with a script whose client is gone.
	if err := endSessions(ctx, admin, t.Username); err != nil {
		return false, err
	}
	if err := admin.run(ctx, "set sql_log_bin = 1"); err != nil {
		return false, err
	}
	databases, err := databasesOf(ctx, admin, t.Database)
	if err != nil {
		return false, err
	}
	for _, name := range databases {
		if err := admin.run(ctx, "drop database "+quote(name)); err != nil {
			return false, err
		}
	}
	if err := ensureDatabase(ctx, admin, t.Database); err != nil {
		return false, err
	}
	return false, admin.run(ctx, "set sql_log_bin = 0")
}

// databasesOf lists those of the tenant's databases that the session sees.
func databasesOf(ctx context.Context, s *session, database string) ([]string, error) {
	p := patterns(database)
	return s.column(ctx, "select schema_name from information_schema.schemata where schema_name like ? or schema_name like ? order by 1", p[0], p[1])
}

// endSessions ends what an account is doing and waits until it has ended.
func endSessions(ctx context.Context, admin *session, user string) error {
	const tick = 20 * time.Millisecond
	for {
		err := admin.run(ctx, "kill hard connection user "+account(user))
		if err != nil && !hasNumber(err, errNoSuchThread) {
			return fmt.Errorf("end the sessions of %s: %w", user, err)
		}
		var left int
		if err := admin.one(ctx, &left, "select count(*) from information_schema.processlist where user = ?", user); err != nil || left == 0 {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("end the sessions of %s: %w", user, ctx.Err())
		case <-time.After(tick):
		}
	}
}

func runScript(ctx context.Context, s engine.Server, t engine.Tenant) error {
	conn, err := dial(ctx, s, login{user: t.Username, password: t.Password, database: t.Database, manyStatements: true})
	if err != nil {
		return err
	}
	defer hangUp(conn)
	_, err = conn.ExecContext(ctx, t.InitSQL)
	return err
}

// Errors that come from the server's condition, not from the script: no memory or disk, a lock or a time that ran out, an
// operator's doing.
var passing = []uint16{1021, 1037, 1038, 1040, 1041, 1053, 1105, 1205, 1213, 1317, errStatementTime, errConnectionEnded}

// initRefusal says why a script failed. Errors that come from the server's condition stay plain, so that the work is tried again.
func initRefusal(err error) error {
	failed := fmt.Errorf("run the init script: %w", err)
	var e *mysql.MySQLError
	if !errors.As(err, &e) {
		// The driver's own words for LOAD DATA LOCAL, which it does only for files that the program has named.
		if strings.Contains(err.Error(), "is not registered") {
			return &engine.RefusedError{Message: "The init script asks for a file by LOAD DATA LOCAL, and comes without files; use INSERT, or load the file with mariadb once the database is ready.", Err: failed}
		}
		return failed
	}
	if hasNumber(err, passing...) {
		return failed
	}
	return &engine.RefusedError{
		Message: fmt.Sprintf("The init script failed: %s (%d). Correct the script and try again.", strings.TrimSuffix(e.Message, "."), e.Number),
		Err:     failed,
	}
}
