package main

import (
	"context"
	"crypto/tls"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/jackc/pgx/v5"

	"github.com/mydb-project/mydb/core"
	"github.com/mydb-project/mydb/core/config"
	"github.com/mydb-project/mydb/core/engine"
	"github.com/mydb-project/mydb/core/engine/mariadb"
	"github.com/mydb-project/mydb/core/engine/postgres"
	"github.com/mydb-project/mydb/jobs"
	"github.com/mydb-project/mydb/jobs/store"
)

const (
	backupRounds   = 3
	throughputGoal = 0.85
	ancestorGoal   = 1.5
	workerMemory   = 200 << 20
	backupWait     = 20 * time.Minute
)

// backedUp is an engine with the data that its backups are measured with.
type backedUp struct {
	engine engine.Engine
	about  string
	fill   func(ctx context.Context, s engine.Server, admin, database string) error
}

var backedUpEngines = []backedUp{
	{postgres.Engine{}, "1 GB", fillPostgres},
	{mariadb.Engine{}, "0.5 GB", fillMariaDB},
}

// measureBackups measures backups into a real S3 server on this machine: against the raw tool through the same socket, whose output is
// thrown away, and against what is often done: the tool's own compression, uploaded as it comes.
func measureBackups(ctx context.Context, l *lab) error {
	address, err := l.serveS3(ctx)
	if err != nil || address == "" {
		return err
	}
	p, err := l.start("all", "MYDB_STORE_URL="+address, "AWS_ACCESS_KEY_ID="+s3Key, "AWS_SECRET_ACCESS_KEY="+s3Key)
	if err != nil {
		return err
	}
	defer p.stop()
	if _, err := p.ready(ctx); err != nil {
		return err
	}
	for _, b := range backedUpEngines {
		if !l.offered(b.engine) {
			progress("backups of %s are not measured: this machine has no image of it", b.engine.Title())
			continue
		}
		if err := l.measureBackup(ctx, p, b, address); err != nil {
			return p.failure(fmt.Errorf("%s: %w", b.engine.Name(), err))
		}
	}
	_, peak, err := p.memory()
	if err != nil {
		return err
	}
	l.report.addText("Resident memory of `mydb all`, at its highest", "after these backups and their verifications", inMiB(peak), "≤ "+inMiB(workerMemory), peak <= workerMemory)
	return nil
}

func (l *lab) measureBackup(ctx context.Context, p *process, b backedUp, address string) error {
	made, err := l.createOne(ctx, p, b.engine.Name(), "backup-"+b.engine.Name())
	if err != nil {
		return err
	}
	m, err := l.modelOf(ctx, b.engine, made.instanceID)
	if err != nil {
		return err
	}
	secrets, err := l.service.ServerSecrets(ctx, made.instanceID, func() (engine.Secrets, error) { return engine.Secrets{}, errors.New("no secrets") })
	if err != nil {
		return err
	}
	var host, database string
	var port int
	err = l.pool.QueryRow(ctx, "select i.host, p.port, i.database from instances i join ports p on p.instance_id = i.id where i.id = $1", made.instanceID).Scan(&host, &port, &database)
	if err != nil {
		return err
	}
	authority, err := l.service.Authority(ctx)
	if err != nil {
		return err
	}
	m.server = engine.Server{Host: host, Port: port, CA: authority.Pool(), PEM: authority.Certificate()}
	began := time.Now()
	if err := b.fill(ctx, m.server, secrets.Admin, database); err != nil {
		return fmt.Errorf("make the data: %w", err)
	}
	progress("%s: %s of data made in %s", b.engine.Title(), b.about, inSeconds(time.Since(began)))
	d := dumper{lab: l, engine: b.engine, server: m.server, secrets: secrets, image: m.spec.TaskTemplate.ContainerSpec.Image}
	var ours, raw, usual durations
	var size, usualSize int64
	var last core.Backup
	for range backupRounds {
		took, _, err := d.dump(ctx, io.Discard, nil)
		if err != nil {
			return err
		}
		raw = append(raw, took)
		if b.engine.Name() == mainEngine {
			took, n, err := d.usual(ctx, address)
			if err != nil {
				return err
			}
			usual, usualSize = append(usual, took), n
		}
		if last, took, size, err = l.backUp(ctx, l.client(p, 0), made.instanceID); err != nil {
			return err
		}
		ours = append(ours, took)
		progress("%s: %s raw, %s with MyDB", b.engine.Title(), inSeconds(raw[len(raw)-1]), inSeconds(took))
	}
	l.reportBackup(b, ours, raw, usual, size, usualSize, last)
	return l.removeInstance(ctx, made.instanceID)
}

