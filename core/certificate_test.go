package core_test

import (
	"crypto/x509"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/mydb-project/mydb/core"
	"github.com/mydb-project/mydb/core/coretest"
	"github.com/mydb-project/mydb/core/crypt"
	"github.com/mydb-project/mydb/core/engine"
	"github.com/mydb-project/mydb/core/policy"
)

// certified is a site with two databases whose servers have certificates, at a time that the test chooses: 02:00, in the hours for maintenance.
type certified struct {
	*core.Service
	t    *testing.T
	pool *pgxpool.Pool
	ada  core.Actor
	now  time.Time
}

func newCertified(t *testing.T) *certified {
	t.Helper()
	c := &certified{t: t, now: time.Date(2027, 3, 1, 2, 0, 0, 0, time.UTC)}
	_, app := coretest.Database(t)
	c.pool = coretest.Pool(t, app)
	c.Service = coretest.Service(t, c.pool, core.Options{Now: func() time.Time { return c.now }})
	if err := c.PreparePorts(t.Context()); err != nil {
		t.Fatal(err)
	}
	c.ada = coretest.Actor(t, c.Service, "ada", false)
	for _, name := range []string{"genomes", "proteins"} {
		r, err := c.Do(t.Context(), core.Request{Actor: c.ada, Door: core.DoorAPI, Command: core.Create{Name: name, Engine: "postgres"}})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.ServerSecrets(t.Context(), r.Database.ID, c.issue); err != nil {
			t.Fatal(err)
		}
		c.finish(r.Operation.ID, true)
	}
	return c
}

// issue makes a server's secrets as a worker does.
func (c *certified) issue() (out engine.Secrets, err error) {
	a, err := c.Authority(c.t.Context())
	if err != nil {
		return out, err
	}
	out.Admin = "hush"
	out.Certificate, out.Key, err = a.Issue(c.now, "db.example.com")
	return out, err
}

// finish ends a create or a renewal as a worker does.
func (c *certified) finish(operation string, well bool) {
	c.t.Helper()
	ctx := c.t.Context()
	i, _, err := c.Begin(ctx, operation)
	if err != nil {
		c.t.Fatal(err)
	}
	if _, _, err := c.Place(ctx, i.ID, func([]core.Placed) (string, string, error) { return "n1", "db.example.com", nil }); err != nil {
		c.t.Fatal(err)
	}
	var failure *core.Explanation
	if !well {
		failure = &core.Explanation{Code: core.CodeUnavailable, Message: "It did not answer."}
	}
	err = pgx.BeginFunc(ctx, c.pool, func(tx pgx.Tx) error {
		if i.State == core.StateCreating {
			return c.FinishCreate(ctx, tx, operation, i, failure)
		}
		if err := c.FinishRenew(ctx, tx, operation, i, failure); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, "update operations set finished_at = $2 where id = $1", operation, c.now) // the database has its own clock
		return err
	})
	if err != nil {
		c.t.Fatal(err)
	}
}

// tend looks at the certificates, and gives the database whose renewal began, with the operation.
func (c *certified) tend() (name, operation string) {
	c.t.Helper()
	began, err := c.TendCertificates(c.t.Context())
	if err != nil {
		c.t.Fatal(err)
	}
	if !began {
		return "", ""
	}
	err = c.pool.QueryRow(c.t.Context(), "select i.name, o.id from operations o join instances i on i.id = o.instance_id where o.kind = 'renew' and o.finished_at is null").Scan(&name, &operation)
	if err != nil {
		c.t.Fatal(err)
	}
	return name, operation
}

// renew lets the renewal that is due next succeed.
func (c *certified) renew() string {
	c.t.Helper()
	name, operation := c.tend()
	if name == "" {
		c.t.Fatal("nothing is renewed")
	}
	if again, _ := c.tend(); again != "" {
		c.t.Errorf("two at once: %s, too", again)
	}
	var id string
	if err := c.pool.QueryRow(c.t.Context(), "select id from instances where name = $1", name).Scan(&id); err != nil {
		c.t.Fatal(err)
	}
	var first engine.Secrets
	for n := range 2 { // a second attempt finds what the first has made
		next, err := c.NextServerSecrets(c.t.Context(), id, c.issue)
		if err != nil {
			c.t.Fatal(err)
		}
		if n == 0 {
			first = next
		} else if string(next.Certificate) != string(first.Certificate) {
			c.t.Error("another attempt has another certificate")
		}
	}
	c.finish(operation, true)
	return name
}

