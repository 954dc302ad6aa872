package jobs_test

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/mydb-project/mydb/core"
	"github.com/mydb-project/mydb/core/engine"
	"github.com/mydb-project/mydb/core/engine/mariadb"
	"github.com/mydb-project/mydb/core/engine/postgres"
)

// nasty is a password with everything that some format or other has a meaning for.
const nasty = " !\"#$%&'()*+,-./09:;<=>?@AZ[\\]^_`az{|}~ p@ss%40 ${HOME} $(id) \\n "

// address writes where a database is, with the password encoded.
func address(scheme string, i core.Instance, user, password, database, options string) string {
	u := url.URL{Scheme: scheme, User: url.UserPassword(user, password), Host: fmt.Sprintf("%s:%d", *i.Host, *i.Port), Path: "/" + database, RawQuery: options}
	return u.String()
}

// of is the address of an instance, as its owner.
func of(i core.Instance, cred core.Credentials) string {
	return address(i.Engine, i, cred.Username, cred.Password, i.Database, map[string]string{"mongodb": "tls=true&authSource=admin"}[i.Engine])
}

// from makes an instance to import from.
func (s *site) from(c core.Create) (core.Instance, core.Credentials) {
	s.t.Helper()
	if o := s.await(s.create(c).Operation.ID); o.State != core.OperationDone {
		s.t.Fatalf("create ended as %+v: %+v", o, o.Error)
	}
	return s.instance(c.Name), s.collect(c.Name)
}

// imported imports and wants it to end well.
func (s *site) imported(c core.Import) (core.Instance, core.Credentials, core.Operation) {
	s.t.Helper()
	o := s.do(c)
	if o.State != core.OperationDone {
		s.t.Fatalf("import of %s ended as %s: %+v\n%+v", c.Name, o.State, o.Error, o.Steps)
	}
	return s.instance(c.Name), s.collect(c.Name), o
}

// failed imports and wants it to end with a sentence and to leave nothing.
func (s *site) failed(c core.Import, want string) core.Operation {
	s.t.Helper()
	r, err := s.service.Do(s.t.Context(), core.Request{Actor: s.actor, Door: core.DoorAPI, Command: c})
	if err != nil {
		s.t.Fatalf("import %s: %v", c.Name, err)
	}
	o := s.await(r.Operation.ID)
	if o.State != core.OperationFailed || !strings.Contains(o.Error.Message, want) {
		s.t.Errorf("import of %s ended as %s: %+v, want %q\n%+v", c.Name, o.State, o.Error, want, o.Steps)
	}
	s.checkGone(r.Database.ID)
	return o
}

// step finds a step whose name begins so.
func step(t *testing.T, o core.Operation, name string) core.Step {
	t.Helper()
	for _, s := range o.Steps {
		if strings.HasPrefix(s.Name, name) {
			return s
		}
	}
	t.Fatalf("there is no step %q in %+v", name, o.Steps)
	return core.Step{}
}

// nowhere looks for a secret in every table of the metadata database, and in what workers have logged.
func (s *site) nowhere(secret string) {
	s.t.Helper()
	rows, err := s.pool.Query(s.t.Context(), "select c.relname from pg_class c where c.relkind = 'r' and c.relnamespace = 'public'::regnamespace")
	if err != nil {
		s.t.Fatal(err)
	}
	var tables []string
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			s.t.Fatal(err)
		}
		tables = append(tables, name)
	}
	if len(tables) < 15 {
		s.t.Fatalf("only the tables %v", tables)
	}
	encoded := url.QueryEscape(secret)
	text, err := json.Marshal(secret)
	if err != nil {
		s.t.Fatal(err)
	}
	quoted := strings.Trim(string(text), `"`)
	for _, table := range tables {
		var found bool
		// As text, and as the bytes of columns that are no text.
		query := fmt.Sprintf(`select exists (select from %q t where strpos(t::text, $1) + strpos(t::text, $2) + strpos(t::text, $3) + strpos(t::text, encode(convert_to($1, 'UTF8'), 'hex')) > 0)`, table)
		if err := s.pool.QueryRow(s.t.Context(), query, secret, encoded, quoted).Scan(&found); err != nil || found {
			s.t.Errorf("the table %s holds the password: %v, %v", table, found, err)
		}
	}
	for _, log := range s.logs {
		if said := log.String(); strings.Contains(said, secret) || strings.Contains(said, encoded) || strings.Contains(said, quoted) {
			s.t.Errorf("a worker's log holds the password")
		}
	}
}

