package core_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/mydb-project/mydb/core"
	"github.com/mydb-project/mydb/core/coretest"
)

// member is a person of the directory who is in groups.
func (d *directed) member(t *testing.T, login string, groups ...string) core.Actor {
	t.Helper()
	d.people[login] = core.Account{Login: login, Email: login + "@example.com", Name: login, Groups: groups}
	return d.login(t, login)
}

// follow does what is to be done for groups, as workers do it, until nothing is left.
func (d *directed) follow(t *testing.T) {
	t.Helper()
	for range 5 {
		n, err := d.FollowGroups(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if n == 0 {
			return
		}
		d.work(t)
	}
	t.Fatal("it does not come to an end")
}

// work ends the operations that are under way, as their worker does.
func (d *directed) work(t *testing.T) {
	t.Helper()
	ids, err := pgTexts(t, d.pool, "select id from operations where finished_at is null")
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range ids {
		op, err := d.Operation(t.Context(), coretest.Actor(t, d.Service, "auditing", true), id)
		if err != nil {
			t.Fatal(err)
		}
		i, err := d.Instance(t.Context(), coretest.Actor(t, d.Service, "auditing", true), "genomes")
		if err != nil {
			t.Fatal(err)
		}
		shared(t, d.Service, d.pool, core.Receipt{Operation: op, Database: i}, nil)
	}
}

func (d *directed) users(t *testing.T) string {
	t.Helper()
	list, err := pgTexts(t, d.pool, `select username || ' ' || case when writes then 'writes' else 'reads' end || case when group_name = '' then ' by name' else '' end
		from accounts where revoked_at is null order by 1`)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(list, ", ")
}

// TestAShareFollowsItsGroup lets people join and leave.
func TestAShareFollowsItsGroup(t *testing.T) {
	d := newDirected(t)
	ada := d.member(t, "ada", "genomics")
	d.member(t, "grace", "genomics")
	d.member(t, "lise", "genomics")
	d.member(t, "emmy")
	settled(t, d.Service, d.pool, ada, "genomes")
	step := func(what, want string) {
		t.Helper()
		d.follow(t)
		if got := d.users(t); got != want {
			t.Errorf("%s: %q, want %q", what, got, want)
		}
	}
	do := func(c core.Command) {
		t.Helper()
		must(t, d.Service, ada, c)
		d.work(t)
	}
	do(core.Share{On: genomes, With: "group:Genomics", Right: "write"})
	step("shared", "grace writes, lise writes")
	d.member(t, "emmy", "genomics", "botany")
	step("emmy joins", "emmy writes, grace writes, lise writes")
	if n := count(t, d.pool, "select count(*) from notifications where kind = 'shared' and address = 'emmy@example.com'"); n != 1 {
		t.Errorf("emmy was told %d times", n)
	}
	d.member(t, "grace", "botany")
	step("grace leaves", "emmy writes, lise writes")
	do(core.Share{On: genomes, With: "emmy", Right: "read"})
	d.member(t, "emmy", "botany")
	step("emmy leaves, and has a share by name", "emmy reads by name, lise writes")
	do(core.Unshare{On: genomes, With: "lise"})
	step("taken back from one of the group", "emmy reads by name")
	do(core.Share{On: genomes, With: "group:genomics", Until: "30d"})
	step("shared with the group again", "emmy reads by name, lise reads")
	do(core.Unshare{On: genomes, With: "group:genomics"})
	d.member(t, "max", "genomics")
	step("taken back from the group", "emmy reads by name")
	do(core.Share{On: genomes, With: "group:genomics"})
	execute(t, d.pool, "update instances set owner_id = (select id from people where login = 'max')")
	execute(t, d.pool, "update people set disabled_at = now() where login = 'lise'")
	step("another owner, who is in the group", "ada reads, emmy reads by name, lise reads, max reads")
}

// A directory without groups ends no share.
func TestAllGroupsAreEmptyAtOnce(t *testing.T) {
	d := newDirected(t)
	ada := d.member(t, "ada")
	settled(t, d.Service, d.pool, ada, "genomes")
	for n := range 7 {
		d.member(t, fmt.Sprintf("p%d", n), "genomics")
	}
	must(t, d.Service, ada, core.Share{On: genomes, With: "group:genomics"})
	d.work(t)
	for login, a := range d.people {
		a.Groups = nil
		d.people[login] = a
	}
	d.now = d.now.Add(2 * time.Hour)
	if _, err := d.Refresh(t.Context(), core.RefreshOptions{}); err != nil {
		t.Fatal(err)
	}
	d.follow(t)
	if got := d.users(t); strings.Count(got, "reads") != 7 {
		t.Errorf("left: %q", got)
	}
	if got := d.findings(t); got != "groups_vanished directory" {
		t.Errorf("findings %q", got)
	}
	must(t, d.Service, ada, core.Unshare{On: genomes, With: "group:genomics"})
	d.work(t)
	d.follow(t)
	if got := d.users(t) + d.findings(t); got != "" {
		t.Errorf("after it was taken back: %q", got)
	}
}
