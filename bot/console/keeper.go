package console

import (
	"cmp"
	"path/filepath"
	"strings"

	"github.com/mydb-project/mydb/core"
	"github.com/mydb-project/mydb/core/engine"
	"github.com/mydb-project/mydb/core/engine/mariadb"
	"github.com/mydb-project/mydb/core/engine/postgres"
)

// keeper knows the files in which an engine's tools look for settings and passwords. Its functions turn what a file holds into
// what it shall hold; entries of others stay as they are.
type keeper struct {
	settings string // the file of what is no secret
	entry    string // what is put there, for people
	// saveEntry puts the entry in place. A password that is there stays.
	saveEntry   func(old string) string
	passwords   string // the file of passwords; may be the same
	hasPassword func(content string) bool
	// savePassword puts the password in place; the entry is there.
	savePassword func(old, password string) string
	command      string // connects with all that
	prompting    string // what asks for the password when none is saved, as part of a sentence
}

// keeperOf finds the keeper of a database's engine.
func (o ConnectOptions) keeperOf(name string, f files, card engine.Card) (keeper, error) {
	switch name {
	case "postgres":
		return postgresKeeper(f, card), nil
	case "mariadb":
		return mariadbKeeper(f, card), nil
	case "mongodb":
		return mongodbKeeper(card), nil
	}
	return keeper{}, core.Errorf(core.CodeInvalid, "%s is a database of %s, for which --save knows no files; mydb connect %s shows how to connect.", card.Name, name, card.Name)
}

func postgresKeeper(f files, card engine.Card) keeper {
	prefix := strings.TrimSuffix(postgres.PassfileLine(card, ""), "\n")
	return keeper{
		settings: f.services, entry: "the entry [" + card.Name + "]",
		saveEntry:   func(old string) string { return withSection(old, card.Name, postgres.ServiceEntry(card)) },
		passwords:   f.passwords,
		hasPassword: func(content string) bool { return hasPassword(content, prefix) },
		savePassword: func(old, password string) string {
			return withPassword(old, prefix, postgres.PassfileLine(card, password))
		},
		command:   "psql service=" + card.Name,
		prompting: "psql service=" + card.Name + " asks for the password",
	}
}

// mariadbKeeper has settings and password in one file, and in one group: Python's tools read a group once only.
func mariadbKeeper(f files, card engine.Card) keeper {
	group := mariadb.Options(card, "")[0].Name
	save := func(old, password string) string {
		for _, g := range mariadb.Options(card, password) {
			old = withSection(old, g.Name, g.Text)
		}
		return old
	}
	return keeper{
		settings: f.options, entry: "the group [" + group + "]",
		saveEntry: func(old string) string {
			saved := save(old, "")
			if line := settingOf(old, group, "password"); line != "" {
				text := mariadb.Options(card, "")[0].Text
				saved = withSection(saved, group, text+line)
			}
			return saved
		},
		passwords:    f.options,
		hasPassword:  func(content string) bool { return settingOf(content, group, "password") != "" },
		savePassword: save,
		command:      "mariadb --defaults-group-suffix=_" + card.Name,
		prompting:    "mariadb --defaults-group-suffix=_" + card.Name + " --password asks for the password",
	}
}

// settingOf finds the line of a setting in a section, with its line break.
func settingOf(content, section, name string) string {
	inside := false
	for l := range strings.Lines(content) {
		line := strings.TrimSpace(l)
		if strings.HasPrefix(line, "[") {
			inside = line == "["+section+"]"
		}
		key, _, found := strings.Cut(line, "=")
		if inside && found && strings.TrimSpace(key) == name {
			return ended(l)
		}
	}
	return ""
}

// files are where the engines' tools look.
type files struct{ ca, services, passwords, options string }

func filesOf(home string, getenv func(string) string) files {
	return files{
		ca:        filepath.Join(home, ".mydb", "ca.crt"),
		services:  cmp.Or(getenv("PGSERVICEFILE"), filepath.Join(home, ".pg_service.conf")),
		passwords: cmp.Or(getenv("PGPASSFILE"), filepath.Join(home, ".pgpass")),
		options:   filepath.Join(home, ".my.cnf"),
	}
}
