package mariadb

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"

	"github.com/mydb-project/mydb/core/engine"
)

// Prove logs in as the tenant and takes a table through its life. MariaDB commits with every step, so an interrupted proof leaves
// its table; the next one takes such leftovers away.
//
// MyDB's probe account has the scientist's rights: with its name and password in t, Prove measures without the scientist's.
func (Engine) Prove(ctx context.Context, s engine.Server, t engine.Tenant) error {
	conn, err := dial(ctx, s, login{user: t.Username, password: t.Password, database: t.Database})
	if hasNumber(err, errNoDatabase) {
		return &engine.RefusedError{Message: fmt.Sprintf("The database %s is gone: somebody has dropped it. Its owner can make it again with CREATE DATABASE %s.", t.Database, quote(t.Database)), Err: err}
	}
	if err != nil {
		return fmt.Errorf("prove %s: %w", t.Database, err)
	}
	defer hangUp(conn)
	if err := writeAndRead(ctx, conn); err != nil {
		return fmt.Errorf("prove %s: %w", t.Database, err)
	}
	return clearProofs(ctx, conn)
}

const proofPrefix = "mydb_proof_"

func writeAndRead(ctx context.Context, conn *session) error {
	word := rand.Text()
	table := quote(proofPrefix + word)
	if err := conn.run(ctx, "create table "+table+" (word varchar(64) not null) engine=InnoDB"); err != nil {
		return fmt.Errorf("create a table: %w", err)
	}
	if err := conn.run(ctx, "insert into "+table+" values ("+text(word)+")"); err != nil {
		return fmt.Errorf("write a row: %w", err)
	}
	var read string
	if err := conn.one(ctx, &read, "select word from "+table); err != nil {
		return fmt.Errorf("read a row: %w", err)
	}
	if read != word {
		return errors.New("read a row: it is not the one that was written")
	}
	if err := conn.run(ctx, "drop table "+table); err != nil {
		return fmt.Errorf("drop the table: %w", err)
	}
	return nil
}

// clearProofs drops what interrupted proofs have left; not the table of one that may be running now.
func clearProofs(ctx context.Context, conn *session) error {
	left, err := conn.column(ctx, `select table_name from information_schema.tables
		where table_schema = database() and table_name like 'mydb\_proof\_%' and create_time < now() - interval 10 minute`)
	if err != nil {
		return fmt.Errorf("look for proofs that were interrupted: %w", err)
	}
	for _, table := range left {
		if err := conn.run(ctx, "drop table if exists "+quote(table)); err != nil {
			return fmt.Errorf("drop what an interrupted proof has left: %w", err)
		}
	}
	return nil
}
