// Package dev is development mode: a whole MyDB on one machine. It makes what a server would be configured with, keeps it in a
// state directory, and finds it there the next time. The scripts beside it bring up the Docker engine and the engine images.
package dev

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/mydb-project/mydb/core"
	"github.com/mydb-project/mydb/core/config"
	"github.com/mydb-project/mydb/core/crypt"
	"github.com/mydb-project/mydb/core/directory/local"
	"github.com/mydb-project/mydb/core/engine"
	"github.com/mydb-project/mydb/deploy/chatsim"
	"github.com/mydb-project/mydb/jobs/swarm"
	"github.com/mydb-project/mydb/migrations"
)

// Mode is development mode on one machine. Prepare fills in what Config leaves out, and narrows Catalogue to what runs here.
type Mode struct {
	Config    *config.Config
	Catalogue *engine.Catalogue
	Runtime   *swarm.Runtime
	Out       io.Writer // for people: where MyDB is, and the passwords of new accounts

	chat *chatsim.Sim
}

// Labels are put on all that development mode makes, so that it can be found and removed.
func Labels() map[string]string { return map[string]string{swarm.LabelDev: "true"} }

// Announcement is shown on the login page.
const Announcement = "This is a development server: the accounts are admin and scientist, and their passwords were printed where it was started."

// The names in development mode's own metadata Postgres.
const (
	databaseName = "mydb"
	appRole      = "mydb_app"
)

// Prepare makes everything that is missing, up to a migrated metadata database. Called again, it finds everything there.
func (d *Mode) Prepare(ctx context.Context) error {
	if err := os.MkdirAll(d.Config.StateDir, 0o700); err != nil {
		return fmt.Errorf("MYDB_STATE_DIR is %q: %w", d.Config.StateDir, err)
	}
	if err := d.lock(); err != nil {
		return err
	}
	if d.Config.StoreURL == "" {
		folder, err := filepath.Abs(d.path("backups"))
		if err != nil {
			return err
		}
		d.Config.StoreURL = "file://" + folder
	}
	if d.Config.KeyFile == "" {
		d.Config.KeyFile = d.path("key")
		if _, err := d.keep("key", crypt.NewKey); err != nil {
			return err
		}
	}
	if err := d.engine(ctx); err != nil {
		return err
	}
	if d.Config.DatabaseURL == "" {
		if err := d.metadata(ctx); err != nil {
			return err
		}
	}
	return migrations.Run(ctx, d.Config.MigrateURL, d.Config.DatabaseURL)
}

func (d *Mode) path(name string) string { return filepath.Join(d.Config.StateDir, name) }

// lock keeps a second development mode from using the same state. The lock ends with the process.
func (d *Mode) lock() error {
	f, err := os.OpenFile(d.path("lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return fmt.Errorf("MYDB_STATE_DIR is %q: %w", d.Config.StateDir, err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return fmt.Errorf("MyDB runs already with the state in %s: stop it first, or set MYDB_STATE_DIR to another directory", d.Config.StateDir)
	}
	return nil // f stays open, and with it the lock
}

// keep reads a file of the state directory, and makes it first if it is not there.
func (d *Mode) keep(name string, fresh func() (string, error)) (string, error) {
	path := d.path(name)
	b, err := os.ReadFile(path)
	if err == nil {
		return strings.TrimSpace(string(b)), nil
	}
	if !errors.Is(err, os.ErrNotExist) {
		return "", err
	}
	value, err := fresh()
	if err != nil {
		return "", err
	}
	return value, os.WriteFile(path, []byte(value+"\n"), 0o600)
}

func (d *Mode) password(name string) (string, error) {
	return d.keep(name, func() (string, error) { return rand.Text(), nil })
}

// engine makes sure of a Swarm, and offers what this machine has images for.
func (d *Mode) engine(ctx context.Context) error {
	if err := d.Runtime.EnsureSwarm(ctx); err != nil {
		return err
	}
	find, err := d.Runtime.Images(ctx)
	if err != nil {
		return err
	}
	*d.Catalogue = d.Catalogue.WithImages(find)
	return nil
}

// metadata runs development mode's own Postgres, with a role for the application that owns nothing.
func (d *Mode) metadata(ctx context.Context) error {
	image, err := d.metadataImage()
	if err != nil {
		return err
	}
	root, err1 := d.password("metadata-password")
	app, err2 := d.password("application-password")
	if err := errors.Join(err1, err2); err != nil {
		return err
	}
	addr, err := d.Runtime.StartMetadata(ctx, swarm.MetadataOptions{Image: image.Image, DataPath: image.DataPath, Password: root})
	if err != nil {
		return fmt.Errorf("start the metadata Postgres: %w", err)
	}
	conn, err := d.await(ctx, databaseURL(addr, "postgres", "postgres", root))
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	if err := d.makeDatabase(ctx, conn, app); err != nil {
		return fmt.Errorf("prepare the metadata Postgres: %w", err)
	}
	d.Config.MigrateURL = databaseURL(addr, databaseName, "postgres", root)
	d.Config.DatabaseURL = databaseURL(addr, databaseName, appRole, app)
	return nil
}

func (d *Mode) metadataImage() (engine.Version, error) {
	offer, _ := d.Catalogue.Offer("postgres")
	for _, v := range offer.Versions {
		if !v.Deprecated {
			return v, nil
		}
	}
	return engine.Version{}, errors.New("there is no PostgreSQL image on this machine: `make run` gets or builds one")
}

// await connects as soon as the server accepts it. A wrong password is final.
func (d *Mode) await(ctx context.Context, url string) (*pgx.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		conn, err := pgx.Connect(ctx, url)
		if err == nil {
			return conn, nil
		}
		if strings.Contains(err.Error(), "28P01") {
			return nil, fmt.Errorf("the metadata Postgres refuses the password in %s: its volume belongs to another state directory. "+
				"Set MYDB_STATE_DIR to that directory, or remove everything with `make clean-dev`", d.Config.StateDir)
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("the metadata Postgres did not answer within a minute: %w", err)
		case <-tick.C:
		}
	}
}

