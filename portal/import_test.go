package portal

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"mime/multipart"
	"net"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/mydb-project/mydb/core"
	"github.com/mydb-project/mydb/core/coretest"
	"github.com/mydb-project/mydb/core/policy"
)

const aDump = "--\n-- PostgreSQL database dump\n--\n\nselect 1;\n\n--\n-- PostgreSQL database dump complete\n--\n\n"

// importing is a site that brings databases in.
func importing(t *testing.T, p policy.Import) *site {
	t.Helper()
	folder := t.TempDir()
	service, pool := coretest.NewWith(t, core.Options{Backups: core.Backups{On: true}, Objects: coretest.Folder(t, folder), Policy: policy.Policy{Import: p}})
	st := newSite(t, func(o *Options) { o.Service, o.Sessions = service, service.Sessions() })
	st.service, st.pool, st.folder = service, pool, folder
	for _, login := range []string{"sam", "eve", "ada"} {
		st.people[login] = coretest.Actor(t, service, login, login == "ada")
	}
	return st
}

// TestImportOverTheAPI uploads a file and imports it, and says what is wrong with others.
func TestImportOverTheAPI(t *testing.T) {
	st := importing(t, policy.Import{MaxUpload: 10_000, Networks: []string{"10.1.0.0/16"}})
	sam, eve := st.token(t, "sam", core.ScopeOperate), st.token(t, "eve", core.ScopeOperate)
	sql := []string{"Content-Type", "application/sql"}
	r := st.call(t, sam, http.MethodPost, "/imports/uploads?name=genomes.sql", aDump, sql...)
	if r.status != http.StatusCreated || r.at("engine") != "postgres" || r.at("whole") != true || r.at("name") != "genomes.sql" {
		t.Fatalf("upload: %d %s", r.status, r.raw)
	}
	id := r.at("id").(string)
	if r := st.call(t, sam, http.MethodGet, "/imports/uploads", nil); r.status != http.StatusOK || !strings.Contains(r.raw, id) {
		t.Errorf("list: %d %s", r.status, r.raw)
	}
	if r := st.call(t, eve, http.MethodGet, "/imports/uploads", nil); r.status != http.StatusOK || strings.Contains(r.raw, id) {
		t.Errorf("somebody else's list: %d %s", r.status, r.raw)
	}
	for name, c := range map[string]struct {
		token, method, path string
		body                any
		headers             []string
		status              int
		says                string
	}{
		"nobody":           {"", http.MethodPost, "/imports/uploads", aDump, sql, 401, "token"},
		"reader":           {st.token(t, "sam", core.ScopeRead), http.MethodPost, "/imports/uploads", aDump, sql, 403, ""},
		"empty":            {sam, http.MethodPost, "/imports/uploads", "", sql, 400, "is empty"},
		"strange":          {sam, http.MethodPost, "/imports/uploads", "what?", sql, 400, "is not understood"},
		"too large":        {sam, http.MethodPost, "/imports/uploads", aDump + strings.Repeat("x", 20_000), sql, 413, "larger than the 9.766KiB"},
		"a form":           {sam, http.MethodPost, "/imports/uploads", aDump, []string{"Content-Type", "multipart/form-data; boundary=x"}, 415, "--upload-file"},
		"not yours":        {eve, http.MethodDelete, "/imports/uploads/" + id, nil, nil, 404, "You have no upload"},
		"not to import":    {eve, http.MethodPost, "/imports", map[string]any{"name": "mine", "upload": id}, nil, 400, "You have no upload"},
		"neither":          {sam, http.MethodPost, "/imports", map[string]any{"name": "mine"}, nil, 400, "Give either"},
		"unknown field":    {sam, http.MethodPost, "/imports", map[string]any{"name": "mine", "url": "x"}, nil, 400, `no field \"url\"`},
		"nul":              {sam, http.MethodPost, "/imports", map[string]any{"name": "mine", "upload": id, "description": "a\x00b"}, nil, 400, "NUL"},
		"elsewhere":        {sam, http.MethodPost, "/imports", map[string]any{"name": "mine", "source": "postgres://u:canary@10.2.0.1/d"}, nil, 403, "is not on a network"},
		"not an address":   {sam, http.MethodPost, "/imports", map[string]any{"name": "mine", "source": "postgres://u:can#ary@h/d"}, nil, 400, "write every character"},
		"unknown id":       {sam, http.MethodDelete, "/imports/uploads/nonsense", nil, nil, 404, "You have no upload"},
		"a strange option": {sam, http.MethodPost, "/imports/uploads?as=x", aDump, sql, 400, "no parameter"},
	} {
		r := st.call(t, c.token, c.method, c.path, c.body, c.headers...)
		if r.status != c.status || !strings.Contains(r.raw, c.says) || strings.Contains(r.raw, "canary") {
			t.Errorf("%s: %d %s, want %d %q", name, r.status, r.raw, c.status, c.says)
		}
	}
	r = st.call(t, sam, http.MethodPost, "/imports", map[string]any{"name": "genomes", "upload": id})
	if r.status != http.StatusAccepted || r.at("operation", "kind") != "import" || r.at("database", "engine") != "postgres" {
		t.Fatalf("import: %d %s", r.status, r.raw)
	}
	if r := st.call(t, sam, http.MethodDelete, "/imports/uploads/"+id, nil); r.status != http.StatusConflict {
		t.Errorf("removed while it is imported: %d %s", r.status, r.raw)
	}
	r = st.call(t, sam, http.MethodPost, "/imports", map[string]any{"name": "other", "source": "postgres://u:canary-4711@10.1.0.1/d"})
	if r.status != http.StatusAccepted || strings.Contains(r.raw+st.log.String(), "canary") {
		t.Errorf("import of a source: %d %s", r.status, r.raw)
	}
	r = st.call(t, sam, http.MethodPost, "/imports/uploads", aDump, sql...)
	if r := st.call(t, sam, http.MethodDelete, "/imports/uploads/"+r.at("id").(string), nil); r.status != http.StatusNoContent {
		t.Errorf("remove: %d %s", r.status, r.raw)
	}
}

