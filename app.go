package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/mydb-project/mydb/bot"
	"github.com/mydb-project/mydb/core"
	"github.com/mydb-project/mydb/core/config"
	"github.com/mydb-project/mydb/core/crypt"
	"github.com/mydb-project/mydb/core/engine"
	"github.com/mydb-project/mydb/core/engine/mariadb"
	"github.com/mydb-project/mydb/core/engine/mongodb"
	"github.com/mydb-project/mydb/core/engine/postgres"
	"github.com/mydb-project/mydb/core/policy"
	"github.com/mydb-project/mydb/jobs"
	"github.com/mydb-project/mydb/jobs/swarm"
	"github.com/mydb-project/mydb/migrations"
	"github.com/mydb-project/mydb/portal"
)

// engines are the engines that this binary knows.
func engines() []engine.Engine {
	return []engine.Engine{postgres.Engine{}, mariadb.Engine{}, mongodb.Engine{}}
}

// runnable finds engines that this version cannot run in the catalogue, and those that the catalogue lacks in the warm pool.
func runnable(c engine.Catalogue, pool config.WarmPool) error {
	for _, o := range c.Engines {
		if !slices.ContainsFunc(engines(), func(e engine.Engine) bool { return e.Name() == o.Engine }) {
			return fmt.Errorf("this version of MyDB cannot run the engine %q", o.Engine)
		}
	}
	for name := range pool {
		if _, known := c.Offer(name); !known {
			return fmt.Errorf("MYDB_WARM_POOL names %q, which is no engine of the catalogue", name)
		}
	}
	return nil
}

// Timeouts of the HTTP server and of an orderly end. Answers that stream have no write timeout.
const (
	readHeaderTimeout = 10 * time.Second
	readTimeout       = 30 * time.Second
	idleTimeout       = 2 * time.Minute
	stopTimeout       = 15 * time.Second
)

// App is a running MyDB: the doors (Serve), the workers (Work), or both. It starts and stops within a process.
type App struct {
	Config    config.Config
	Catalogue engine.Catalogue
	Policy    policy.Policy
	Quotas    policy.Quotas
	Log       *slog.Logger
	Serve     bool
	Work      bool
	Labels    map[string]string // put on all that is made for instances
	Announce  string            // shown on the login page

	Service *core.Service // set by Open
	Addr    net.Addr      // where the portal listens; set by Start

	bot  *bot.Bot
	chat chat

	pool    *pgxpool.Pool
	store   jobs.Store // nil when there is no place for backups
	runtime *swarm.Runtime
	workers *jobs.Workers
	server  *http.Server
	listen  context.CancelFunc
	failed  chan error
}

// Open connects to the metadata database and makes the service. It starts nothing.
func (a *App) Open(ctx context.Context) error {
	keys, err := crypt.ReadKeyring(a.Config.KeyFile)
	if err != nil {
		return fmt.Errorf("MYDB_KEY_FILE is %q: %w", a.Config.KeyFile, err)
	}
	if err := a.connect(ctx); err != nil {
		return err
	}
	queue, err := jobs.NewInserter(a.pool, a.Log)
	if err != nil {
		return err
	}
	if a.store, err = a.openStore(ctx); err != nil {
		return err
	}
	var objects core.Objects
	if a.store != nil {
		objects = a.store
	}
	a.Service = core.New(core.Options{
		Objects: objects,
		DB:      a.pool, Queue: queue, Keys: keys, Engines: engines(), Catalogue: a.Catalogue, Policy: a.Policy, Quotas: a.Quotas, Log: a.Log,
		Ports: core.PortRange{First: a.Config.PortRange.First, Last: a.Config.PortRange.Last}, Pool: a.Config.WarmPool,
		DeleteGrace: time.Duration(a.Config.DeleteGrace),
		MailAdmins:  a.Config.MailAdmins,
		ChatAdmins:  a.chatAdmins(),
		Inspector:   inspector{a},
		Sessions:    core.SessionLimits{Idle: a.Config.SessionIdle, Life: a.Config.SessionLife, StepUp: a.Config.StepUp},
		Lookup:      a.lookup(),
		Backups:     core.Backups{On: a.Config.StoreOn(), Escrow: a.Policy.Backup.Escrow, AtOnce: a.Policy.Backup.AtOnce},
	})
	a.bot = bot.New(bot.Options{Service: a.Service, PublicURL: a.Config.PublicURL, Log: a.Log})
	return a.openChat()
}

