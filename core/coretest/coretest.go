// Package coretest gives tests a core.Service over a real, migrated Postgres database of their own.
package coretest

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/mydb-project/mydb/core"
	"github.com/mydb-project/mydb/core/crypt"
	"github.com/mydb-project/mydb/core/engine"
	"github.com/mydb-project/mydb/core/engine/postgres"
	"github.com/mydb-project/mydb/migrations"
)

// DatabaseEnv names a Postgres superuser's URL. Tests that need one are skipped where it is not set; `make test` sets it.
const DatabaseEnv = "MYDB_TEST_DATABASE_URL"

// appRole is the application's role in tests, so that they run with the rights that the real application has.
const appRole = "mydb_test_app"

var template struct {
	sync.Once
	name string
	err  error
}

// Database makes a migrated database for this test, cloned from a template, and gives the URLs of its owner and of the
// application's role. It is dropped when the test ends.
func Database(t testing.TB) (ownerURL, appURL string) {
	t.Helper()
	base := os.Getenv(DatabaseEnv)
	if base == "" {
		t.Skip("needs a Postgres server: set " + DatabaseEnv + ", or run `make test`")
	}
	template.Do(func() { template.name, template.err = makeTemplate(t.Context(), base) })
	if template.err != nil {
		t.Fatalf("make the template database: %v", template.err)
	}
	name := "mydb_test_" + strings.ToLower(rand.Text()[:12])
	admin(t, base, fmt.Sprintf("create database %s template %s", name, template.name))
	t.Cleanup(func() { admin(t, base, fmt.Sprintf("drop database if exists %s with (force)", name)) })
	return inDatabase(base, name, ""), inDatabase(base, name, appRole)
}

// Empty makes a database without a schema, and gives the URL of its owner and of the application's role.
func Empty(t testing.TB) (ownerURL, appURL string) {
	t.Helper()
	ownerURL, appURL = Database(t)
	conn, err := pgx.Connect(t.Context(), ownerURL)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	if _, err := conn.Exec(t.Context(), "drop schema public cascade; create schema public"); err != nil {
		t.Fatal(err)
	}
	return ownerURL, appURL
}

// Pool opens a pool that is closed when the test ends.
func Pool(t testing.TB, databaseURL string) *pgxpool.Pool {
	t.Helper()
	pool, err := pgxpool.New(t.Context(), databaseURL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	return pool
}

// New makes a service over a database of its own. Its queue takes every job and does nothing.
func New(t testing.TB) (*core.Service, *pgxpool.Pool) {
	t.Helper()
	return NewWith(t, core.Options{Backups: core.Backups{On: true}})
}

// NewWith does the same with options that a test chooses.
func NewWith(t testing.TB, o core.Options) (*core.Service, *pgxpool.Pool) {
	t.Helper()
	_, appURL := Database(t)
	pool := Pool(t, appURL)
	s := Service(t, pool, o)
	if err := s.PreparePorts(t.Context()); err != nil {
		t.Fatal(err)
	}
	return s, pool
}

// Service makes a service over a pool. What o leaves out is chosen.
func Service(t testing.TB, pool *pgxpool.Pool, o core.Options) *core.Service {
	t.Helper()
	o.DB = pool
	if o.Keys == nil {
		o.Keys = Keys(t)
	}
	if o.Queue == nil {
		o.Queue = NoQueue{}
	}
	if o.Engines == nil {
		o.Engines = []engine.Engine{postgres.Engine{}}
	}
	if o.Catalogue.Engines == nil {
		o.Catalogue = engine.BuiltIn()
	}
	if o.Ports == (core.PortRange{}) {
		o.Ports = core.PortRange{First: 25010, Last: 25109}
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return core.New(o)
}

// Keys makes a new keyring.
func Keys(t testing.TB) *crypt.Keyring {
	t.Helper()
	content, err := crypt.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	keys, err := crypt.ParseKeyring(content)
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

// Actor makes a person and gives them as a door would after a login.
func Actor(t testing.TB, s *core.Service, login string, isAdmin bool) core.Actor {
	t.Helper()
	p, err := s.SavePerson(t.Context(), core.Account{Login: login, Email: login + "@example.com", Name: login, Admin: isAdmin})
	if err != nil {
		t.Fatal(err)
	}
	scope := core.ScopeOperate
	if isAdmin {
		scope = core.ScopeAdmin
	}
	return core.Actor{Person: p, Scope: scope}
}

// NoQueue is a core.Queue that takes every job and does nothing.
type NoQueue struct{}

// Enqueue implements core.Queue.
func (NoQueue) Enqueue(context.Context, pgx.Tx, core.Job) error { return nil }

func makeTemplate(ctx context.Context, base string) (string, error) {
	name := "mydb_template_" + strings.ToLower(rand.Text()[:12])
	conn, err := pgx.Connect(ctx, base)
	if err != nil {
		return "", err
	}
	defer conn.Close(ctx)
	sql := fmt.Sprintf(`do $$ begin create role %[1]s login password '%[1]s'; exception when duplicate_object or unique_violation then null; end $$`, appRole)
	if _, err := conn.Exec(ctx, sql); err != nil {
		return "", err
	}
	if _, err := conn.Exec(ctx, "create database "+name); err != nil {
		return "", err
	}
	pool, err := pgxpool.New(ctx, inDatabase(base, name, ""))
	if err != nil {
		return "", err
	}
	defer pool.Close() // a database with connections cannot be a template
	return name, migrations.Up(ctx, pool, appRole)
}

func admin(t testing.TB, base, sql string) {
	t.Helper()
	ctx := context.WithoutCancel(t.Context()) // cleanups run after the test's context has ended
	conn, err := pgx.Connect(ctx, base)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(ctx)
	if _, err := conn.Exec(ctx, sql); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

// inDatabase points a URL to another database, and to another role when one is given.
func inDatabase(base, database, role string) string {
	u, err := url.Parse(base)
	if err != nil {
		panic(DatabaseEnv + " is not a URL: " + err.Error())
	}
	u.Path = "/" + database
	if role != "" {
		u.User = url.UserPassword(role, role)
	}
	return u.String()
}
