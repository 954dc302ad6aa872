package mariadb

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/mydb-project/mydb/core/engine"
)

// What a tenant may bring.
const (
	maxPattern  = 64 // of a database name in a grant
	minPassword = 12
	maxPassword = 128
	maxInitSQL  = 64 << 10
)

var (
	userName     = regexp.MustCompile(`^[a-z_][a-z0-9_]{0,79}$`)
	databaseName = regexp.MustCompile(`^[a-z_][a-z0-9_]{0,63}$`)
	// Names of the server's own accounts, and words that it keeps for itself where a user is meant.
	reservedUsers     = []string{"root", "mysql", "mariadb", "public", "none", "current_user", "current_role", "session_user", "healthcheck"}
	reservedDatabases = []string{"mysql", "sys", "information_schema", "performance_schema", "test"}
	delimiter         = regexp.MustCompile(`(?im)^[ \t]*delimiter[ \t]`)
)

// CheckTenant refuses what MariaDB cannot have, and what would collide with MyDB's own. SQL's reserved words are fine: every
// name is quoted.
func (Engine) CheckTenant(t engine.Tenant) error {
	if m := nameProblem("user name", t.Username, 80, userName, reservedUsers); m != "" {
		return &engine.FieldError{Field: "username", Message: m}
	}
	if m := databaseProblem(t.Database); m != "" {
		return &engine.FieldError{Field: "database", Message: m}
	}
	if m := passwordProblem(t.Password); m != "" {
		return &engine.FieldError{Field: "password", Message: "The password " + m + "."}
	}
	if len(t.Extensions) > 0 {
		return &engine.FieldError{Field: "extensions", Message: "MariaDB has no extensions that could be added to one database; leave them out."}
	}
	if m := initProblem(t.InitSQL); m != "" {
		return &engine.FieldError{Field: "init_sql", Message: m}
	}
	return nil
}

func nameProblem(what, name string, length int, form *regexp.Regexp, reserved []string) string {
	switch {
	case name == "":
		return fmt.Sprintf("The %s is missing.", what)
	case !form.MatchString(name):
		return fmt.Sprintf("The %s %.90q must start with a small letter or _, go on with small letters, digits and _, and have at most %d of them.", what, name, length)
	case strings.HasPrefix(name, "mydb"), slices.Contains(reserved, name):
		return fmt.Sprintf("The %s %q is reserved; choose one that is not %s and does not start with mydb.", what, name, strings.Join(reserved, ", "))
	}
	return ""
}

// databaseProblem also keeps room for the patterns by which rights are given.
func databaseProblem(name string) string {
	if m := nameProblem("database name", name, 64, databaseName, reservedDatabases); m != "" {
		return m
	}
	if longest := patterns(name)[1]; len(longest) > maxPattern {
		return fmt.Sprintf("The database name %q is too long by %d characters (each _ counts as two, and three are kept); choose a shorter one.", name, len(longest)-maxPattern)
	}
	return ""
}

// passwordProblem ends the sentence "The password ...". The server takes the bytes of a password as they come, and clients send
// them in whatever encoding they are set to, so one with other letters would work in one tool and fail in the next.
func passwordProblem(p string) string {
	if n := utf8.RuneCountInString(p); n < minPassword || n > maxPassword {
		return fmt.Sprintf("has %d characters; use %d to %d", n, minPassword, maxPassword)
	}
	for _, r := range p {
		if r < ' ' || r > '~' {
			return fmt.Sprintf("holds the character %U, which MariaDB's tools send in different ways; use letters, digits and signs of the English keyboard", r)
		}
	}
	return ""
}

func initProblem(sql string) string {
	switch {
	case len(sql) > maxInitSQL:
		return fmt.Sprintf("The init script has %d bytes; at most %d are possible. Load larger things with mariadb once the database is ready.", len(sql), maxInitSQL)
	case !utf8.ValidString(sql):
		return "The init script is not valid UTF-8; save it in that encoding and try again."
	case strings.ContainsRune(sql, 0):
		return "The init script holds a NUL character; take it out."
	case delimiter.MatchString(sql):
		return "The init script holds DELIMITER, a command of the mariadb program that the server does not know; leave these lines out and end a routine with END; as any statement: it is read as a whole."
	}
	return ""
}