func (c *certified) bundle() (n int, pool *x509.CertPool) {
	c.t.Helper()
	b, err := c.AuthorityBundle(c.t.Context())
	if err != nil {
		c.t.Fatal(err)
	}
	pool = x509.NewCertPool()
	pool.AppendCertsFromPEM(b)
	return strings.Count(string(b), "BEGIN CERTIFICATE"), pool
}

// trusted reports whether somebody who has a bundle trusts the server of a database.
func (c *certified) trusted(name string, pool *x509.CertPool) bool {
	c.t.Helper()
	var id string
	if err := c.pool.QueryRow(c.t.Context(), "select id from instances where name = $1", name).Scan(&id); err != nil {
		c.t.Fatal(err)
	}
	secrets, err := c.ServerSecrets(c.t.Context(), id, nil)
	if err != nil {
		c.t.Fatal(err)
	}
	cert, err := crypt.ParseCertificate(secrets.Certificate)
	if err != nil {
		c.t.Fatal(err)
	}
	_, err = cert.Verify(x509.VerifyOptions{Roots: pool, CurrentTime: c.now, DNSName: "db.example.com"})
	return err == nil
}

// TestAuthorityRotation: who fetches the bundle during the overlap trusts every server at every moment, and at the end only the new
// authority is left.
func TestAuthorityRotation(t *testing.T) {
	c := newCertified(t)
	if name, _ := c.tend(); name != "" {
		t.Fatalf("%s is renewed for no reason", name)
	}
	_, before := c.bundle()
	if err := c.RotateAuthority(t.Context(), "root@host", core.DefaultOverlap, false); err != nil {
		t.Fatal(err)
	}
	if err := c.RotateAuthority(t.Context(), "root@host", 0, true); core.CodeOf(err) != core.CodeBusy {
		t.Errorf("a second rotation: %v", err)
	}
	var letters int
	if err := c.pool.QueryRow(t.Context(), "select count(*) from notifications where kind = 'authority' and address = 'ada@example.com'").Scan(&letters); err != nil || letters != 1 {
		t.Errorf("%d letters to the owner of both (%v)", letters, err)
	}
	n, during := c.bundle()
	if name, _ := c.tend(); n != 2 || name != "" {
		t.Fatalf("%d certificates in the bundle, and %q is renewed already", n, name)
	}
	fresh, err := c.issue()
	if err != nil {
		t.Fatal(err)
	}
	if a, _ := crypt.ParseCertificate(fresh.Certificate); a == nil {
		t.Error("nothing is issued during the overlap")
	} else if _, err := a.Verify(x509.VerifyOptions{Roots: before, CurrentTime: c.now}); err != nil {
		t.Errorf("the new authority issues before its time: %v", err)
	}

	c.now = c.now.Add(core.DefaultOverlap + 12*time.Hour) // in the afternoon
	if name, _ := c.tend(); name != "" {
		t.Errorf("%s is restarted in the middle of the day", name)
	}
	c.now = c.now.Add(12 * time.Hour)
	first := c.renew()
	if n, _ := c.bundle(); n != 2 || c.trusted(first, before) {
		t.Errorf("%d in the bundle, and %s still shows the old authority's", n, first)
	}
	second := c.renew()
	if second == first {
		t.Error("one was renewed twice")
	}
	for _, name := range []string{first, second} {
		if !c.trusted(name, during) {
			t.Errorf("who has the bundle of the overlap does not trust %s", name)
		}
	}
	if name, _ := c.tend(); name != "" {
		t.Errorf("%s is renewed again", name)
	}
	n, after := c.bundle()
	if n != 1 || !c.trusted(first, after) || !c.trusted(second, after) {
		t.Errorf("%d in the bundle at the end", n)
	}
	status, err := c.AuthorityStatus(t.Context())
	if err != nil || status.Rotating() || len(status.Left) != 0 {
		t.Errorf("%+v %v", status, err)
	}
	var told []string
	rows, _ := c.pool.Query(t.Context(), "select action from audit where action like 'authority.%' order by id")
	if told, err = pgx.CollectRows(rows, pgx.RowTo[string]); err != nil || strings.Join(told, " ") != "authority.rotate authority.take_over authority.drop" {
		t.Errorf("the audit trail: %v %v", told, err)
	}
}