// TestImportPostgres brings everything that PostgreSQL 15 has into 17, by address, as a user with a password of which every character
// means something somewhere.
func TestImportPostgres(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.need("postgres", "15")
	s.worker("")
	i, cred := s.from(core.Create{Name: "genomes", Version: "15"})
	s.fillPostgres(i, cred)
	password := nasty + "é€"
	s.superuser(i, "postgres", `create role "o'd d" superuser login password '`+strings.ReplaceAll(password, "'", "''")+"'")
	copied, cred2, o := s.imported(core.Import{Create: core.Create{Name: "copy", Username: "ada"}, Source: address("postgresql", i, "o'd d", password, "genomes", "sslmode=require")})
	if copied.Version != "17" || copied.Username != "ada" || copied.Database != "copy" {
		t.Errorf("imported as %+v", copied)
	}
	for query, want := range map[string]string{
		"select count(*), sum(half) from happy":             "1000 250250.00000000000000000000",
		"select twice(21), nextval('counters')":             "42 85",
		`select sum("größe") from "Sträuße und ""Blumen"""`: "3",
		"select obj_description('genes'::regclass)":         "of the 2026 cohort",
		"select convert_from(lo_get(424201), 'utf8')":       "a large object",
		"select string_agg(distinct tableowner, ',') from pg_tables where schemaname in ('public', 'Schema mit Blank')": "ada",
		"select count(*) from pg_extension where extname in ('pg_trgm', 'hstore', 'citext', 'ltree', 'btree_gist')":     "5",
		"select rolsuper or rolcreaterole from pg_roles where rolname = current_user":                                   "f",
	} {
		if got := s.ask(copied, cred2, query); got != want {
			t.Errorf("%s: %s, want %s", query, got, want)
		}
	}
	told := step(t, o, "count every table").Detail
	if !strings.Contains(told, "as many as the source has") || !strings.Contains(told, "parts_rest: 30") {
		t.Errorf("the receipt says %s", told)
	}
	if told := step(t, o, "copy the database genomes on").Detail; !strings.Contains(told, "left out: ") || !strings.Contains(told, "policies for accounts that are not here (1)") {
		t.Errorf("the step says %s", told)
	}
	s.execute(copied, cred2, "insert into genes (name) values ('new')")
	s.nowhere(password)
	if kinds := strings.Join(s.secretKinds(copied.ID), " "); strings.Contains(kinds, "source") {
		t.Errorf("the secrets are %s", kinds)
	}
	s.refusesSources(i, cred)
}

// refusesSources tries addresses that lead nowhere. Nothing is left of the imports.
func (s *site) refusesSources(i core.Instance, cred core.Credentials) {
	s.t.Helper()
	for name, c := range map[string]struct{ source, want string }{
		"wrong-password": {address("postgres", i, cred.Username, "wrong-"+nasty, "genomes", ""), "refuses the user name or the password"},
		"no-user":        {address("postgres", i, "nobody", nasty, "genomes", ""), "refuses the user name or the password"},
		"no-database":    {address("postgres", i, cred.Username, cred.Password, "nothing", ""), "has no database nothing on"},
		"as-mariadb":     {address("mysql", i, cred.Username, cred.Password, "genomes", ""), "does not speak MariaDB"},
		"as-mongodb":     {address("mongodb", i, cred.Username, cred.Password, "genomes", ""), "does not speak MongoDB"},
		"unreachable":    {"postgres://u:" + url.QueryEscape(nasty) + "@127.0.0.1:1/d", "Nothing answers at 127.0.0.1:1"},
	} {
		o := s.failed(core.Import{Create: core.Create{Name: name}, Source: c.source}, c.want)
		if len(o.Steps) > 2 || o.Steps[0].Name != "look at the source" {
			s.t.Errorf("%s: more was done than to look: %+v", name, o.Steps)
		}
	}
	s.failed(core.Import{Create: core.Create{Name: "older", Version: "15"}, Source: s.newer()}, "cannot be brought into the older 15")
	s.nowhere("wrong-" + nasty)
	s.nowhere(nasty)
}

