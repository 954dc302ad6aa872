package core

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

var namePattern = regexp.MustCompile(`^[a-z][a-z0-9-]{1,38}[a-z0-9]$`)

// reservedNames would be mistaken for something else: for the engines' own databases, or for words of the grammar and the API.
var reservedNames = []string{
	"admin", "administrator", "all", "config", "default", "information-schema", "local", "mongo", "mongodb", "mysql", "mariadb",
	"new", "none", "performance-schema", "postgres", "postgresql", "public", "root", "sys", "system", "template0", "template1", "test",
}

var backupPolicies = []string{BackupDaily, BackupWeekly, BackupMonthly, BackupNever}

// BackupPolicies lists how often an instance may be backed up.
func BackupPolicies() []string { return slices.Clone(backupPolicies) }

// CheckName applies the rule for names of instances. Errors: CodeInvalid.
func CheckName(name string) error {
	if name == "" {
		return invalid("name", "Give the database a name, such as genomes.")
	}
	if !namePattern.MatchString(name) {
		return invalid("name", "The name %q does not fit: 3 to 40 lower-case letters, digits and hyphens, a letter first, no hyphen last.", clip(name))
	}
	if slices.Contains(reservedNames, name) || strings.HasPrefix(name, "mydb") || strings.HasPrefix(name, "pg-") {
		return invalid("name", "The name %q is reserved. Choose another name, such as %s-data.", name, strings.TrimPrefix(name, "pg-"))
	}
	return nil
}

func checkText(field, text string, limit int) error {
	if !utf8.ValidString(text) || hasControl(text) {
		return invalid(field, "The %s holds characters that cannot be shown. Use plain text.", field)
	}
	if utf8.RuneCountInString(text) > limit {
		return invalid(field, "The %s is longer than %d characters. Make it shorter.", field, limit)
	}
	return nil
}

func hasControl(s string) bool {
	return strings.ContainsFunc(s, func(r rune) bool { return unicode.IsControl(r) && r != '\n' && r != '\t' && r != '\r' })
}

// parseExpiry reads RFC 3339 or a number of days such as 90d; empty means never.
func parseExpiry(text string, now time.Time) (*time.Time, error) {
	if text == "" {
		return nil, nil //nolint:nilnil // no expiry is an ordinary value
	}
	bad := invalid("expires", "The expiry %q is not understood. Write a number of days such as 90d, or a time such as 2027-06-30T00:00:00Z.", clip(text))
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		days, err := strconv.Atoi(strings.TrimSuffix(text, "d"))
		if err != nil || !strings.HasSuffix(text, "d") || days < 1 || days > 36500 {
			return nil, bad
		}
		at = now.AddDate(0, 0, days)
	}
	at = at.UTC().Truncate(time.Second)
	if !at.After(now) || at.After(now.AddDate(100, 0, 0)) {
		return nil, invalid("expires", "The expiry must lie in the future, and within 100 years.")
	}
	return &at, nil
}

// clip shortens what somebody typed before it is repeated to them.
func clip(s string) string {
	s = strings.ToValidUTF8(s, "?")
	if utf8.RuneCountInString(s) <= 60 {
		return s
	}
	return string([]rune(s)[:60]) + "..."
}
