package postgres

import (
	"errors"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/mydb-project/mydb/core/engine"
)

// read gives the statements of a script, and in place of rows their text.
func read(text string) (out []string, err error) {
	s := newScript(strings.NewReader(text))
	for {
		st, err := s.next()
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return out, err
		}
		out = append(out, st.text)
		if st.is("COPY") && st.has("FROM", "STDIN") {
			rows, err := s.rows()
			if err != nil {
				return out, err
			}
			content, err := io.ReadAll(rows)
			out = append(out, string(content))
			if err != nil {
				return out, err
			}
		}
	}
}

func TestScript(t *testing.T) {
	for text, want := range map[string][]string{
		"": nil,
		" \n -- nothing\n /* nothing /* at */ all */ ":       nil,
		"select 1; select\n2;":                               {"select 1;", "select\n2;"},
		"select ';' || ''';''';select 2;":                    {"select ';' || ''';''';", "select 2;"},
		`select '\'; select 2;`:                              {`select '\';`, "select 2;"},
		`select E'\';', e'\\'; select 2;`:                    {`select E'\';', e'\\';`, "select 2;"},
		`select U&'\0041;', u&"x;"; select 2;`:               {`select U&'\0041;', u&"x;";`, "select 2;"},
		`select ";""\" from "a;b"; x;`:                       {`select ";""\" from "a;b";`, "x;"},
		"select $$;'$$, $a$;$$;$b$;$a$; x;":                  {"select $$;'$$, $a$;$$;$b$;$a$;", "x;"},
		"select $1;x;":                                       {"select $1;", "x;"},
		"select a$b$c; x;":                                   {"select a$b$c;", "x;"},
		"select 1 -- it's;\n; x;":                            {"select 1 \n;", "x;"},
		"select 1 - -1 /* ; /* ' */ ; */;x;":                 {"select 1 - -1  ;", "x;"},
		"create rule r as on insert to t do also (a; b); x;": {"create rule r as on insert to t do also (a; b);", "x;"},
		"create or replace function f() returns int begin atomic select case 1; end; end; x;": {"create or replace function f() returns int begin atomic select case 1; end; end;", "x;"},
		"create table begin (a int); x;":                        {"create table begin (a int);", "x;"},
		"begin; x; end; y;":                                     {"begin;", "x;", "end;", "y;"},
		"COPY t (a, \"b\") FROM stdin;\n1\t\\N\n\\\\.\n\\.\nx;": {"COPY t (a, \"b\") FROM stdin;", "1\t\\N\n\\\\.\n", "x;"},
		"copy t from stdin;\n\\.\n\n":                           {"copy t from stdin;", ""},
		"copy t from stdin;\r\na\r\n\\.\r\nx;":                  {"copy t from stdin;", "a\r\n", "x;"},
		"copy (select a from stdin) to stdout; x;":              {"copy (select a from stdin) to stdout;", "x;"},
		"\\restrict abc\nselect 1;\n\\unrestrict abc\n":         {"select 1;"},
		"select 'ü'; ":                                          {"select 'ü';"},
	} {
		got, err := read(text)
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%s:\n%q, %v; want\n%q", text, got, err, want)
		}
	}
}