// newer is the address of a PostgreSQL 17.
func (s *site) newer() string {
	i, cred := s.instance("copy"), core.Credentials{}
	_, secrets := s.access(i)
	cred.Username, cred.Password = postgres.AdminUser, secrets.Admin
	return of(i, cred)
}

// offers reports whether this machine has an image.
func (s *site) offers(engine, version string) bool {
	offer, _ := s.service.Catalogue().Offer(engine)
	return slices.ContainsFunc(offer.Offered(), func(v string) bool { return v == version || version == "" })
}

// need skips a test when this machine has no image.
func (s *site) need(engine, version string) {
	s.t.Helper()
	if !s.offers(engine, version) {
		s.t.Skipf("this machine has no image of %s %s", engine, version)
	}
}

// TestImportPostgresDumps uploads what pg_dump writes, in each way, and everything is there; and what it did not write, and nothing is.
func TestImportPostgresDumps(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.worker("")
	i, cred := s.from(core.Create{Name: "genomes"})
	s.fillPostgres(i, cred)
	original := s.contents(i, postgres.Engine{})
	database := original.Databases[0]
	for _, d := range original.Databases {
		if d.Name == "genomes" {
			database = d
		}
	}
	_, secrets := s.access(i)
	root := core.Credentials{Username: postgres.AdminUser, Password: secrets.Admin}
	plain := s.dumped(i.Image, i, root, pgDump)
	for name, content := range map[string][]byte{
		"plain":  plain,
		"gzip":   gzipped(t, plain),
		"zstd":   zstded(t, s.dumped(i.Image, i, root, pgDump+"--no-owner --no-acl --inserts --rows-per-insert=100")),
		"custom": s.dumped(i.Image, i, root, pgDump+"-Fc"),
		"tar":    s.dumped(i.Image, i, root, pgDump+"-Ft"),
	} {
		id := s.uploaded(content)
		copied, _, o := s.imported(core.Import{Create: core.Create{Name: name}, Upload: id})
		got := s.contents(copied, postgres.Engine{}).Databases
		if len(got) != 1 {
			t.Fatalf("%s: %d databases", name, len(got))
		}
		want := database
		got[0].Name = want.Name
		if name == "zstd" { // as INSERT, pg_dump writes the number -0 without quotes, which reads as 0
			forget(&got[0], "every_type")
			forget(&want, "every_type")
		}
		equal(t, name, want, got[0])
		if told := step(t, o, "count every table").Detail; !strings.Contains(told, "as the dump has brought them\n") {
			t.Errorf("%s: the receipt says %s", name, told)
		}
		if left := s.uploads(); left != 0 {
			t.Errorf("%s: %d uploads are left", name, left)
		}
		s.must(core.Stop{On: core.On{Database: name}}) // makes room
	}
	s.refusesDumps(plain, s.dumped(i.Image, i, root, pgDump+"-Fc"))
}

// uploads counts what people have uploaded: rows, and objects of the store.
func (s *site) uploads() int {
	s.t.Helper()
	var rows int
	if err := s.pool.QueryRow(s.t.Context(), "select count(*) from uploads").Scan(&rows); err != nil {
		s.t.Fatal(err)
	}
	for _, path := range s.objects() {
		if strings.Contains(path, "/uploads/") {
			rows++
		}
	}
	return rows
}

// forget takes out the checksum of a table.
func forget(d *engine.ContentDatabase, table string) {
	d.Tables = slices.Clone(d.Tables)
	for n := range d.Tables {
		if d.Tables[n].Name == table {
			d.Tables[n].Checksum = ""
		}
	}
}

// pgText is SQL as pg_dump frames it.
func pgText(sql string) []byte {
	return []byte("--\n-- PostgreSQL database dump\n--\n\n" + sql + "\n--\n-- PostgreSQL database dump complete\n--\n\n")
}

