package portal

import (
	"archive/tar"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/mydb-project/mydb/core"
	"github.com/mydb-project/mydb/core/coretest"
)

// noise is text that does not get shorter, so that it takes as long on the way as it looks.
func noise(n int) string {
	b := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{7}).Read(b)
	return string(b)
}

// withBackup makes a database of sam's with a good backup of these parts in the store.
func (st *site) withBackup(t *testing.T, c core.Create, parts ...coretest.Part) core.Backup {
	t.Helper()
	c.Name, c.Engine = "genomes", "postgres"
	st.finish(t, st.create(t, "sam", c), nil)
	r, err := st.service.Do(t.Context(), core.Request{Actor: st.people["sam"], Door: core.DoorAPI, Command: core.MakeBackup{On: core.On{Database: "genomes"}}})
	if err != nil {
		t.Fatal(err)
	}
	return coretest.Backed(t, st.service, st.pool, coretest.Folder(t, st.folder), r.Operation.ID, r.Database, parts...)
}

// linkTo asks for a download over the API and gives its token.
func (st *site) linkTo(t *testing.T, bearer string, b core.Backup) (id, token string) {
	t.Helper()
	r := st.call(t, bearer, "POST", "/databases/genomes/backups/"+b.ID+"/download", nil)
	address, _ := r.at("link", "url").(string)
	token, ok := strings.CutPrefix(address, "http://mydb.example.com/links/")
	if r.status != http.StatusCreated || !ok || len(token) != 32 || r.at("link", "expires") == nil {
		t.Fatalf("download: %d %s", r.status, r.raw)
	}
	return r.at("link", "id").(string), token
}

var smallParts = []coretest.Part{{File: "accounts.sql", Content: "create role genomes;\n"}, {File: "1.dump", Content: "PGDMP and so on"}}

// filesOf reads a tar.
func filesOf(t *testing.T, content string) map[string]string {
	t.Helper()
	out := map[string]string{}
	for files := tar.NewReader(strings.NewReader(content)); ; {
		h, err := files.Next()
		if errors.Is(err, io.EOF) {
			return out
		}
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(files)
		if err != nil {
			t.Fatal(err)
		}
		out[filepath.Base(h.Name)] = string(b)
	}
}

// TestDownloadByForm presses "Download" and gets a page that says what will happen, and then the backup, once.
func TestDownloadByForm(t *testing.T) {
	st := newSite(t)
	b := st.withBackup(t, core.Create{}, smallParts...)
	sam, eve := st.loggedIn(t, "sam"), st.loggedIn(t, "eve")
	if got := sam.get(t, "/databases/genomes").text("#backups tbody"); !strings.Contains(got, "Download") {
		t.Fatalf("the card: %s", got)
	}
	p := sam.post(t, "/databases/genomes/download", url.Values{"backup": {b.ID}})
	token, ok := strings.CutPrefix(p.path, "/links/")
	if !ok || p.status != http.StatusOK || !strings.Contains(p.text("main"), "works once, for you alone") || !strings.Contains(p.text("#part"), "1.dump") {
		t.Fatalf("the link's page: %d %s %s", p.status, p.path, p.text("main"))
	}
	if got := p.header.Get("Referrer-Policy") + ", " + p.header.Get("Cache-Control"); got != "no-referrer, no-store" {
		t.Errorf("its headers: %s", got)
	}
	if !strings.Contains(p.text("#curl"), "--remote-header-name http://mydb.example.com/links/"+token) {
		t.Errorf("for programs: %s", p.text("#curl"))
	}
	for range 4 { // previews, and the curious
		if p = sam.get(t, "/links/"+token); p.status != http.StatusOK {
			t.Fatalf("a look: %d", p.status)
		}
	}
	for _, path := range []string{"/links/" + token, "/links/" + token + "/revoke"} {
		if p = eve.post(t, path, nil); p.status != http.StatusForbidden && p.status != http.StatusNotFound {
			t.Errorf("somebody else: %d %s", p.status, p.text("main"))
		}
	}
	if p = eve.get(t, "/links/"+token); p.status != http.StatusForbidden || strings.Contains(p.text("main"), "genomes") || !strings.Contains(p.text("main"), "not used up") {
		t.Errorf("somebody else looks: %d %s", p.status, p.text("main"))
	}
	if got := sam.get(t, "/databases/genomes").text("#backups"); !strings.Contains(got, "waits for you") {
		t.Errorf("the database's page: %s", got)
	}
	p = sam.post(t, "/links/"+token, url.Values{"part": {"accounts.sql"}})
	if p.status != http.StatusOK || p.raw != smallParts[0].Content || !strings.Contains(p.header.Get("Content-Disposition"), `"genomes-`+b.ID+`-accounts.sql"`) {
		t.Errorf("the part: %d %v %q", p.status, p.header, p.raw)
	}
	for _, p = range []shown{sam.post(t, "/links/"+token, nil), sam.get(t, "/links/"+token), sam.get(t, "/links/nothing")} {
		if p.status != http.StatusGone || !strings.Contains(p.text("main"), "link") {
			t.Errorf("over: %d %s", p.status, p.text("main"))
		}
	}
	if p = st.browser(t).get(t, "/links/"+token); p.path != "/login" {
		t.Errorf("nobody lands at %s", p.path)
	}
	if log := st.log.String(); strings.Contains(log, token) || !strings.Contains(log, "path=/links/...") {
		t.Errorf("the log has the token, or nothing of the link:\n%s", log)
	}
}