func (a *App) connect(ctx context.Context) error {
	c, err := pgxpool.ParseConfig(a.Config.DatabaseURL)
	if err != nil {
		return errors.New("MYDB_DATABASE_URL (its value is a secret) is not an address such as postgres://user:password@host:5432/mydb")
	}
	c.MaxConns = max(c.MaxConns, 12) // more at once only wait for each other, and each new one starts with empty caches
	if a.pool, err = pgxpool.NewWithConfig(ctx, c); err != nil {
		return fmt.Errorf("MYDB_DATABASE_URL: %w", err)
	}
	return nil
}

// Start starts what the App is made for. After an error, Stop still has to be called.
func (a *App) Start(ctx context.Context) error {
	if err := a.upToDate(ctx); err != nil {
		return err
	}
	if err := a.Service.PreparePorts(ctx); err != nil {
		return err
	}
	if _, err := a.Service.ApplyRoles(ctx); err != nil {
		return err
	}
	a.failed = make(chan error, 1)
	background, cancel := context.WithCancel(context.WithoutCancel(ctx))
	a.listen = cancel
	go a.Service.Listen(background)
	if a.Work {
		if err := a.startWorkers(ctx); err != nil {
			return err
		}
	}
	if a.Serve {
		a.listenToChat(background)
		return a.startPortal(ctx)
	}
	return nil
}

func (a *App) startWorkers(ctx context.Context) (err error) {
	if a.runtime == nil {
		if a.runtime, err = a.openRuntime(ctx); err != nil {
			return err
		}
	}
	mailer, err := a.mailer()
	if err != nil {
		return err
	}
	a.workers, err = jobs.Start(ctx, jobs.Options{
		DB: a.pool, Service: a.Service, Runtime: a.runtime, Log: a.Log, Mailer: mailer, Store: a.store, Chat: a.chat.desk, Platforms: a.chat.platforms(),
		InstanceHost: a.Config.InstanceHost, CreateLimit: a.Config.CreateLimit,
	})
	return err
}

func (a *App) openRuntime(ctx context.Context) (*swarm.Runtime, error) {
	return swarm.New(ctx, swarm.Options{
		Host: a.Config.DockerHost, Publish: a.Config.Publish, InstanceLabels: a.Labels, Logger: a.Log,
	})
}

func (a *App) startPortal(ctx context.Context) error {
	handler, err := a.portal()
	if err != nil {
		return err
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", a.Config.Listen)
	if err != nil {
		return fmt.Errorf("MYDB_LISTEN is %q: %w", a.Config.Listen, err)
	}
	a.Addr = listener.Addr()
	a.server = &http.Server{
		Handler: handler, ReadHeaderTimeout: readHeaderTimeout, ReadTimeout: readTimeout, IdleTimeout: idleTimeout,
		ErrorLog: slog.NewLogLogger(a.Log.Handler(), slog.LevelWarn),
	}
	a.server.RegisterOnShutdown(handler.Close) // streams of progress would never end by themselves
	serve := a.server.Serve
	if a.Config.TLSOn() {
		if serve, err = a.overTLS(ctx); err != nil {
			return errors.Join(err, listener.Close())
		}
	}
	go func() {
		if err := serve(listener); !errors.Is(err, http.ErrServerClosed) {
			a.failed <- fmt.Errorf("serve: %w", err)
		}
	}()
	return nil
}

func (a *App) portal() (*portal.Server, error) {
	directory, err := a.openDirectory()
	if err != nil {
		return nil, err
	}
	return portal.New(portal.Options{
		Service:   a.Service,
		Directory: directory,
		Sessions:  a.Service.Sessions(),
		Console:   grammar{a.bot},
		Chat:      a.chat.routes(),
		Measured:  []prometheus.Collector{chatMetrics(a.chat.services)},
		PublicURL: a.Config.PublicURL,
		CA:        a.certificate,
		Ready:     a.Ready,
		Log:       a.Log,
		Version:   version,
		Announce:  a.Announce,
		Proxies:   a.Config.Proxies,
	})
}

func (a *App) certificate(ctx context.Context) ([]byte, error) {
	return a.Service.AuthorityBundle(ctx)
}

// Ready reports whether all that this process needs answers.
func (a *App) Ready(ctx context.Context) error {
	if err := a.Service.Ping(ctx); err != nil {
		a.Log.Warn("the metadata database does not answer", "error", err)
		return errors.New("the metadata database does not answer")
	}
	if a.workers == nil {
		return nil
	}
	if _, err := a.runtime.Self(ctx); err != nil {
		a.Log.Warn("the container engine does not answer", "error", err)
		return errors.New("the container engine does not answer")
	}
	return a.workers.Ready()
}

// inspector looks at what runs, in a process that has a runtime. Which one it has is known only after Start.
type inspector struct{ app *App }

// Logs implements core.Inspector.
func (i inspector) Logs(ctx context.Context, instanceID string, lines int) (string, error) {
	if i.app.runtime == nil {
		return "", core.ErrCannotInspect
	}
	return i.app.runtime.Logs(ctx, instanceID, lines)
}

// Wait blocks until ctx ends or something that was started fails.
func (a *App) Wait(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return nil
	case err := <-a.failed:
		return err
	}
}

