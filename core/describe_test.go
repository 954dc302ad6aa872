package core_test

import (
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/mydb-project/mydb/core"
	"github.com/mydb-project/mydb/core/coretest"
	"github.com/mydb-project/mydb/core/policy"
)

func ptr[T any](v T) *T { return &v }

func TestDescribe(t *testing.T) {
	s, pool, ada, grace := owned(t)
	must(t, s, ada, core.Describe{
		On: genomes, Description: ptr("variants"), Department: ptr("Genomics"), PI: ptr("grace"), Project: ptr("ERC 1234"), Application: ptr("galaxy"),
		Support: ptr("critical"), Backup: ptr("weekly"), BackupWindow: ptr("22:00-04:00"), MaintenanceWindow: ptr("sun 02:00-06:00"), PHI: ptr(true),
	})
	must(t, s, ada, core.Describe{On: genomes, Description: ptr("")}) // only this
	i, err := s.Instance(t.Context(), ada, "genomes")
	if err != nil || i.Description != "" || i.Department != "Genomics" || i.PI != "grace" || i.Support != "critical" || i.BackupWindow != "22:00-04:00" || !i.PHI {
		t.Errorf("after the changes: %+v, %v", i, err)
	}
	for _, c := range []struct {
		name  string
		actor core.Actor
		d     core.Describe
		code  core.Code
		want  string
	}{
		{"a stranger", grace, core.Describe{Description: ptr("x")}, core.CodeNotFound, "no database"},
		{"the mark off", ada, core.Describe{PHI: ptr(false)}, core.CodeForbidden, "only an administrator"},
		{"a support level", ada, core.Describe{Support: ptr("gold")}, core.CodeInvalid, "standard, critical"},
		{"no window", ada, core.Describe{BackupWindow: ptr("at night")}, core.CodeInvalid, "01:00-05:00"},
		{"a window of nothing", ada, core.Describe{MaintenanceWindow: ptr("sun 02:00-02:00")}, core.CodeInvalid, "sun 02:00-06:00"},
		{"no hour", ada, core.Describe{MaintenanceWindow: ptr("24:00-25:00")}, core.CodeInvalid, "maintenance window"},
		{"no backups like this", ada, core.Describe{Backup: ptr("hourly")}, core.CodeInvalid, "daily, weekly, monthly, never"},
		{"NUL", ada, core.Describe{Department: ptr("a\x00b")}, core.CodeInvalid, "department"},
		{"a book", ada, core.Describe{Project: ptr(strings.Repeat("x", 201))}, core.CodeInvalid, "200"},
	} {
		c.d.On = genomes
		if _, err := s.Do(t.Context(), request(c.actor, "", c.d)); core.CodeOf(err) != c.code || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %s with %q", c.name, err, c.code, c.want)
		}
	}
	if n := count(t, pool, `select count(*) from audit where action = 'describe' and data->>'department' = 'Genomics'`); n != 1 {
		t.Errorf("%d audit entries of the change", n)
	}
}

func TestSearch(t *testing.T) {
	s, pool := coretest.New(t)
	ada, admin := coretest.Actor(t, s, "ada", false), coretest.Actor(t, s, "admin", true)
	for _, name := range []string{"genomes", "proteins", "patients"} {
		settled(t, s, pool, ada, name)
	}
	must(t, s, ada, core.Describe{On: core.On{Database: "proteins"}, Project: ptr("50%_Off"), Department: ptr("Chemistry")})
	must(t, s, ada, core.Describe{On: core.On{Database: "patients"}, PHI: ptr(true)})
	for _, c := range []struct {
		name string
		f    core.Filter
		want string
	}{
		{"all", core.Filter{}, "patients proteins genomes"},
		{"by a part of the name", core.Filter{Text: "GENO"}, "genomes"},
		{"by a project with signs of LIKE", core.Filter{Text: "50%_off"}, "proteins"},
		{"by a sign alone", core.Filter{Text: "%"}, "proteins"},
		{"by department", core.Filter{Department: "chemistry"}, "proteins"},
		{"by health data", core.Filter{PHI: ptr(true)}, "patients"},
		{"without health data", core.Filter{PHI: ptr(false)}, "proteins genomes"},
		{"by engine", core.Filter{Engine: "mariadb"}, ""},
		{"by state", core.Filter{State: "ready", Text: "p"}, "patients proteins"},
		{"by owner", core.Filter{Owner: "Ada"}, "patients proteins genomes"},
		{"by another owner", core.Filter{Owner: "bob"}, ""},
	} {
		list, _, err := s.Search(t.Context(), ada, c.f, core.Page{})
		var names []string
		for _, i := range list {
			names = append(names, i.Name)
		}
		if got := strings.Join(names, " "); err != nil || got != c.want {
			t.Errorf("%s: %q, %v; want %q", c.name, got, err, c.want)
		}
	}
	if _, _, err := s.Search(t.Context(), ada, core.Filter{All: true}, core.Page{}); core.CodeOf(err) != core.CodeForbidden {
		t.Errorf("everybody's for ada: %v", err)
	}
	if list, _, err := s.Search(t.Context(), admin, core.Filter{All: true, Text: "patients"}, core.Page{}); err != nil || len(list) != 1 {
		t.Errorf("everybody's for the administrator: %+v, %v", list, err)
	}
}

