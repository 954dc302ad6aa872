package postgres

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"github.com/mydb-project/mydb/core/engine"
)

// What a tenant may bring. The server truncates longer names silently, hence 63.
const (
	minPassword = 12
	maxPassword = 128
	maxInitSQL  = 64 << 10
)

var (
	identifier    = regexp.MustCompile(`^[a-z_][a-z0-9_]{0,62}$`)
	extensionName = regexp.MustCompile(`^[a-z_][a-z0-9_-]{0,62}$`)
	// The server keeps "public" and "none" for itself, even in quotes.
	reservedUsers     = []string{maintenanceDB, "public", "none"}
	reservedDatabases = []string{maintenanceDB, "template0", "template1"}
)

// CheckTenant refuses what PostgreSQL cannot have, and what would collide with MyDB's own. SQL's reserved words are fine:
// every name is quoted.
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
	for _, name := range t.Extensions {
		if !extensionName.MatchString(name) {
			return &engine.FieldError{Field: "extensions", Message: fmt.Sprintf("%q cannot be an extension's name; use small letters, digits, _ and -, such as pg_trgm.", name)}
		}
	}
	if m := initProblem(t.InitSQL); m != "" {
		return &engine.FieldError{Field: "init_sql", Message: m}
	}
	return nil
}

func nameProblem(what, name string, reserved []string) string {
	switch {
	case name == "":
		return fmt.Sprintf("The %s is missing.", what)
	case !identifier.MatchString(name):
		return fmt.Sprintf("The %s %.60q must start with a small letter or _, go on with small letters, digits and _, and have at most 63 of them.", what, name)
	case strings.HasPrefix(name, "pg_"), strings.HasPrefix(name, "mydb"), slices.Contains(reserved, name):
		return fmt.Sprintf("The %s %q is reserved; choose one that is not %s and does not start with pg_ or mydb.", what, name, strings.Join(reserved, ", "))
	}
	return ""
}

// passwordProblem ends the sentence "The password ...". Clients normalise passwords before they log in, but not all in the same
// way (libpq by SASLprep, which is Unicode 3.2 and NFKC; others by OpaqueString, which is NFC), so that one with such characters
// would work in one tool and fail in the next.
func passwordProblem(p string) string {
	if !utf8.ValidString(p) {
		return "is not valid UTF-8; type it in again"
	}
	if n := utf8.RuneCountInString(p); n < minPassword || n > maxPassword {
		return fmt.Sprintf("has %d characters; use %d to %d", n, minPassword, maxPassword)
	}
	for _, r := range p {
		if unicode.IsControl(r) {
			return "holds a control character, such as a line break or a tab; leave it out"
		}
		if unicode.In(r, unicode.Cf, unicode.Variation_Selector, unicode.Other_Default_Ignorable_Code_Point) || r != ' ' && unicode.IsSpace(r) {
			return fmt.Sprintf("holds the invisible character %U, which tools treat differently; leave it out", r)
		}
	}
	if norm.NFKC.String(p) != p {
		return "holds characters that can be written in several ways (such as ligatures or full-width letters), which tools treat differently; choose others"
	}
	return ""
}

func initProblem(sql string) string {
	switch {
	case len(sql) > maxInitSQL:
		return fmt.Sprintf("The init script has %d bytes; at most %d are possible. Load larger things with psql once the database is ready.", len(sql), maxInitSQL)
	case !utf8.ValidString(sql):
		return "The init script is not valid UTF-8; save it in that encoding and try again."
	case strings.ContainsRune(sql, 0):
		return "The init script holds a NUL character; PostgreSQL cannot read past it. Take it out."
	}
	return ""
}