// Stop ends everything in order: no new requests, then the workers, then the connections. Databases go on running.
func (a *App) Stop(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
	defer cancel()
	var errs []error
	if a.listen != nil {
		a.listen()
		soon, cancel := context.WithTimeout(ctx, stopTimeout/3)
		defer cancel()
		a.chat.leave(soon)
	}
	if a.server != nil {
		soon, cancel := context.WithTimeout(ctx, stopTimeout/3)
		defer cancel()
		if err := a.server.Shutdown(soon); err != nil {
			errs = append(errs, a.server.Close())
		}
	}
	if a.workers != nil {
		errs = append(errs, a.workers.Stop(ctx))
	}
	if a.runtime != nil {
		errs = append(errs, a.runtime.Close())
	}
	if a.pool != nil {
		a.pool.Close()
	}
	return errors.Join(errs...)
}

// grammar lets the portal reach the chat grammar: neither package knows the other.
type grammar struct{ bot *bot.Bot }

// Run implements portal.Console.
func (g grammar) Run(ctx context.Context, r core.Request, text string) (portal.ConsoleReply, error) {
	answer, err := g.bot.Run(ctx, bot.In{Actor: r.Actor, Door: r.Door, Address: r.Address, Key: r.Key, Reference: r.Reference, Text: text})
	if err != nil {
		return portal.ConsoleReply{}, err
	}
	return portal.ConsoleReply{Text: answer.Text, OperationID: answer.OperationID, Name: answer.Name}, nil
}

// Check reaches everything that the configuration names and tells of each in a line. It reports whether all is well.
func (a *App) Check(ctx context.Context, out io.Writer) bool {
	well := true
	for _, c := range []struct {
		what string
		do   func(context.Context) (string, error)
	}{
		{"key file", a.checkKey},
		{"metadata database", a.checkDatabase},
		{"application's role", a.checkRole},
		{"stored secrets", a.checkSecrets},
		{"container engine", a.checkEngine},
		{"engine images", a.checkImages},
		{"port range", a.checkPorts},
		{"backup store", a.checkStore},
		{"escrow keys", a.checkEscrow},
		{"own backups", a.checkCatalogue},
		{"portal's certificate", a.checkCertificate},
		{"directory", a.checkDirectory},
		{"mail server", a.checkMail},
		{"chat", a.checkChat},
	} {
		ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
		detail, err := c.do(ctx)
		cancel()
		var warn warning
		word := "ok"
		if errors.As(err, &warn) {
			word, detail = "warn", string(warn)
		} else if err != nil {
			well, word, detail = false, "FAIL", err.Error()
		}
		for line := range strings.SplitSeq(detail, "\n") {
			fmt.Fprintf(out, "%-5s %-20s %s\n", word, c.what, line)
		}
	}
	return well
}

func (a *App) checkKey(context.Context) (string, error) {
	if a.Config.KeyFile == "" {
		return "", errors.New("MYDB_KEY_FILE is not set: make a key with `mydb key new FILE` and name the file")
	}
	if _, err := crypt.ReadKeyring(a.Config.KeyFile); err != nil {
		return "", fmt.Errorf("MYDB_KEY_FILE is %q: %w", a.Config.KeyFile, err)
	}
	info, err := os.Stat(a.Config.KeyFile)
	if err == nil && info.Mode().Perm()&0o077 != 0 {
		err = fmt.Errorf("MYDB_KEY_FILE is %q: others may read it (mode %o). Run: chmod 600 %[1]s", a.Config.KeyFile, info.Mode().Perm())
	}
	return a.Config.KeyFile, err
}