func (d *Mode) makeDatabase(ctx context.Context, conn *pgx.Conn, appPassword string) error {
	var role, database bool
	err := conn.QueryRow(ctx, "select exists (select from pg_roles where rolname = $1), exists (select from pg_database where datname = $2)",
		appRole, databaseName).Scan(&role, &database)
	if err != nil {
		return err
	}
	if !role {
		// rand.Text makes letters and digits only, so the password needs no quoting.
		if _, err := conn.Exec(ctx, fmt.Sprintf("create role %s login password '%s'", appRole, appPassword)); err != nil {
			return err
		}
	}
	if !database {
		_, err = conn.Exec(ctx, "create database "+databaseName)
	}
	return err
}

func databaseURL(addr, database, user, password string) string {
	u := url.URL{Scheme: "postgres", Host: addr, Path: "/" + database, User: url.UserPassword(user, password), RawQuery: "sslmode=disable"}
	return u.String()
}

// Accounts makes the two accounts of development mode, tells their passwords when they are new, and leaves a token for the
// terminal chat in the state directory.
func (d *Mode) Accounts(ctx context.Context, service *core.Service) error {
	for _, a := range []core.Account{
		{Login: "admin", Email: "admin@example.com", Name: "Admin", Admin: true},
		{Login: "scientist", Email: "scientist@example.com", Name: "Scientist"},
	} {
		if err := d.account(ctx, service, a); err != nil {
			return err
		}
	}
	return d.token(ctx, service)
}

func (d *Mode) account(ctx context.Context, service *core.Service, a core.Account) error {
	password := d.Config.DevPassword
	_, _, err := service.PasswordHash(ctx, a.Login)
	if err == nil && password == "" {
		fmt.Fprintf(d.Out, "  %-10s password as printed when the account was made\n", a.Login)
		return nil
	}
	if err != nil && core.CodeOf(err) != core.CodeNotFound {
		return err
	}
	told := "the one in MYDB_DEV_PASSWORD"
	if password == "" {
		password = crypt.NewPassword()
		told = password + "  (shown only now)"
	}
	if a.PasswordHash, err = local.Hash(password); err != nil {
		return err
	}
	if _, err := service.SavePerson(ctx, a); err != nil {
		return err
	}
	fmt.Fprintf(d.Out, "  %-10s password %s\n", a.Login, told)
	return nil
}

func (d *Mode) token(ctx context.Context, service *core.Service) error {
	path := d.path("token")
	if b, err := os.ReadFile(path); err == nil {
		if _, err := service.Bearer(ctx, strings.TrimSpace(string(b))); err == nil {
			return nil
		}
	}
	person, _, err := service.PasswordHash(ctx, "scientist")
	if err != nil {
		return err
	}
	req := core.Request{Actor: core.Actor{Person: person, Scope: core.ScopeOperate}, Door: core.DoorSystem}
	_, secret, err := service.MakeToken(ctx, req, core.NewToken{Name: "terminal chat of development mode"})
	if err != nil {
		return err
	}
	return os.WriteFile(path, []byte(secret+"\n"), 0o600)
}
