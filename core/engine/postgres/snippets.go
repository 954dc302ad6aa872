package postgres

import (
	"strconv"
	"strings"

	"github.com/mydb-project/mydb/core/engine"
	"github.com/mydb-project/mydb/core/engine/quoting"
)

// Snippets are the ways to connect. All name the card's entry in ~/.pg_service.conf, which ServiceEntry renders, and find the
// password in ~/.pgpass, which PassfileLine renders. So none of them holds a password or the path of somebody's home directory,
// and all verify the server's certificate. JDBC reads both files since version 42.3 of its driver.
func (Engine) Snippets(c engine.Card) []engine.Snippet {
	service := "service=" + conninfoValue(c.Name)
	sqlalchemy := "postgresql+psycopg:///?service=" + quoting.Percent(c.Name)
	return []engine.Snippet{
		{Tool: "psql", Title: "psql", Language: "shell", Text: "psql " + quoting.ShellWord(service)},
		{Tool: "uri", Title: "URI (any libpq tool)", Language: "text", Text: "postgresql:///?service=" + quoting.Percent(c.Name)},
		{Tool: "psycopg", Title: "Python (psycopg)", Language: "python", Text: quoting.Lines(
			"import psycopg",
			"",
			"with psycopg.connect("+quoting.Literal(service)+") as conn:",
			`    print(conn.execute("select version()").fetchone())`,
		)},
		{Tool: "sqlalchemy", Title: "Python (SQLAlchemy)", Language: "python", Text: quoting.Lines(
			"from sqlalchemy import create_engine, text",
			"",
			"engine = create_engine("+quoting.Literal(sqlalchemy)+")",
			"with engine.connect() as conn:",
			`    print(conn.execute(text("select version()")).scalar())`,
		)},
		{Tool: "r", Title: "R (DBI, RPostgres)", Language: "r", Text: quoting.Lines(
			"library(DBI)",
			"",
			"con <- dbConnect(RPostgres::Postgres(), service = "+quoting.Literal(c.Name)+")",
			`dbGetQuery(con, "select version()")`,
		)},
		{Tool: "julia", Title: "Julia (LibPQ.jl)", Language: "julia", Text: quoting.Lines(
			"using LibPQ",
			"",
			"conn = LibPQ.Connection("+juliaLiteral(service)+")",
			`execute(conn, "select version()")`,
		)},
		{Tool: "jdbc", Title: "JDBC (driver 42.3 or newer)", Language: "text", Text: "jdbc:postgresql://?service=" + quoting.Percent(c.Name)},
		{Tool: "jupyter", Title: "Jupyter (jupysql)", Language: "python", Text: quoting.Lines(
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
	return quoting.Lines(
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

// conninfoValue quotes a value of a libpq connection string where that is needed.
func conninfoValue(s string) string {
	if s != "" && !strings.ContainsAny(s, " \t\r\n'\\") {
		return s
	}
	return "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(s) + "'"
}

// juliaLiteral also keeps Julia from interpolating at a dollar sign.
func juliaLiteral(s string) string { return strings.ReplaceAll(quoting.Literal(s), "$", `\$`) }
