package enginetest

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mydb-project/mydb/core/engine"
)

// fixture is a running server with a tenant.
type fixture struct {
	suite
	box    *Box
	tenant engine.Tenant
	lacks  map[engine.Capability]string
}

// lacking skips a test of a capability that the server does not have.
func (f *fixture) lacking(t *testing.T, c engine.Capability) {
	t.Helper()
	if why, lacks := f.lacks[c]; lacks {
		t.Skipf("%s lacks %s: %s", f.Engine.Title(), c, why)
	}
}

func (f *fixture) dial(t *testing.T, user, password string) Client {
	t.Helper()
	client, err := f.Dial(t.Context(), f.box.Server, user, password, f.tenant.Database)
	if err != nil {
		t.Fatalf("%s cannot log in: %v", user, err)
	}
	t.Cleanup(client.Close)
	return client
}

func (f *fixture) owner(t *testing.T) Client {
	t.Helper()
	return f.dial(t, f.tenant.Username, f.tenant.Password)
}

func (f *fixture) refusesLogin(t *testing.T, user, password string) {
	t.Helper()
	client, err := f.Dial(t.Context(), f.box.Server, user, password, f.tenant.Database)
	if err == nil {
		client.Close()
		t.Errorf("%s got in", user)
	}
}

func may(t *testing.T, c Client, commands ...string) {
	t.Helper()
	for _, command := range commands {
		if err := c.Exec(t.Context(), command); err != nil {
			t.Fatalf("%s: %v", command, err)
		}
	}
}

func mayNot(t *testing.T, c Client, commands ...string) {
	t.Helper()
	for _, command := range commands {
		if err := c.Exec(t.Context(), command); err == nil {
			t.Errorf("%s: allowed", command)
		}
	}
}

func wantCount(t *testing.T, c Client, table string, want int64) {
	t.Helper()
	got, err := c.Count(t.Context(), table)
	if err != nil || got != want {
		t.Errorf("%s has %d rows (%v), want %d", table, got, err, want)
	}
}

func (f *fixture) must(t *testing.T, what string, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
}

// provision runs twice, as after a crash of the worker; the second time with another password, which then counts.
func (f *fixture) provision(t *testing.T) {
	e, s := f.Engine, f.box.Server
	if err := e.CheckTenant(f.tenant); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	f.must(t, "provision", e.Provision(t.Context(), s, f.box.Secrets.Admin, f.tenant))
	f.must(t, "prove", e.Prove(t.Context(), s, f.tenant))
	t.Logf("provisioned and proven in %.0f ms", time.Since(began).Seconds()*1000)
	owner := f.owner(t)
	may(t, owner, f.Words.CreateTable("kept"), f.Words.Insert("kept"))

	before := f.tenant.Password
	f.tenant.Password = "another-" + before
	f.must(t, "provision again", e.Provision(t.Context(), s, f.box.Secrets.Admin, f.tenant))
	f.must(t, "prove again", e.Prove(t.Context(), s, f.tenant))
	f.refusesLogin(t, f.tenant.Username, before)
	wantCount(t, f.owner(t), "kept", 1)
}

func (f *fixture) whoMayComeIn(t *testing.T) {
	e := f.Engine
	other := f.box.Server
	_, _, other.CA = SelfSigned(t)
	if err := e.Ping(t.Context(), other, f.box.Secrets.Admin); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("talked to a server that another authority vouches for: %v", err)
	}
	other = f.box.Server
	other.Host = "localhost"
	if err := e.Ping(t.Context(), other, f.box.Secrets.Admin); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("talked to a server whose certificate is for another host: %v", err)
	}
	wrong := f.tenant
	wrong.Password = "not-the-password"
	if err := e.Prove(t.Context(), f.box.Server, wrong); err == nil {
		t.Error("proved with a wrong password")
	}
	for _, name := range append([]string{f.tenant.Username}, f.Words.Strangers...) {
		f.refusesLogin(t, name, "")
		f.refusesLogin(t, name, "not-the-password")
	}
}

func (f *fixture) forbidden(t *testing.T) {
	f.lacking(t, engine.CanLimitRoles)
	mayNot(t, f.owner(t), f.Words.Forbidden...)
	f.must(t, "MyDB's admin after that", f.Engine.Ping(t.Context(), f.box.Server, f.box.Secrets.Admin))
}

func (f *fixture) setPassword(t *testing.T) {
	e, s, before := f.Engine, f.box.Server, f.tenant.Password
	f.tenant.Password = "newest-" + before
	f.must(t, "set the password", e.SetPassword(t.Context(), s, f.box.Secrets.Admin, f.tenant.Username, f.tenant.Password))
	f.refusesLogin(t, f.tenant.Username, before)
	wantCount(t, f.owner(t), "kept", 1)
	f.must(t, "set it again", e.SetPassword(t.Context(), s, f.box.Secrets.Admin, f.tenant.Username, f.tenant.Password))
	WantRefusal(t, e.SetPassword(t.Context(), s, f.box.Secrets.Admin, "nobody_here", "a-long-enough-password"))
}