// refusesDumps tries dumps that are cut off, foreign or evil.
func (s *site) refusesDumps(plain, custom []byte) {
	s.t.Helper()
	for name, c := range map[string]struct {
		content []byte
		want    string
	}{
		"command":    {pgText("select 1 \\! touch /tmp/x"), `Line 5 of the dump holds \!, a command of the program psql`},
		"cut-custom": {custom[:len(custom)*2/3], "pg_restore ended with exit code 1"},
	} {
		s.failed(core.Import{Create: core.Create{Name: name}, Upload: s.uploaded(c.content)}, c.want)
	}
	if version := "15"; s.offers("postgres", version) {
		id := s.uploaded(custom)
		s.failed(core.Import{Create: core.Create{Name: "later", Version: version}, Upload: id}, "was written by a later pg_dump")
		if err := s.service.RemoveUpload(s.t.Context(), core.Request{Actor: s.actor, Door: core.DoorAPI}, id); err != nil {
			s.t.Fatal(err)
		}
	}
	// At a statement's end, where psql would see nothing wrong.
	cut := plain[:bytes.LastIndex(plain, []byte(";\n"))+2]
	_, err := s.service.Do(s.t.Context(), core.Request{Actor: s.actor, Door: core.DoorAPI, Command: core.Import{Create: core.Create{Name: "cut"}, Upload: s.uploaded(cut)}})
	if core.CodeOf(err) != core.CodeInvalid || !strings.Contains(err.Error(), "lacks the last line") {
		s.t.Errorf("a dump that is cut at a statement: %v", err)
	}
	// In the middle of rows, although somebody said that it is fine.
	middle := plain[:bytes.Index(plain, []byte("gene 500"))]
	s.failed(core.Import{Create: core.Create{Name: "middle"}, Upload: s.uploaded(middle), IncompleteOK: true}, "The dump breaks off")
	// Where somebody says so, what is there is taken.
	_, _, o := s.imported(core.Import{Create: core.Create{Name: "by-hand", Engine: "postgres"}, Upload: s.uploaded([]byte("create table t (a int);\ninsert into t values (1);\n")), IncompleteOK: true})
	if told := step(s.t, o, "count every table").Detail; !strings.Contains(told, "1 table with 1 row") {
		s.t.Errorf("the receipt says %s", told)
	}
}

// TestImportMariaDB brings MariaDB 10.11 into 11.8, by address and of dumps.
func TestImportMariaDB(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.need("mariadb", "10.11")
	s.worker("")
	i, cred := s.from(core.Create{Name: "lab", Engine: "mariadb", Version: "10.11", Password: nasty})
	if err := executeMariaDB(t.Context(), i, cred, sampleFile(t, "import_mariadb.sql")); err != nil {
		t.Fatal(err)
	}
	original := s.contents(i, mariadb.Engine{}).Databases[0]
	forget(&original, "genes")
	genes, err := askMariaDB(t.Context(), i, cred, everyGene)
	if err != nil {
		t.Fatal(err)
	}
	check := func(name string, o core.Operation) {
		t.Helper()
		i, cred := s.instance(name), s.collect(name)
		got := s.contents(i, mariadb.Engine{}).Databases
		if len(got) != 1 || got[0].Name != i.Database {
			t.Fatalf("%s: databases %+v", name, got)
		}
		got[0].Name = original.Name
		forget(&got[0], "genes") // versions count a computed column in different ways
		equal(t, name, original, got[0])
		for query, want := range map[string]string{
			"select count(*) from long_genes": "500", "select twice(21)": "42", "select hex(raw) from every_type where id = 1": "005C2722FF0A0D1A",
			"select group_concat(distinct definer) from information_schema.views where table_schema = database()": i.Username + "@%",
			"select count(*) from information_schema.triggers where trigger_schema = database()":                  "1",
			"select count(*) from information_schema.events where event_schema = database()":                      "1",
			"select next value for counters": "101", everyGene: genes,
		} {
			if value, err := askMariaDB(t.Context(), i, cred, query); err != nil || value != want {
				t.Errorf("%s: %s: %s, %v; want %s", name, query, value, err, want)
			}
		}
		if told := step(t, o, "count every table").Detail; !strings.Contains(told, "genes: 1000") {
			t.Errorf("%s: the receipt says %s", name, told)
		}
	}
	_, _, o := s.importedAs(core.Import{Create: core.Create{Name: "copy"}, Source: of(i, cred)})
	check("copy", o)
	if told := step(t, o, "count every table").Detail; !strings.Contains(told, "as many as the source has") {
		t.Errorf("the receipt says %s", told)
	}
	s.nowhere(nasty)
	s.staysThere("copy")
	const dump = `MYSQL_PWD=$PW mariadb-dump --ssl -h $H -P $P -u $U --single-transaction --routines --events --triggers `
	for name, content := range map[string][]byte{
		"plain":     s.dumped(i.Image, i, cred, dump+"--hex-blob $D"),
		"databases": zstded(t, s.dumped(i.Image, i, cred, dump+"--skip-extended-insert --databases $D")),
		"newer":     gzipped(t, s.dumped(strings.Replace(i.Image, "10.11", "11.8", 1), i, cred, dump+"--skip-ssl-verify-server-cert --no-autocommit $D")),
	} {
		_, _, o := s.importedAs(core.Import{Create: core.Create{Name: name}, Upload: s.uploaded(content)})
		check(name, o)
		s.must(core.Stop{On: core.On{Database: name}})
	}
	s.refusesMariaDB(i, cred, s.dumped(i.Image, i, cred, dump+"$D"))
}