func (l *lab) reportBackup(b backedUp, ours, raw, usual durations, size, usualSize int64, last core.Backup) {
	n := fmt.Sprintf("median of %d", backupRounds)
	what := fmt.Sprintf("%s, %s: ", b.engine.Title(), b.about)
	l.report.add(what+"backup, first byte to upload complete", n, ours.median(), "")
	l.report.add(what+"the raw tool through the same socket, output thrown away", n, raw.median(), "")
	ratio := raw.median().Seconds() / ours.median().Seconds()
	l.report.addText("**Throughput against the raw tool**", "of the medians", fmt.Sprintf("%.2f", ratio), fmt.Sprintf("≥ %.2f", throughputGoal), ratio >= throughputGoal)
	if len(usual) > 0 {
		l.report.add(what+"`pg_dump -Fc` with its own compression, uploaded as it comes", n, usual.median(), "")
		faster := usual.median().Seconds() / ours.median().Seconds()
		l.report.addText("**Times as fast as that**", "of the medians", fmt.Sprintf("%.1f", faster), fmt.Sprintf("≥ %.1f", ancestorGoal), faster >= ancestorGoal)
		l.report.addText("Size of the object", "against that", fmt.Sprintf("%s, %s", inMiB(size), inMiB(usualSize)), "not larger", size <= usualSize)
	}
	if last.Receipt != nil {
		l.report.addText(what+"verification", "restore and count of a copy, the last one", fmt.Sprintf("%.1f s", last.Receipt.Seconds), "", true)
	}
}

// dumper runs the engine's tool as MyDB does.
type dumper struct {
	*lab
	engine  engine.Engine
	server  engine.Server
	secrets engine.Secrets
	image   string
}

// dump writes the largest part, and tells how long that took from its first byte. change may alter the tool.
func (d dumper) dump(ctx context.Context, to io.Writer, change func(*engine.Tool)) (time.Duration, int64, error) {
	out := &timed{w: to}
	dump, err := d.engine.Dump(ctx, d.server, d.secrets, func(ctx context.Context, t engine.Tool, in io.Reader, w io.Writer) error {
		if change != nil {
			change(&t)
		}
		return d.runtime.Tool(ctx, jobs.ToolSpec{OperationID: "bench", Image: d.image, Tool: t, Stdin: in, Stdout: w})
	})
	if err != nil {
		return 0, 0, err
	}
	defer dump.Close()
	for _, p := range dump.Parts() {
		if p.Kind == engine.PartAccounts {
			continue
		}
		if err := dump.Write(ctx, p, out); err != nil {
			return 0, 0, err
		}
	}
	return time.Since(out.began), out.n, nil
}

// usual is the tool's own format with its own compression, uploaded through the same client.
func (d dumper) usual(ctx context.Context, address string) (time.Duration, int64, error) {
	where, err := config.Config{StoreURL: address}.Store()
	if err != nil {
		return 0, 0, err
	}
	s, err := store.Open(ctx, where)
	if err != nil {
		return 0, 0, err
	}
	read, write := io.Pipe()
	uploaded := make(chan error, 1)
	go func() { uploaded <- s.Put(ctx, "usual", read, 0) }()
	out := &timed{w: write}
	_, _, err = d.dump(ctx, out, func(t *engine.Tool) {
		for n, word := range t.Command {
			if word == "--compress=0" {
				t.Command = append(t.Command[:n:n], t.Command[n+1:]...)
				break
			}
		}
	})
	_ = write.CloseWithError(err)
	if err = errors.Join(err, <-uploaded); err != nil {
		return 0, 0, err
	}
	return time.Since(out.began), out.n, nil
}

// timed notes when the first byte came.
type timed struct {
	w     io.Writer
	began time.Time
	n     int64
}

func (t *timed) Write(p []byte) (int, error) {
	if t.n == 0 {
		t.began = time.Now()
	}
	n, err := t.w.Write(p)
	t.n += int64(n)
	return n, err
}

