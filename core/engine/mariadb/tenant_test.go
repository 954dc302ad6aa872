package mariadb

import (
	"errors"
	"strings"
	"testing"

	"github.com/mydb-project/mydb/core/engine"
)

func TestCheckTenant(t *testing.T) {
	good := engine.Tenant{Username: "ada", Password: "correct horse", Database: "genomes"}
	for name, c := range map[string]struct {
		change func(*engine.Tenant)
		field  string // "" for what is fine
		words  string
	}{
		"plain":                  {func(*engine.Tenant) {}, "", ""},
		"a word of SQL":          {func(t *engine.Tenant) { t.Username, t.Database = "select", "table" }, "", ""},
		"the longest user":       {func(t *engine.Tenant) { t.Username = strings.Repeat("u", 80) }, "", ""},
		"a user too long":        {func(t *engine.Tenant) { t.Username = strings.Repeat("u", 81) }, "username", "at most 80"},
		"no user":                {func(t *engine.Tenant) { t.Username = "" }, "username", "missing"},
		"capital letters":        {func(t *engine.Tenant) { t.Username = "Ada" }, "username", "small letter"},
		"root":                   {func(t *engine.Tenant) { t.Username = "root" }, "username", "reserved"},
		"the role of all":        {func(t *engine.Tenant) { t.Username = "public" }, "username", "reserved"},
		"MyDB's own user":        {func(t *engine.Tenant) { t.Username = AdminUser }, "username", "reserved"},
		"the longest database":   {func(t *engine.Tenant) { t.Database = strings.Repeat("d", 61) }, "", ""},
		"a database too long":    {func(t *engine.Tenant) { t.Database = strings.Repeat("d", 62) }, "database", "too long by 1 "},
		"many underscores":       {func(t *engine.Tenant) { t.Database = strings.Repeat("d_", 25) }, "database", "too long"},
		"a wildcard":             {func(t *engine.Tenant) { t.Database = "gen%" }, "database", "small letter"},
		"the server's database":  {func(t *engine.Tenant) { t.Database = "mysql" }, "database", "reserved"},
		"MyDB's database":        {func(t *engine.Tenant) { t.Database = ownDatabase }, "database", "reserved"},
		"a short password":       {func(t *engine.Tenant) { t.Password = "short" }, "password", "5 characters"},
		"quotes in the password": {func(t *engine.Tenant) { t.Password = `it's "so" \ #!~` }, "", ""},
		"a letter with accent":   {func(t *engine.Tenant) { t.Password = "contraseña-larga" }, "password", "U+00F1"},
		"a line break":           {func(t *engine.Tenant) { t.Password = "correct\nhorse" }, "password", "U+000A"},
		"an extension":           {func(t *engine.Tenant) { t.Extensions = []string{"postgis"} }, "extensions", "no extensions"},
		"a script":               {func(t *engine.Tenant) { t.InitSQL = "create table t (delimiter int);" }, "", ""},
		"a client's command":     {func(t *engine.Tenant) { t.InitSQL = "select 1;\n DELIMITER //\n" }, "init_sql", "DELIMITER"},
		"a script too long":      {func(t *engine.Tenant) { t.InitSQL = strings.Repeat("-", maxInitSQL+1) }, "init_sql", "65537 bytes"},
		"a script of bytes":      {func(t *engine.Tenant) { t.InitSQL = "\xff" }, "init_sql", "UTF-8"},
		"a script with a NUL":    {func(t *engine.Tenant) { t.InitSQL = "select\x00 1" }, "init_sql", "NUL"},
	} {
		t.Run(name, func(t *testing.T) {
			tenant := good
			c.change(&tenant)
			err := Engine{}.CheckTenant(tenant)
			var field *engine.FieldError
			switch {
			case c.field == "" && err == nil:
			case !errors.As(err, &field) || field.Field != c.field || !strings.Contains(field.Message, c.words):
				t.Errorf("got %v, want %q about %q", err, c.words, c.field)
			case strings.Contains(field.Message, tenant.Password) && len(tenant.Password) > 5:
				t.Errorf("the message holds the password: %s", field.Message)
			}
		})
	}
}
