package mariadb

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/mydb-project/mydb/core/engine"
)

// maxAccounts is how long the text of accounts may be, in bytes.
const maxAccounts = 64 << 20

// CheckPart implements engine.Archiver. A dump is text; only its last line says that it is whole.
func (Engine) CheckPart(_ context.Context, _ engine.Server, _ engine.Secrets, p engine.Part, data io.Reader, _ engine.RunTool) error {
	if p.Kind != engine.PartAll {
		_, err := readAccounts(data)
		return err
	}
	whole := &tailReader{Reader: data}
	if _, err := io.Copy(io.Discard, whole); err != nil {
		return err
	}
	return whole.end()
}

func readAccounts(data io.Reader) ([]string, error) {
	text, err := io.ReadAll(io.LimitReader(data, maxAccounts+1))
	if err != nil {
		return nil, err
	}
	if len(text) > maxAccounts || !bytes.HasSuffix(bytes.TrimSpace(text), []byte(accountsTrailer)) {
		return nil, errors.New("the accounts of the backup break off before their end")
	}
	var out []string
	for line := range strings.Lines(string(text)) {
		if line = strings.TrimSuffix(strings.TrimSpace(line), ";"); line != "" && !strings.HasPrefix(line, "--") {
			out = append(out, line)
		}
	}
	return out, nil
}

// tailReader keeps the last bytes.
type tailReader struct {
	io.Reader
	tail []byte
}

func (t *tailReader) Read(p []byte) (int, error) {
	n, err := t.Reader.Read(p)
	t.tail = append(t.tail, p[max(0, n-tailLength):n]...)
	if len(t.tail) > 2*tailLength {
		t.tail = append([]byte(nil), t.tail[len(t.tail)-tailLength:]...)
	}
	return n, err
}

func (t *tailReader) end() error {
	if !bytes.Contains(t.tail, []byte(dumpTrailer)) {
		return errors.New("the dump breaks off before its last line")
	}
	return nil
}

// RestorePart implements engine.Archiver. The client also ends well on a dump that breaks off between two statements, so the last line
// is looked at here. The binary log is left out: what a copy of this server needs from before is in the next backup.
func (Engine) RestorePart(ctx context.Context, s engine.Server, secrets engine.Secrets, p engine.Part, data io.Reader, run engine.RunTool) error {
	if p.Kind == engine.PartAll {
		return restoreAll(ctx, s, secrets, data, run)
	}
	statements, err := readAccounts(data)
	if err != nil {
		return err
	}
	return asAdmin(ctx, s, secrets.Admin, func(conn *session) error {
		if p.Kind == engine.PartAccounts {
			if err := clearServer(ctx, conn); err != nil {
				return fmt.Errorf("remove what an earlier try has left: %w", err)
			}
		}
		if err := conn.run(ctx, statements...); err != nil {
			return fmt.Errorf("make the accounts: %w", err)
		}
		return nil
	})
}

// loadSettings are for the session that loads a dump, however the server is set up.
const loadSettings = "SET SESSION sql_log_bin=0, max_statement_time=0, wait_timeout=604800, net_read_timeout=3600"

func restoreAll(ctx context.Context, s engine.Server, secrets engine.Secrets, data io.Reader, run engine.RunTool) error {
	restored := func() {}
	err := asAdmin(ctx, s, secrets.Admin, func(conn *session) (err error) {
		restored, err = largePackets(ctx, s, secrets, conn)
		if err == nil {
			data, err = renewHistory(ctx, conn, data)
		}
		return err
	})
	defer func() { restored() }()
	if err != nil {
		return fmt.Errorf("prepare the server: %w", err)
	}
	whole := &tailReader{Reader: data}
	load := client(s, AdminUser, secrets.Admin, "mariadb", "--binary-mode", "--init-command="+loadSettings, "--default-character-set=utf8mb4")
	if err := run(ctx, load, whole, nil); err != nil {
		return err
	}
	return whole.end()
}

// largePackets lets the server take the largest statements there are: in a dump a binary value is twice as long as it was when it
// came. The function that it gives sets the limit back.
func largePackets(ctx context.Context, s engine.Server, secrets engine.Secrets, conn *session) (func(), error) {
	var before int64
	if err := conn.one(ctx, &before, "select @@global.max_allowed_packet"); err != nil {
		return func() {}, err
	}
	set := func(ctx context.Context, conn *session, bytes int64) error {
		return conn.run(ctx, "set global max_allowed_packet = "+strconv.FormatInt(bytes, 10))
	}
	back := func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), connectTimeout)
		defer cancel()
		// A server that is gone has forgotten it.
		_ = asAdmin(ctx, s, secrets.Admin, func(conn *session) error { return set(ctx, conn, before) })
	}
	return back, set(ctx, conn, gib)
}

// clearServer takes away all databases and accounts but those that every server has.
func clearServer(ctx context.Context, conn *session) error {
	databases, err := userDatabases(ctx, conn)
	if err != nil {
		return err
	}
	for _, database := range databases {
		if err := conn.run(ctx, "drop database if exists "+quote(database)); err != nil {
			return err
		}
	}
	drops, err := conn.column(ctx, `select if(json_value(priv, '$.is_role') = 1, concat('drop role if exists ', quote(user)), concat('drop user if exists ', quote(user), '@', quote(host)))
		from mysql.global_priv where user not in ('', 'PUBLIC', 'mariadb.sys', '`+AdminUser+`', '`+ProbeUser+`', '`+ReplicationUser+`')`)
	if err != nil {
		return err
	}
	return conn.run(ctx, drops...)
}

// Missing implements engine.Archiver. There is nothing that an image may lack.
func (Engine) Missing(context.Context, engine.Server, engine.Secrets, engine.Contents) ([]string, error) {
	return nil, nil
}

// LockAccounts implements engine.Archiver.
func (Engine) LockAccounts(ctx context.Context, s engine.Server, secrets engine.Secrets, except string) (locked []string, err error) {
	err = asAdmin(ctx, s, secrets.Admin, func(conn *session) error {
		users, err := conn.column(ctx, `select concat(quote(user), '@', quote(host)) from mysql.global_priv where coalesce(json_value(priv, '$.is_role'), 0) <> 1
			and user not in ('', 'mariadb.sys', '`+AdminUser+`', '`+ProbeUser+`', '`+ReplicationUser+`', `+text(except)+`) order by 1`)
		if err != nil {
			return err
		}
		for _, user := range users {
			if err := conn.run(ctx, "alter user "+user+" account lock"); err != nil {
				return fmt.Errorf("lock %s: %w", user, err)
			}
		}
		locked, err = conn.column(ctx, `select distinct user from mysql.global_priv where json_value(priv, '$.account_locked') = 1
			and user not in ('mariadb.sys', `+text(except)+`) order by 1`)
		return err
	})
	return locked, err
}
