package postgres

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/mydb-project/mydb/core/engine"
)

// Prove logs in as the tenant and takes a table through its life. All of it is one transaction, which is committed: the write
// goes to disk like any other, and whenever it is interrupted, nothing is left behind.
//
// MyDB's probe account has the scientist's rights: with its name and password in t, Prove measures without the scientist's.
func (Engine) Prove(ctx context.Context, s engine.Server, t engine.Tenant) error {
	conn, err := dial(ctx, s, login{user: t.Username, password: t.Password, database: t.Database, settings: plainSettings})
	if hasCode(err, "3D000") {
		return &engine.RefusedError{Message: fmt.Sprintf("The database %s is gone: somebody has dropped it. Its owner can make it again with CREATE DATABASE from the database %s.", t.Database, maintenanceDB), Err: err}
	}
	if err != nil {
		return fmt.Errorf("prove %s: %w", t.Database, err)
	}
	defer hangUp(conn)
	err = pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error { return writeAndRead(ctx, tx) })
	if hasCode(err, "3F000") {
		return &engine.RefusedError{Message: fmt.Sprintf("The schema public of the database %s is gone: somebody has dropped it. CREATE SCHEMA public brings it back.", t.Database), Err: err}
	}
	if err != nil {
		return fmt.Errorf("prove %s: %w", t.Database, err)
	}
	return nil
}

func writeAndRead(ctx context.Context, tx pgx.Tx) error {
	word := rand.Text()
	table := pgx.Identifier{"public", "mydb_proof_" + word}.Sanitize()
	if _, err := tx.Exec(ctx, "create table "+table+" (word text not null)"); err != nil {
		return fmt.Errorf("create a table: %w", err)
	}
	if _, err := tx.Exec(ctx, "insert into "+table+" values ($1)", word); err != nil {
		return fmt.Errorf("write a row: %w", err)
	}
	var read string
	if err := tx.QueryRow(ctx, "select word from "+table).Scan(&read); err != nil {
		return fmt.Errorf("read a row: %w", err)
	}
	if read != word {
		return errors.New("read a row: it is not the one that was written")
	}
	if _, err := tx.Exec(ctx, "drop table "+table); err != nil {
		return fmt.Errorf("drop the table: %w", err)
	}
	return nil
}