// TestUploadThatIsCut takes nothing of a file whose sender goes away in the midst of it, and says so to one that only stops.
func TestUploadThatIsCut(t *testing.T) {
	st := importing(t, policy.Import{})
	sam := st.token(t, "sam", core.ScopeOperate)
	where, err := url.Parse(st.URL)
	if err != nil {
		t.Fatal(err)
	}
	begin := func() *net.TCPConn {
		t.Helper()
		conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", where.Host)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
		_, err = fmt.Fprintf(conn, "POST /api/v1/imports/uploads HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\nContent-Type: application/sql\r\nContent-Length: 100000\r\n\r\n%s", where.Host, sam, aDump)
		if err != nil {
			t.Fatal(err)
		}
		return conn.(*net.TCPConn) //nolint:forcetypeassert // what was dialled
	}
	stops := begin()
	if err := stops.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	answer, err := http.ReadResponse(bufio.NewReader(stops), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	said, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != http.StatusBadRequest || !strings.Contains(string(said), "did not arrive in full") {
		t.Errorf("a sender that stops is told %d %s, %v", answer.StatusCode, said, err)
	}
	st.uploads(t, 0)
	gone := begin()
	st.uploads(t, 1)
	if err := gone.Close(); err != nil {
		t.Fatal(err)
	}
	st.uploads(t, 0)
	if files, err := filepath.Glob(filepath.Join(st.folder, "uploads", "*")); err != nil || len(files) != 0 {
		t.Errorf("%v is left, %v", files, err)
	}
}

// uploads waits until there are so many, those that are on their way included.
func (st *site) uploads(t *testing.T, want int) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(time.Minute); ; <-tick.C {
		var n int
		if err := st.pool.QueryRow(t.Context(), "select count(*) from uploads").Scan(&n); err != nil {
			t.Fatal(err)
		}
		if n == want {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d uploads, want %d", n, want)
		}
	}
}

// send posts a form with a file, as a browser without scripts does.
func (b *browser) send(t *testing.T, path string, fields [][2]string, file, content string) shown {
	t.Helper()
	var body bytes.Buffer
	w := multipart.NewWriter(&body)
	for _, f := range fields {
		if err := w.WriteField(f[0], f[1]); err != nil {
			t.Fatal(err)
		}
	}
	part, err := w.CreateFormFile("file", file)
	if err == nil {
		_, err = part.Write([]byte(content))
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, b.site.URL+path, &body)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", w.FormDataContentType())
	return b.do(t, req)
}

