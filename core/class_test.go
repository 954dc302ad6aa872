package core_test

import (
	"strings"
	"testing"

	"github.com/mydb-project/mydb/core"
	"github.com/mydb-project/mydb/core/coretest"
	"github.com/mydb-project/mydb/core/engine"
	"github.com/mydb-project/mydb/core/policy"
)

// TestClass makes thirty databases with one command, once, and hands out their passwords.
func TestClass(t *testing.T) {
	s, pool := coretest.New(t)
	ada := coretest.Actor(t, s, "ada", false)
	class := core.Class{Create: create("biology"), Count: 30}
	first, err := s.Do(t.Context(), request(ada, "key", class))
	if err != nil || len(first.Databases) != 30 || first.Databases[0].Database.Name != "biology-01" || first.Databases[29].Database.Name != "biology-30" {
		t.Fatalf("class: %d, %v", len(first.Databases), err)
	}
	again, err := s.Do(t.Context(), request(ada, "key", class))
	if err != nil || !again.Replayed || len(again.Databases) != 30 || count(t, pool, "select count(*) from instances") != 30 {
		t.Errorf("again: %d, %v", len(again.Databases), err)
	}
	ready(t, s, pool, first.Databases[0])
	list, err := s.CollectClass(t.Context(), request(ada, "", nil), "biology")
	if err != nil || len(list) != 30 || list[0].Name != "biology-01" || list[0].Password == "" || list[1].Password != "" || !strings.Contains(list[1].Note, "not ready") {
		t.Errorf("passwords: %d, %+v, %v", len(list), list[0].Name, err)
	}
	if _, err := s.CollectClass(t.Context(), request(coretest.Actor(t, s, "grace", false), "", nil), "biology"); core.CodeOf(err) != core.CodeNotFound {
		t.Errorf("somebody else: %v", err)
	}
}

// TestClassIsWholeOrNothing leaves nothing of a class of which one cannot be had.
func TestClassIsWholeOrNothing(t *testing.T) {
	s, pool, ada := site(t, policy.Policy{}, policy.Quotas{Person: policy.Limit{Databases: 10}})
	must(t, s, ada, create("biology-07"))
	class := func(n int) core.Class { return core.Class{Create: create("biology"), Count: n} }
	withPassword := class(3)
	withPassword.Password = "a-long-enough-password"
	students := class(0)
	students.Students = []string{"grace", "hal"}
	for _, c := range []struct {
		name string
		c    core.Class
		code core.Code
		want string
	}{
		{"a name is taken", class(9), core.CodeTaken, "biology-07 is taken"},
		{"above the quota", core.Class{Create: create("chemistry"), Count: 10}, core.CodeQuota, "10 databases"},
		{"one", class(1), core.CodeInvalid, "2 to 100"},
		{"a thousand", class(1000), core.CodeInvalid, "2 to 100"},
		{"one password for all", withPassword, core.CodeInvalid, "password of its own"},
		{"for others", students, core.CodeForbidden, "Only administrators"},
		{"no name", core.Class{Create: create("-"), Count: 3}, core.CodeInvalid, "does not fit"},
	} {
		if _, err := s.Do(t.Context(), request(ada, "", c.c)); core.CodeOf(err) != c.code || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %s with %q", c.name, err, c.code, c.want)
		}
	}
	if n := count(t, pool, "select count(*) from instances"); n != 1 {
		t.Errorf("%d databases, want 1", n)
	}
}

// TestTemplatesAndSettings takes what the catalogue offers, and nothing else.
func TestTemplatesAndSettings(t *testing.T) {
	s, _ := coretest.New(t)
	ada := coretest.Actor(t, s, "ada", false)
	r := must(t, s, ada, core.Create{Name: "maps", Engine: "postgres", Template: "postgis", Settings: map[string]string{"work_mem": "64MB"}})
	i := r.Database
	if i.Image != "postgis/postgis:17-3.5" || i.Version != "17" || strings.Join(i.Extensions, " ") != "postgis" || i.Settings["work_mem"] != "64MB" || i.Template != "postgis" {
		t.Errorf("made %+v", i)
	}
	for _, c := range []struct {
		name string
		c    core.Create
		want string
	}{
		{"no such template", core.Create{Name: "x-one", Engine: "postgres", Template: "oracle"}, "postgis, pgvector"},
		{"of another engine", core.Create{Name: "x-two", Engine: "mariadb", Template: "postgis"}, "is for postgres 17"},
		{"extension of a template without it", core.Create{Name: "x-three", Engine: "postgres", Extensions: []string{"postgis"}}, "not on this site's list"},
		{"a setting that lets people in", core.Create{Name: "x-four", Engine: "postgres", Settings: map[string]string{"ssl": "off"}}, `"ssl" is not on this site's list`},
		{"a value with a line", core.Create{Name: "x-five", Engine: "postgres", Settings: map[string]string{"work_mem": "1MB\nssl=off"}}, "value of work_mem"},
	} {
		_, err := s.Do(t.Context(), request(ada, "", c.c))
		if core.CodeOf(err) != core.CodeInvalid || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
	}
	for _, broken := range []engine.Template{{Name: "a", Engine: "postgres", Version: "99"}, {Name: "", Engine: "postgres", Version: "17"}, {Name: "a", Engine: "postgres", Version: "17", Size: "tiny"}} {
		c := engine.BuiltIn()
		c.Templates = []engine.Template{broken}
		if c.Check() == nil {
			t.Errorf("the template %+v is accepted", broken)
		}
	}
}
