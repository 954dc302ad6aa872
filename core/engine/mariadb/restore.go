package mariadb

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/mydb-project/mydb/core/engine"
)

// maxAccounts is how long the text of accounts may be, in bytes.
const maxAccounts = 64 << 20

// CheckPart implements engine.Archiver. A dump is text; only its last line says that it is whole.
func (Engine) CheckPart(_ context.Context, _ engine.Server, _ engine.Secrets, p engine.Part, data io.Reader, _ engine.RunTool) error {
	if p.Kind == engine.PartAccounts {
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
	if p.Kind == engine.PartAccounts {
		statements, err := readAccounts(data)
		if err != nil {
			return err
		}
		return asAdmin(ctx, s, secrets.Admin, func(conn *session) error {
			if err := clearServer(ctx, conn); err != nil {
				return fmt.Errorf("remove what an earlier try has left: %w", err)
			}
			if err := conn.run(ctx, statements...); err != nil {
				return fmt.Errorf("make the accounts: %w", err)
			}
			return nil
		})
	}
	whole := &tailReader{Reader: data}
	load := client(s, AdminUser, secrets.Admin, "mariadb", "--binary-mode", "--init-command=SET SESSION sql_log_bin=0", "--default-character-set=utf8mb4")
	if err := run(ctx, load, whole, nil); err != nil {
		return err
	}
	return whole.end()
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

// LockAccounts implements engine.Archiver.
func (Engine) LockAccounts(ctx context.Context, s engine.Server, secrets engine.Secrets, except string) (locked []string, err error) {
	err = asAdmin(ctx, s, secrets.Admin, func(conn *session) error {
		users, err := conn.column(ctx, `select user from mysql.global_priv where coalesce(json_value(priv, '$.is_role'), 0) <> 1 and host = '%'
			and user not in ('', 'mariadb.sys', '`+AdminUser+`', '`+ProbeUser+`', '`+ReplicationUser+`', `+text(except)+`) order by 1`)
		if err != nil {
			return err
		}
		for _, user := range users {
			if err := conn.run(ctx, "alter user "+account(user)+" account lock"); err != nil {
				return fmt.Errorf("lock %s: %w", user, err)
			}
		}
		locked = users
		return nil
	})
	return locked, err
}
