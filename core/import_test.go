package core_test

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/mydb-project/mydb/core"
	"github.com/mydb-project/mydb/core/coretest"
	"github.com/mydb-project/mydb/core/engine"
	"github.com/mydb-project/mydb/core/engine/mariadb"
	"github.com/mydb-project/mydb/core/engine/mongodb"
	"github.com/mydb-project/mydb/core/engine/postgres"
	"github.com/mydb-project/mydb/core/policy"
)

// importer is a site to which databases are brought.
type importer struct {
	*core.Service
	pool   *pgxpool.Pool
	ada    core.Actor
	folder string // of the store
	now    time.Time
}

func newImporter(t *testing.T, p policy.Import, more ...func(*policy.Policy)) *importer {
	t.Helper()
	im := &importer{folder: t.TempDir(), now: time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC)}
	rules := policy.Policy{Import: p}
	for _, set := range more {
		set(&rules)
	}
	im.Service, im.pool = coretest.NewWith(t, core.Options{
		Backups: core.Backups{On: true}, Objects: coretest.Folder(t, im.folder), Policy: rules, Now: func() time.Time { return im.now },
		Engines: []engine.Engine{postgres.Engine{}, mariadb.Engine{}, mongodb.Engine{}},
	})
	im.ada = coretest.Actor(t, im.Service, "ada", false)
	return im
}

func (im *importer) send(t *testing.T, content string) (core.Upload, error) {
	t.Helper()
	return im.Upload(t.Context(), request(im.ada, "", nil), "C:/fakepath/dump.sql", strings.NewReader(content), int64(len(content)))
}

