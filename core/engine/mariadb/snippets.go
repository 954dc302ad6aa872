package mariadb

import (
	"net"
	"strconv"
	"strings"

	"github.com/mydb-project/mydb/core/engine"
	"github.com/mydb-project/mydb/core/engine/quoting"
)

// Snippets are the ways to connect. All but the last two name the card's groups of ~/.my.cnf, which Options renders, and find the password
// there. So none of them holds a password, and all verify the server's certificate. MySQL's own client and JDBC do not know such
// groups, or not the setting that verifies: they ask for the password, and name the certificate's file. Version 2 of JDBC's driver wants
// useSsl, version 3 sslMode; each ignores the other's.
func (Engine) Snippets(c engine.Card) []engine.Snippet {
	group := clientGroup(c)
	sqlalchemy := "mysql+pymysql:///" + quoting.Percent(c.Database) + "?read_default_file=~/.my.cnf&read_default_group=" + quoting.Percent(group)
	return []engine.Snippet{
		{Tool: "mariadb", Title: "mariadb", Language: "shell", Text: "mariadb " + quoting.ShellWord("--defaults-group-suffix=_"+c.Name)},
		{Tool: "pymysql", Title: "Python (PyMySQL)", Language: "python", Text: quoting.Lines(
			"import pymysql",
			"",
			`with pymysql.connect(read_default_file="~/.my.cnf", read_default_group=`+quoting.Literal(group)+", database="+quoting.Literal(c.Database)+") as conn:",
			"    with conn.cursor() as cur:",
			`        cur.execute("select version()")`,
			"        print(cur.fetchone())",
		)},
		{Tool: "sqlalchemy", Title: "Python (SQLAlchemy)", Language: "python", Text: quoting.Lines(
			"from sqlalchemy import create_engine, text",
			"",
			"engine = create_engine("+quoting.Literal(sqlalchemy)+")",
			"with engine.connect() as conn:",
			`    print(conn.execute(text("select version()")).scalar())`,
		)},
		{Tool: "r", Title: "R (DBI, RMariaDB)", Language: "r", Text: quoting.Lines(
			"library(DBI)",
			"",
			"con <- dbConnect(RMariaDB::MariaDB(), group = "+quoting.Literal(group)+", dbname = "+quoting.Literal(c.Database)+")",
			`dbGetQuery(con, "select version()")`,
		)},
		{Tool: "mysql", Title: "mysql (MySQL 8; asks for the password)", Language: "shell", Text: strings.Join([]string{
			"mysql", "--host=" + quoting.ShellWord(c.Host), "--port=" + strconv.Itoa(c.Port), "--user=" + quoting.ShellWord(c.Username), "--password",
			"--ssl-mode=VERIFY_IDENTITY", "--ssl-ca", quoting.ShellPath(c.CAPath), quoting.ShellWord(c.Database),
		}, " ")},
		{Tool: "jdbc", Title: "JDBC (MariaDB Connector/J; add the password, write ~ out)", Language: "text", Text: "jdbc:mariadb://" +
			net.JoinHostPort(c.Host, strconv.Itoa(c.Port)) + "/" + quoting.Percent(c.Database) + "?user=" + quoting.Percent(c.Username) + "&useSsl=true&sslMode=verify-full&serverSslCert=" + c.CAPath},
	}
}

// OptionGroup is a group of ~/.my.cnf, with its title and an ending line break.
type OptionGroup struct {
	Name string
	Text string
}

// Options are the card's groups of ~/.my.cnf. With a password "" the first group has none; PasswordOption renders it.
//
// The database has a group of its own: only the programs for queries take one from there, the others would refuse the whole file.
func Options(c engine.Card, password string) []OptionGroup {
	client := []string{
		"[" + clientGroup(c) + "]",
		"host=" + optionValue(c.Host),
		"port=" + strconv.Itoa(c.Port),
		"user=" + optionValue(c.Username),
		"ssl-ca=" + optionValue(c.CAPath),
		"ssl-verify-server-cert",
	}
	if password != "" {
		client = append(client, PasswordOption(password))
	}
	program := "mysql_" + plain(c.Name)
	return []OptionGroup{
		{Name: clientGroup(c), Text: quoting.Lines(client...) + "\n"},
		{Name: program, Text: quoting.Lines("["+program+"]", "database="+optionValue(c.Database)) + "\n"},
	}
}

// PasswordOption is the setting of a password, without a line break.
func PasswordOption(password string) string { return "password=" + optionValue(password) }

func clientGroup(c engine.Card) string { return "client_" + plain(c.Name) }

// plain takes line breaks out, which would start another setting. Names of groups have no quotes and no escapes.
func plain(s string) string { return strings.NewReplacer("\n", "", "\r", "").Replace(s) }

// optionValue quotes a value of an option file where that is needed: "#" would begin a comment.
func optionValue(s string) string {
	s = plain(s)
	if s != "" && !strings.ContainsAny(s, " \t#'\"\\;") {
		return s
	}
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}
