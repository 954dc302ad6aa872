package mariadb

import (
	"github.com/mydb-project/mydb/core/engine"
)

// Snippets are the ways to connect.
func (Engine) Snippets(c engine.Card) []engine.Snippet { return nil }
