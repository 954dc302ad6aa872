package core_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/rs/xid"

	"github.com/mydb-project/mydb/core"
	"github.com/mydb-project/mydb/core/coretest"
)

func create(name string) core.Create { return core.Create{Engine: "postgres", Name: name} }

func request(a core.Actor, key string, c core.Command) core.Request {
	return core.Request{Actor: a, Door: core.DoorAPI, Address: "192.0.2.1", Key: key, Command: c}
}

func TestCreateFillsInDefaults(t *testing.T) {
	s, pool := coretest.New(t)
	ada := coretest.Actor(t, s, "ada", false)
	r, err := s.Do(t.Context(), request(ada, "", create("wheat-genomes")))
	if err != nil {
		t.Fatal(err)
	}
	d := r.Database
	if d.Version != "17" || d.Size != "small" || d.Username != "wheat_genomes" || d.Database != "wheat_genomes" || d.Backup != "daily" ||
		d.State != core.StateCreating || d.Owner != "ada" || d.Port == nil || d.ExpiresAt != nil {
		t.Errorf("database = %+v", d)
	}
	if r.Operation.Kind != "create" || r.Operation.State != core.OperationQueued {
		t.Errorf("operation = %+v", r.Operation)
	}
	var entries int
	err = pool.QueryRow(t.Context(), "select count(*) from audit where instance_id = $1 and actor = 'ada' and outcome = 'accepted'", d.ID).Scan(&entries)
	if err != nil || entries != 1 {
		t.Errorf("%d audit entries, %v; want 1", entries, err)
	}
}

func TestCreateRefusals(t *testing.T) {
	s, pool := coretest.New(t)
	ada := coretest.Actor(t, s, "ada", false)
	reader := ada
	reader.Scope = core.ScopeRead
	with := func(change func(*core.Create)) core.Create { c := create("genomes"); change(&c); return c }
	for _, c := range []struct {
		name  string
		actor core.Actor
		cmd   core.Create
		code  core.Code
		says  string
	}{
		{"no name", ada, create(""), core.CodeInvalid, "Give the database a name"},
		{"upper case", ada, create("Genomes"), core.CodeInvalid, "does not fit"},
		{"short", ada, create("ab"), core.CodeInvalid, "3 to 40"},
		{"long", ada, create(strings.Repeat("a", 41)), core.CodeInvalid, "3 to 40"},
		{"hyphen last", ada, create("genomes-"), core.CodeInvalid, "no hyphen last"},
		{"SQL", ada, create("x'; drop table instances; --"), core.CodeInvalid, "does not fit"},
		{"shell", ada, create("$(reboot)"), core.CodeInvalid, "does not fit"},
		{"HTML", ada, create("<script>alert(1)</script>"), core.CodeInvalid, "does not fit"},
		{"reserved", ada, create("postgres"), core.CodeInvalid, "reserved"},
		{"engine", ada, core.Create{Engine: "oracle", Name: "genomes"}, core.CodeInvalid, "Choose one of: postgres"},
		{"version", ada, with(func(c *core.Create) { c.Version = "9.6" }), core.CodeInvalid, "17, 18, 16"},
		{"size", ada, with(func(c *core.Create) { c.Size = "galactic" }), core.CodeInvalid, "small, medium, large"},
		{"user", ada, with(func(c *core.Create) { c.Username = "postgres" }), core.CodeInvalid, "postgres"},
		{"user SQL", ada, with(func(c *core.Create) { c.Username = `a"; drop role b` }), core.CodeInvalid, ""},
		{"password short", ada, with(func(c *core.Create) { c.Password = "short" }), core.CodeInvalid, "12"},
		{"password control", ada, with(func(c *core.Create) { c.Password = "line\nbreak in it" }), core.CodeInvalid, ""},
		{"backup", ada, with(func(c *core.Create) { c.Backup = "hourly" }), core.CodeInvalid, "daily, weekly, monthly, never"},
		{"expiry past", ada, with(func(c *core.Create) { c.Expires = "2001-01-01T00:00:00Z" }), core.CodeInvalid, "future"},
		{"expiry words", ada, with(func(c *core.Create) { c.Expires = "soon" }), core.CodeInvalid, "90d"},
		{"description", ada, with(func(c *core.Create) { c.Description = strings.Repeat("x", 2001) }), core.CodeInvalid, "2000"},
		{"description control", ada, with(func(c *core.Create) { c.Description = "\x1b[2J" }), core.CodeInvalid, "cannot be shown"},
		{"extension", ada, with(func(c *core.Create) { c.Extensions = []string{"plpython3u"} }), core.CodeInvalid, "list"},
		{"init script", ada, with(func(c *core.Create) { c.InitSQL = strings.Repeat("-", 65<<10) }), core.CodeInvalid, "65536"},
		{"owner", ada, with(func(c *core.Create) { c.Owner = "grace" }), core.CodeForbidden, "administrators"},
		{"scope", reader, create("genomes"), core.CodeForbidden, "scope operate"},
		{"nobody", core.Actor{}, create("genomes"), core.CodeUnauthenticated, "Log in"},
	} {
		_, err := s.Do(t.Context(), request(c.actor, "", c.cmd))
		if core.CodeOf(err) != c.code || !strings.Contains(fmt.Sprint(err), c.says) {
			t.Errorf("%s: %v; want %s with %q", c.name, err, c.code, c.says)
		}
	}
	var rows int
	err := pool.QueryRow(t.Context(), "select (select count(*) from instances) + (select count(*) from operations) + (select count(*) from ports where instance_id is not null)").Scan(&rows)
	if err != nil || rows != 0 {
		t.Errorf("%d rows stay of what was refused, %v", rows, err)
	}
}

