package core_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/mydb-project/mydb/core"
	"github.com/mydb-project/mydb/core/coretest"
)

// directed has a directory whose people a test writes down, and a clock that it moves.
type directed struct {
	*core.Service
	pool   *pgxpool.Pool
	now    time.Time
	people map[string]core.Account // whom the directory has
	out    map[string]bool         // whose account is disabled in it
	away   bool
	asked  int
}

func newDirected(t *testing.T, logins ...string) *directed {
	t.Helper()
	d := &directed{now: time.Now().Truncate(time.Second), people: map[string]core.Account{}, out: map[string]bool{}}
	d.Service, d.pool = coretest.NewWith(t, core.Options{Lookup: d.lookup, Now: func() time.Time { return d.now }})
	for _, login := range logins {
		d.people[login] = core.Account{Login: login, Email: login + "@example.com", Name: login}
		d.login(t, login)
	}
	return d
}

func (d *directed) lookup(_ context.Context, login string) (core.Account, error) {
	d.asked++
	a, has := d.people[login]
	switch {
	case d.away:
		return a, core.Errorf(core.CodeUnavailable, "It does not answer.")
	case !has:
		return a, core.Errorf(core.CodeNotFound, "It has no %s.", login)
	case d.out[login]:
		return a, core.Errorf(core.CodeForbidden, "Disabled.")
	}
	return a, nil
}

// login is what a door has after a login.
func (d *directed) login(t *testing.T, login string) core.Actor {
	t.Helper()
	p, err := d.SavePerson(t.Context(), d.people[login])
	if err != nil {
		t.Fatal(err)
	}
	return core.Actor{Person: p, Scope: core.ScopeAdmin}
}

// known is what a door has of a session that goes on.
func (d *directed) known(t *testing.T, login string) core.Actor {
	t.Helper()
	var id string
	if err := d.pool.QueryRow(t.Context(), "select id from people where login = $1", login).Scan(&id); err != nil {
		t.Fatal(err)
	}
	p, err := d.Person(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	return core.Actor{Person: p, Scope: core.ScopeAdmin}
}

// refresh lets time pass, and refreshes.
func (d *directed) refresh(t *testing.T, pass time.Duration, want core.Refreshed) {
	t.Helper()
	d.now = d.now.Add(pass)
	got, err := d.Refresh(t.Context(), core.RefreshOptions{})
	if err != nil || got != want {
		t.Fatalf("refreshed %+v, %v; want %+v", got, err, want)
	}
}

func (d *directed) findings(t *testing.T) string {
	t.Helper()
	list, err := pgTexts(t, d.pool, "select kind || ' ' || coalesce(i.name, subject) from findings f left join instances i on i.id = f.instance_id where resolved_at is null order by 1")
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(list, ", ")
}

func pgTexts(t *testing.T, pool *pgxpool.Pool, sql string) (out []string, err error) {
	t.Helper()
	rows, err := pool.Query(t.Context(), sql)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var s string
		if err := rows.Scan(&s); err != nil {
			return nil, err
		}
		out = append(out, s)
	}
	return out, rows.Err()
}

