package mariadb

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"

	"github.com/mydb-project/mydb/core/engine"
)

const (
	accountsFile    = "accounts.sql"
	allFile         = "all.sql"
	rightsFile      = "rights.sql"
	dumpTrailer     = "-- Dump completed" // what mariadb-dump writes last
	accountsTrailer = "-- End of the accounts"

	// headerLimit is within how many bytes the dump says where in the binary log its moment is.
	headerLimit = 64 << 10
	// stillLimit is for how long writes may have to wait until the moment of a backup is settled, when the server does not come to
	// rest by itself.
	stillLimit = "20"
	// patience is how many seconds the server waits for a dump whose store takes nothing; by itself it waits for a minute.
	patience = 3600
)

// position is a place in the binary log.
type position struct {
	file string
	at   int64
}

// dump is a backup: all databases in one stream, of one moment as far as they are of InnoDB. counter is a session that sees that same
// moment, so that it counts exactly what the dump has.
type dump struct {
	server    engine.Server
	secrets   engine.Secrets
	run       engine.RunTool
	databases []string
	parts     []engine.Part
	texts     map[string][]byte // of the parts that no tool writes, by file
	history   history
	impatient int // seconds that the server waited before; 0: was not changed
	counter   *session
	moment    position
}

// Dump implements engine.Archiver.
func (Engine) Dump(ctx context.Context, s engine.Server, secrets engine.Secrets, run engine.RunTool) (engine.Dump, error) {
	d := &dump{server: s, secrets: secrets, run: run, texts: map[string][]byte{}}
	err := asAdmin(ctx, s, secrets.Admin, func(conn *session) (err error) {
		if d.databases, err = userDatabases(ctx, conn); err != nil {
			return fmt.Errorf("list the databases: %w", err)
		}
		if d.texts[accountsFile], d.texts[rightsFile], err = dumpAccounts(ctx, conn); err != nil {
			return fmt.Errorf("read the accounts: %w", err)
		}
		if d.history, err = historyOf(ctx, conn); err != nil {
			return fmt.Errorf("look for tables with a history: %w", err)
		}
		return d.wait(ctx, conn)
	})
	if err != nil {
		return nil, err
	}
	d.parts = []engine.Part{{File: accountsFile, Kind: engine.PartAccounts}}
	if len(d.databases) > 0 {
		d.parts = append(d.parts, engine.Part{File: allFile, Kind: engine.PartAll, Command: d.tool().Command})
	}
	if d.texts[rightsFile] != nil {
		d.parts = append(d.parts, engine.Part{File: rightsFile, Kind: engine.PartRights})
	}
	return d, nil
}

// wait makes the server wait for longer when the tool cannot get rid of what it was sent: the store may be slow. The time is one of
// the whole server, because the tool cannot set that of its session.
func (d *dump) wait(ctx context.Context, conn *session) error {
	var now int
	if err := conn.one(ctx, &now, "select @@global.net_write_timeout"); err != nil || now >= patience {
		return err
	}
	d.impatient = now
	return conn.run(ctx, "set global net_write_timeout = "+strconv.Itoa(patience))
}

func userDatabases(ctx context.Context, conn *session) ([]string, error) {
	return conn.column(ctx, "select schema_name from information_schema.schemata where schema_name not in ('mysql', 'information_schema', 'performance_schema', 'sys') order by 1")
}

// client is a program of MariaDB with a way to log in, over TLS and to the right server only. Its file of options has to come first.
func client(s engine.Server, user, password, program string, arguments ...string) engine.Tool {
	options := fmt.Sprintf("[client]\nhost=%s\nport=%d\nprotocol=tcp\nuser=%s\npassword=\"%s\"\nssl-ca=%s/ca.crt\nssl-verify-server-cert\nmax-allowed-packet=1G\n",
		s.Host, s.Port, user, password, engine.ToolDir)
	return engine.Tool{
		Command: append([]string{program, "--defaults-file=" + engine.ToolDir + "/client.cnf"}, arguments...),
		Files:   map[string][]byte{"client.cnf": []byte(options), "ca.crt": s.PEM},
	}
}

// tool names the databases: all of them would include the server's own, with its accounts.
func (d *dump) tool() engine.Tool {
	arguments := []string{"--single-transaction", "--quick", "--master-data=2", "--routines", "--events", "--triggers", "--hex-blob", "--tz-utc", "--default-character-set=utf8mb4"}
	if d.history == historyKept {
		arguments = append(arguments, "--dump-history")
	}
	return client(d.server, ReplicationUser, d.secrets.Replication, "mariadb-dump", append(append(arguments, "--databases", "--"), d.databases...)...)
}

// Parts implements engine.Dump.
func (d *dump) Parts() []engine.Part { return d.parts }

// Write implements engine.Dump. When somebody writes between the moment of the counting session and that of the dump, it begins again;
// the second time, writes wait until both have begun.
func (d *dump) Write(ctx context.Context, p engine.Part, w io.Writer) error {
	if text := d.texts[p.File]; text != nil {
		_, err := w.Write(text)
		return err
	}
	err := d.write(ctx, w, false)
	if errors.Is(err, errMoved) {
		err = d.write(ctx, w, true)
	}
	return err
}

// errMoved says that the dump and the counting session do not see the same moment.
var errMoved = errors.New("the server was written to while the backup began")