func (a *App) checkDatabase(ctx context.Context) (string, error) {
	if a.Config.DatabaseURL == "" {
		return "", errors.New("MYDB_DATABASE_URL is not set: name the metadata Postgres, such as postgres://mydb_app:password@host:5432/mydb")
	}
	if a.pool == nil {
		if err := a.connect(ctx); err != nil {
			return "", err
		}
	}
	behind, err := migrations.Behind(ctx, a.pool)
	switch {
	case err != nil:
		return "", fmt.Errorf("MYDB_DATABASE_URL: %w", err)
	case behind > 0:
		return "", fmt.Errorf("%d migrations are missing: run `mydb migrate`", behind)
	case behind < 0:
		return "", errors.New("its schema is newer than this version: run the newer MyDB")
	}
	return "answers, schema up to date", nil
}

// checkRole makes sure that the application cannot rewrite the audit trail, even if it wanted to.
func (a *App) checkRole(ctx context.Context) (string, error) {
	if a.pool == nil {
		return "", errors.New("cannot be looked at without the metadata database")
	}
	var role string
	var tooMuch bool
	err := a.pool.QueryRow(ctx, `select current_user, rolsuper or has_table_privilege('audit', 'update, delete, truncate') or has_table_privilege('audit_chain', 'update, delete, truncate')
		or pg_has_role((select relowner from pg_class where oid = 'audit'::regclass), 'member') from pg_roles where rolname = current_user`).Scan(&role, &tooMuch)
	if err != nil {
		return "", fmt.Errorf("look at its rights: %w", err)
	}
	if tooMuch {
		return "", fmt.Errorf("%s may change the audit trail: give MYDB_DATABASE_URL a role of its own, and the owner's to MYDB_MIGRATE_URL", role)
	}
	if a.Policy.Audit.Keep == 0 {
		return role + " may only add to the audit trail", nil
	}
	old, err := core.AuditBefore(ctx, a.pool, time.Now().Add(-time.Duration(a.Policy.Audit.Keep)))
	if err != nil {
		return "", err
	}
	if old > 0 {
		return "", warning(fmt.Sprintf("%d entries of the audit trail are older than the %s of the policy: mydb audit prune --export FILE takes them away", old, a.Policy.Audit.Keep))
	}
	return fmt.Sprintf("%s may only add to the audit trail, which is kept for %s", role, a.Policy.Audit.Keep), nil
}

func (a *App) checkEngine(ctx context.Context) (string, error) {
	r, err := a.openRuntime(ctx)
	if err != nil {
		return "", fmt.Errorf("MYDB_DOCKER_HOST is %q: %w", a.Config.DockerHost, err)
	}
	a.runtime = r
	self, err := r.Self(ctx)
	if err != nil {
		return "", err
	}
	role := "worker node"
	if self.Manager {
		role = "manager"
	}
	return fmt.Sprintf("answers; this is %s, a %s at %s", self.Name, role, self.Addr), nil
}

func (a *App) checkImages(ctx context.Context) (string, error) {
	if a.runtime == nil {
		return "", errors.New("cannot be looked at without the container engine")
	}
	find, err := a.runtime.Images(ctx)
	if err != nil {
		return "", err
	}
	var missing []string
	for _, image := range a.Catalogue.Images() {
		if _, ok := find(image); !ok {
			missing = append(missing, image)
		}
	}
	if len(missing) == 0 {
		return "all are on this machine", nil
	}
	return "not on this machine yet, pulled at first use: " + strings.Join(missing, ", "), nil
}

// checkPorts refuses a range that the host hands out to outgoing connections: a port of it may be busy at any time.
func (a *App) checkPorts(context.Context) (string, error) {
	r := a.Config.PortRange
	b, err := os.ReadFile("/proc/sys/net/ipv4/ip_local_port_range")
	if err != nil {
		return r.String() + " (the system does not tell which ports it uses itself)", nil //nolint:nilerr // not every system has the file
	}
	var first, last int
	if _, err := fmt.Sscan(string(b), &first, &last); err != nil {
		return "", fmt.Errorf("read the system's own port range: %w", err)
	}
	if r.First <= last && first <= r.Last {
		return "", fmt.Errorf("MYDB_PORT_RANGE is %q, but this system uses %d-%d for outgoing connections: choose ports outside", r, first, last)
	}
	if r.First <= 32767 && 30000 <= r.Last {
		return "", fmt.Errorf("MYDB_PORT_RANGE is %q, but Swarm hands out 30000-32767 by itself: choose ports outside", r)
	}
	return r.String(), nil
}