// site is a service with rules of its own, and a person.
func site(t *testing.T, p policy.Policy, q policy.Quotas) (*core.Service, *pgxpool.Pool, core.Actor) {
	t.Helper()
	base, pool := coretest.New(t)
	s := coretest.Service(t, pool, core.Options{Policy: p, Quotas: q})
	return s, pool, coretest.Actor(t, base, "ada", false)
}

const day = 24 * 60 * 60 * 1e9

func TestPolicyOfExpiry(t *testing.T) {
	s, db, ada := site(t, policy.Policy{Expiry: policy.Expiry{Default: 30 * day, Maximum: 60 * day}}, policy.Quotas{})
	r := must(t, s, ada, create("genomes"))
	if at := r.Database.ExpiresAt; at == nil || at.Sub(r.Database.CreatedAt).Hours() < 29*24 {
		t.Errorf("expires by default %v", at)
	}
	for _, expires := range []string{"never", "61d"} {
		c := create("other")
		c.Expires = expires
		if _, err := s.Do(t.Context(), request(ada, "", c)); core.CodeOf(err) != core.CodeInvalid || !strings.Contains(err.Error(), "60 days") {
			t.Errorf("create with %s: %v", expires, err)
		}
	}
	ready(t, s, db, r)
	for expires, fits := range map[string]bool{"never": false, "61d": false, "59d": true} {
		_, err := s.Do(t.Context(), request(ada, "", core.Extend{On: genomes, Expires: expires}))
		if (err == nil) != fits || !fits && !strings.Contains(err.Error(), "60 days") {
			t.Errorf("extend by %s: %v", expires, err)
		}
	}
}

// TestPolicyOfPHI lets some mark, and some see and approve.
func TestPolicyOfPHI(t *testing.T) {
	s, db, ada := site(t, policy.Policy{PHI: policy.PHI{Groups: []string{"clinic"}, Admins: []string{"cleo"}}}, policy.Quotas{})
	blind, cleo := coretest.Actor(t, s, "blind", true), coretest.Actor(t, s, "cleo", true)
	c := create("patients")
	c.PHI = true
	if _, err := s.Do(t.Context(), request(ada, "", c)); core.CodeOf(err) != core.CodeForbidden || !strings.Contains(err.Error(), "clinic") {
		t.Errorf("a person of no group: %v", err)
	}
	if _, err := db.Exec(t.Context(), "update people set groups = '{clinic}' where login = 'ada'"); err != nil {
		t.Fatal(err)
	}
	ready(t, s, db, must(t, s, ada, c))
	on := core.On{Database: "patients"}
	if _, err := s.Instance(t.Context(), blind, "patients"); core.CodeOf(err) != core.CodeNotFound {
		t.Errorf("an administrator without the right sees it: %v", err)
	}
	if list, _, err := s.Search(t.Context(), blind, core.Filter{All: true}, core.Page{}); err != nil || len(list) != 0 {
		t.Errorf("and lists it: %+v, %v", list, err)
	}
	if _, err := s.Instance(t.Context(), cleo, "patients"); err != nil {
		t.Errorf("one with the right: %v", err)
	}
	asked := must(t, s, ada, core.Delete{On: on})
	decide := core.Decide{ID: asked.Approval.ID, Approve: true}
	if _, err := s.Do(t.Context(), request(blind, "", decide)); core.CodeOf(err) != core.CodeForbidden || !strings.Contains(err.Error(), "cleo") {
		t.Errorf("one without the right approves: %v", err)
	}
	must(t, s, cleo, decide)
}

// TestPolicyOfDelete lets owners delete alone what is small, young and nearly empty, and nothing else.
func TestPolicyOfDelete(t *testing.T) {
	s, db, ada := site(t, policy.Policy{Delete: policy.Delete{Sizes: []string{"small"}, YoungerThan: 7 * day, SmallerThan: 1 << 20}}, policy.Quotas{})
	grace := coretest.Actor(t, s, "grace", true)
	for _, c := range []struct {
		name, change string
		actor        core.Actor
		alone        bool
	}{
		{"never measured", "", ada, false},
		{"nearly empty", "insert into samples (instance_id, up, bytes) select id, true, 1000 from instances", ada, true},
		{"not the owner", "", grace, false},
		{"full", "update samples set bytes = 1 << 21", ada, false},
		{"old", "update samples set bytes = 1; update instances set created_at = now() - interval '8 days'", ada, false},
		{"large", "update instances set created_at = now(), size = 'large'", ada, false},
		{"health data", "update instances set size = 'small', phi = true", ada, false},
		{"as before", "update instances set phi = false", ada, true},
	} {
		if c.name == "never measured" {
			ready(t, s, db, must(t, s, ada, create("genomes")))
		}
		for _, sql := range strings.Split(c.change, ";") {
			if _, err := db.Exec(t.Context(), sql); err != nil {
				t.Fatal(err)
			}
		}
		r := must(t, s, c.actor, core.Delete{On: genomes})
		if alone := r.Operation.Kind == "delete"; alone != c.alone || alone == (r.Approval != nil) {
			t.Errorf("%s: deleted alone %v, want %v", c.name, alone, c.alone)
		}
		if _, err := db.Exec(t.Context(), "delete from approvals"); err != nil {
			if _, err := db.Exec(t.Context(), "update approvals set state = 'withdrawn' where state = 'pending'"); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := db.Exec(t.Context(), "update operations set state = 'cancelled', finished_at = now() where kind = 'delete' and finished_at is null"); err != nil {
			t.Fatal(err)
		}
	}
}