// colleague is somebody whom the tenant shares with.
var colleague = engine.Access{Username: "grace", Password: "secret-of-grace-1"}

func (f *fixture) grant(t *testing.T, a engine.Access) Client {
	t.Helper()
	for range 2 { // again, as after a crash of the worker
		f.must(t, "grant", f.Engine.Grant(t.Context(), f.box.Server, f.box.Secrets.Admin, f.tenant, a))
	}
	f.must(t, "log in as the colleague", f.Engine.Login(t.Context(), f.box.Server, engine.Tenant{Username: a.Username, Password: a.Password, Database: f.tenant.Database}))
	wrong := engine.Tenant{Username: a.Username, Password: "not-" + a.Password, Database: f.tenant.Database}
	if err := f.Engine.Login(t.Context(), f.box.Server, wrong); err == nil {
		t.Error("logged in with a wrong password")
	}
	return f.dial(t, a.Username, a.Password)
}

func (f *fixture) shareToRead(t *testing.T) {
	grace := f.grant(t, colleague)
	wantCount(t, grace, "kept", 1)
	may(t, f.owner(t), f.Words.CreateTable("later"), f.Words.Insert("later"))
	wantCount(t, grace, "later", 1)
	t.Run("and no more", func(t *testing.T) {
		f.lacking(t, engine.CanLimitRoles)
		mayNot(t, grace, f.Words.Insert("kept"), f.Words.Insert("later"), f.Words.CreateTable("hers"), f.Words.DropTable("kept"))
		mayNot(t, grace, f.Words.Forbidden...)
	})
}

func (f *fixture) shareToWrite(t *testing.T) {
	writer := colleague
	writer.Write, writer.Password = true, "secret-of-grace-2"
	grace := f.grant(t, writer)
	f.refusesLogin(t, colleague.Username, colleague.Password)
	owner := f.owner(t)
	may(t, owner, f.Words.CreateTable("latest"))
	may(t, grace, f.Words.Insert("later"), f.Words.Insert("latest"), f.Words.CreateTable("hers"), f.Words.Insert("hers"))
	for table, want := range map[string]int64{"later": 2, "latest": 1, "hers": 1} {
		wantCount(t, owner, table, want)
	}
	t.Run("and back to read", func(t *testing.T) {
		f.lacking(t, engine.CanLimitRoles)
		grace := f.grant(t, colleague)
		wantCount(t, grace, "latest", 1)
		mayNot(t, grace, f.Words.Insert("latest"), f.Words.CreateTable("more"))
	})
	f.grant(t, writer)
	t.Run("with the password that she has", func(t *testing.T) {
		for _, write := range []bool{false, true} {
			rights := engine.Access{Username: writer.Username, Write: write}
			f.must(t, "change the rights", f.Engine.Grant(t.Context(), f.box.Server, f.box.Secrets.Admin, f.tenant, rights))
			wantCount(t, f.dial(t, writer.Username, writer.Password), "latest", 1)
		}
	})
}

// revoke ends what a colleague is doing. What they made stays, and is the tenant's.
func (f *fixture) revoke(t *testing.T) {
	password := "secret-of-grace-2"
	grace := f.dial(t, colleague.Username, password)
	wantCount(t, grace, "kept", 1)
	for range 2 {
		f.must(t, "revoke", f.Engine.Revoke(t.Context(), f.box.Server, f.box.Secrets.Admin, f.tenant, colleague.Username))
	}
	t.Run("and ends the open session", func(t *testing.T) {
		f.lacking(t, engine.CanSeeSessions)
		f.box.Eventually("the open session ends", func() error {
			if _, err := grace.Count(t.Context(), "kept"); err == nil {
				return errStillThere
			}
			return nil
		})
	})
	f.refusesLogin(t, colleague.Username, password)
	owner := f.owner(t)
	wantCount(t, owner, "hers", 1)
	may(t, owner, f.Words.Insert("hers"), f.Words.DropTable("hers"))
}

func (f *fixture) sample(t *testing.T) {
	f.owner(t)
	began := time.Now()
	s, err := f.Engine.Sample(t.Context(), f.box.Server, f.box.Secrets.Admin)
	f.must(t, "sample", err)
	if took := time.Since(began); took > time.Second {
		t.Errorf("a sample took %s", took)
	}
	if s.Bytes <= 0 {
		t.Errorf("%d bytes", s.Bytes)
	}
	if age := s.At.Sub(s.UpSince); age <= 0 || age > time.Hour || time.Since(s.At).Abs() > time.Minute {
		t.Errorf("up since %s at %s", s.UpSince, s.At)
	}
	if s.LastLogin != nil && time.Since(*s.LastLogin) > time.Hour {
		t.Errorf("last login at %s", s.LastLogin)
	}
	t.Run("of sessions", func(t *testing.T) {
		f.lacking(t, engine.CanSeeSessions)
		if s.Connections < 1 || s.MaxConnections < s.Connections {
			t.Errorf("%d of %d connections", s.Connections, s.MaxConnections)
		}
	})
}

