package core_test

import (
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/mydb-project/mydb/core"
	"github.com/mydb-project/mydb/core/coretest"
	"github.com/mydb-project/mydb/core/policy"
)

// laboratory is a site with two groups, a lead of the one, and an auditor.
type laboratory struct {
	*testing.T
	s  *core.Service
	db *pgxpool.Pool
}

func newLaboratory(t *testing.T, change func(*core.Options)) laboratory {
	o := core.Options{Backups: core.Backups{On: true}, Policy: policy.Default().Policy}
	o.Policy.Roles = policy.Roles{Auditors: []string{"Compliance"}, Leads: map[string][]string{"genomics": {"genomics-leads"}}}
	if change != nil {
		change(&o)
	}
	s, db := coretest.NewWith(t, o)
	return laboratory{t, s, db}
}

// person logs in, as a directory says what groups they are in.
func (l laboratory) person(login string, admin bool, groups ...string) core.Actor {
	l.Helper()
	p, err := l.s.SavePerson(l.Context(), core.Account{Login: login, Email: login + "@example.com", Name: login, Admin: admin, Groups: groups})
	if err != nil {
		l.Fatal(err)
	}
	return core.Actor{Person: p, Scope: core.ScopeAdmin}
}

func (l laboratory) do(who core.Actor, c core.Command) (core.Receipt, error) {
	return l.s.Do(l.Context(), core.Request{Actor: who, Door: core.DoorAPI, Address: "192.0.2.7", Command: c})
}

// must does it and wants it accepted.
func (l laboratory) must(who core.Actor, c core.Command) core.Receipt {
	l.Helper()
	r, err := l.do(who, c)
	if err != nil {
		l.Fatalf("%T by %s: %v", c, who.Login, err)
	}
	return r
}

// refused wants a refusal with a text in its sentence.
func (l laboratory) refused(code core.Code, part string, err error) {
	l.Helper()
	if core.CodeOf(err) != code || err != nil && !strings.Contains(err.Error(), part) {
		l.Errorf("%v, want %s with %q", err, code, part)
	}
}

func (l laboratory) lists(who core.Actor, all bool, want ...string) {
	l.Helper()
	list, _, err := l.s.Instances(l.Context(), who, all, core.Page{})
	names := make([]string, len(list))
	for n, i := range list {
		names[n] = i.Name
	}
	if err != nil || strings.Join(names, " ") != strings.Join(want, " ") {
		l.Errorf("%s lists %v, %v; want %v", who.Login, names, err, want)
	}
}

// TestRolesFollowTheDirectory makes people what their groups say, anew with each answer of the directory and each policy.
func TestRolesFollowTheDirectory(t *testing.T) {
	l := newLaboratory(t, nil)
	for _, c := range []struct {
		login  string
		admin  bool
		groups []string
		want   core.Role
	}{
		{"sam", false, []string{"genomics"}, core.RoleUser},
		{"lea", false, []string{"genomics", "genomics-leads"}, core.RoleLead},
		{"audrey", false, []string{"compliance", "genomics-leads"}, core.RoleAuditor},
		{"ada", true, []string{"compliance"}, core.RoleAdmin},
		{"audrey", false, []string{"genomics"}, core.RoleUser},
	} {
		if a := l.person(c.login, c.admin, c.groups...); a.Role() != c.want {
			t.Errorf("%s in %v is %s, want %s", c.login, c.groups, a.Role(), c.want)
		}
	}
	ada := l.person("ada", true)
	if ada.Scope = core.ScopeOperate; ada.Role() != core.RoleUser {
		t.Errorf("an administrator's token that may not administer acts as %s", ada.Role())
	}

	other := coretest.Service(t, l.db, core.Options{Policy: policy.Policy{Roles: policy.Roles{Auditors: []string{"genomics"}}}})
	if n, err := other.ApplyRoles(t.Context()); err != nil || n != 3 {
		t.Errorf("another policy changes %d people, %v", n, err)
	}
	if n, err := other.ApplyRoles(t.Context()); err != nil || n != 0 {
		t.Errorf("the same policy changes %d people, %v", n, err)
	}
	lea, err := other.Account(t.Context(), "lea")
	if core.CodeOf(err) != core.CodeNotFound { // it has no password of its own
		t.Errorf("%+v, %v", lea, err)
	}
}

