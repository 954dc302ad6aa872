package core

import (
	"context"
	"fmt"
	"io"

	"github.com/jackc/pgx/v5"
)

// LoadCatalogue puts a copy of MyDB's own database into one that has the same schema, in the caller's transaction, which must be of the
// role that owns the tables. What the tables hold is replaced. Tables may refer to each other in circles, so foreign keys are taken off
// meanwhile; putting them back checks every row.
func LoadCatalogue(ctx context.Context, tx pgx.Tx, r io.Reader) (c CatalogueCopy, err error) {
	l := loading{tx: tx}
	if err := l.begin(ctx); err != nil {
		return c, err
	}
	if c, err = ReadCatalogue(r, func(t tableOfText, rows io.Reader) error { return l.table(ctx, t, rows) }); err != nil {
		return c, err
	}
	return c, l.end(ctx)
}

type loading struct {
	tx     pgx.Tx
	tables []tableOfText
	keys   []foreignKey
}

type foreignKey struct{ Name, Table, Definition string }

func (l *loading) begin(ctx context.Context) (err error) {
	if l.tables, err = copiedTables(ctx, l.tx); err != nil {
		return err
	}
	l.keys, err = many[foreignKey](ctx, l.tx, `select quote_ident(conname) as name, conrelid::regclass::text as "table", pg_get_constraintdef(oid) as definition
		from pg_constraint where contype = 'f' and connamespace = 'public'::regnamespace order by conrelid, conname`)
	if err != nil {
		return fmt.Errorf("list the foreign keys: %w", err)
	}
	for _, k := range l.keys {
		if err := l.run(ctx, "alter table "+k.Table+" drop constraint "+k.Name); err != nil {
			return err
		}
	}
	for _, t := range l.tables {
		if err := l.run(ctx, "alter table "+t.Name+" disable trigger user"); err != nil {
			return err
		}
		if err := l.run(ctx, "truncate "+t.Name); err != nil { // migrations have put rows into some
			return err
		}
	}
	return nil
}

func (l *loading) run(ctx context.Context, sql string) error {
	if _, err := l.tx.Exec(ctx, sql); err != nil {
		return fmt.Errorf("%s: %w", sql, err)
	}
	return nil
}

// table loads one table. Names come from the copy, which is authenticated, and are quoted there.
func (l *loading) table(ctx context.Context, t tableOfText, rows io.Reader) error {
	for _, known := range l.tables {
		if known.Name == t.Name {
			_, err := l.tx.Conn().PgConn().CopyFrom(ctx, rows, fmt.Sprintf("copy %s (%s) from stdin", t.Name, t.Columns))
			return err
		}
	}
	return Errorf(CodeInvalid, "This version of MyDB has no table %s. Recover with the version that made the backup, or a later one.", t.Name)
}

func (l *loading) end(ctx context.Context) error {
	for _, k := range l.keys {
		if err := l.run(ctx, "alter table "+k.Table+" add constraint "+k.Name+" "+k.Definition); err != nil {
			return err
		}
	}
	for _, t := range l.tables {
		if err := l.run(ctx, "alter table "+t.Name+" enable trigger user"); err != nil {
			return err
		}
	}
	return l.sequences(ctx)
}

// sequences lets numbers go on after the highest that is taken.
func (l *loading) sequences(ctx context.Context) error {
	type counted struct{ Sequence, Table, Column string }
	list, err := many[counted](ctx, l.tx, `select pg_get_serial_sequence(a.attrelid::regclass::text, a.attname) as sequence, a.attrelid::regclass::text as "table",
			quote_ident(a.attname) as "column" from pg_attribute a join pg_class c on c.oid = a.attrelid
		where c.relnamespace = 'public'::regnamespace and c.relkind = 'r' and c.relname not like 'river\_%' and a.attnum > 0
			and pg_get_serial_sequence(a.attrelid::regclass::text, a.attname) is not null`)
	if err != nil {
		return fmt.Errorf("list the sequences: %w", err)
	}
	for _, c := range list {
		sql := fmt.Sprintf("select setval('%s', coalesce((select max(%s) from %s), 0) + 1, false)", c.Sequence, c.Column, c.Table)
		if err := l.run(ctx, sql); err != nil {
			return err
		}
	}
	return nil
}
