package mariadb

import (
	"encoding/json"
	"net"
	"net/url"
	"strconv"
	"strings"

	"github.com/mydb-project/mydb/core/engine"
)

// Snippets are the ways to connect. All but the last two name the card's groups of ~/.my.cnf, which Options renders, and find the password
// there. So none of them holds a password, and all verify the server's certificate. MySQL's own client and JDBC do not know such
// groups, or not the setting that verifies: they ask for the password, and name the certificate's file. Version 2 of JDBC's driver wants
// useSsl, version 3 sslMode; each ignores the other's.
func (Engine) Snippets(c engine.Card) []engine.Snippet {
	group := clientGroup(c)
	sqlalchemy := "mysql+pymysql:///" + percent(c.Database) + "?read_default_file=~/.my.cnf&read_default_group=" + percent(group)
	return []engine.Snippet{
		{Tool: "mariadb", Title: "mariadb", Language: "shell", Text: "mariadb " + shellWord("--defaults-group-suffix=_"+c.Name)},
		{Tool: "pymysql", Title: "Python (PyMySQL)", Language: "python", Text: lines(
			"import pymysql",
			"",
			`with pymysql.connect(read_default_file="~/.my.cnf", read_default_group=`+literal(group)+", database="+literal(c.Database)+") as conn:",
			"    with conn.cursor() as cur:",
			`        cur.execute("select version()")`,
			"        print(cur.fetchone())",
		)},
		{Tool: "sqlalchemy", Title: "Python (SQLAlchemy)", Language: "python", Text: lines(
			"from sqlalchemy import create_engine, text",
			"",
			"engine = create_engine("+literal(sqlalchemy)+")",
			"with engine.connect() as conn:",
			`    print(conn.execute(text("select version()")).scalar())`,
		)},
		{Tool: "r", Title: "R (DBI, RMariaDB)", Language: "r", Text: lines(
			"library(DBI)",
			"",
			"con <- dbConnect(RMariaDB::MariaDB(), group = "+literal(group)+", dbname = "+literal(c.Database)+")",
			`dbGetQuery(con, "select version()")`,
		)},
		{Tool: "mysql", Title: "mysql (MySQL 8; asks for the password)", Language: "shell", Text: strings.Join([]string{
			"mysql", "--host=" + shellWord(c.Host), "--port=" + strconv.Itoa(c.Port), "--user=" + shellWord(c.Username), "--password",
			"--ssl-mode=VERIFY_IDENTITY", "--ssl-ca", shellPath(c.CAPath), shellWord(c.Database),
		}, " ")},
		{Tool: "jdbc", Title: "JDBC (MariaDB Connector/J; add the password, write ~ out)", Language: "text", Text: "jdbc:mariadb://" +
			net.JoinHostPort(c.Host, strconv.Itoa(c.Port)) + "/" + percent(c.Database) + "?user=" + percent(c.Username) + "&useSsl=true&sslMode=verify-full&serverSslCert=" + c.CAPath},
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
		{Name: clientGroup(c), Text: lines(client...) + "\n"},
		{Name: program, Text: lines("["+program+"]", "database="+optionValue(c.Database)) + "\n"},
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

// percent escapes for any part of a URL.
func percent(s string) string { return strings.ReplaceAll(url.QueryEscape(s), "+", "%20") }

// shellWord quotes a word for a POSIX shell where that is needed.
func shellWord(s string) string {
	safe := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("_-=.,:/@%+", r)
	}
	if s != "" && strings.IndexFunc(s, func(r rune) bool { return !safe(r) }) < 0 {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// shellPath leaves a leading ~ to the shell.
func shellPath(s string) string {
	if rest, ok := strings.CutPrefix(s, "~/"); ok {
		return "~/" + shellWord(rest)
	}
	return shellWord(s)
}

// literal is a string literal that Python and R read the same way: JSON's escapes are a subset of theirs, and none of them
// interpolates.
func literal(s string) string {
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(s); err != nil {
		panic("a string has no JSON form: " + err.Error()) // the encoder refuses no string
	}
	return strings.TrimSuffix(b.String(), "\n")
}

func lines(l ...string) string { return strings.Join(l, "\n") }
