package mongodb

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
		"the longest user":       {func(t *engine.Tenant) { t.Username = strings.Repeat("u", 63) }, "", ""},
		"a user too long":        {func(t *engine.Tenant) { t.Username = strings.Repeat("u", 64) }, "username", "at most 63"},
		"no user":                {func(t *engine.Tenant) { t.Username = "" }, "username", "missing"},
		"capital letters":        {func(t *engine.Tenant) { t.Username = "Ada" }, "username", "small letter"},
		"root":                   {func(t *engine.Tenant) { t.Username = "root" }, "username", "reserved"},
		"the server itself":      {func(t *engine.Tenant) { t.Username = "__system" }, "username", "reserved"},
		"MyDB's own user":        {func(t *engine.Tenant) { t.Username = BackupUser }, "username", "reserved"},
		"the longest database":   {func(t *engine.Tenant) { t.Database = strings.Repeat("d", 63) }, "", ""},
		"a database too long":    {func(t *engine.Tenant) { t.Database = strings.Repeat("d", 64) }, "database", "at most 63"},
		"a dot":                  {func(t *engine.Tenant) { t.Database = "gen.omes" }, "database", "small letter"},
		"the accounts' database": {func(t *engine.Tenant) { t.Database = "admin" }, "database", "reserved"},
		"the oplog's database":   {func(t *engine.Tenant) { t.Database = "local" }, "database", "reserved"},
		"a short password":       {func(t *engine.Tenant) { t.Password = "short" }, "password", "5 characters"},
		"signs in the password":  {func(t *engine.Tenant) { t.Password = `it's "so" \ #!~@:/?%` }, "", ""},
		"a letter with accent":   {func(t *engine.Tenant) { t.Password = "contraseña-larga" }, "password", "U+00F1"},
		"a line break":           {func(t *engine.Tenant) { t.Password = "correct\nhorse" }, "password", "U+000A"},
		"an extension":           {func(t *engine.Tenant) { t.Extensions = []string{"postgis"} }, "extensions", "no extensions"},
		"a script":               {func(t *engine.Tenant) { t.InitSQL = "db.t.insertOne({})" }, "init_sql", "mongosh"},
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
