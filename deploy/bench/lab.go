package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/docker/docker/client"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/rs/xid"
	"go.yaml.in/yaml/v3"

	"github.com/mydb-project/mydb/core"
	"github.com/mydb-project/mydb/core/crypt"
	"github.com/mydb-project/mydb/core/engine"
	"github.com/mydb-project/mydb/core/engine/mariadb"
	"github.com/mydb-project/mydb/core/engine/mongodb"
	"github.com/mydb-project/mydb/core/engine/postgres"
	"github.com/mydb-project/mydb/jobs/swarm"
	"github.com/mydb-project/mydb/migrations"
)

// mainEngine is the one that all figures are measured with; some are measured with each.
const mainEngine = "postgres"

// engines are those whose creates are measured, as far as this machine has an image.
var engines = []engine.Engine{postgres.Engine{}, mariadb.Engine{}, mongodb.Engine{}}

// people is how many persons the requests come from.
const people = 10

// cleanTime is how long removing everything may take. It is more than a server's grace period.
const cleanTime = 3 * time.Minute

// lab is what the figures share. What it makes is removed by close, the last first.
type lab struct {
	options
	report  report
	docker  *client.Client
	runtime *swarm.Runtime
	dir     string // temporary: key, catalogue, logs
	image   string // that instances run with
	undo    []func(context.Context) error

	catalogue engine.Catalogue
	keys      *crypt.Keyring
	ownerURL  string // of the metadata database, as the role that owns it
	appURL    string
	pool      *pgxpool.Pool // as the owner
	service   *core.Service // for making people and reading what an instance's admin logs in with
	tokens    []string      // of the people
	ports     core.PortRange
	store     string        // where backups go, once there is an S3 server
	cold      time.Duration // the median of cold creates; 0 when they were not measured
}

func openLab(ctx context.Context, o options) (*lab, error) {
	l := &lab{options: o}
	for _, step := range []func(context.Context) error{l.reachEngine, l.makeFiles, l.startPostgres, l.makeDatabase, l.makePeople} {
		if err := step(ctx); err != nil {
			return l, err
		}
	}
	return l, nil
}

// later remembers what undoes something.
func (l *lab) later(undo func(context.Context) error) { l.undo = append(l.undo, undo) }

// close removes all that was made, also after an interruption.
func (l *lab) close() error {
	ctx, cancel := context.WithTimeout(context.Background(), cleanTime)
	defer cancel()
	var errs []error
	for i := len(l.undo) - 1; i >= 0; i-- {
		errs = append(errs, l.undo[i](ctx))
	}
	return errors.Join(errs...)
}

func (l *lab) reachEngine(ctx context.Context) (err error) {
	if _, err := os.Stat(l.binary); err != nil {
		return fmt.Errorf("%w: build it with `make build`", err)
	}
	host := os.Getenv("MYDB_DOCKER_HOST")
	opts := []client.Opt{client.FromEnv, client.WithAPIVersionNegotiation()}
	if host != "" {
		opts = append(opts, client.WithHost(host))
	}
	if l.docker, err = client.NewClientWithOpts(opts...); err != nil {
		return err
	}
	if l.runtime, err = swarm.New(ctx, swarm.Options{Host: host}); err != nil {
		return err
	}
	find, err := l.runtime.Images(ctx)
	if err != nil {
		return err
	}
	l.catalogue = engine.BuiltIn().WithImages(find)
	offer, _ := l.catalogue.Offer(mainEngine)
	if len(offer.Offered()) == 0 {
		return errors.New("there is no PostgreSQL image on this machine: `make images` gets or builds one")
	}
	version, _ := offer.Version(offer.Offered()[0])
	l.image = version.Image
	if l.ports, err = freePorts(portsNeeded); err != nil {
		return err
	}
	return nil
}

// offered reports whether this machine can run an engine.
func (l *lab) offered(e engine.Engine) bool {
	offer, ok := l.catalogue.Offer(e.Name())
	return ok && len(offer.Offered()) > 0
}