func TestHostileTextIsKeptAsText(t *testing.T) {
	s, _ := coretest.New(t)
	ada := coretest.Actor(t, s, "ada", false)
	c := create("genomes")
	c.Description = `'; drop table instances; -- <script>alert(1)</script> $(reboot) ünïcode`
	c.Password = `'; drop role postgres; -- $(id) <b>`
	if _, err := s.Do(t.Context(), request(ada, "", c)); err != nil {
		t.Fatal(err)
	}
	if i, err := s.Instance(t.Context(), ada, "genomes"); err != nil || i.Description != c.Description {
		t.Errorf("description = %q, %v", i.Description, err)
	}
}

func TestTwoCreatesOfOneName(t *testing.T) {
	s, _ := coretest.New(t)
	people := []core.Actor{coretest.Actor(t, s, "ada", false), coretest.Actor(t, s, "grace", false)}
	errs := make([]error, len(people))
	var wg sync.WaitGroup
	for i, p := range people {
		wg.Go(func() { _, errs[i] = s.Do(t.Context(), request(p, "", create("genomes"))) })
	}
	wg.Wait()
	winner, loser := 0, 1
	if errs[0] != nil {
		winner, loser = 1, 0
	}
	if errs[winner] != nil || core.CodeOf(errs[loser]) != core.CodeTaken || !strings.Contains(errs[loser].Error(), people[winner].Login) {
		t.Errorf("errors = %v; want one winner, and the other to read who has the name", errs)
	}
}

func TestSameKeySameReceipt(t *testing.T) {
	s, pool := coretest.New(t)
	ada := coretest.Actor(t, s, "ada", false)
	const tries = 8
	receipts := make([]core.Receipt, tries)
	var wg sync.WaitGroup
	for i := range tries {
		wg.Go(func() {
			r, err := s.Do(t.Context(), request(ada, "key-1", create("genomes")))
			if err != nil {
				t.Errorf("try %d: %v", i, err)
			}
			receipts[i] = r
		})
	}
	wg.Wait()
	first := 0
	for _, r := range receipts {
		if !r.Replayed {
			first++
		}
		if r.Operation.ID != receipts[0].Operation.ID || r.Database.ID != receipts[0].Database.ID {
			t.Errorf("receipts differ: %+v and %+v", r, receipts[0])
		}
	}
	var instances int
	if err := pool.QueryRow(t.Context(), "select count(*) from instances").Scan(&instances); err != nil || instances != 1 || first != 1 {
		t.Errorf("%d instances and %d first answers, %v; want one of each", instances, first, err)
	}
	if _, err := s.Do(t.Context(), request(ada, "key-1", create("other"))); core.CodeOf(err) != core.CodeKeyReused {
		t.Errorf("another command with the key: %v; want %s", err, core.CodeKeyReused)
	}
	grace := coretest.Actor(t, s, "grace", false)
	if _, err := s.Do(t.Context(), request(grace, "key-1", create("hers"))); err != nil {
		t.Errorf("somebody else's equal key: %v", err)
	}
}

func TestRefusedKeyMayBeUsedAgain(t *testing.T) {
	s, _ := coretest.New(t)
	ada := coretest.Actor(t, s, "ada", false)
	if _, err := s.Do(t.Context(), request(ada, "k", create("Bad"))); err == nil {
		t.Fatal("a bad name was accepted")
	}
	if _, err := s.Do(t.Context(), request(ada, "k", create("good"))); err != nil {
		t.Errorf("after the correction: %v", err)
	}
}

