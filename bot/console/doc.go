// Package console is the terminal's side of MyDB: `mydb chat` and `mydb connect`, against a running server's API.
//
// The way through: find.go decides which server and which token, client.go and follow.go speak to the API, chat.go holds the
// conversation, and connect.go shows how to connect and with dotfiles.go writes what psql and other tools read.
package console