// staysThere imports from a server that sends its clients on to another one. Nobody goes there: nothing has looked whether they may.
func (s *site) staysThere(name string) {
	s.t.Helper()
	elsewhere, err := (&net.ListenConfig{}).Listen(s.t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		s.t.Fatal(err)
	}
	came := make(chan struct{}, 1)
	go func() {
		if conn, err := elsewhere.Accept(); err == nil {
			_ = conn.Close()
			came <- struct{}{}
		}
	}()
	i := s.instance(name)
	_, secrets := s.access(i)
	root := core.Credentials{Username: mariadb.AdminUser, Password: secrets.Admin}
	if err := executeMariaDB(s.t.Context(), i, root, fmt.Sprintf("set global redirect_url = 'mariadb://%s'", elsewhere.Addr())); err != nil {
		s.t.Fatal(err)
	}
	s.importedAs(core.Import{Create: core.Create{Name: "stays"}, Source: of(i, s.collect(name))})
	_ = elsewhere.Close()
	select {
	case <-came:
		s.t.Error("the import went where the source has sent it")
	default:
	}
	s.must(core.Stop{On: core.On{Database: "stays"}})
}

const everyGene = "select sum(crc32(concat_ws('|', id, name, found, length, half, info))) from genes"

// importedAs is imported, with the password left to be collected.
func (s *site) importedAs(c core.Import) (core.Instance, core.Credentials, core.Operation) {
	s.t.Helper()
	o := s.do(c)
	if o.State != core.OperationDone {
		s.t.Fatalf("import of %s ended as %s: %+v\n%+v", c.Name, o.State, o.Error, o.Steps)
	}
	return s.instance(c.Name), core.Credentials{}, o
}

// executeMariaDB runs statements, which a line of two slashes ends.
func executeMariaDB(ctx context.Context, i core.Instance, cred core.Credentials, script string) error {
	return inMariaDB(func(ctx context.Context, db *sql.DB) error {
		db.SetMaxOpenConns(1)
		for _, statement := range strings.Split(script, "\n//\n") {
			if _, err := db.ExecContext(ctx, statement); err != nil {
				return fmt.Errorf("%s: %w", statement, err)
			}
		}
		return nil
	})(ctx, i, cred)
}

func askMariaDB(ctx context.Context, i core.Instance, cred core.Credentials, query string) (answer string, err error) {
	err = inMariaDB(func(ctx context.Context, db *sql.DB) error { return db.QueryRowContext(ctx, query).Scan(&answer) })(ctx, i, cred)
	return answer, err
}