func (f *fixture) report(t *testing.T) {
	owner := f.owner(t)
	may(t, owner, f.Words.CreateTable("counted"), f.Words.Insert("counted"), f.Words.Insert("counted"), f.Words.Insert("counted"))
	if _, lacks := f.lacks[engine.CanMakeViews]; f.Words.CreateView != nil && !lacks {
		may(t, owner, f.Words.CreateView("seen", "counted"))
	}
	nameless := f.tenant
	nameless.Password = "" // nobody knows it any more by then
	report, err := f.Engine.Report(t.Context(), f.box.Server, f.box.Secrets, nameless)
	f.must(t, "report", err)
	if !report.Complete {
		t.Error("the report is not complete")
	}
	f.checkAccounts(t, report)
	f.checkTables(t, report)

	late, cancel := context.WithDeadline(t.Context(), time.Now().Add(-time.Second))
	defer cancel()
	if report, err := f.Engine.Report(late, f.box.Server, f.box.Secrets, nameless); err != nil || report.Complete {
		t.Errorf("without time: complete %v, %v", report.Complete, err)
	}
}

func (f *fixture) checkAccounts(t *testing.T, r engine.Report) {
	t.Helper()
	i := slices.IndexFunc(r.Accounts, func(a engine.ReportAccount) bool { return a.Name == f.tenant.Username })
	if i < 0 || !r.Accounts[i].Login {
		t.Errorf("the owner is not among the accounts: %+v", r.Accounts)
	}
	for _, a := range r.Accounts {
		if strings.HasPrefix(a.Name, "mydb") {
			t.Errorf("MyDB's own account %s is in the report", a.Name)
		}
	}
}

func (f *fixture) checkTables(t *testing.T, r engine.Report) {
	t.Helper()
	i := slices.IndexFunc(r.Databases, func(d engine.ReportDatabase) bool { return d.Name == f.tenant.Database })
	if i < 0 {
		t.Fatalf("the database is not in the report: %+v", r.Databases)
	}
	got := map[string]int64{}
	for _, table := range r.Databases[i].Tables {
		if table.Rows == nil {
			t.Errorf("%s was not counted", table.Name)
			continue
		}
		got[table.Name] = *table.Rows
	}
	for table, want := range map[string]int64{"kept": 1, "later": 2, "latest": 1, "counted": 3} {
		if n, there := got[table]; !there || n != want {
			t.Errorf("%s has %d rows, want %d; the report has %v", table, n, want, got)
		}
	}
	if len(got) != 4 {
		t.Errorf("the report has %v: a table too many or too few", got)
	}
	if r.Databases[i].Bytes <= 0 {
		t.Errorf("the database has %d bytes", r.Databases[i].Bytes)
	}
}

func (f *fixture) probe(t *testing.T) {
	nameless := f.tenant
	nameless.Password = ""
	probe := func() error { return f.Engine.Probe(t.Context(), f.box.Server, f.box.Secrets, nameless) }
	f.must(t, "probe", probe())

	// A second tenant, whose database goes.
	other := Tenant("eve")
	f.must(t, "provision another", f.Engine.Provision(t.Context(), f.box.Server, f.box.Secrets.Admin, other))
	absent := nameless
	absent.Username = "nobody_here"
	WantRefusal(t, f.Engine.Probe(t.Context(), f.box.Server, f.box.Secrets, absent))
	client, err := f.Dial(t.Context(), f.box.Server, other.Username, other.Password, "")
	f.must(t, "log in without a database", err)
	t.Cleanup(client.Close)
	may(t, client, f.Words.DropDatabase(other.Database))
	eve := other
	eve.Password = ""
	if f.Words.CreateDatabase == nil {
		return // a database comes and goes with what is in it
	}
	WantRefusal(t, f.Engine.Probe(t.Context(), f.box.Server, f.box.Secrets, eve), other.Database)
	WantRefusal(t, f.Engine.Prove(t.Context(), f.box.Server, other), other.Database)
	may(t, client, f.Words.CreateDatabase(other.Database))
	f.must(t, "probe what was made again", f.Engine.Probe(t.Context(), f.box.Server, f.box.Secrets, eve))
}

// restart stops the server cleanly, and then removes the container as a crash would. Neither loses a row, and neither start is an
// initialisation.
func (f *fixture) restart(t *testing.T) {
	took, code := f.box.Stop()
	if code != 0 {
		t.Errorf("stopped with exit code %d", code)
	}
	t.Logf("stopped in %.2f s", took.Seconds())
	f.box.noSecretsInLog(t, f.tenant.Password)
	f.box.Remove()
	f.box.ExpireInit()
	f.box.Start()
	owner := f.owner(t)
	wantCount(t, owner, "counted", 3)
	may(t, owner, f.Words.Insert("counted"))
	f.box.Remove()
	f.box.Start()
	wantCount(t, f.owner(t), "counted", 4)
	f.must(t, "prove", f.Engine.Prove(t.Context(), f.box.Server, f.tenant))
}