// backUp makes a backup through the API and waits until it was verified. It gives the time and size of the databases' parts.
func (l *lab) backUp(ctx context.Context, c *apiClient, instanceID string) (b core.Backup, took time.Duration, size int64, err error) {
	var receipt core.Receipt
	if err := c.call(ctx, http.MethodPost, "/databases/"+instanceID+"/backups", "", nil, http.StatusAccepted, &receipt); err != nil {
		return b, 0, 0, err
	}
	err = until(ctx, backupWait, func() (bool, error) {
		b = core.Backup{}
		err := c.call(ctx, http.MethodGet, "/databases/"+instanceID+"/backups/"+receipt.Backup.ID, "", nil, http.StatusOK, &b)
		if err == nil && b.State == core.BackupFailed {
			err = errors.New(b.Error)
		}
		return b.State == core.BackupVerified, err
	})
	if err != nil {
		return b, 0, 0, err
	}
	m, err := l.service.Manifest(ctx, b.ID)
	for _, part := range m.Parts {
		if part.Kind != engine.PartAccounts {
			took += time.Duration(part.Seconds * float64(time.Second))
			size += part.Size
		}
	}
	return b, took, size, err
}

// s3Key is both halves of the key of the S3 server.
const s3Key = "mydb-bench-key"

// serveS3 starts the S3 server that MYDB_TEST_S3_SERVER names, and gives a store on it; empty when there is none.
func (l *lab) serveS3(ctx context.Context) (string, error) {
	program := os.Getenv("MYDB_TEST_S3_SERVER")
	if program == "" {
		progress("backups are not measured: MYDB_TEST_S3_SERVER names no S3 server; `make bench` builds one")
		return "", nil
	}
	for _, name := range []string{"store/backups", "sidecar"} {
		if err := os.MkdirAll(l.path(name), 0o700); err != nil {
			return "", err
		}
	}
	listen, err := freeAddress()
	if err != nil {
		return "", err
	}
	cmd := exec.Command(program, "--access", s3Key, "--secret", s3Key, "--port", listen, "posix", "--sidecar", l.path("sidecar"), l.path("store"))
	log, err := os.Create(l.path("s3.log"))
	if err != nil {
		return "", err
	}
	defer log.Close()
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		return "", err
	}
	l.later(func(context.Context) error { _ = cmd.Process.Kill(); _ = cmd.Wait(); return nil })
	for _, name := range []string{"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"} {
		if err := os.Setenv(name, s3Key); err != nil {
			return "", err
		}
	}
	err = until(ctx, time.Minute, func() (bool, error) {
		conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", listen)
		if err != nil {
			return false, nil //nolint:nilerr // not yet
		}
		return true, conn.Close()
	})
	if err != nil {
		said, _ := os.ReadFile(l.path("s3.log"))
		return "", fmt.Errorf("start the S3 server: %w\n%s", err, said)
	}
	return "s3://backups?path_style=true&endpoint=http://" + listen, nil
}

// fillPostgres makes about 1 GB of rows such as a laboratory has: numbers that do not compress, names that do.
func fillPostgres(ctx context.Context, s engine.Server, admin, database string) error {
	conn, err := pgx.Connect(ctx, fmt.Sprintf("postgres://%s:%s@%s/%s?sslmode=require", postgres.AdminUser, admin, net.JoinHostPort(s.Host, strconv.Itoa(s.Port)), database))
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	_, err = conn.Exec(ctx, `create table variants as select i as id, md5(i::text) as sample, 'ENSG' || lpad((i % 20000)::text, 11, '0') as gene,
		random() as score, random() * 1000 as quality, 'chr' || i % 23 as chromosome, md5((i / 50)::text) as study from generate_series(1, 6500000) i`)
	return err
}

// fillMariaDB makes about 0.5 GB of the same.
func fillMariaDB(ctx context.Context, s engine.Server, admin, database string) error {
	cfg := mysql.NewConfig()
	cfg.Net, cfg.Addr, cfg.User, cfg.Passwd, cfg.DBName = "tcp", net.JoinHostPort(s.Host, strconv.Itoa(s.Port)), mariadb.AdminUser, admin, database
	cfg.TLS = &tls.Config{InsecureSkipVerify: true} //nolint:gosec // what is measured is not who vouches for the server
	connector, err := mysql.NewConnector(cfg)
	if err != nil {
		return err
	}
	db := sql.OpenDB(connector)
	defer db.Close()
	_, err = db.ExecContext(ctx, `create table variants (id int primary key) select seq as id, md5(seq) as sample, concat('ENSG', lpad(seq % 20000, 11, '0')) as gene,
		rand() as score, rand() * 1000 as quality, concat('chr', seq % 23) as chromosome, md5(seq div 50) as study from seq_1_to_3200000`)
	return err
}
