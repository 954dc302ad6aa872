package mongodb

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/mydb-project/mydb/core/engine"
)

// What a tenant may bring. A database's name may have 63 bytes, a user's as many as one likes; one rule is easier to remember.
const (
	minPassword = 12
	maxPassword = 128
)

var (
	identifier = regexp.MustCompile(`^[a-z_][a-z0-9_]{0,62}$`)
	// Names that the server uses itself, or that people take for those of its administrators.
	reservedUsers     = []string{"admin", "root", "__system"}
	reservedDatabases = []string{"admin", "local", "config"}
)

// CheckTenant refuses what MongoDB cannot have, and what would collide with MyDB's own.
func (Engine) CheckTenant(t engine.Tenant) error {
	if m := nameProblem("user name", t.Username, reservedUsers); m != "" {
		return &engine.FieldError{Field: "username", Message: m}
	}
	if m := nameProblem("database name", t.Database, reservedDatabases); m != "" {
		return &engine.FieldError{Field: "database", Message: m}
	}
	if m := passwordProblem(t.Password); m != "" {
		return &engine.FieldError{Field: "password", Message: "The password " + m + "."}
	}
	if len(t.Extensions) > 0 {
		return &engine.FieldError{Field: "extensions", Message: "MongoDB has no extensions that could be added to a database; leave them out."}
	}
	if t.InitSQL != "" {
		return &engine.FieldError{Field: "init_sql", Message: "MongoDB's server runs no scripts; leave the init script out, and run it with mongosh once the database is ready."}
	}
	return nil
}

func nameProblem(what, name string, reserved []string) string {
	switch {
	case name == "":
		return fmt.Sprintf("The %s is missing.", what)
	case !identifier.MatchString(name):
		return fmt.Sprintf("The %s %.80q must start with a small letter or _, go on with small letters, digits and _, and have at most 63 of them.", what, name)
	case strings.HasPrefix(name, "mydb"), slices.Contains(reserved, name):
		return fmt.Sprintf("The %s %q is reserved; choose one that is not %s and does not start with mydb.", what, name, strings.Join(reserved, ", "))
	}
	return ""
}

// passwordProblem ends the sentence "The password ...". Clients normalise other letters each in their own way, and some refuse them,
// so that a password with such letters would work in one tool and fail in the next.
func passwordProblem(p string) string {
	if n := utf8.RuneCountInString(p); n < minPassword || n > maxPassword {
		return fmt.Sprintf("has %d characters; use %d to %d", n, minPassword, maxPassword)
	}
	for _, r := range p {
		if r < ' ' || r > '~' {
			return fmt.Sprintf("holds the character %U, which MongoDB's tools send in different ways; use letters, digits and signs of the English keyboard", r)
		}
	}
	return ""
}
