package mariadb

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"

	"github.com/mydb-project/mydb/core/engine"
)

// Clear implements engine.Importer.
func (Engine) Clear(ctx context.Context, s engine.Server, secrets engine.Secrets) error {
	return asAdmin(ctx, s, secrets.Admin, func(conn *session) error { return clearServer(ctx, conn) })
}

// Copy implements engine.Importer: mariadb-dump of the new server's version writes SQL text, which is run as the tenant. The rows of the
// source are counted before and after: only where they are the same, nobody has written meanwhile.
func (e Engine) Copy(ctx context.Context, src engine.Source, into engine.Target, run engine.RunTool) (engine.Brought, error) {
	held, encrypt, err := countSource(ctx, src, into.Tenant.Database)
	if err != nil {
		return engine.Brought{}, err
	}
	leftOut, err := engine.Through(ctx,
		func(ctx context.Context, w io.Writer) error { return run(ctx, sourceTool(src, encrypt), nil, w) },
		func(r io.Reader) (engine.LeftOut, error) { return e.loadWhole(ctx, r, into) })
	if err != nil {
		return engine.Brought{}, err
	}
	after, _, err := countSource(ctx, src, into.Tenant.Database)
	if err != nil {
		return engine.Brought{}, err
	}
	if held.Exact = engine.SameRows(held, after); !held.Exact {
		held.Why = "Somebody wrote to the source while it was copied."
	}
	return engine.Brought{Contents: &held, LeftOut: leftOut.List()}, nil
}

// countSource counts a source, and says whether the way there is encrypted.
func countSource(ctx context.Context, src engine.Source, as string) (c engine.Contents, encrypt bool, err error) {
	conn, err := dialSource(ctx, src)
	if err != nil {
		return c, false, err
	}
	defer hangUp(conn)
	if encrypt, err = encrypted(ctx, conn); err != nil {
		return c, false, fmt.Errorf("look at the source: %w", err)
	}
	if err := conn.run(ctx, "set session transaction isolation level repeatable read", "start transaction with consistent snapshot"); err != nil {
		return c, false, fmt.Errorf("begin at the source: %w", err)
	}
	tables, err := tablesOf(ctx, conn, src.Database)
	if err != nil {
		return c, false, fmt.Errorf("list the tables of the source: %w", err)
	}
	out := engine.ContentDatabase{Name: as, Tables: []engine.ContentTable{}}
	for _, t := range tables {
		counted, err := countTable(ctx, conn, t, false, historyLost)
		if err != nil {
			return c, false, refusal(fmt.Errorf("count %s: %w", t.name, err))
		}
		out.Tables = append(out.Tables, counted)
	}
	c.Databases = []engine.ContentDatabase{out}
	return c, encrypt, nil
}

// dumpHeader is how dumps of the programs begin that write a last line, too.
var dumpHeader = regexp.MustCompile(`(?m)^-- (?:MariaDB|MySQL) dump `)

// Recognise implements engine.Importer.
func (Engine) Recognise(head []byte) (string, bool) {
	return engine.FormatSQL, dumpHeader.Match(head[:min(len(head), 1000)])
}

var lastLine = regexp.MustCompile(`(?m)^` + dumpTrailer + `[^\n]*\z`)

// Whole implements engine.Importer.
func (Engine) Whole(_ string, tail []byte) (whole, known bool) {
	return lastLine.Match(bytes.TrimSpace(tail)), true
}

// Load implements engine.Importer.
func (Engine) Load(ctx context.Context, _ string, data io.Reader, into engine.Target, _ engine.RunTool) (engine.Brought, error) {
	leftOut, err := load(ctx, data, into)
	return engine.Brought{LeftOut: leftOut.List()}, cutOff(err)
}

// loadWhole runs what mariadb-dump has written.
func (e Engine) loadWhole(ctx context.Context, r io.Reader, into engine.Target) (engine.LeftOut, error) {
	tail := &engine.Tail{Reader: r}
	leftOut, err := load(ctx, tail, into)
	if err != nil {
		return leftOut, cutOff(err)
	}
	if whole, _ := e.Whole(engine.FormatSQL, tail.Bytes()); !whole {
		return leftOut, errors.New("mariadb-dump ended without its last line")
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