// TestDownloadOverTheAPI is what a program does: ask, and fetch with its own token.
func TestDownloadOverTheAPI(t *testing.T) {
	st := newSite(t)
	b := st.withBackup(t, core.Create{}, smallParts...)
	bearer, reads, eve := st.token(t, "sam", core.ScopeOperate), st.token(t, "sam", core.ScopeRead), st.token(t, "eve", core.ScopeOperate)
	id, token := st.linkTo(t, bearer, b)
	for _, c := range []struct {
		what, bearer, path string
		status             int
	}{
		{"nobody", "", token, http.StatusUnauthorized},
		{"a token that reads", reads, token, http.StatusForbidden},
		{"somebody else", eve, token, http.StatusForbidden},
		{"a part that is not there", bearer, token + "?part=../../etc/passwd", http.StatusBadRequest},
		{"an unknown parameter", bearer, token + "?parts=1.dump", http.StatusBadRequest},
		{"an id in place of a token", bearer, id, http.StatusGone},
	} {
		if r := st.call(t, c.bearer, "POST", "/links/"+c.path, nil); r.status != c.status || r.at("error", "message") == "" {
			t.Errorf("%s: %d %s", c.what, r.status, short(r.raw, 300))
		}
	}
	if r := st.call(t, bearer, "GET", "/links/"+token, nil); r.status != http.StatusMethodNotAllowed {
		t.Errorf("a GET: %d", r.status)
	}
	if r := st.call(t, bearer, "GET", "/links", nil); len(r.at("items").([]any)) != 1 || strings.Contains(r.raw, token) {
		t.Errorf("the list: %s", r.raw)
	}
	r := st.call(t, bearer, "POST", "/links/"+token, nil, "Range", "bytes=0-"+strings.Repeat("1-2,", 10_000))
	files := filesOf(t, r.raw)
	if r.status != http.StatusOK || files["1.dump"] != smallParts[1].Content || files["accounts.sql"] != smallParts[0].Content || len(files) != 3 {
		t.Errorf("the tar: %d %v", r.status, files)
	}
	if r = st.call(t, bearer, "POST", "/links/"+token, nil); r.status != http.StatusGone {
		t.Errorf("twice: %d %s", r.status, r.raw)
	}
	id, token = st.linkTo(t, bearer, b)
	if r = st.call(t, eve, "DELETE", "/links/"+id, nil); r.status != http.StatusNotFound {
		t.Errorf("somebody else takes it back: %d", r.status)
	}
	for range 2 {
		if r = st.call(t, bearer, "DELETE", "/links/"+id, nil); r.status != http.StatusNoContent {
			t.Errorf("take it back: %d %s", r.status, r.raw)
		}
	}
	if r = st.call(t, bearer, "POST", "/links/"+token, nil); r.status != http.StatusGone || !strings.Contains(r.raw, "taken back") {
		t.Errorf("taken back: %d %s", r.status, r.raw)
	}
	if r = st.call(t, eve, "POST", "/databases/genomes/backups/"+b.ID+"/download", nil); r.status != http.StatusNotFound {
		t.Errorf("somebody else asks: %d", r.status)
	}
}

