package postgres

import (
	"errors"
	"strings"
	"testing"

	"github.com/mydb-project/mydb/core/engine"
)

func goodTenant() engine.Tenant {
	return engine.Tenant{
		Username: "ada", Password: "correct horse battery", Database: "lab_data",
		Extensions: []string{"pg_trgm", "uuid-ossp"}, InitSQL: "create table t (i int)",
	}
}

func TestCheckTenant(t *testing.T) {
	long := strings.Repeat("a", 63)
	for _, c := range []struct {
		name  string
		field string // "" when the tenant is fine
		edit  func(*engine.Tenant)
	}{
		{"plain", "", func(*engine.Tenant) {}},
		{"a reserved word of SQL", "", func(t *engine.Tenant) { t.Username, t.Database = "select", "table" }},
		{"longest names", "", func(t *engine.Tenant) { t.Username, t.Database = long, long }},
		{"no init script, no extensions", "", func(t *engine.Tenant) { t.InitSQL, t.Extensions = "", nil }},
		{"quotes in the password", "", func(t *engine.Tenant) { t.Password = `'"\$%{}; drop --` }},
		{"letters beyond ASCII", "", func(t *engine.Tenant) { t.Password = "пароль-ñ-日本語-🦖" }},
		{"longest password", "", func(t *engine.Tenant) { t.Password = strings.Repeat("ß", 128) }},

		{"no user", "username", func(t *engine.Tenant) { t.Username = "" }},
		{"capital", "username", func(t *engine.Tenant) { t.Username = "Ada" }},
		{"quote", "username", func(t *engine.Tenant) { t.Username = `a"b` }},
		{"too long", "username", func(t *engine.Tenant) { t.Username = long + "a" }},
		{"digit first", "username", func(t *engine.Tenant) { t.Username = "1a" }},
		{"line break at the end", "username", func(t *engine.Tenant) { t.Username = "ada\n" }},
		{"the server's names", "username", func(t *engine.Tenant) { t.Username = "pg_monitor" }},
		{"MyDB's admin", "username", func(t *engine.Tenant) { t.Username = AdminUser }},
		{"postgres", "username", func(t *engine.Tenant) { t.Username = "postgres" }},
		{"public", "username", func(t *engine.Tenant) { t.Username = "public" }},
		{"none", "username", func(t *engine.Tenant) { t.Username = "none" }},

		{"no database", "database", func(t *engine.Tenant) { t.Database = "" }},
		{"template1", "database", func(t *engine.Tenant) { t.Database = "template1" }},
		{"maintenance database", "database", func(t *engine.Tenant) { t.Database = "postgres" }},
		{"hyphen", "database", func(t *engine.Tenant) { t.Database = "lab-data" }},

		{"short password", "password", func(t *engine.Tenant) { t.Password = "elevenchars" }},
		{"long password", "password", func(t *engine.Tenant) { t.Password = strings.Repeat("x", 129) }},
		{"not UTF-8", "password", func(t *engine.Tenant) { t.Password = "abcdefghijklm\xff" }},
		{"tab", "password", func(t *engine.Tenant) { t.Password = "abcdefghijklm\t" }},
		{"NUL", "password", func(t *engine.Tenant) { t.Password = "abcdefghijklm\x00" }},
		{"soft hyphen", "password", func(t *engine.Tenant) { t.Password = "abcdefghijklm\u00ad" }},
		{"no-break space", "password", func(t *engine.Tenant) { t.Password = "abcdefghijklm\u00a0" }},
		{"variation selector", "password", func(t *engine.Tenant) { t.Password = "abcdefghijklm\u2764\ufe0f" }},
		{"ligature", "password", func(t *engine.Tenant) { t.Password = "abcdefghijklm\ufb01" }},
		{"decomposed letter", "password", func(t *engine.Tenant) { t.Password = "abcdefghijklme\u0301" }},

		{"extension with a quote", "extensions", func(t *engine.Tenant) { t.Extensions = []string{`x"; drop`} }},
		{"script too long", "init_sql", func(t *engine.Tenant) { t.InitSQL = strings.Repeat("-", 64<<10+1) }},
		{"script with NUL", "init_sql", func(t *engine.Tenant) { t.InitSQL = "select 1;\x00" }},
		{"script not UTF-8", "init_sql", func(t *engine.Tenant) { t.InitSQL = "select '\xff'" }},
	} {
		t.Run(c.name, func(t *testing.T) {
			tenant := goodTenant()
			c.edit(&tenant)
			err := Engine{}.CheckTenant(tenant)
			if c.field == "" {
				if err != nil {
					t.Errorf("refused: %v", err)
				}
				return
			}
			var field *engine.FieldError
			if !errors.As(err, &field) || field.Field != c.field {
				t.Fatalf("got %v, want a refusal of %s", err, c.field)
			}
			if !strings.HasSuffix(field.Message, ".") || strings.Contains(field.Message, "correct horse") {
				t.Errorf("not a sentence, or one that holds the password: %q", field.Message)
			}
		})
	}
}

func FuzzCheckTenant(f *testing.F) {
	f.Add("ada", "lab", "correct horse battery", "select 1")
	f.Add("", "", "", "")
	f.Fuzz(func(t *testing.T, user, database, password, sql string) {
		err := Engine{}.CheckTenant(engine.Tenant{Username: user, Database: database, Password: password, InitSQL: sql})
		var field *engine.FieldError
		if err != nil && !errors.As(err, &field) {
			t.Errorf("%v is no FieldError", err)
		}
		if err == nil && (quote(user) != `"`+user+`"` || quote(database) != `"`+database+`"`) {
			t.Errorf("%q, %q: accepted, but needs escaping", user, database)
		}
		_ = lineAt(sql, len(user))
	})
}

func TestLineAt(t *testing.T) {
	sql := "eins;\nzwölf;\nß x"
	for position, want := range map[int]int{0: 0, 1: 1, 6: 1, 7: 2, 13: 2, 14: 3, 16: 3, 99: 0, -1: 0} {
		if got := lineAt(sql, position); got != want {
			t.Errorf("position %d: line %d, want %d", position, got, want)
		}
	}
}