// stored counts the files of the store.
func (im *importer) stored(t *testing.T) (n int) {
	t.Helper()
	err := filepath.WalkDir(im.folder, func(_ string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			n++
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

const aDump = "--\n-- PostgreSQL database dump\n--\n\nselect 'canary';\n\n--\n-- PostgreSQL database dump complete\n--\n\n"

func zipped(t *testing.T, content string) string {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := io.WriteString(w, content); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// TestUploadRecognises tells dumps by their content.
func TestUploadRecognises(t *testing.T) {
	im := newImporter(t, policy.Import{})
	yes, no := true, false
	tar := "toc.dat\x00" + strings.Repeat("\x00", 249) + "ustar\x0000" + strings.Repeat("\x00", 300)
	for _, c := range []struct {
		content, engine, format, packing string
		whole                            *bool
	}{
		{aDump, "postgres", "sql", "", &yes},
		{zipped(t, aDump), "postgres", "sql", "gzip", &yes},
		{strings.TrimSuffix(aDump, "\n--\n-- PostgreSQL database dump complete\n--\n\n"), "postgres", "sql", "", &no},
		{"PGDMP\x01\x0e\x00", "postgres", "custom", "", nil},
		{tar, "postgres", "tar", "", nil},
		{"/*M!999999\\- enable the sandbox mode */ \n-- MariaDB dump 10.19\nselect 1;\n-- Dump completed on 2026-05-04  1:02:03\n", "mariadb", "sql", "", &yes},
		{"-- MySQL dump 10.13\nselect 1;\n", "mariadb", "sql", "", &no},
		{"\x6d\xe2\x99\x81\x00", "mongodb", "archive", "", nil},
		{"-- phpMyAdmin SQL Dump\n\n/*!40101 SET NAMES utf8 */;\nSET x = 1;\n", "", "sql", "", &no},
		{"\xef\xbb\xbfcreate table t (a int);", "", "sql", "", &no},
	} {
		u, err := im.send(t, c.content)
		if err != nil {
			t.Errorf("%.30q: %v", c.content, err)
			continue
		}
		if u.Engine != c.engine || u.Format != c.format || u.Packing != c.packing || u.Name != "dump.sql" || u.Size != int64(len(c.content)) ||
			(u.Whole == nil) != (c.whole == nil) || u.Whole != nil && *u.Whole != *c.whole || !u.EndsAt.Equal(im.now.Add(24*time.Hour)) {
			t.Errorf("%.30q: %+v", c.content, u)
		}
		if err := im.RemoveUpload(t.Context(), request(im.ada, "", nil), u.ID); err != nil {
			t.Error(err)
		}
	}
	if n := im.stored(t); n != 0 {
		t.Errorf("%d files are left", n)
	}
}

// TestUploadRefuses says what is wrong with a file, and keeps nothing of it.
func TestUploadRefuses(t *testing.T) {
	im := newImporter(t, policy.Import{MaxUpload: 100_000})
	packed := zipped(t, aDump)
	for name, c := range map[string]struct {
		content string
		code    core.Code
		says    string
	}{
		"empty":     {"", core.CodeInvalid, "is empty"},
		"picture":   {"\x89PNG\r\n\x1a\n\x00\x00", core.CodeInvalid, "MyDB understands what pg_dump writes"},
		"prose":     {"Dear Ada,\nthe data are in the other mail.", core.CodeInvalid, "is not understood"},
		"cluster":   {"--\n-- PostgreSQL database cluster dump\n--\n\nCREATE ROLE x;", core.CodeInvalid, "is of pg_dumpall"},
		"utf-16":    {"\xff\xfe-\x00-\x00", core.CodeInvalid, "PowerShell"},
		"xz":        {"\xfd7zXZ\x00\x00", core.CodeInvalid, "packed with xz, which MyDB does not unpack"},
		"zip":       {"PK\x03\x04", core.CodeInvalid, "packed with zip"},
		"cut":       {packed[:len(packed)-10], core.CodeInvalid, "breaks off"},
		"damaged":   {packed[:20] + "xxxxxxxx" + packed[28:], core.CodeInvalid, "damaged"},
		"too large": {aDump + strings.Repeat("x", 100_000), core.CodeTooLarge, "larger than the 97.66KiB"},
		"bomb":      {zipped(t, aDump+strings.Repeat("0", 3_000_000)), core.CodeTooLarge, "what is packed in it"},
	} {
		if _, err := im.send(t, c.content); core.CodeOf(err) != c.code || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v, want %s %q", name, err, c.code, c.says)
		}
	}
	broken := io.MultiReader(strings.NewReader(aDump), failing{errors.New("connection reset")})
	if _, err := im.Upload(t.Context(), request(im.ada, "", nil), "", broken, 0); core.CodeOf(err) != core.CodeInvalid || !strings.Contains(err.Error(), "did not arrive in full") {
		t.Errorf("a connection that breaks: %v", err)
	}
	if list, err := im.Uploads(t.Context(), im.ada); err != nil || len(list) != 0 || im.stored(t) != 0 {
		t.Errorf("%d uploads and %d files are left, %v", len(list), im.stored(t), err)
	}
	for range 5 {
		if _, err := im.send(t, aDump); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := im.send(t, aDump); core.CodeOf(err) != core.CodeQuota {
		t.Errorf("a sixth upload: %v", err)
	}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

// TestUploadIsTheSenders keeps a dump sealed, for the one who has sent it, and for a day.
func TestUploadIsTheSenders(t *testing.T) {
	im := newImporter(t, policy.Import{})
	u, err := im.send(t, aDump)
	if err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(filepath.Join(im.folder, core.UploadKey(u.ID)))
	if err != nil || bytes.Contains(content, []byte("canary")) {
		t.Errorf("the store holds %q, %v", content, err)
	}
	eve := coretest.Actor(t, im.Service, "eve", true)
	if list, err := im.Uploads(t.Context(), eve); len(list) != 0 || err != nil {
		t.Errorf("somebody else sees %v, %v", list, err)
	}
	command := core.Import{Create: core.Create{Name: "genomes"}, Upload: u.ID}
	if _, err := im.Do(t.Context(), request(eve, "", command)); core.CodeOf(err) != core.CodeInvalid {
		t.Errorf("somebody else imports it: %v", err)
	}
	if err := im.RemoveUpload(t.Context(), request(eve, "", nil), u.ID); core.CodeOf(err) != core.CodeNotFound {
		t.Errorf("somebody else removes it: %v", err)
	}
	r, err := im.Do(t.Context(), request(im.ada, "", command))
	if err != nil || r.Database.Engine != "postgres" || r.Operation.Kind != "import" || r.Database.Version != "17" {
		t.Fatalf("import: %+v, %v", r, err)
	}
	if err := im.RemoveUpload(t.Context(), request(im.ada, "", nil), u.ID); core.CodeOf(err) != core.CodeBusy {
		t.Errorf("removed while it is imported: %v", err)
	}
	im.now = im.now.Add(25 * time.Hour)
	where := coretest.Folder(t, im.folder)
	if n, err := im.SweepUploads(t.Context(), where); n != 0 || err != nil {
		t.Errorf("%d swept while it is imported, %v", n, err)
	}
	err = pgx.BeginFunc(t.Context(), im.pool, func(tx pgx.Tx) error {
		return im.FinishImport(t.Context(), tx, r.Operation.ID, r.Database, &core.Explanation{Code: core.CodeInvalid, Message: "no"})
	})
	if err != nil {
		t.Fatal(err)
	}
	if n, err := im.SweepUploads(t.Context(), where); n != 1 || err != nil || im.stored(t) != 0 {
		t.Errorf("%d swept after its day, %v; %d files are left", n, err, im.stored(t))
	}
	if _, err := im.Do(t.Context(), request(im.ada, "", command)); core.CodeOf(err) != core.CodeInvalid || !strings.Contains(err.Error(), "Uploads are kept for a day") {
		t.Errorf("imported after its day: %v", err)
	}
}

// TestImportOfUploadRefuses looks at what an upload is before anything is made.
func TestImportOfUploadRefuses(t *testing.T) {
	im := newImporter(t, policy.Import{})
	ids := map[string]string{}
	for name, content := range map[string]string{"whole": aDump, "cut": aDump[:60], "bare": "create table t (a int);"} {
		u, err := im.send(t, content)
		if err != nil {
			t.Fatal(err)
		}
		ids[name] = u.ID
	}
	for _, c := range []struct {
		command core.Import
		says    string
	}{
		{core.Import{}, "Give either the address of a database or the id of an upload"},
		{core.Import{Upload: ids["whole"], Source: "postgres://h/d"}, "Give either"},
		{core.Import{Upload: "nonsense"}, `You have no upload "nonsense"`},
		{core.Import{Upload: ids["whole"], Engine: "mariadb"}, "The dump is of postgres, which cannot be brought into mariadb"},
		{core.Import{Upload: ids["cut"]}, "lacks the last line"},
		{core.Import{Upload: ids["bare"]}, "does not say of which engine it is"},
		{core.Import{Upload: ids["bare"], Engine: "postgres"}, "lacks the last line"},
		{core.Import{Upload: ids["bare"], Engine: "mongodb"}, "SQL text, which cannot be brought into MongoDB"},
		{core.Import{Upload: ids["whole"], Create: core.Create{InitSQL: "select 1"}}, "brings its own tables"},
		{core.Import{Upload: ids["whole"], Create: core.Create{Version: "9"}}, `"9" is not offered here`},
		{core.Import{Upload: ids["whole"], Create: core.Create{Size: "vast"}}, `no size "vast"`},
	} {
		c.command.Name = "genomes"
		if _, err := im.Do(t.Context(), request(im.ada, "", c.command)); core.CodeOf(err) != core.CodeInvalid || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%+v: %v, want %q", c.command, err, c.says)
		}
	}
	if _, err := im.Do(t.Context(), request(im.ada, "", core.Import{Upload: ids["bare"], Engine: "mariadb", IncompleteOK: true, Create: core.Create{Name: "genomes"}})); err != nil {
		t.Errorf("a dump without a last line that is asked for: %v", err)
	}
	reader := im.ada
	reader.Scope = core.ScopeRead
	if _, err := im.Do(t.Context(), request(reader, "", core.Import{Upload: ids["whole"], Create: core.Create{Name: "g"}})); core.CodeOf(err) != core.CodeForbidden {
		t.Errorf("a token that may only read: %v", err)
	}
	if err := im.CheckImport(t.Context(), im.ada, core.Import{Create: core.Create{Name: "genomes"}}); core.CodeOf(err) != core.CodeTaken {
		t.Errorf("a name that is taken: %v", err)
	}
}

// TestImportOfSource lets in what is on the site's networks, and keeps the password where nobody sees it.
func TestImportOfSource(t *testing.T) {
	const password = "canary/p@ss"
	source := func(host string) string { return "postgres://ada:canary%2Fp%40ss@" + host + "/genomes?sslmode=disable" }
	for _, c := range []struct {
		networks []string
		host     string
		says     string
	}{
		{nil, "10.1.2.3", "An administrator can allow networks"},
		{[]string{"10.1.0.0/16"}, "10.2.2.3", "The host 10.2.2.3 (10.2.2.3) is not on a network"},
		{[]string{"0.0.0.0/0", "::/0"}, "127.0.0.1", "is not on a network"},
		{[]string{"0.0.0.0/0", "::/0"}, "localhost", "is not on a network"},
		{[]string{"0.0.0.0/0", "::/0"}, "169.254.169.254", "is not on a network"},
		{[]string{"0.0.0.0/0", "::/0"}, "[::ffff:127.0.0.1]", "is not on a network"},
		{[]string{"0.0.0.0/0"}, "no-such-host.invalid", "is not known here"},
	} {
		im := newImporter(t, policy.Import{Networks: c.networks})
		_, err := im.Do(t.Context(), request(im.ada, "", core.Import{Create: core.Create{Name: "genomes"}, Source: source(c.host)}))
		if err == nil || !strings.Contains(err.Error(), c.says) || strings.Contains(err.Error(), "canary") {
			t.Errorf("%v %s: %v, want %q", c.networks, c.host, err, c.says)
		}
	}
	im := newImporter(t, policy.Import{Networks: []string{"127.0.0.0/8", "10.1.0.0/16"}})
	own := im.pool.Config().ConnConfig
	if _, err := im.Do(t.Context(), request(im.ada, "", core.Import{Create: core.Create{Name: "own"}, Source: source(net.JoinHostPort(own.Host, fmt.Sprint(own.Port)))})); err == nil || !strings.Contains(err.Error(), "MyDB's own database") {
		t.Errorf("MyDB's own database: %v", err)
	}
	if _, err := im.Do(t.Context(), request(im.ada, "", core.Import{Create: core.Create{Name: "other"}, Engine: "mariadb", Source: source("10.1.2.3")})); err == nil || !strings.Contains(err.Error(), "The address is of postgres") {
		t.Errorf("another engine than the address has: %v", err)
	}
	r, err := im.Do(t.Context(), request(im.ada, "key", core.Import{Create: core.Create{Name: "genomes", Version: "17"}, Source: source("10.1.2.3:6000")}))
	if err != nil || r.Operation.Kind != "import" || r.Database.State != core.StateCreating {
		t.Fatalf("import: %+v, %v", r, err)
	}
	if again, err := im.Do(t.Context(), request(im.ada, "key", core.Import{Create: core.Create{Name: "genomes", Version: "17"}, Source: source("10.1.2.3:6000")})); err != nil || !again.Replayed {
		t.Errorf("the same request again: %+v, %v", again, err)
	}
	var args core.ImportArgs
	if err := im.Args(t.Context(), r.Operation.ID, &args); err != nil || args.Source == nil || args.Source.Address != "10.1.2.3" || args.Source.Port != 6000 || args.Source.Password != "" {
		t.Fatalf("arguments %+v, %v", args.Source, err)
	}
	src, err := im.ImportSource(t.Context(), r.Database.ID, *args.Source)
	if err != nil || src.Password != password {
		t.Errorf("the worker gets %q, %v", src.Password, err)
	}
	var shown string
	err = im.pool.QueryRow(t.Context(), `select (select string_agg(a::text, ' ') from audit a) || (select string_agg(o::text, ' ') from operations o)
		|| (select string_agg(r::text, ' ') from requests r)`).Scan(&shown)
	if err != nil || strings.Contains(shown, "canary") || !strings.Contains(shown, "genomes on 10.1.2.3:6000") {
		t.Errorf("audit and operations: %s, %v", shown, err)
	}
	if _, _, err := im.Place(t.Context(), r.Database.ID, func([]core.Placed) (string, string, error) { return "n1", "db.example.org", nil }); err != nil {
		t.Fatal(err)
	}
	if err := pgx.BeginFunc(t.Context(), im.pool, func(tx pgx.Tx) error { return im.FinishImport(t.Context(), tx, r.Operation.ID, r.Database, nil) }); err != nil {
		t.Fatal(err)
	}
	var left int
	if err := im.pool.QueryRow(t.Context(), "select count(*) from secrets where kind = 'source'").Scan(&left); err != nil || left != 0 {
		t.Errorf("%d passwords of sources are left, %v", left, err)
	}
}

// TestImportNeedsAnApproval asks for what a create of that kind asks for, and keeps what the import needs until somebody has decided.
func TestImportNeedsAnApproval(t *testing.T) {
	im := newImporter(t, policy.Import{Networks: []string{"10.1.0.0/16"}}, func(p *policy.Policy) {
		p.Approve, p.Approvals.Sizes = []string{"phi"}, []string{"large"}
	})
	im.now = time.Now() // approvals expire by the database's clock
	cleo := coretest.Actor(t, im.Service, "cleo", true)
	upload, err := im.send(t, aDump)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []core.Import{
		{Create: core.Create{Name: "file", PHI: true}, Upload: upload.ID},
		{Create: core.Create{Name: "address", Size: "large"}, Source: "postgres://ada:canary@10.1.2.3/genomes"},
	} {
		name := c.Name
		ask := func() core.Receipt {
			t.Helper()
			r, err := im.Do(t.Context(), request(im.ada, "", c))
			if err != nil || r.Approval == nil || r.Operation.ID != "" || !strings.Contains(r.Approval.Reason, "imported from") || strings.Contains(r.Approval.Reason, "canary") {
				t.Fatalf("%s: %+v, %v", name, r.Approval, err)
			}
			return r
		}
		r := ask()
		if _, err := im.Do(t.Context(), request(cleo, "", core.Decide{ID: r.Approval.ID, Reason: "not here"})); err != nil {
			t.Fatal(err)
		}
		if kinds := im.secrets(t, r.Database.ID); kinds != 0 {
			t.Errorf("%s: %d secrets are left of what was denied", name, kinds)
		}
		r = ask()
		im.now = im.now.Add(48 * time.Hour) // longer than an upload is kept otherwise
		if r, err = im.Do(t.Context(), request(cleo, "", core.Decide{ID: r.Approval.ID, Approve: true})); err != nil || r.Operation.Kind != "import" {
			t.Fatalf("%s approved: %+v, %v", name, r, err)
		}
		var args core.ImportArgs
		if err := im.Args(t.Context(), r.Operation.ID, &args); err != nil || args.Upload != c.Upload {
			t.Errorf("%s: arguments %+v, %v", name, args, err)
		}
		if args.Source == nil {
			continue
		}
		if src, err := im.ImportSource(t.Context(), r.Database.ID, *args.Source); err != nil || src.Password != "canary" {
			t.Errorf("the worker gets %q, %v", src.Password, err)
		}
	}
	mine := core.Import{Create: core.Create{Name: "mine", Size: "large"}, Source: "postgres://ada:canary@10.1.2.3/genomes"}
	if r, err := im.Do(t.Context(), request(cleo, "", mine)); err != nil || r.Approval != nil {
		t.Errorf("an administrator: %+v, %v", r, err)
	}
}

// secrets counts what is sealed of an instance.
func (im *importer) secrets(t *testing.T, id string) (n int) {
	t.Helper()
	if err := im.pool.QueryRow(t.Context(), "select count(*) from secrets where instance_id = $1", id).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}