// TestImportByForm brings a database as a file and by its address, in a browser without scripts.
func TestImportByForm(t *testing.T) {
	st := importing(t, policy.Import{Networks: []string{"10.1.0.0/16"}})
	sam := st.loggedIn(t, "sam")
	if p := sam.get(t, "/databases/new"); p.Find(`a[href="/import"]`).Length() != 1 {
		t.Error("the page of new databases has no link to the import")
	}
	p := sam.get(t, "/import")
	if p.status != http.StatusOK || p.Find("form[enctype='multipart/form-data'] input[type=file]").Length() != 1 || p.Find("#source").Length() != 1 {
		t.Fatalf("the form: %d %s", p.status, p.text("main"))
	}
	// A file, with a mistake elsewhere: what was sent is kept, and need not be sent again.
	p = sam.send(t, "/import", [][2]string{{"name", "genomes"}, {"size", "vast"}}, "dump.sql", aDump)
	if p.status != http.StatusBadRequest || !strings.Contains(p.text(".trouble"), `no size "vast"`) {
		t.Fatalf("a wrong size: %d %s", p.status, p.text("main"))
	}
	id, kept := p.Find("#upload option[selected]").Attr("value")
	if !kept || !strings.Contains(p.text("#upload"), "dump.sql") {
		t.Fatalf("the file is not kept: %s", p.text("#upload"))
	}
	p = sam.send(t, "/import", [][2]string{{"name", "genomes"}, {"size", "small"}, {"upload", id}}, "", "")
	if p.status != http.StatusOK || !strings.HasPrefix(p.text("h1"), "genomes") {
		t.Errorf("imported: %d %s", p.status, p.text("main"))
	}
	p = sam.send(t, "/import", [][2]string{{"name", "at-once"}, {"size", "small"}}, "dump.sql", aDump)
	if p.status != http.StatusOK || !strings.HasPrefix(p.text("h1"), "at-once") {
		t.Errorf("imported at once: %d %s", p.status, p.text("main"))
	}
	p = sam.send(t, "/import", [][2]string{{"name", "at-once"}}, "dump.sql", aDump)
	if p.status != http.StatusConflict || !strings.Contains(p.text(".trouble"), "is taken") || p.Find("#upload").Length() != 1 {
		t.Errorf("a name that is taken: %d %s", p.status, p.text("main"))
	}
	for name, c := range map[string]struct {
		fields     [][2]string
		file, body string
		status     int
		says       string
	}{
		"nothing":         {[][2]string{{"name", "x-1"}}, "", "", 400, "Give either"},
		"both":            {[][2]string{{"name", "x-1"}, {"source", "postgres://u@10.1.0.1/d"}}, "a.sql", aDump, 400, "There is an address and a file"},
		"strange file":    {[][2]string{{"name", "x-1"}}, "a.doc", "what?", 400, "is not understood"},
		"cut file":        {[][2]string{{"name", "x-1"}}, "a.sql", aDump[:70], 400, "lacks the last line"},
		"bad name":        {[][2]string{{"name", "X"}}, "a.sql", aDump, 400, ""},
		"another network": {[][2]string{{"name", "x-1"}, {"source", "postgres://u@10.2.0.1/d"}, {"source_password", "canary"}}, "", "", 403, "is not on a network"},
		"raw password":    {[][2]string{{"name", "x-1"}, {"source", "postgres://u:can@ary/x#@10.1.0.1/d"}}, "", "", 400, "write every character"},
	} {
		p := sam.send(t, "/import", c.fields, c.file, c.body)
		if p.status != c.status || !strings.Contains(p.text(".trouble"), c.says) || strings.Contains(p.raw, "canary") || strings.Contains(p.raw, "can@ary") {
			t.Errorf("%s: %d %s, want %d %q", name, p.status, p.text(".trouble"), c.status, c.says)
		}
	}
	p = sam.send(t, "/import", [][2]string{{"name", "by-address"}, {"size", "small"}, {"source", "postgres://u@10.1.0.1/d"}, {"source_password", "p@ss/canary"}}, "", "")
	if p.status != http.StatusOK || !strings.HasPrefix(p.text("h1"), "by-address") || strings.Contains(p.raw+st.log.String(), "canary") {
		t.Errorf("by address: %d %s", p.status, p.text("main"))
	}
}

// TestImportPageWithoutNetworks offers what can be done only.
func TestImportPageWithoutNetworks(t *testing.T) {
	st := importing(t, policy.Import{})
	p := st.loggedIn(t, "sam").get(t, "/import")
	if p.Find("#source").Length() != 0 || !strings.Contains(p.text("main"), "databases are brought as files") {
		t.Errorf("the form: %s", p.text("main"))
	}
}