// TestLinkIsInNoRecord: what is stored opens nothing, not even the answer that an idempotency key keeps.
func TestLinkIsInNoRecord(t *testing.T) {
	st := newSite(t)
	b := st.withBackup(t, core.Create{}, smallParts...)
	bearer := st.token(t, "sam", core.ScopeOperate)
	ask := func() (string, string) {
		r := st.call(t, bearer, "POST", "/databases/genomes/backups/"+b.ID+"/download", nil, "Idempotency-Key", "once")
		if r.status != http.StatusCreated {
			t.Fatalf("%d %s", r.status, r.raw)
		}
		return r.at("link", "id").(string), strings.TrimPrefix(r.at("link", "url").(string), "http://mydb.example.com/links/")
	}
	id, first := ask()
	again, second := ask()
	if id != again || first == second {
		t.Errorf("the same key again: %s and %s; the same link has another address", id, again)
	}
	for _, token := range []string{first, second} {
		var n int
		err := st.pool.QueryRow(t.Context(), `select (select count(*) from requests where receipt::text like $1) + (select count(*) from audit where data::text like $1)
			+ (select count(*) from links l where l::text like $1)`, "%"+token+"%").Scan(&n)
		if err != nil || n != 0 || strings.Contains(st.log.String(), token) {
			t.Errorf("the token is in %d records, %v", n, err)
		}
	}
	if r := st.call(t, bearer, "POST", "/links/"+first, nil); r.status != http.StatusGone {
		t.Errorf("the first address: %d", r.status)
	}
	if r := st.call(t, bearer, "POST", "/links/"+second, nil); r.status != http.StatusOK {
		t.Errorf("the second address: %d", r.status)
	}
}

// TestSpoiltDownloadIsCut: the client knows that it has not got everything.
func TestSpoiltDownloadIsCut(t *testing.T) {
	st := newSite(t)
	b := st.withBackup(t, core.Create{}, coretest.Part{File: "1.dump", Content: noise(1 << 20)})
	file := filepath.Join(st.folder, b.InstanceID, b.ID, "1.dump.zst.age")
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	content[len(content)-1] ^= 1
	if err := os.WriteFile(file, content, 0o600); err != nil {
		t.Fatal(err)
	}
	bearer := st.token(t, "sam", core.ScopeOperate)
	for _, part := range []string{"", "?part=1.dump"} {
		_, token := st.linkTo(t, bearer, b)
		whole := st.begin(t, st.URL, bearer, token+part)
		got, err := io.Copy(io.Discard, whole)
		if err == nil || got >= whole.size {
			t.Errorf("%q: %d of %d bytes, %v", part, got, whole.size, err)
		}
	}
	if log := st.log.String(); !strings.Contains(log, "is not what was written") {
		t.Errorf("the log does not tell:\n%s", log)
	}
}

// transfer is a download that has begun.
type transfer struct {
	io.ReadCloser
	size int64 // as announced
}

// begin starts a download.
func (st *site) begin(t *testing.T, server, bearer, path string) transfer {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server+"/links/"+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+bearer)
	narrow := &http.Transport{DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := (&net.Dialer{}).DialContext(ctx, network, address)
		if tcp, ok := conn.(*net.TCPConn); ok {
			err = tcp.SetReadBuffer(64 << 10) // the system would take tens of megabytes in before anybody asks for them
		}
		return conn, err
	}}
	t.Cleanup(narrow.CloseIdleConnections)
	res, err := (&http.Client{Transport: narrow}).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { res.Body.Close() })
	if res.StatusCode != http.StatusOK {
		t.Fatalf("the download begins with %d", res.StatusCode)
	}
	return transfer{res.Body, res.ContentLength}
}