func (d *dump) write(ctx context.Context, w io.Writer, still bool) error {
	release := func() {}
	if still {
		var err error
		if release, err = d.hold(ctx); err != nil {
			return fmt.Errorf("hold the server still: %w", err)
		}
	}
	defer func() { release() }()
	if err := d.begin(ctx); err != nil {
		return fmt.Errorf("begin the counting session: %w", err)
	}
	header := &headerReader{to: w, want: d.moment, found: func() { release() }}
	err := d.run(ctx, d.tool(), nil, header)
	if header.moved {
		return errMoved
	}
	if err != nil {
		return err
	}
	if !header.passed || !bytes.Contains(header.tail, []byte(dumpTrailer)) {
		return engine.NotWhole("mariadb-dump", "It breaks off before its last line.")
	}
	return nil
}

// hold makes writes wait until release is called, or the session ends.
func (d *dump) hold(ctx context.Context) (release func(), err error) {
	conn, err := dial(ctx, d.server, login{user: AdminUser, password: d.secrets.Admin})
	if err != nil {
		return nil, err
	}
	if err := conn.run(ctx, "set lock_wait_timeout = "+stillLimit, "set session wait_timeout = "+stillLimit, "flush tables with read lock"); err != nil {
		hangUp(conn)
		return nil, err
	}
	done := false
	return func() {
		if !done {
			done = true
			hangUp(conn)
		}
	}, nil
}

// begin opens the counting session and notes its moment.
func (d *dump) begin(ctx context.Context) (err error) {
	d.forget()
	if d.counter, err = dial(ctx, d.server, login{user: AdminUser, password: d.secrets.Admin}); err != nil {
		return err
	}
	err = d.counter.run(ctx, "set session wait_timeout = 604800", "set session idle_transaction_timeout = 0", "set session transaction isolation level repeatable read", "start transaction with consistent snapshot")
	if err != nil {
		return err
	}
	d.moment, err = snapshotPosition(ctx, d.counter)
	return err
}

func snapshotPosition(ctx context.Context, conn *session) (p position, err error) {
	var name, at string
	if err := conn.QueryRowContext(ctx, "show status like 'binlog_snapshot_file'").Scan(&name, &p.file); err != nil {
		return p, err
	}
	if err := conn.QueryRowContext(ctx, "show status like 'binlog_snapshot_position'").Scan(&name, &at); err != nil {
		return p, err
	}
	p.at, err = strconv.ParseInt(at, 10, 64)
	return p, err
}

// Contents implements engine.Dump.
func (d *dump) Contents(ctx context.Context, checksumBelow int64) (engine.Contents, error) {
	if d.counter == nil {
		return (Engine{}).Contents(ctx, d.server, d.secrets, checksumBelow)
	}
	c, other, err := readContents(ctx, d.counter, d.databases, checksumBelow, d.history)
	if err != nil {
		return c, err
	}
	c.Exact = true
	if other == "" {
		return c, nil
	}
	// Tables that are not of InnoDB are counted as they are now: exact if nobody has written since.
	err = asAdmin(ctx, d.server, d.secrets.Admin, func(conn *session) error {
		if err := conn.run(ctx, "start transaction with consistent snapshot"); err != nil {
			return err
		}
		now, err := snapshotPosition(ctx, conn)
		if c.Exact = now == d.moment; !c.Exact {
			c.Why = "The table " + other + " and others that are not of InnoDB cannot be read as they were at one moment, and somebody wrote while the backup was made."
		}
		return err
	})
	return c, err
}

// Close implements engine.Dump.
func (d *dump) Close() {
	d.forget()
	if d.impatient == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), connectTimeout)
	defer cancel()
	// A server that is gone has forgotten it.
	_ = asAdmin(ctx, d.server, d.secrets.Admin, func(conn *session) error {
		return conn.run(ctx, "set global net_write_timeout = "+strconv.Itoa(d.impatient))
	})
}

// forget ends the counting session.
func (d *dump) forget() {
	if d.counter != nil {
		hangUp(d.counter)
		d.counter = nil
	}
}

// positionLine is how a dump tells its moment.
var positionLine = regexp.MustCompile(`MASTER_LOG_FILE='([^']+)', MASTER_LOG_POS=(\d+)`)

// headerReader keeps the beginning of a dump back until it has told its moment: the wrong one costs nothing then. It keeps the last
// bytes, too.
type headerReader struct {
	to     io.Writer
	want   position
	found  func()
	head   []byte
	tail   []byte
	passed bool
	moved  bool
}

const tailLength = 512

func (h *headerReader) Write(p []byte) (int, error) {
	h.tail = append(h.tail, p[max(0, len(p)-tailLength):]...)
	h.tail = slices.Clone(h.tail[max(0, len(h.tail)-tailLength):])
	if h.passed {
		return h.to.Write(p)
	}
	h.head = append(h.head, p...)
	match := positionLine.FindSubmatch(h.head)
	if match == nil && len(h.head) < headerLimit {
		return len(p), nil
	}
	if match == nil {
		return 0, errors.New("the dump does not tell its place in the binary log")
	}
	at, _ := strconv.ParseInt(string(match[2]), 10, 64)
	if (position{string(match[1]), at}) != h.want {
		h.moved = true
		return 0, errMoved
	}
	h.found()
	h.passed = true
	if _, err := h.to.Write(h.head); err != nil {
		return 0, err
	}
	h.head = nil
	return len(p), nil
}