// TestSomebodyLeaves takes everything from who is gone, after the directory has said so twice, and finds who looks after what they own.
func TestSomebodyLeaves(t *testing.T) {
	d := newDirected(t, "ada", "grace", "root")
	d.people["root"] = core.Account{Login: "root", Email: "root@example.com", Name: "root", Admin: true}
	root, ada := d.login(t, "root"), d.login(t, "ada")
	settled(t, d.Service, d.pool, ada, "genomes")
	execute(t, d.pool, "update instances set pi = 'Grace@example.com'")
	_, token, err := d.MakeToken(t.Context(), request(ada, "", nil), core.NewToken{Name: "ci"})
	if err != nil {
		t.Fatal(err)
	}
	session, err := d.StartLogin(t.Context(), request(ada, "", nil), "a browser")
	if err != nil {
		t.Fatal(err)
	}
	execute(t, d.pool, "insert into chat_identities (platform, team, user_id, person_id, how) select 'slack', 'T1', 'U1', id, 'code' from people where login = 'ada'")

	delete(d.people, "ada")
	d.refresh(t, 10*time.Minute, core.Refreshed{}) // it is nobody's turn
	d.refresh(t, time.Hour, core.Refreshed{Asked: 3, Missing: 1})
	if _, err := d.Bearer(t.Context(), token); err != nil {
		t.Errorf("after the first time: %v", err)
	}
	d.away = true
	d.refresh(t, time.Hour, core.Refreshed{Asked: 3, Away: true})
	d.away = false
	if _, err := d.Bearer(t.Context(), token); err != nil {
		t.Errorf("while the directory is away: %v", err)
	}
	d.refresh(t, time.Hour, core.Refreshed{Asked: 3, Missing: 1, Left: 1})
	if _, err := d.Bearer(t.Context(), token); core.CodeOf(err) != core.CodeUnauthenticated {
		t.Errorf("the token of somebody who is gone: %v", err)
	}
	if _, _, err := d.UseLogin(t.Context(), session, ""); core.CodeOf(err) != core.CodeNotFound {
		t.Errorf("a session of somebody who is gone, by its id: %v", err)
	}
	if _, err := d.Person(t.Context(), ada.ID); core.CodeOf(err) != core.CodeNotFound {
		t.Errorf("a session of somebody who is gone: %v", err)
	}
	user := core.ChatUser{Platform: "slack", Team: "T1", ID: "U1"}
	if _, err := d.ChatActor(t.Context(), user, nil); core.CodeOf(err) != core.CodeUnauthenticated {
		t.Errorf("somebody who is gone, in chat: %v", err)
	}
	if n := count(t, d.pool, "select count(*) from instances where state = 'ready' and ended_at is null"); n != 1 {
		t.Error("their database is gone")
	}
	if got := d.findings(t); got != "owner_gone genomes" {
		t.Errorf("findings %q", got)
	}
	told, _ := pgTexts(t, d.pool, "select address || ' ' || (data->>'message') from notifications where kind = 'alarm' order by 1")
	if len(told) != 2 || !strings.HasPrefix(told[0], "grace@example.com ada, who owns genomes, has left.") || !strings.HasSuffix(told[0], "transfer genomes to grace") ||
		!strings.HasPrefix(told[1], "root@example.com ") {
		t.Errorf("told %q", told)
	}
	r := must(t, d.Service, root, core.Transfer{On: genomes, To: "grace"})
	if r.Operation.State == core.OperationDone {
		t.Error("nothing to transfer")
	}
	execute(t, d.pool, "update instances set owner_id = (select id from people where login = 'grace')")
	if err := d.JudgeOwners(t.Context()); err != nil || d.findings(t) != "" {
		t.Errorf("after the transfer: %q, %v", d.findings(t), err)
	}

	d.people["ada"] = core.Account{Login: "ada", Name: "ada"} // back from a year abroad
	d.login(t, "ada")
	if _, _, err := d.UseLogin(t.Context(), session, ""); core.CodeOf(err) != core.CodeNotFound {
		t.Errorf("a session from before: %v", err)
	}
	if p := d.known(t, "ada"); p.DisabledAt != nil {
		t.Errorf("back: %+v", p)
	}
	if _, err := d.Bearer(t.Context(), token); core.CodeOf(err) != core.CodeUnauthenticated {
		t.Errorf("a token from before: %v", err)
	}
	said, _ := pgTexts(t, d.pool, "select action from audit where action like 'person.%' order by id")
	if fmt.Sprint(said) != "[person.leave person.return]" {
		t.Errorf("the audit trail says %q", said)
	}
}

func TestRolesAndMailFollowTheDirectory(t *testing.T) {
	d := newDirected(t, "ada", "root")
	d.people["root"] = core.Account{Login: "root", Email: "root@example.com", Name: "root", Admin: true}
	root := d.login(t, "root")
	_, token, err := d.MakeToken(t.Context(), request(root, "", nil), core.NewToken{Name: "ops", Scope: core.ScopeAdmin})
	if err != nil {
		t.Fatal(err)
	}
	d.people["root"] = core.Account{Login: "root", Email: "new@example.com", Name: "Root", Groups: []string{"genomics"}}
	d.refresh(t, time.Hour, core.Refreshed{Asked: 2})
	p := d.known(t, "root")
	if p.Admin || *p.Email != "new@example.com" || p.Name != "Root" || len(p.Groups) != 1 {
		t.Errorf("%+v", p)
	}
	if a, err := d.Bearer(t.Context(), token); err != nil || a.IsAdmin() {
		t.Errorf("a token of a former administrator: %+v, %v", a, err)
	}
	if n := count(t, d.pool, "select count(*) from audit where action = 'role.change' and subject = 'root' and data->'after'->>'admin' = 'false'"); n != 1 {
		t.Errorf("the change of a role is in the audit trail %d times", n)
	}
}

// A directory that is wrong takes nothing from anybody.
func TestManyVanishAtOnce(t *testing.T) {
	var logins []string
	for n := range 20 {
		logins = append(logins, fmt.Sprintf("p%02d", n))
	}
	d := newDirected(t, logins...)
	d.people["root"] = core.Account{Login: "root", Email: "root@example.com", Name: "root", Admin: true}
	d.login(t, "root")
	for _, login := range logins[:6] {
		d.out[login] = true
	}
	for range 3 {
		d.refresh(t, time.Hour, core.Refreshed{Asked: 21, Missing: 6, Held: true})
	}
	if got := d.findings(t); got != "directory_vanished directory" {
		t.Errorf("findings %q", got)
	}
	if n := count(t, d.pool, "select count(*) from notifications where kind = 'alarm' and address = 'root@example.com'"); n != 1 {
		t.Errorf("the administrators were told %d times", n)
	}
	delete(d.out, "p00") // five may go together
	d.refresh(t, time.Hour, core.Refreshed{Asked: 21, Missing: 5, Left: 5})
	if got := d.findings(t); got != "" {
		t.Errorf("findings %q", got)
	}
	for _, login := range logins[6:12] {
		d.out[login] = true
	}
	d.refresh(t, time.Hour, core.Refreshed{Asked: 16, Missing: 6, Held: true})
	d.now = d.now.Add(time.Hour)
	if r, err := d.Refresh(t.Context(), core.RefreshOptions{Everybody: true, Accept: true}); err != nil || r.Left != 6 || r.Held {
		t.Errorf("accepted: %+v, %v", r, err)
	}
}

