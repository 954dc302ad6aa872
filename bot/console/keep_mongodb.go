package console

import (
	"github.com/mydb-project/mydb/core/engine"
	"github.com/mydb-project/mydb/core/engine/mongodb"
)

// mongodbKeeper has the whole way to a database, with its password, in one line of a file of its own: MongoDB's tools share no
// settings, but all take a URI.
func mongodbKeeper(card engine.Card) keeper {
	file := mongodb.URIFile(card)
	return keeper{
		settings: file, entry: "the one line",
		saveEntry:    func(old string) string { return mongodb.URI(card, mongodb.PasswordOf(old)) },
		passwords:    file,
		hasPassword:  func(content string) bool { return mongodb.PasswordOf(content) != "" },
		savePassword: func(_, password string) string { return mongodb.URI(card, password) },
		command:      mongodb.Shell(card),
		prompting:    "mongosh asks for the password when it is given that line",
	}
}
