package postgres

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/mydb-project/mydb/core/engine"
)

// The formats of dumps, as pg_dump calls them.
const (
	formatCustom = "custom"
	formatTar    = "tar"
)

// Clear implements engine.Importer.
func (Engine) Clear(ctx context.Context, s engine.Server, secrets engine.Secrets) error {
	admin := login{user: AdminUser, password: secrets.Admin, database: maintenanceDB, settings: adminSettings}
	return withConn(ctx, s, admin, func(conn *pgx.Conn) error { return clearServer(ctx, conn) })
}

// asText is what makes a dump that a tenant can run: whoever owned things, the tenant does now.
var asText = []string{"--no-owner", "--no-privileges", "--no-tablespaces", "--no-security-labels", "--no-publications", "--no-subscriptions"}

// Copy implements engine.Importer: pg_dump of the new server's version writes SQL text, which is run as the tenant.
func (e Engine) Copy(ctx context.Context, src engine.Source, into engine.Target, run engine.RunTool) (engine.Brought, error) {
	conn, err := dialSource(ctx, src)
	if err != nil {
		return engine.Brought{}, err
	}
	defer hangUp(conn)
	tx, err := conn.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly})
	if err != nil {
		return engine.Brought{}, fmt.Errorf("begin at the source: %w", err)
	}
	var snapshot string
	dump := sourceTool(src, append([]string{"pg_dump", "--format=plain", "--encoding=UTF8", "--lock-wait-timeout=" + strconv.Itoa(lockWait)}, asText...)...)
	if exported := tx.QueryRow(ctx, "select pg_export_snapshot()").Scan(&snapshot); exported == nil {
		dump.Command = append(dump.Command, "--snapshot="+snapshot)
	} else if err := begin(ctx, conn, &tx); err != nil {
		return engine.Brought{}, err
	}
	held, err := sourceContents(ctx, tx, into.Tenant.Database)
	if err != nil {
		return engine.Brought{}, err
	}
	leftOut, err := engine.Through(ctx, func(ctx context.Context, w io.Writer) error { return run(ctx, dump, nil, w) }, func(r io.Reader) (engine.LeftOut, error) { return e.loadText(ctx, r, into) })
	if err == nil && snapshot == "" {
		if err = begin(ctx, conn, &tx); err == nil {
			err = countAgain(ctx, tx, &held)
		}
	}
	return engine.Brought{Contents: &held, LeftOut: leftOut.List()}, err
}

// begin ends a transaction and begins the next.
func begin(ctx context.Context, conn *pgx.Conn, tx *pgx.Tx) (err error) {
	_ = (*tx).Rollback(ctx) // it may have failed already
	if *tx, err = conn.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}); err != nil {
		return fmt.Errorf("begin at the source: %w", err)
	}
	return nil
}

// sourceContents counts a source, in the moment that the transaction sees.
func sourceContents(ctx context.Context, tx pgx.Tx, as string) (engine.Contents, error) {
	database, err := contents(ctx, tx, as, -1)
	if hasCode(err, "42501") {
		return engine.Contents{}, &engine.RefusedError{Message: "The user of the source's address may not read all of the database. " + refusalText(err), Err: err}
	}
	if err != nil {
		return engine.Contents{}, fmt.Errorf("count the source: %w", err)
	}
	return engine.Contents{Exact: true, Databases: []engine.ContentDatabase{database}}, nil
}

// countAgain compares with what a source holds after it was copied: where nobody could hold its moment, only equal counts are exact.
func countAgain(ctx context.Context, tx pgx.Tx, held *engine.Contents) error {
	after, err := sourceContents(ctx, tx, held.Databases[0].Name)
	if err != nil {
		return err
	}
	held.Exact = engine.SameRows(*held, after)
	if !held.Exact {
		held.Why = "The source could not be held at one moment, and somebody wrote there while it was copied."
	}
	return nil
}

func refusalText(err error) string {
	var known *engine.RefusedError
	if errors.As(refusal(err), &known) {
		return known.Message
	}
	return ""
}

// Recognise implements engine.Importer.
func (Engine) Recognise(head []byte) (string, bool) {
	switch {
	case bytes.HasPrefix(head, []byte("PGDMP")):
		return formatCustom, true
	case len(head) > 262 && string(head[257:262]) == "ustar" && bytes.HasPrefix(head, []byte("toc.dat\x00")):
		return formatTar, true
	case bytes.Contains(head[:min(len(head), 1000)], []byte("-- PostgreSQL database dump")):
		return engine.FormatSQL, true
	}
	return "", false
}

// textTrailer is what pg_dump writes last, but for the end of its guard against commands of psql.
var textTrailer = regexp.MustCompile(`(?m)^-- PostgreSQL database dump complete\r?\n--\s*(?:\\unrestrict \S+\s*)?\z`)

// Whole implements engine.Importer. An archive can only be judged by pg_restore.
func (Engine) Whole(format string, tail []byte) (whole, known bool) {
	return textTrailer.Match(bytes.TrimSpace(tail)), format == engine.FormatSQL
}

// Load implements engine.Importer. pg_restore turns an archive into SQL text, without a server and without a password.
func (e Engine) Load(ctx context.Context, format string, data io.Reader, into engine.Target, run engine.RunTool) (engine.Brought, error) {
	if format == engine.FormatSQL {
		leftOut, err := load(ctx, data, into)
		return engine.Brought{LeftOut: leftOut.List()}, cutOff(err)
	}
	unpack := engine.Tool{Command: append([]string{"pg_restore", "--format=" + format, "--file=-"}, asText...)}
	leftOut, err := engine.Through(ctx, func(ctx context.Context, w io.Writer) error { return run(ctx, unpack, data, w) }, func(r io.Reader) (engine.LeftOut, error) { return e.loadText(ctx, r, into) })
	var ended *engine.ToolError
	if errors.As(err, &ended) && strings.Contains(ended.Stderr, "unsupported version") {
		err = &engine.RefusedError{Err: err, Message: "The dump was written by a later pg_dump than the new database's version can read. Choose a later version; or make the dump as plain text, without --format."}
	}
	return engine.Brought{LeftOut: leftOut.List()}, err
}

// loadText runs what one of PostgreSQL's own programs has written.
func (e Engine) loadText(ctx context.Context, r io.Reader, into engine.Target) (engine.LeftOut, error) {
	tail := &engine.Tail{Reader: r}
	leftOut, err := load(ctx, tail, into)
	if err != nil {
		return leftOut, cutOff(err)
	}
	if whole, _ := e.Whole(engine.FormatSQL, tail.Bytes()); !whole {
		return leftOut, errors.New("the dump ended without its last line")
	}
	return leftOut, nil
}

// cutOff says what a script that ends too early means.
func cutOff(err error) error {
	if errors.Is(err, errCutOff) {
		return &engine.RefusedError{Message: "The dump breaks off: " + strings.TrimPrefix(errCutOff.Error(), "it ") + ".", Err: err}
	}
	return err
}