// mariaText is SQL as mariadb-dump frames it.
func mariaText(sql string) []byte {
	return []byte("/*M!999999\\- enable the sandbox mode */ \n-- MariaDB dump 10.19-11.8.3-MariaDB, for debian-linux-gnu (x86_64)\n" + sql + "\n-- Dump completed on 2026-05-04  1:02:03\n")
}

func (s *site) refusesMariaDB(i core.Instance, cred core.Credentials, plain []byte) {
	s.t.Helper()
	for name, c := range map[string]struct{ source, want string }{
		"wrong-password": {address("mariadb", i, cred.Username, "wrong-"+nasty, "lab", ""), "refuses the user name or the password"},
		"no-database":    {address("mariadb", i, cred.Username, cred.Password, "nothing", ""), "has no database nothing on"},
		"as-postgres":    {address("postgres", i, cred.Username, cred.Password, "lab", ""), "does not speak PostgreSQL"},
		"without-tls":    {address("mariadb", i, cred.Username, cred.Password, "lab", "tls=false"), "only those who encrypt"},
	} {
		s.failed(core.Import{Create: core.Create{Name: name}, Source: c.source}, c.want)
	}
	s.failed(core.Import{Create: core.Create{Name: "command"}, Upload: s.uploaded(mariaText("select 1;\n\\! touch /tmp/x"))}, `Line 4 of the dump holds \!`)
	cut := plain[:bytes.LastIndex(plain, []byte(";\n"))+2]
	_, err := s.service.Do(s.t.Context(), core.Request{Actor: s.actor, Door: core.DoorAPI, Command: core.Import{Create: core.Create{Name: "cut"}, Upload: s.uploaded(cut)}})
	if core.CodeOf(err) != core.CodeInvalid || !strings.Contains(err.Error(), "lacks the last line") {
		s.t.Errorf("a dump that is cut at a statement: %v", err)
	}
}

// TestImportMongoDB brings MongoDB by address and of an archive.
func TestImportMongoDB(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.need("mongodb", "")
	s.worker("")
	i, cred := s.from(core.Create{Name: "cells", Engine: "mongodb", Password: nasty})
	for range 20 {
		if err := stores["mongodb"].put(t.Context(), i, cred); err != nil {
			t.Fatal(err)
		}
	}
	check := func(name, want string, o core.Operation) {
		t.Helper()
		i := s.instance(name)
		if n, err := stores["mongodb"].count(t.Context(), i, s.collect(name)); n != 20 || err != nil {
			t.Errorf("%s: %d documents, %v", name, n, err)
		}
		if told := step(t, o, "count every table").Detail; !strings.Contains(told, want+"\ngenes: 20") {
			t.Errorf("%s: the receipt says %s", name, told)
		}
	}
	_, _, o := s.importedAs(core.Import{Create: core.Create{Name: "copy"}, Source: of(i, cred)})
	check("copy", "as many as the source has", o)
	s.nowhere(nasty)
	archive := s.dumped(i.Image, i, cred, `printf 'password: "%s"\n' "$(printf %s "$PW" | sed 's/[\\"]/\\&/g')" >/tmp/l; mongodump --config=/tmp/l --host=$H --port=$P --username=$U --authenticationDatabase=admin --ssl --tlsInsecure --archive --db=$D`)
	for name, content := range map[string][]byte{"plain": archive, "gzip": gzipped(t, archive)} {
		_, _, o := s.importedAs(core.Import{Create: core.Create{Name: name}, Upload: s.uploaded(content)})
		check(name, "as many as the dump has", o)
	}
	s.failed(core.Import{Create: core.Create{Name: "cut"}, Upload: s.uploaded(archive[:len(archive)-30])}, "mongorestore ended with exit code")
	s.failed(core.Import{Create: core.Create{Name: "damaged"}, Upload: s.uploaded(archive[:100])}, "breaks off")
	s.failed(core.Import{Create: core.Create{Name: "wrong"}, Source: address("mongodb", i, cred.Username, "wrong-"+nasty, "cells", "tls=true&authSource=admin")}, "refuses the user name or the password")
	s.failed(core.Import{Create: core.Create{Name: "nothing"}, Source: address("mongodb", i, cred.Username, cred.Password, "nothing", "tls=true&authSource=admin")}, "has no database nothing on")
}
