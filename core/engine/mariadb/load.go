package mariadb

import (
	"context"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"

	"github.com/go-sql-driver/mysql"

	"github.com/mydb-project/mydb/core/engine"
)

// loader runs a script as the tenant, in the tenant's database, one statement after the other, up to the first that fails.
type loader struct {
	conn     *session
	script   *script
	leftOut  engine.LeftOut
	database string // the one that the script says it is of; empty: it has said nothing
}

// load runs a script to its end.
func load(ctx context.Context, in io.Reader, into engine.Target) (engine.LeftOut, error) {
	t := into.Tenant
	conn, err := dial(ctx, into.Server, login{user: t.Username, password: t.Password, database: t.Database, anyLength: true})
	if err != nil {
		return nil, err
	}
	defer hangUp(conn)
	var limit int
	if err := conn.one(ctx, &limit, "select @@max_allowed_packet"); err != nil {
		return nil, err
	}
	var server string
	if err := conn.one(ctx, &server, "select substring_index(version(), '.', 2)"); err != nil {
		return nil, err
	}
	l := &loader{conn: conn, script: newScript(in, limit-1), leftOut: engine.LeftOut{}}
	dumped := engine.Announced(l.script.in, dumpedFrom)
	if err := conn.run(ctx, "set session max_statement_time = 0, wait_timeout = 604800"); err != nil {
		return nil, err
	}
	for {
		st, err := l.script.next()
		if errors.Is(err, io.EOF) {
			return l.leftOut, conn.run(ctx, "commit") // a dump made with --no-autocommit may leave that to the program
		}
		if err == nil {
			err = l.run(ctx, st)
		}
		if err != nil {
			return l.leftOut, engine.OfLater(err, "MariaDB", dumped, server)
		}
	}
}

// dumpedFrom is where mariadb-dump says in the beginning of a dump of what release it is. Those of MySQL have other numbers.
var dumpedFrom = regexp.MustCompile(`(?m)^-- Server version\s+(\d+\.\d+)\.\d+-MariaDB`)

// unsafeEncodings are those in which a quote or backslash may be half of a letter.
var unsafeEncodings = regexp.MustCompile(`(?i)\b(?:sjis|cp932|big5|gbk|gb18030|gb2312)\b`)

func (l *loader) run(ctx context.Context, st statement) error {
	if len(st.words) == 0 {
		return nil // comments, or nothing
	}
	if err := l.checkDatabase(st); err != nil {
		return err
	}
	if what := notTaken(st); what != "" {
		l.leftOut[what]++
		return nil
	}
	if st.is("SET") && unsafeEncodings.MatchString(st.text) {
		return &engine.RefusedError{Message: fmt.Sprintf("The dump is written in an encoding that cannot be read safely (line %d). Make it with --default-character-set=utf8mb4.", st.line), Err: errors.New("encoding")}
	}
	text := st.text
	if st.is("CREATE") || st.is("ALTER") {
		if text = definer.ReplaceAllString(text, "$1"); text != st.text {
			l.leftOut["definers"]++
		}
	}
	if err := l.conn.run(ctx, text); err != nil {
		return refused(st, err)
	}
	return l.mind(ctx, st)
}

// definer is on whose behalf a view or routine acts, before its kind and name: on the tenant's from now on.
var definer = regexp.MustCompile("(?is)^((?:\\s|/\\*M?!\\d*|\\*/|CREATE|ALTER|OR|REPLACE|AGGREGATE|ALGORITHM\\s*=\\s*\\w+)*)DEFINER\\s*=\\s*(?:`(?:[^`]|``)*`|'(?:[^'\\\\]|\\\\.|'')*'|[\\w$]+(?:\\(\\))?)(?:\\s*@\\s*(?:`(?:[^`]|``)*`|'(?:[^'\\\\]|\\\\.|'')*'|[\\w.%$-]+))?")

// notTaken is what a statement is about that an import does not take along: everything goes into the tenant's database, and who has
// access is MyDB's.
func notTaken(st statement) string {
	switch {
	case st.is("USE"), st.is("CREATE", "DATABASE"), st.is("CREATE", "SCHEMA"), st.is("DROP", "DATABASE"), st.is("ALTER", "DATABASE"):
		return "names of databases"
	case st.is("GRANT"), st.is("REVOKE"), st.is("FLUSH"), st.is("SET", "PASSWORD"), st.is("SET", "DEFAULT", "ROLE"),
		(st.is("CREATE") || st.is("DROP") || st.is("ALTER")) && len(st.words) > 1 && (st.words[1] == "USER" || st.words[1] == "ROLE"):
		return "accounts and grants"
	case st.is("SET") && (st.has("SQL_LOG_BIN") || st.has("GTID_PURGED") || st.has("GTID_SLAVE_POS")), st.is("CHANGE", "MASTER"), st.is("START", "SLAVE"), st.is("STOP", "SLAVE"):
		return "settings of a replica"
	}
	return ""
}

// databaseNamed finds the database that a statement is about.
var databaseNamed = regexp.MustCompile("(?is)^(?:USE|CREATE\\s+(?:DATABASE|SCHEMA))\\s+(?:/\\*M?!\\d+\\s*)?(?:IF\\s+NOT\\s+EXISTS\\s*)?(?:\\*/\\s*)?(?:`((?:[^`]|``)+)`|([\\w$-]+))")

// checkDatabase refuses a dump of several databases: here is room for one.
func (l *loader) checkDatabase(st statement) error {
	parts := databaseNamed.FindStringSubmatch(st.text)
	if parts == nil {
		return nil
	}
	name := parts[1] + parts[2]
	if l.database != "" && !strings.EqualFold(name, l.database) {
		return &engine.RefusedError{Err: errors.New("several databases"), Message: fmt.Sprintf(
			"The dump holds several databases, such as %.60s and %.60s (line %d). Make a dump of one of them.", l.database, name, st.line)}
	}
	if l.database == "" {
		l.database = name
	}
	return nil
}

// mind keeps up with what a statement has changed in the way in which texts are read.
func (l *loader) mind(ctx context.Context, st statement) error {
	if !st.is("SET") || !st.has("SQL_MODE") {
		return nil
	}
	var mode string
	if err := l.conn.one(ctx, &mode, "select @@session.sql_mode"); err != nil {
		return err
	}
	l.script.literal = strings.Contains(mode, "NO_BACKSLASH_ESCAPES")
	return nil
}

// refused says at which line the server did not go on. Errors that come from the server's condition stay plain.
func refused(st statement, err error) error {
	var e *mysql.MySQLError
	switch {
	case errors.Is(err, mysql.ErrPktTooLarge):
		return &engine.RefusedError{Message: fmt.Sprintf("The statement that ends in line %d of the dump is longer than the server takes.", st.line), Err: err}
	case strings.Contains(err.Error(), "is not registered"): // the driver's own words for LOAD DATA LOCAL
		return &engine.RefusedError{Message: fmt.Sprintf("Line %d of the dump asks for a file by LOAD DATA LOCAL, and comes without files.", st.line), Err: err}
	case !errors.As(err, &e) || hasNumber(err, passing...):
		return err
	}
	return &engine.RefusedError{Message: fmt.Sprintf("MariaDB refused what the dump says up to line %d: %s.", st.line, strings.TrimSuffix(e.Message, ".")), Err: err}
}