// TestScriptRefuses never lets a command of psql be anything but an error, wherever it stands.
func TestScriptRefuses(t *testing.T) {
	for text, want := range map[string]string{
		"\\! touch /tmp/x\n":                     `Line 1 of the dump holds \!, a command of the program psql`,
		"select 1;\n\nselect 2 \\! id\n;":        `Line 3 of the dump holds \!`,
		"select 1 \\gexec\n":                     `\gexec`,
		"\\copy t from program 'id'\n":           `\copy`,
		"\\i /run/mydb-tool/pgpass\n":            `\i,`,
		"\\o |cat\n":                             `\o,`,
		"\\connect other\n":                      "without --create",
		"\\c other\n":                            "without --create",
		"\\restrict\\! id\n":                     `\restrict`,
		"select 1 \\restrict x\n":                `\restrict`,
		"copy t from stdin;\n1\n\\.\n\\set x\n":  `\set`,
		"copy t from stdin;\n1\n\\. \\! id\n":    errCutOff.Error(), // is a row, to the server and to us
		"create function f() returns int \\! id": `\!`,
	} {
		_, err := read(text)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
	for _, text := range []string{"select 1", "select 'a;", "select \"a;", "select $$a;", "/* a;", "copy t from stdin;\n1\n", "copy t from stdin;\n\\.", "select (1;", "\\restrict a\nselect"} {
		if _, err := read(text); !errors.Is(err, errCutOff) {
			t.Errorf("%q: %v, want that it is cut off", text, err)
		}
	}
}

// TestScriptInOldManner lets backslashes escape in all texts when the dump says so.
func TestScriptInOldManner(t *testing.T) {
	s := newScript(strings.NewReader(`select '\';'; x;`))
	s.backslashes = true
	if st, err := s.next(); err != nil || st.text != `select '\';';` {
		t.Errorf("%q, %v", st.text, err)
	}
}

// TestLongRows reads rows that are longer than any buffer, and does not mistake a part of one for the end.
func TestLongRows(t *testing.T) {
	long := strings.Repeat("x", 256<<10)
	text := "copy t from stdin;\n" + long + "\\.\n" + long + "\n\\.\n"
	got, err := read(text)
	if err != nil || len(got) != 2 || got[1] != long+"\\.\n"+long+"\n" {
		t.Errorf("%d parts, %v", len(got), err)
	}
}

func TestNotTaken(t *testing.T) {
	for text, want := range map[string]string{
		"ALTER TABLE public.t OWNER TO alice;":           "owners",
		"alter table t rename column owner to x;":        "",
		"ALTER LARGE OBJECT 16 OWNER TO alice;":          "owners",
		"GRANT ALL ON t TO bob;":                         "grants",
		"REVOKE ALL ON SCHEMA public FROM PUBLIC;":       "grants",
		"ALTER DEFAULT PRIVILEGES FOR ROLE a REVOKE x;":  "grants",
		"COMMENT ON EXTENSION hstore IS 'x';":            "remarks on extensions",
		"COMMENT ON TABLE t IS 'GRANT';":                 "",
		"CREATE SCHEMA public;":                          "the schema public, which is there",
		"CREATE SCHEMA lab;":                             "",
		"CREATE PUBLICATION p FOR TABLE t;":              "publications and subscriptions",
		`CREATE TABLE "GRANT" (owner int, "to" int);`:    "",
		"SET SESSION AUTHORIZATION 'alice';":             "owners",
		"SECURITY LABEL FOR x ON TABLE t IS 'y';":        "security labels",
		"INSERT INTO t VALUES ('ALTER TABLE OWNER TO');": "",
	} {
		st, err := newScript(strings.NewReader(text)).next()
		if err != nil || notTaken(st) != want {
			t.Errorf("%s: %q, %v; want %q", text, notTaken(st), err, want)
		}
	}
}

func TestRecognise(t *testing.T) {
	tar := "toc.dat\x00" + strings.Repeat("\x00", 249) + "ustar\x00"
	for head, want := range map[string]string{
		"PGDMP\x01\x0e": formatCustom, tar: formatTar, "--\n-- PostgreSQL database dump\n--\n": engine.FormatSQL, "create table t();": "", "": "", "-- PostgreSQL database cluster dump": "",
	} {
		if got, known := (Engine{}).Recognise([]byte(head)); got != want || known != (want != "") {
			t.Errorf("%.30q: %q, %v", head, got, known)
		}
	}
	for tail, want := range map[string]bool{
		"--\n-- PostgreSQL database dump complete\n--\n\n":                    true,
		"--\n-- PostgreSQL database dump complete\n--\n\n\\unrestrict abC1\n": true,
		"--\r\n-- PostgreSQL database dump complete\r\n--\r\n":                true,
		"--\n-- PostgreSQL database dump complete":                            false,
		"--\n-- PostgreSQL database dump complete\n--\n\nselect 1;\n":         false,
		"1\t-- PostgreSQL database dump complete\n--\n":                       false,
		"": false,
	} {
		if got, _ := (Engine{}).Whole(engine.FormatSQL, []byte(tail)); got != want {
			t.Errorf("%q is whole: %v", tail, got)
		}
	}
}

// FuzzScript never runs out of bounds, and gives the same statements whatever is between them.
func FuzzScript(f *testing.F) {
	for _, seed := range []string{"select 1;", "select $a$;$a$; x;", `e'\'';`, "copy t from stdin;\na\n\\.\n", "/* a */ -- b\n;", "\\x"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		first, err := read(text)
		if err != nil {
			return
		}
		again, err := read("-- begin\n" + text)
		if err != nil || !slices.Equal(first, again) {
			t.Errorf("%q: %q, then %q, %v", text, first, again, err)
		}
	})
}