func TestFullPortRange(t *testing.T) {
	_, appURL := coretest.Database(t)
	s := coretest.Service(t, coretest.Pool(t, appURL), core.Options{Ports: core.PortRange{First: 25010, Last: 25011}})
	if err := s.PreparePorts(t.Context()); err != nil {
		t.Fatal(err)
	}
	ada := coretest.Actor(t, s, "ada", false)
	for _, name := range []string{"one", "two"} {
		if _, err := s.Do(t.Context(), request(ada, "", create(name))); err != nil {
			t.Fatal(err)
		}
	}
	_, err := s.Do(t.Context(), request(ada, "", create("three")))
	if core.CodeOf(err) != core.CodeUnavailable || !strings.Contains(err.Error(), "25010 to 25011") {
		t.Errorf("err = %v; want %s and the range", err, core.CodeUnavailable)
	}
}

func TestReleasedPortIsQuarantined(t *testing.T) {
	_, appURL := coretest.Database(t)
	pool := coretest.Pool(t, appURL)
	now := time.Now()
	clock := func() time.Time { return now }
	s := coretest.Service(t, pool, core.Options{Ports: core.PortRange{First: 25010, Last: 25010}, Now: clock})
	if err := s.PreparePorts(t.Context()); err != nil {
		t.Fatal(err)
	}
	ada := coretest.Actor(t, s, "ada", false)
	r, err := s.Do(t.Context(), request(ada, "", create("one")))
	if err != nil {
		t.Fatal(err)
	}
	fail := &core.Explanation{Code: core.CodeInternal, Message: "it did not work"}
	err = pgx.BeginFunc(t.Context(), pool, func(tx pgx.Tx) error {
		return s.FinishCreate(t.Context(), tx, r.Operation.ID, r.Database, fail)
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Do(t.Context(), request(ada, "", create("one"))); core.CodeOf(err) != core.CodeUnavailable {
		t.Errorf("right after the release: %v; want %s", err, core.CodeUnavailable)
	}
	now = now.Add(2 * time.Hour)
	if _, err := s.Do(t.Context(), request(ada, "", create("one"))); err != nil {
		t.Errorf("after the quarantine: %v", err)
	}
}

func TestOthersSeeNothing(t *testing.T) {
	s, _ := coretest.New(t)
	ada, eve, root := coretest.Actor(t, s, "ada", false), coretest.Actor(t, s, "eve", false), coretest.Actor(t, s, "root", true)
	r, err := s.Do(t.Context(), request(ada, "", create("genomes")))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"genomes", r.Database.ID} {
		if _, err := s.Instance(t.Context(), eve, name); core.CodeOf(err) != core.CodeNotFound {
			t.Errorf("a stranger reads %s: %v", name, err)
		}
		if _, err := s.Instance(t.Context(), root, name); err != nil {
			t.Errorf("an administrator reads %s: %v", name, err)
		}
	}
	if _, err := s.Operation(t.Context(), eve, r.Operation.ID); core.CodeOf(err) != core.CodeNotFound {
		t.Errorf("a stranger reads the operation: %v", err)
	}
	if list, _, err := s.Instances(t.Context(), eve, false, core.Page{}); err != nil || len(list) != 0 {
		t.Errorf("a stranger lists %v, %v", list, err)
	}
	if _, _, err := s.Instances(t.Context(), eve, true, core.Page{}); core.CodeOf(err) != core.CodeForbidden {
		t.Errorf("a scientist lists all: %v", err)
	}
	if _, err := s.Audit(t.Context(), eve, 10); core.CodeOf(err) != core.CodeForbidden {
		t.Errorf("a scientist reads the audit trail: %v", err)
	}
}

func TestPages(t *testing.T) {
	s, _ := coretest.New(t)
	ada := coretest.Actor(t, s, "ada", false)
	for i := range 5 {
		if _, err := s.Do(t.Context(), request(ada, "", create(fmt.Sprintf("db-%d", i)))); err != nil {
			t.Fatal(err)
		}
	}
	var names []string
	page := core.Page{Limit: 2}
	for range 5 {
		list, next, err := s.Instances(t.Context(), ada, false, page)
		if err != nil {
			t.Fatal(err)
		}
		for _, i := range list {
			names = append(names, i.Name)
		}
		if page.Cursor = next; next == "" {
			break
		}
	}
	if got := strings.Join(names, " "); got != "db-4 db-3 db-2 db-1 db-0" {
		t.Errorf("pages gave %s", got)
	}
}

// ready does what a worker does at the end of a create.
func ready(t *testing.T, s *core.Service, db core.DB, r core.Receipt) {
	t.Helper()
	if _, _, err := s.Place(t.Context(), r.Database.ID, func([]core.Placed) (string, string, error) { return "node", "127.0.0.1", nil }); err != nil {
		t.Fatal(err)
	}
	tx, err := db.(interface {
		Begin(context.Context) (pgx.Tx, error)
	}).Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := s.FinishCreate(t.Context(), tx, r.Operation.ID, r.Database, nil); err != nil {
		t.Fatal(err)
	}
	if err := tx.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func TestCollect(t *testing.T) {
	_, appURL := coretest.Database(t)
	pool := coretest.Pool(t, appURL)
	now := time.Now()
	s := coretest.Service(t, pool, core.Options{Now: func() time.Time { return now }})
	if err := s.PreparePorts(t.Context()); err != nil {
		t.Fatal(err)
	}
	ada, root := coretest.Actor(t, s, "ada", false), coretest.Actor(t, s, "root", true)
	c := create("genomes")
	c.Password = "correct horse battery"
	r, err := s.Do(t.Context(), request(ada, "", c))
	if err != nil {
		t.Fatal(err)
	}
	collect := func(a core.Actor) (core.Credentials, error) {
		return s.Collect(t.Context(), request(a, "", nil), "genomes")
	}
	if _, err := collect(ada); core.CodeOf(err) != core.CodeBusy {
		t.Errorf("before it is ready: %v; want %s", err, core.CodeBusy)
	}
	ready(t, s, pool, r)
	if _, err := collect(root); core.CodeOf(err) != core.CodeForbidden {
		t.Errorf("an administrator collects: %v; want %s", err, core.CodeForbidden)
	}
	for range 2 { // the second repeats it within the ten minutes
		if got, err := collect(ada); err != nil || got.Password != c.Password || got.Username != "genomes" {
			t.Errorf("Collect = %+v, %v", got, err)
		}
		now = now.Add(9 * time.Minute)
	}
	if _, err := collect(ada); core.CodeOf(err) != core.CodeGone {
		t.Errorf("after the ten minutes: %v; want %s", err, core.CodeGone)
	}
	if err := s.Forget(t.Context()); err != nil {
		t.Fatal(err)
	}
	var left int
	if err := pool.QueryRow(t.Context(), "select count(*) from secrets where kind = 'owner'").Scan(&left); err != nil || left != 0 {
		t.Errorf("%d passwords stay, %v", left, err)
	}
}

func TestPasswordIsNowhereInTheCatalogue(t *testing.T) {
	s, pool := coretest.New(t)
	ada := coretest.Actor(t, s, "ada", false)
	const canary = "canary-3f9d1c77"
	c := create("genomes")
	c.Password, c.InitSQL = canary, "select '"+canary+"'"
	if _, err := s.Do(t.Context(), request(ada, "k", c)); err != nil {
		t.Fatal(err)
	}
	for _, table := range []string{"instances", "secrets", "operations", "operation_steps", "requests", "audit", "site"} {
		var found bool
		err := pool.QueryRow(t.Context(), "select exists (select from "+table+" t where t::text like '%' || $1 || '%' or t::text like '%' || $2 || '%')",
			canary, fmt.Sprintf("%x", canary)).Scan(&found)
		if err != nil || found {
			t.Errorf("the password is in %s (%v)", table, err)
		}
	}
	if b, err := json.Marshal(c); err != nil || !strings.Contains(string(b), canary) {
		t.Errorf("the search would not find it: %s, %v", b, err)
	}
}

func TestApplicationCannotRewriteTheAuditTrail(t *testing.T) {
	s, pool := coretest.New(t)
	ada := coretest.Actor(t, s, "ada", false)
	if _, err := s.Do(t.Context(), request(ada, "", create("genomes"))); err != nil {
		t.Fatal(err)
	}
	for _, sql := range []string{
		"update audit set actor = 'eve'", "delete from audit", "truncate audit", "drop table audit",
		"alter table instances add column x int", "delete from schema_versions",
	} {
		if _, err := pool.Exec(t.Context(), sql); err == nil || !strings.Contains(err.Error(), "42501") { // insufficient_privilege
			t.Errorf("%s: %v; want it to be refused", sql, err)
		}
	}
}

func TestTokens(t *testing.T) {
	s, _ := coretest.New(t)
	ada := coretest.Actor(t, s, "ada", false)
	token, secret, err := s.MakeToken(t.Context(), request(ada, "", nil), core.NewToken{Name: "laptop", Scope: core.ScopeRead})
	if err != nil {
		t.Fatal(err)
	}
	if a, err := s.Bearer(t.Context(), secret); err != nil || a.Login != "ada" || a.Scope != core.ScopeRead {
		t.Errorf("Bearer = %+v, %v", a, err)
	}
	if err := s.RevokeToken(t.Context(), request(coretest.Actor(t, s, "eve", false), "", nil), token.ID); core.CodeOf(err) != core.CodeNotFound {
		t.Errorf("a stranger revokes it: %v", err)
	}
	if err := s.RevokeToken(t.Context(), request(ada, "", nil), token.ID); err != nil {
		t.Fatal(err)
	}
	for _, bad := range []string{secret, "", "mydb_", "mydb_" + xid.New().String(), "' or true --"} {
		if _, err := s.Bearer(t.Context(), bad); core.CodeOf(err) != core.CodeUnauthenticated {
			t.Errorf("Bearer(%q): %v", bad, err)
		}
	}
	if _, _, err := s.MakeToken(t.Context(), request(ada, "", nil), core.NewToken{Name: "x", Scope: core.ScopeAdmin}); core.CodeOf(err) != core.CodeInvalid {
		t.Errorf("a scientist makes an admin token: %v", err)
	}
	if _, _, err := s.MakeToken(t.Context(), request(ada, "", nil), core.NewToken{Name: "x", Expires: time.Now().AddDate(2, 0, 0)}); core.CodeOf(err) != core.CodeInvalid {
		t.Errorf("a token for two years: %v", err)
	}
}

func TestWatchTellsOfSteps(t *testing.T) {
	s, _ := coretest.New(t)
	ada := coretest.Actor(t, s, "ada", false)
	r, err := s.Do(t.Context(), request(ada, "", create("genomes")))
	if err != nil {
		t.Fatal(err)
	}
	go s.Listen(t.Context())
	changed, cancel := s.Watch(r.Operation.ID)
	defer cancel()
	<-changed // the first comes at once; the next may be the listener's own
	if err := s.StartStep(t.Context(), r.Operation.ID, 1, "choose a machine"); err != nil {
		t.Fatal(err)
	}
	for {
		select {
		case <-changed:
		case <-t.Context().Done():
			t.Fatal("nobody told of the step")
		}
		o, err := s.Operation(t.Context(), ada, r.Operation.ID)
		if err != nil {
			t.Fatal(err)
		}
		if len(o.Steps) == 1 && o.Steps[0].Name == "choose a machine" {
			return
		}
	}
}

func FuzzCheckName(f *testing.F) {
	for _, s := range []string{"genomes", "a-b", "", "-", "Ä", "pg-x", "mydb", strings.Repeat("a", 40)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, name string) {
		err := core.CheckName(name)
		if err == nil && (len(name) < 3 || len(name) > 40 || strings.ContainsAny(name, " _'\"$<>;/\\\n")) {
			t.Errorf("%q was accepted", name)
		}
		if err != nil && core.CodeOf(err) != core.CodeInvalid {
			t.Errorf("%q: %v", name, err)
		}
	})
}

// A reader sees an instance and its operation of one moment, whatever happens meanwhile.
func TestLookIsOfOneMoment(t *testing.T) {
	s, pool := coretest.New(t)
	a := coretest.Actor(t, s, "ada", false)
	r, err := s.Do(t.Context(), request(a, "", create("genomes")))
	if err != nil {
		t.Fatal(err)
	}
	start := time.Now().Add(time.Hour).Truncate(time.Second)
	ctx, stop := context.WithCancel(t.Context())
	written := make(chan struct{})
	go func() {
		defer close(written)
		for n := 0; ctx.Err() == nil; n++ {
			_, err := pool.Exec(ctx, `with i as (update instances set created_at = $1 where id = $2)
				update operations set created_at = $1 where id = $3`, start.Add(time.Duration(n)*time.Second), r.Database.ID, r.Operation.ID)
			if err != nil && ctx.Err() == nil {
				t.Error(err)
				return
			}
		}
	}()
	for range 300 {
		i, o, err := s.Look(t.Context(), a, "genomes")
		if err != nil {
			t.Fatal(err)
		}
		if i.CreatedAt.Before(start) || o.CreatedAt.Before(start) {
			continue // nothing written yet
		}
		if !i.CreatedAt.Equal(o.CreatedAt) {
			t.Errorf("an instance of %s with an operation of %s", i.CreatedAt, o.CreatedAt)
			break
		}
	}
	stop()
	<-written
}