// large is more than the buffers between two processes hold.
const large = 32 << 20

// TestDownloadTakesAsLongAsItTakes, whatever limits the server has for requests, and at whatever pace.
func TestDownloadTakesAsLongAsItTakes(t *testing.T) {
	st := newSite(t)
	st.portal.patience = 500 * time.Millisecond
	b := st.withBackup(t, core.Create{}, coretest.Part{File: "1.dump", Content: strings.Repeat("0123456789abcdef", large/16)})
	server := httptest.NewUnstartedServer(st.portal)
	server.Config.ReadTimeout = 500 * time.Millisecond
	server.Start()
	defer server.Close()
	bearer := st.token(t, "sam", core.ScopeOperate)
	_, token := st.linkTo(t, bearer, b)
	whole := st.begin(t, server.URL, bearer, token+"?part=1.dump")
	slow := make([]byte, 1)
	n := int64(0)
	for began := time.Now(); time.Since(began) < 2*server.Config.ReadTimeout; n++ {
		if _, err := io.ReadFull(whole, slow); err != nil {
			t.Fatalf("after %d bytes: %v", n, err)
		}
	}
	rest, err := io.Copy(io.Discard, whole)
	if err != nil || n+rest != large {
		t.Errorf("%d bytes, %v", n+rest, err)
	}
}

// TestDownloadEndsWithTheServer: who shuts down waits for nobody, and the client learns that it has not got everything.
func TestDownloadEndsWithTheServer(t *testing.T) {
	st := newSite(t)
	b := st.withBackup(t, core.Create{}, coretest.Part{File: "1.dump", Content: strings.Repeat("0123456789abcdef", large/16)})
	bearer := st.token(t, "sam", core.ScopeOperate)
	_, token := st.linkTo(t, bearer, b)
	whole := st.begin(t, st.URL, bearer, token)
	st.portal.Close()
	if n, err := io.Copy(io.Discard, whole); err == nil {
		t.Errorf("%d of %d bytes came to a good end", n, whole.size)
	}
	st.failedWith(t, "%was stopped%")
}

// failedWith waits until the audit trail has a download that failed with an error like this one.
func (st *site) failedWith(t *testing.T, like string) {
	t.Helper()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(time.Minute); ; <-tick.C {
		var n int
		err := st.pool.QueryRow(t.Context(), "select count(*) from audit where action = 'link.use' and outcome = 'failed' and data->>'error' like $1", like).Scan(&n)
		if err != nil {
			t.Fatal(err)
		}
		if n == 1 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d downloads failed with %s", n, like)
		}
	}
}

// TestDownloadWaitsForNobody: a client that goes away, or takes nothing any more, holds nothing up.
func TestDownloadWaitsForNobody(t *testing.T) {
	for what, c := range map[string]struct {
		stall time.Duration
		do    func(transfer)
		like  string
	}{
		"goes away":     {time.Hour, func(d transfer) { d.Close() }, "%went away%"},
		"takes nothing": {200 * time.Millisecond, func(transfer) {}, "%went away%"},
	} {
		t.Run(what, func(t *testing.T) {
			st := newSite(t)
			st.portal.stall = c.stall
			b := st.withBackup(t, core.Create{}, coretest.Part{File: "1.dump", Content: strings.Repeat("0123456789abcdef", large/16)})
			bearer := st.token(t, "sam", core.ScopeOperate)
			_, token := st.linkTo(t, bearer, b)
			c.do(st.begin(t, st.URL, bearer, token))
			st.failedWith(t, c.like)
		})
	}
}

