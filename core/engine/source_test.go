package engine_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/mydb-project/mydb/core/engine"
	"github.com/mydb-project/mydb/core/engine/mariadb"
	"github.com/mydb-project/mydb/core/engine/mongodb"
	"github.com/mydb-project/mydb/core/engine/postgres"
)

var sourceForms = map[string]engine.SourceForm{
	"postgres": postgres.Engine{}.SourceForm(), "mariadb": mariadb.Engine{}.SourceForm(), "mongodb": mongodb.Engine{}.SourceForm(),
}

func TestParseSource(t *testing.T) {
	for text, want := range map[string]engine.Source{
		"postgres://ada:pw@DB.example.org/genomes": {
			Engine: "postgres", Host: "db.example.org", Port: 5432, Database: "genomes", Username: "ada", Password: "pw", TLS: engine.TLSPrefer,
		},
		"postgresql://ada@10.1.2.3:6432?sslmode=disable": {Engine: "postgres", Host: "10.1.2.3", Port: 6432, Database: "ada", Username: "ada", TLS: engine.TLSOff},
		`postgres://a%40b:p%40ss%3Aw%2Fo%3Fr%23d%25%20%5C'%22@[::1]:1/x%2Fy?sslmode=require`: {
			Engine: "postgres", Host: "::1", Port: 1, Database: "x/y", Username: "a@b", Password: `p@ss:w/o?r#d% \'"`, TLS: engine.TLSRequire,
		},
		"mysql://u:p@h/d?tls=true":                  {Engine: "mariadb", Host: "h", Port: 3306, Database: "d", Username: "u", Password: "p", TLS: engine.TLSRequire},
		"mariadb://u:p@h:3307/d":                    {Engine: "mariadb", Host: "h", Port: 3307, Database: "d", Username: "u", Password: "p", TLS: engine.TLSPrefer},
		"mongodb://u:p@h/d?authSource=admin&w=1":    {Engine: "mongodb", Host: "h", Port: 27017, Database: "d", Username: "u", Password: "p", TLS: engine.TLSOff, Accounts: "admin"},
		"mongodb://h/d?tls=true&retryWrites=false":  {Engine: "mongodb", Host: "h", Port: 27017, Database: "d", TLS: engine.TLSRequire, Accounts: "d"},
		"  postgres://u:a@b@h/d  ":                  {Engine: "postgres", Host: "h", Port: 5432, Database: "d", Username: "u", Password: "a@b", TLS: engine.TLSPrefer},
		"postgres://u:%E2%82%AC@h/d?sslmode=prefer": {Engine: "postgres", Host: "h", Port: 5432, Database: "d", Username: "u", Password: "€", TLS: engine.TLSPrefer},
	} {
		got, err := engine.ParseSource(text, sourceForms)
		if err != nil || got != want {
			t.Errorf("%s:\n%+v, %v; want\n%+v", text, got, err, want)
		}
	}
}

// TestParseSourceRefuses says what is wrong, and repeats nothing that may be of a password.
func TestParseSourceRefuses(t *testing.T) {
	for text, want := range map[string]string{
		"":                                            "not understood",
		"hunter2":                                     "not understood",
		"ftp://u:hunter2@h/d":                         "must begin with one of: mariadb://, mongodb://, postgres://",
		"mongodb+srv://u:hunter2@h/d":                 "the name of one of them",
		"mongodb://u:hunter2@h1:1,h2:2/d":             "several servers",
		"postgres://u:hunter2/x@h/d":                  "write every character",
		"postgres://u:12/hunter2@h/d":                 "write every character",
		"postgres://u:12?hunter2=1@h/d":               "write every character",
		"postgres://u:x#hunter2@h/d":                  "write every character",
		"postgres://u:hunter2%zz@h/d":                 "write every character",
		"postgres://u:hunter2@h:port/d":               "not understood",
		"postgres://u:hunter2@h:70000/d":              "1 to 65535",
		"postgres://u:hunter2@/d":                     "not understood",
		"postgres://u:hunter2@h/d?password=hunter2":   "A password goes before the @",
		"postgres://u:hunter2@h/d?hunter2=x":          "is not understood here",
		"postgres://u:hunter2@h/d?sslmode=verify-ca":  "no authority",
		"postgres://u:hunter2%0A@h/d":                 "control character",
		"postgres://u:hunter2%ff@h/d":                 "not UTF-8",
		"mysql://u:hunter2@h":                         "names no database",
		"mysql://u:hunter2@h/":                        "names no database",
		"mongodb://u:hunter2@h":                       "names no database",
		"postgres://u:hunter2@h$x/d":                  "host is not understood",
		"postgres://u:" + strings.Repeat("x", 5000):   "longer than",
		"postgres://u:hunter2@h/d?sslmode=require&%z": "not understood",
	} {
		_, err := engine.ParseSource(text, sourceForms)
		var field *engine.FieldError
		if !errors.As(err, &field) || field.Field != "source" || !strings.Contains(field.Message, want) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%.60s: %v; want %q, and no password", text, err, want)
		}
	}
}
