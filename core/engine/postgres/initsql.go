package postgres

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/mydb-project/mydb/core/engine"
)

// runInit runs the scientist's init script as the scientist, all statements in one message. Unless the script says begin and
// commit itself, it is one transaction: it happens as a whole or not at all, and once, because the same transaction leaves a
// mark that a later attempt finds.
func runInit(ctx context.Context, s engine.Server, t engine.Tenant) error {
	conn, err := dial(ctx, s, login{user: t.Username, password: t.Password, database: t.Database})
	if err != nil {
		return fmt.Errorf("run the init script: %w", err)
	}
	var done bool
	if err := conn.QueryRow(ctx, initMarkQuery, t.Database, initMark).Scan(&done); err != nil || done {
		hangUp(conn)
		return err
	}
	// Read by hand: pgx would wait for ever after a COPY ... FROM STDIN, for which there is no data.
	hijacked, err := conn.PgConn().Hijack()
	if err != nil {
		return fmt.Errorf("run the init script: %w", err)
	}
	defer func() { _ = hijacked.Conn.Close() }()
	// Hanging up would not stop the server, which would go on with the script and commit it, perhaps next to a second attempt.
	stop := context.AfterFunc(ctx, func() {
		_ = hijacked.Conn.SetDeadline(time.Now().Add(connectTimeout))
		grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), connectTimeout)
		defer cancel()
		_ = conn.PgConn().CancelRequest(grace)
	})
	defer stop()

	if err := converse(hijacked.Frontend, t.InitSQL+"\n;\n"+setInitMark(t.Database)); err != nil {
		if ctx.Err() != nil {
			err = errors.Join(ctx.Err(), err)
		}
		return initRefusal(t.InitSQL, err)
	}
	return nil
}

// The mark of a script that has run is a setting of the database. A database's owner may only set parameters that exist, so it is
// one that is off everywhere and is set to off.
const (
	initMark      = "trace_notify=off"
	initMarkQuery = `select exists (select from pg_db_role_setting s join pg_database d on d.oid = s.setdatabase
		where d.datname = $1 and s.setrole = 0 and $2 = any (s.setconfig))`
)

func setInitMark(database string) string {
	return "alter database " + quote(database) + " set trace_notify = off"
}

// errCopyFromStdin is an init script that wants data from its client.
var errCopyFromStdin = errors.New("the script asks for data by COPY ... FROM STDIN")

// converse sends one query message and reads to the end of its answers. The result is the first error among them.
func converse(f *pgproto3.Frontend, sql string) error {
	f.Send(&pgproto3.Query{String: sql})
	if err := f.Flush(); err != nil {
		return fmt.Errorf("send: %w", err)
	}
	var failed error
	for {
		message, err := f.Receive()
		if err != nil {
			return errors.Join(failed, fmt.Errorf("receive: %w", err))
		}
		switch m := message.(type) {
		case *pgproto3.CopyInResponse:
			failed = errors.Join(failed, errCopyFromStdin)
			f.Send(&pgproto3.CopyFail{Message: "an init script has no data to copy"})
			if err := f.Flush(); err != nil {
				return errors.Join(failed, fmt.Errorf("send: %w", err))
			}
		case *pgproto3.ErrorResponse:
			failed = errors.Join(failed, pgconn.ErrorResponseToPgError(m))
		case *pgproto3.ReadyForQuery:
			return failed
		}
	}
}

// initRefusal says where and why a script failed. Errors that come from the server's condition stay plain, so that the work is
// tried again.
func initRefusal(sql string, err error) error {
	err = fmt.Errorf("run the init script: %w", err)
	if errors.Is(err, errCopyFromStdin) {
		return &engine.RefusedError{Message: "COPY ... FROM STDIN is not possible in an init script, which comes without data; use INSERT, or load the data with psql once the database is ready.", Err: err}
	}
	var pg *pgconn.PgError
	if !errors.As(err, &pg) {
		return err
	}
	switch codeClass(pg.Code) {
	case "08", "40", "53", "57", "58", "XX": // connection, serialisation, resources, an operator's doing, the system, a bug
		return err
	}
	return &engine.RefusedError{Message: initSentence(sql, pg), Err: err}
}

func initSentence(sql string, pg *pgconn.PgError) string {
	var b strings.Builder
	b.WriteString("The init script failed")
	if line := lineAt(sql, int(pg.Position)); line > 0 {
		fmt.Fprintf(&b, " in line %d", line)
	}
	fmt.Fprintf(&b, ": %s (%s).", pg.Message, pg.Code)
	if pg.Detail != "" {
		fmt.Fprintf(&b, " %s", pg.Detail)
	}
	if pg.Hint != "" {
		fmt.Fprintf(&b, " %s", pg.Hint)
	}
	b.WriteString(" Correct the script and try again.")
	return b.String()
}

// lineAt is the line of a position, which PostgreSQL counts in characters from 1; 0 when there is none.
func lineAt(sql string, position int) int {
	runes := []rune(sql)
	if position < 1 || position > len(runes)+1 {
		return 0
	}
	return 1 + strings.Count(string(runes[:position-1]), "\n")
}