// One answer that is none holds up nobody, and a directory that is away for long is a finding.
func TestDirectoryIsAway(t *testing.T) {
	d := newDirected(t, "ada", "grace", "root")
	d.away = true
	d.refresh(t, 90*time.Minute, core.Refreshed{Asked: 3, Away: true})
	if got := d.findings(t); got != "" {
		t.Errorf("after a short while: %q", got)
	}
	d.refresh(t, 5*time.Hour, core.Refreshed{Asked: 3, Away: true})
	if got := d.findings(t); got != "directory_away directory" {
		t.Errorf("findings %q", got)
	}
	d.away = false
	d.refresh(t, time.Hour, core.Refreshed{Asked: 3})
	d.people["ada"] = core.Account{Login: "somebody-else"}
	d.refresh(t, time.Hour, core.Refreshed{Asked: 3, Missing: 1})
	d.refresh(t, time.Hour, core.Refreshed{Asked: 3, Missing: 1})
	if got := d.findings(t); got != "" {
		t.Errorf("findings %q", got)
	}
}

// Acting as an administrator, and deciding, need an answer of the directory that is at most a quarter of an hour old.
func TestPrivilegedActsAskTheDirectory(t *testing.T) {
	d := newDirected(t, "ada", "root", "judge")
	for _, login := range []string{"root", "judge"} {
		d.people[login] = core.Account{Login: login, Email: login + "@example.com", Name: login, Admin: true}
	}
	ada, root := d.login(t, "ada"), d.login(t, "root")
	settled(t, d.Service, d.pool, ada, "genomes")
	settled(t, d.Service, d.pool, root, "ledger")
	approval := must(t, d.Service, ada, core.Delete{On: genomes, Reason: "done with"}).Approval
	d.login(t, "judge")
	decide := func(actor core.Actor) error {
		_, err := d.Do(t.Context(), request(actor, "", core.Decide{ID: approval.ID, Approve: true}))
		return err
	}

	d.asked = 0
	d.now = d.now.Add(14 * time.Minute)
	must(t, d.Service, d.known(t, "root"), core.Describe{On: genomes, Department: ptr("Genomics")})
	if d.asked != 0 {
		t.Error("it was asked although the answer is fresh")
	}
	d.now = d.now.Add(2 * time.Minute)
	must(t, d.Service, d.known(t, "root"), core.Describe{On: genomes, Department: ptr("Botany")})
	must(t, d.Service, d.known(t, "root"), core.Describe{On: genomes, Department: ptr("Zoology")})
	if d.asked != 1 {
		t.Errorf("it was asked %d times, want once", d.asked)
	}

	d.away = true
	d.now = d.now.Add(16 * time.Minute)
	away := func(what string, err error) {
		t.Helper()
		if core.CodeOf(err) != core.CodeUnavailable || !strings.Contains(err.Error(), "directory does not answer") {
			t.Errorf("%s: %v", what, err)
		}
	}
	_, err := d.Do(t.Context(), request(d.known(t, "root"), "", core.Describe{On: genomes, Department: ptr("x")}))
	away("another's database", err)
	away("a decision", decide(d.known(t, "judge")))
	_, _, err = d.MakeToken(t.Context(), request(d.known(t, "root"), "", nil), core.NewToken{Name: "ops", Scope: core.ScopeAdmin})
	away("a token of an administrator", err)
	_, err = d.SetPause(t.Context(), request(d.known(t, "root"), "", nil), true, "")
	away("a pause", err)
	must(t, d.Service, d.known(t, "root"), core.Describe{On: core.On{Database: "ledger"}, Department: ptr("own")})
	must(t, d.Service, d.known(t, "ada"), core.Describe{On: genomes, Department: ptr("own")})
	if _, err := d.Instance(t.Context(), d.known(t, "root"), "genomes"); err != nil {
		t.Errorf("to look is no act: %v", err)
	}

	d.away = false
	d.people["root"] = core.Account{Login: "root", Name: "root"}
	if _, err := d.Do(t.Context(), request(d.known(t, "root"), "", core.Describe{On: genomes, Department: ptr("x")})); core.CodeOf(err) != core.CodeNotFound {
		t.Errorf("no administrator any more: %v", err)
	}
	d.out["judge"] = true
	if err := decide(d.known(t, "judge")); core.CodeOf(err) != core.CodeForbidden || !strings.Contains(err.Error(), "does not let you in") {
		t.Errorf("a decision of somebody who is gone: %v", err)
	}
	delete(d.out, "judge")
	if err := decide(d.known(t, "judge")); err != nil {
		t.Error(err)
	}
}