// TestDownloadOfHealthData waits for somebody else, and then on the page of who asked.
func TestDownloadOfHealthData(t *testing.T) {
	st := newSite(t)
	b := st.withBackup(t, core.Create{PHI: true}, smallParts...)
	sam, ada := st.loggedIn(t, "sam"), st.loggedIn(t, "ada")
	p := sam.post(t, "/databases/genomes/download", url.Values{"backup": {b.ID}, "reason": {"to the archive"}})
	if p.status != http.StatusOK || !strings.Contains(p.text("main"), "Waiting for approval: download") {
		t.Fatalf("asked: %d %s", p.status, p.text("main"))
	}
	bearer := st.token(t, "sam", core.ScopeOperate)
	r := st.call(t, bearer, "POST", "/databases/genomes/backups/"+b.ID+"/download", nil)
	id, _ := r.at("approval", "id").(string)
	if r.status != http.StatusAccepted || id == "" || r.at("link") != nil {
		t.Fatalf("over the API: %d %s", r.status, r.raw)
	}
	if p = ada.get(t, "/approvals"); !strings.Contains(p.text("#approval-"+id), b.ID+" for sam") {
		t.Errorf("what ada decides about: %s", p.text("#approval-"+id))
	}
	if p = ada.post(t, "/approvals/"+id+"/approve", nil); p.status != http.StatusOK {
		t.Fatalf("approved: %d %s", p.status, p.text("main"))
	}
	if got := ada.get(t, "/databases/genomes").text("#backups"); strings.Contains(got, "waits for you") {
		t.Errorf("who approved: %s", got)
	}
	if got := sam.get(t, "/approvals").text("#approval-" + id); !strings.Contains(got, "waits for you") {
		t.Errorf("the approval: %s", got)
	}
	if got := sam.get(t, "/databases/genomes").text("#backups"); !strings.Contains(got, "waits for you") {
		t.Errorf("who asked: %s", got)
	}
	_, token := st.linkTo(t, bearer, b)
	if r = st.call(t, bearer, "POST", "/links/"+token+"?part=accounts.sql", nil); r.raw != smallParts[0].Content {
		t.Errorf("%d %s", r.status, r.raw)
	}
	if r = st.call(t, bearer, "POST", "/databases/genomes/backups/"+b.ID+"/download", nil); r.status != http.StatusAccepted {
		t.Errorf("a second download: %d %s", r.status, r.raw)
	}
}

// TestSecretLink shows a password once, on the page behind a link and over the API.
func TestSecretLink(t *testing.T) {
	st := newSite(t)
	st.finish(t, st.create(t, "sam", core.Create{Name: "genomes", Engine: "postgres", Password: "a password for sam"}), nil)
	sam := st.loggedIn(t, "sam")
	ask := func() string {
		t.Helper()
		_, token, err := st.service.SecretLink(t.Context(), core.Request{Actor: st.people["sam"], Door: core.DoorTerminal}, "genomes")
		if err != nil {
			t.Fatal(err)
		}
		return token
	}
	token := ask()
	if p := sam.get(t, "/links/"+token); p.status != http.StatusOK || strings.Contains(p.raw, "a password for sam") {
		t.Errorf("a look: %d %s", p.status, p.text("main"))
	}
	if p := sam.post(t, "/links/"+token, nil); p.status != http.StatusOK || p.text("#password") != "a password for sam" || p.header.Get("Cache-Control") != "no-store" {
		t.Errorf("shown: %d %s", p.status, p.text("main"))
	}
	if p := sam.post(t, "/links/"+token, nil); p.status != http.StatusGone || strings.Contains(p.raw, "a password for sam") {
		t.Errorf("twice: %d %s", p.status, p.text("main"))
	}
	r := st.call(t, st.token(t, "sam", core.ScopeOperate), "POST", "/links/"+ask(), nil)
	if r.status != http.StatusOK || r.at("password") != "a password for sam" {
		t.Errorf("over the API: %d %s", r.status, r.raw)
	}
	if strings.Contains(st.log.String(), "a password for sam") {
		t.Error("the log has it")
	}
}
