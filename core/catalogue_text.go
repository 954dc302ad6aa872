package core

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/mydb-project/mydb/core/engine"
)

// MyDB's own database as text: a head, each table's rows as PostgreSQL copies them, and an end that says how much there was. psql reads
// it too. The schema is not part of it: the migrations make that.

// notCopied are tables that are no part of a backup of MyDB's own database: what is measured anew, what belongs to processes that
// are gone by then, and links, which would work once more. The queue's own tables, of which a copy would do old work twice, begin with river_.
var notCopied = []string{"schema_versions", "sessions", "logins", "workers", "inventories", "samples", "links"}

const (
	textHead = "-- MyDB's own database, schema %d\nset client_encoding = 'UTF8'; set datestyle = 'ISO, YMD'; set intervalstyle = 'postgres';\n"
	textEnd  = "-- the end: %d tables, %d rows\n"
)

var (
	copyLine  = regexp.MustCompile(`^copy ("(?:[^"]|"")+") \(("(?:[^"]|"")+"(?:, "(?:[^"]|"")+")*)\) from stdin;\n$`)
	endOfRows = []byte("\\.\n")
)

// errCutOff says that a copy of the catalogue is not whole.
var errCutOff = errors.New("the copy of MyDB's own database is cut off, or is none")

// tableOfText is a table as the copy knows it: names as SQL.
type tableOfText struct {
	Name, Columns string
}

// copiedTables lists the tables that are copied, with the columns that hold something of their own.
func copiedTables(ctx context.Context, db DB) ([]tableOfText, error) {
	list, err := many[tableOfText](ctx, db, `select '"' || replace(c.relname, '"', '""') || '"' as name,
			string_agg('"' || replace(a.attname, '"', '""') || '"', ', ' order by a.attnum) as columns
		from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped and a.attgenerated = ''
		where c.relnamespace = 'public'::regnamespace and c.relkind = 'r' and c.relname <> all($1) and c.relname not like 'river\_%'
		group by c.relname order by c.relname`, notCopied)
	if err != nil {
		return nil, fmt.Errorf("list the tables of MyDB's own database: %w", err)
	}
	return list, nil
}

// CatalogueCopy is what a copy of MyDB's own database holds.
type CatalogueCopy struct {
	Schema int // version
	Tables []engine.ContentTable
}

// Rows is how many there are in all tables.
func (c CatalogueCopy) Rows() (n int64) {
	for _, t := range c.Tables {
		n += t.Rows
	}
	return n
}

// CopyCatalogue writes MyDB's own database to w, as it is at one moment.
func (s *Service) CopyCatalogue(ctx context.Context, w io.Writer) (c CatalogueCopy, err error) {
	moment := pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}
	err = pgx.BeginTxFunc(ctx, s.db, moment, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "set local datestyle = 'ISO, YMD'; set local intervalstyle = 'postgres'; set local extra_float_digits = 1; set local bytea_output = 'hex'"); err != nil {
			return fmt.Errorf("prepare to copy: %w", err)
		}
		if err := tx.QueryRow(ctx, "select max(version) from schema_versions").Scan(&c.Schema); err != nil {
			return fmt.Errorf("read the version of the schema: %w", err)
		}
		tables, err := copiedTables(ctx, tx)
		if err != nil {
			return err
		}
		if _, err := fmt.Fprintf(w, textHead, c.Schema); err != nil {
			return err
		}
		for _, t := range tables {
			rows, err := copyTable(ctx, tx, w, t)
			if err != nil {
				return fmt.Errorf("copy the table %s: %w", t.Name, err)
			}
			c.Tables = append(c.Tables, engine.ContentTable{Name: plainName(t.Name), Rows: rows})
		}
		_, err = fmt.Fprintf(w, textEnd, len(c.Tables), c.Rows())
		return err
	})
	return c, err
}

func copyTable(ctx context.Context, tx pgx.Tx, w io.Writer, t tableOfText) (int64, error) {
	if _, err := fmt.Fprintf(w, "copy %s (%s) from stdin;\n", t.Name, t.Columns); err != nil {
		return 0, err
	}
	tag, err := tx.Conn().PgConn().CopyTo(ctx, w, fmt.Sprintf("copy %s (%s) to stdout", t.Name, t.Columns))
	if err != nil {
		return 0, err
	}
	_, err = w.Write(endOfRows)
	return tag.RowsAffected(), err
}

// plainName takes the quotes off a name.
func plainName(name string) string { return strings.ReplaceAll(strings.Trim(name, `"`), `""`, `"`) }

// ReadCatalogue reads a copy to its end, and gives each table's rows to each, which has to read them all. A copy that is not whole is an
// error, after whatever was read before.
func ReadCatalogue(r io.Reader, each func(t tableOfText, rows io.Reader) error) (c CatalogueCopy, err error) {
	in := bufio.NewReaderSize(r, 64<<10)
	head, err := in.ReadString('\n')
	if _, scanErr := fmt.Sscanf(head, "-- MyDB's own database, schema %d\n", &c.Schema); err != nil || scanErr != nil {
		return c, errors.Join(errCutOff, err)
	}
	if _, err := in.ReadString('\n'); err != nil {
		return c, errors.Join(errCutOff, err)
	}
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return c, errors.Join(errCutOff, err)
		}
		names := copyLine.FindStringSubmatch(line)
		if names == nil {
			return c, c.checkEnd(line, in)
		}
		rows := &rowReader{in: in, begins: true}
		if err := each(tableOfText{names[1], names[2]}, rows); err != nil {
			return c, fmt.Errorf("table %s: %w", names[1], err)
		}
		if !rows.ended {
			return c, fmt.Errorf("table %s: %w", names[1], errCutOff)
		}
		c.Tables = append(c.Tables, engine.ContentTable{Name: plainName(names[1]), Rows: rows.n})
	}
}

// CheckCatalogue reads a copy to its end.
func CheckCatalogue(r io.Reader) (CatalogueCopy, error) {
	return ReadCatalogue(r, func(_ tableOfText, rows io.Reader) error {
		_, err := io.Copy(io.Discard, rows)
		return err
	})
}

func (c CatalogueCopy) checkEnd(line string, in io.Reader) error {
	if line != fmt.Sprintf(textEnd, len(c.Tables), c.Rows()) {
		return fmt.Errorf("%w: it has %d tables with %d rows, and goes on with %q", errCutOff, len(c.Tables), c.Rows(), clip(line))
	}
	if rest, err := io.Copy(io.Discard, in); err != nil || rest > 0 {
		return errors.Join(errCutOff, err)
	}
	return nil
}

// rowReader reads the rows of one table, up to the line that ends them. A row is one line, however long.
type rowReader struct {
	in     *bufio.Reader
	begins bool // the next piece begins a line
	ended  bool
	rest   []byte
	n      int64
}

func (r *rowReader) Read(p []byte) (int, error) {
	if r.ended {
		return 0, io.EOF
	}
	if len(r.rest) == 0 {
		piece, err := r.in.ReadSlice('\n')
		whole := err == nil
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			return 0, errors.Join(errCutOff, err)
		}
		if r.begins && bytes.Equal(piece, endOfRows) {
			r.ended = true
			return 0, io.EOF
		}
		if r.begins = whole; whole {
			r.n++
		}
		r.rest = piece
	}
	n := copy(p, r.rest)
	r.rest = r.rest[n:]
	return n, nil
}