// TestOldAuthorityStaysForTheTrash: what can come back has to be trusted when it does.
func TestOldAuthorityStaysForTheTrash(t *testing.T) {
	c := newCertified(t)
	c.tend()
	if _, err := c.pool.Exec(t.Context(), "update instances set state = 'trashed', trashed_at = now(), purge_at = now() + interval '7 days' where name = 'proteins'"); err != nil {
		t.Fatal(err)
	}
	c.now = c.now.Add(12 * time.Hour)
	if err := c.RotateAuthority(t.Context(), "root@host", 0, true); err != nil {
		t.Fatal(err)
	}
	if name := c.renew(); name != "genomes" { // in a hurry: in the afternoon, too
		t.Errorf("%s", name)
	}
	c.tend()
	if n, _ := c.bundle(); n != 2 {
		t.Errorf("%d in the bundle while the trash has one of the old authority", n)
	}
	status, err := c.AuthorityStatus(t.Context())
	if err != nil || strings.Join(status.Left, " ") != "proteins" || !strings.Contains(status.String(), "proteins") {
		t.Errorf("%+v %v", status, err)
	}
}

// TestRenewalBeforeTheEnd: a certificate is renewed in the hours for maintenance, at any time when it is urgent, and a renewal that
// fails is an alarm in the end.
func TestRenewalBeforeTheEnd(t *testing.T) {
	c := newCertified(t)
	c.tend()
	end := c.now.AddDate(0, 0, 800)
	c.now = end.AddDate(0, 0, -59).Add(10 * time.Hour)
	if name, _ := c.tend(); name != "" {
		t.Errorf("%s is restarted at noon", name)
	}
	c.now = end.AddDate(0, 0, -13).Add(10 * time.Hour)
	name, operation := c.tend()
	if name == "" {
		t.Fatal("an urgent renewal waits for the night")
	}
	c.finish(operation, false)
	if other := c.renew(); other == name {
		t.Error("one that has just failed keeps the others waiting")
	}
	if again, _ := c.tend(); again != "" {
		t.Errorf("%s again, right after a failure", again)
	}
	c.now = end.AddDate(0, 0, -5).Add(10 * time.Hour)
	_, operation = c.tend()
	c.finish(operation, false)
	c.tend()
	var alarms int
	if err := c.pool.QueryRow(t.Context(), "select count(*) from findings where kind = 'certificate_expires' and resolved_at is null").Scan(&alarms); err != nil || alarms != 1 {
		t.Errorf("%d alarms (%v)", alarms, err)
	}
	c.now = c.now.Add(7 * time.Hour)
	if c.renew() != name {
		t.Error("not tried again")
	}
	c.tend()
	if err := c.pool.QueryRow(t.Context(), "select count(*) from findings where kind = 'certificate_expires' and resolved_at is null").Scan(&alarms); err != nil || alarms != 0 {
		t.Errorf("%d alarms after the renewal (%v)", alarms, err)
	}
}

func TestWindows(t *testing.T) {
	b := policy.DefaultBackup() // 01:00-05:00, UTC
	at := func(text string) time.Time {
		t.Helper()
		out, err := time.Parse("2006-01-02 15:04", text)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	for _, c := range []struct {
		window, at string
		want       bool
	}{
		{"", "2027-03-01 00:59", false},
		{"", "2027-03-01 01:00", true},
		{"", "2027-03-01 05:00", false},
		{"22:00-04:00", "2027-03-01 23:00", true},
		{"22:00-04:00", "2027-03-01 03:59", true},
		{"22:00-04:00", "2027-03-01 04:00", false},
		{"sun 22:00-04:00", "2027-02-28 23:00", true}, // a Sunday
		{"sun 22:00-04:00", "2027-03-01 03:00", true}, // the night that began on Sunday
		{"sun 22:00-04:00", "2027-02-28 03:00", false},
		{"sun 22:00-04:00", "2027-03-01 23:00", false},
	} {
		if got := core.InWindow(b, c.window, at(c.at)); got != c.want {
			t.Errorf("%q at %s: %v", c.window, c.at, got)
		}
	}
}
