package bot

import "context"

// importCommand has no options: the address of a database holds a password, and a file cannot be sent here.
var importCommand = Command{Name: "import", Summary: "Tells how to bring in a database from elsewhere.", Example: "import"}

func (c conversation) bringIn(context.Context) (Answer, error) {
	return Answer{Text: "To bring in a database that you have elsewhere, by its address or as a file that pg_dump, mariadb-dump or mongodump have written, open " + c.publicURL + "/import\n" +
		"It is not done here, because the address holds a password: never write one in a chat."}, nil
}