// TestLeadsSeeTheirGroup lets a lead see what members of the group own, and nothing more of it.
func TestLeadsSeeTheirGroup(t *testing.T) {
	l := newLaboratory(t, nil)
	sam, eve, lea := l.person("sam", false, "genomics"), l.person("eve", false, "proteomics"), l.person("lea", false, "genomics-leads")
	made := l.must(sam, core.Create{Name: "genomes", Engine: "postgres", PHI: true})
	l.must(eve, core.Create{Name: "proteins", Engine: "postgres"})
	l.must(lea, core.Create{Name: "leas-own", Engine: "postgres"})

	l.lists(lea, false, "leas-own")
	l.lists(lea, true, "leas-own", "genomes")
	l.lists(sam, false, "genomes")
	if _, _, err := l.s.Instances(t.Context(), sam, true, core.Page{}); core.CodeOf(err) != core.CodeForbidden {
		t.Errorf("a user lists all: %v", err)
	}
	if i, o, err := l.s.Look(t.Context(), lea, "genomes"); err != nil || o == nil || i.Owner != "sam" {
		t.Errorf("a lead looks: %+v, %v", o, err)
	}
	if _, err := l.s.Accesses(t.Context(), lea, "genomes"); err != nil {
		t.Errorf("a lead asks whom it is shared with: %v", err)
	}
	if _, err := l.s.Instance(t.Context(), lea, "proteins"); core.CodeOf(err) != core.CodeNotFound {
		t.Errorf("a lead sees another group: %v", err)
	}
	req := core.Request{Actor: lea, Door: core.DoorAPI}
	_, err := l.s.Collect(t.Context(), req, "genomes")
	l.refused(core.CodeForbidden, "Only sam, who owns genomes, may collect its password.", err)
	_, err = l.s.Report(t.Context(), req, "genomes")
	l.refused(core.CodeForbidden, "Only sam", err)
	_, err = l.do(lea, core.Delete{On: core.On{Database: made.Database.ID}})
	l.refused(core.CodeForbidden, "Only sam, who owns genomes, and administrators may do this.", err)
	_, _, err = l.s.AuditTrail(t.Context(), lea, core.AuditFilter{}, core.Page{})
	l.refused(core.CodeForbidden, "Only administrators and auditors", err)
}

// TestAuditorsReadAndChangeNothing lets an auditor see what is known of everything, and do nothing, not even with what they own.
func TestAuditorsReadAndChangeNothing(t *testing.T) {
	l := newLaboratory(t, func(o *core.Options) { o.Policy.PHI.Admins = []string{"cleo"} })
	sam, audrey := l.person("sam", false), l.person("audrey", false)
	l.must(sam, core.Create{Name: "genomes", Engine: "postgres", PHI: true})
	own := l.must(audrey, core.Create{Name: "of-old", Engine: "postgres"})
	audrey = l.person("audrey", false, "compliance")

	l.lists(audrey, true, "of-old", "genomes")
	if list, _, err := l.s.AuditTrail(t.Context(), audrey, core.AuditFilter{}, core.Page{Limit: 10}); err != nil || len(list) < 2 {
		t.Errorf("the trail: %v, %v", list, err)
	}
	for _, read := range []func() error{
		func() error {
			_, _, err := l.s.Runs(t.Context(), audrey, core.RunFilter{All: true}, core.Page{})
			return err
		},
		func() error {
			_, _, err := l.s.BackupHistory(t.Context(), audrey, core.BackupFilter{All: true}, core.Page{})
			return err
		},
		func() error { _, _, err := l.s.CatalogueBackups(t.Context(), audrey, core.Page{}); return err },
		func() error { _, _, err := l.s.Findings(t.Context(), audrey, true, core.Page{}); return err },
		func() error { _, err := l.s.Recoveries(t.Context(), audrey); return err },
		func() error { _, err := l.s.Approvals(t.Context(), audrey, false); return err },
		func() error { _, err := l.s.Accesses(t.Context(), audrey, "genomes"); return err },
	} {
		if err := read(); err != nil {
			t.Error(err)
		}
	}
	req := core.Request{Actor: audrey, Door: core.DoorAPI}
	_, err := l.do(audrey, core.Create{Name: "new-one", Engine: "postgres"})
	l.refused(core.CodeForbidden, "You are an auditor here", err)
	_, err = l.do(audrey, core.Restart{On: core.On{Database: own.Database.ID}})
	l.refused(core.CodeForbidden, "You are an auditor here", err)
	_, err = l.s.Collect(t.Context(), req, "of-old")
	l.refused(core.CodeForbidden, "You are an auditor here", err)
	_, err = l.s.Logs(t.Context(), req, "of-old", 10)
	l.refused(core.CodeForbidden, "neither its log nor what it holds", err)
	_, err = l.s.Report(t.Context(), req, "genomes")
	l.refused(core.CodeForbidden, "neither its log nor what it holds", err)
	_, _, err = l.s.Letters(t.Context(), audrey, "", core.Page{})
	l.refused(core.CodeForbidden, "Only administrators", err)
	if _, err := l.s.MakeLinkCode(t.Context(), req); err != nil {
		t.Errorf("a code for the chat: %v", err)
	}
}