func (l *lab) makeFiles(context.Context) (err error) {
	if l.dir, err = os.MkdirTemp("", "mydb-bench-"); err != nil {
		return err
	}
	l.later(func(context.Context) error { return os.RemoveAll(l.dir) })
	key, err := crypt.NewKey()
	if err != nil {
		return err
	}
	if l.keys, err = crypt.ParseKeyring(key); err != nil {
		return err
	}
	catalogue, err := yaml.Marshal(l.catalogue)
	if err != nil {
		return err
	}
	return errors.Join(os.WriteFile(l.path("key"), []byte(key), 0o600), os.WriteFile(l.path("catalogue.yaml"), catalogue, 0o600))
}

func (l *lab) path(name string) string { return filepath.Join(l.dir, name) }

// startPostgres runs a metadata Postgres as development mode does, with durable commits. `make clean-dev` would find it.
func (l *lab) startPostgres(ctx context.Context) error {
	name, password := "mydb-bench-"+xid.New().String(), crypt.NewPassword()
	l.later(func(ctx context.Context) error { return l.removePostgres(ctx, name) })
	addr, err := l.runtime.StartMetadata(ctx, swarm.MetadataOptions{Image: l.image, Name: name, Volume: name, Password: password})
	if err != nil {
		return err
	}
	l.ownerURL = "postgres://postgres:" + password + "@" + addr + "/postgres?sslmode=disable"
	l.appURL = "postgres://mydb_app:" + password + "@" + addr + "/postgres?sslmode=disable"
	if l.pool, err = pgxpool.New(ctx, l.ownerURL); err != nil {
		return err
	}
	l.later(func(context.Context) error { l.pool.Close(); return nil })
	err = until(ctx, time.Minute, func() (bool, error) { return l.pool.Ping(ctx) == nil, nil })
	if err != nil {
		return fmt.Errorf("wait for the metadata Postgres: %w", err)
	}
	_, err = l.pool.Exec(ctx, "create role mydb_app login password '"+password+"'") // of letters and digits
	return err
}

func (l *lab) makeDatabase(ctx context.Context) error {
	if err := migrations.Run(ctx, l.ownerURL, l.appURL); err != nil {
		return err
	}
	l.later(l.removeInstances)
	l.service = core.New(core.Options{
		DB: l.pool, Keys: l.keys, Engines: engines, Catalogue: l.catalogue, Ports: l.ports,
		Log: slog.New(slog.DiscardHandler), Queue: noQueue{},
	})
	return nil
}

// noQueue takes every job and does nothing: what the lab's own service would have done is not measured.
type noQueue struct{}

func (noQueue) Enqueue(context.Context, pgx.Tx, core.Job) error { return nil }

func (l *lab) makePeople(ctx context.Context) error {
	for i := range people {
		login := "person" + strconv.Itoa(i)
		p, err := l.service.SavePerson(ctx, core.Account{Login: login, Email: login + "@example.com", Name: login})
		if err != nil {
			return err
		}
		req := core.Request{Actor: core.Actor{Person: p, Scope: core.ScopeOperate}, Door: core.DoorSystem}
		_, token, err := l.service.MakeToken(ctx, req, core.NewToken{Name: "benchmark"})
		if err != nil {
			return err
		}
		l.tokens = append(l.tokens, token)
	}
	return nil
}

// portsNeeded covers every request of the bursts; only a few of the ports are ever opened.
const portsNeeded = 900

// freePorts finds a range in which nothing listens, beside MyDB's default range.
func freePorts(n int) (core.PortRange, error) {
	for first := 26000; first+n <= 30000; first += 100 {
		if allFree(first, first+n-1) {
			return core.PortRange{First: first, Last: first + n - 1}, nil
		}
	}
	return core.PortRange{}, fmt.Errorf("no %d free ports in a row between 26000 and 30000", n)
}

func allFree(first, last int) bool {
	for port := first; port <= last; port++ {
		l, err := net.Listen("tcp", ":"+strconv.Itoa(port))
		if err != nil || l.Close() != nil {
			return false
		}
	}
	return true
}

// until asks every 25 ms, for as long as limit, until the answer is yes or an error.
func until(ctx context.Context, limit time.Duration, done func() (bool, error)) error {
	return untilEvery(ctx, pollEvery, limit, done)
}

func untilEvery(ctx context.Context, every, limit time.Duration, done func() (bool, error)) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		if ok, err := done(); ok || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}

// column reads one column.
func column[T any](ctx context.Context, l *lab, sql string, args ...any) ([]T, error) {
	rows, err := l.pool.Query(ctx, sql, args...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[T])
}
