package postgres

import (
	"encoding/json"
	"net/url"
	"strconv"
	"strings"

	"github.com/mydb-project/mydb/core/engine"
)

// Snippets are the ways to connect. All name the card's entry in ~/.pg_service.conf, which ServiceEntry renders, and find the
// password in ~/.pgpass, which PassfileLine renders. So none of them holds a password or the path of somebody's home directory,
// and all verify the server's certificate. JDBC reads both files since version 42.3 of its driver.
func (Engine) Snippets(c engine.Card) []engine.Snippet {
	service := "service=" + conninfoValue(c.Name)
	sqlalchemy := "postgresql+psycopg:///?service=" + percent(c.Name)
	return []engine.Snippet{
		{Tool: "psql", Title: "psql", Language: "shell", Text: "psql " + shellWord(service)},
		{Tool: "uri", Title: "URI (any libpq tool)", Language: "text", Text: "postgresql:///?service=" + percent(c.Name)},
		{Tool: "psycopg", Title: "Python (psycopg)", Language: "python", Text: lines(
			"import psycopg",
			"",
			"with psycopg.connect("+literal(service)+") as conn:",
			`    print(conn.execute("select version()").fetchone())`,
		)},
		{Tool: "sqlalchemy", Title: "Python (SQLAlchemy)", Language: "python", Text: lines(
			"from sqlalchemy import create_engine, text",
			"",
			"engine = create_engine("+literal(sqlalchemy)+")",
			"with engine.connect() as conn:",
			`    print(conn.execute(text("select version()")).scalar())`,
		)},
		{Tool: "r", Title: "R (DBI, RPostgres)", Language: "r", Text: lines(
			"library(DBI)",
			"",
			"con <- dbConnect(RPostgres::Postgres(), service = "+literal(c.Name)+")",
			`dbGetQuery(con, "select version()")`,
		)},
		{Tool: "julia", Title: "Julia (LibPQ.jl)", Language: "julia", Text: lines(
			"using LibPQ",
			"",
			"conn = LibPQ.Connection("+juliaLiteral(service)+")",
			`execute(conn, "select version()")`,
		)},
		{Tool: "jdbc", Title: "JDBC (driver 42.3 or newer)", Language: "text", Text: "jdbc:postgresql://?service=" + percent(c.Name)},
		{Tool: "jupyter", Title: "Jupyter (jupysql)", Language: "python", Text: lines(
			"%load_ext sql",
			"%sql "+sqlalchemy,
			"%sql select version()",
		)},
	}
}

// ServiceEntry is the card's part of ~/.pg_service.conf, ended by a line break. The format has no quotes and no escapes, so a
// line break within a value, which would start another setting, is taken out.
func ServiceEntry(c engine.Card) string {
	plain := strings.NewReplacer("\n", "", "\r", "").Replace
	return lines(
		"["+plain(c.Name)+"]",
		"host="+plain(c.Host),
		"port="+strconv.Itoa(c.Port),
		"dbname="+plain(c.Database),
		"user="+plain(c.Username),
		"sslmode=verify-full",
		"sslrootcert="+plain(c.CAPath),
	) + "\n"
}

// PassfileLine is the card's line of ~/.pgpass, ended by a line break. It holds for all databases of the server, because the
// scientist may make more of them.
func PassfileLine(c engine.Card, password string) string {
	escape := strings.NewReplacer(`\`, `\\`, `:`, `\:`).Replace
	return strings.Join([]string{escape(c.Host), strconv.Itoa(c.Port), "*", escape(c.Username), escape(password)}, ":") + "\n"
}

// percent escapes for any part of a URL. libpq does not read "+" as a blank.
func percent(s string) string { return strings.ReplaceAll(url.QueryEscape(s), "+", "%20") }

// conninfoValue quotes a value of a libpq connection string where that is needed.
func conninfoValue(s string) string {
	if s != "" && !strings.ContainsAny(s, " \t\r\n'\\") {
		return s
	}
	return "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(s) + "'"
}

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

// literal is a string literal that Python and R read the same way: JSON's escapes are a subset of theirs, and none of them
// interpolates. Runes beyond the 16 bits of JSON's escapes are not escaped at all.
func literal(s string) string {
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(s); err != nil {
		panic("a string has no JSON form: " + err.Error()) // the encoder refuses no string
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// juliaLiteral also keeps Julia from interpolating at a dollar sign.
func juliaLiteral(s string) string { return strings.ReplaceAll(literal(s), "$", `\$`) }

func lines(l ...string) string { return strings.Join(l, "\n") }
