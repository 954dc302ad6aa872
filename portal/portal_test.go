package portal

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/PuerkitoBio/goquery"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/mydb-project/mydb/core"
	"github.com/mydb-project/mydb/core/coretest"
)

// site is a portal that listens, over a database of its own, with two scientists and an administrator. Everybody's password is
// their login with "-password" behind.
type site struct {
	*httptest.Server
	portal  *Server
	service *core.Service
	pool    *pgxpool.Pool
	people  map[string]core.Actor
	console *echo
	log     *coretest.Output
	folder  string // of the store of backups
}

// passwords is a directory of people who have a simple password.
type passwords map[string]core.Actor

func (d passwords) Authenticate(_ context.Context, login, password string) (core.Person, error) {
	if a, ok := d[strings.ToLower(login)]; ok && password == a.Login+"-password" {
		return a.Person, nil
	}
	if login == "unlucky" {
		return core.Person{}, core.Errorf(core.CodeUnavailable, "The directory does not answer. Try again in a minute.")
	}
	return core.Person{}, core.Errorf(core.CodeUnauthenticated, "This login and password do not fit together.")
}

// Lookup implements core.Directory.
func (passwords) Lookup(context.Context, string) (core.Account, error) {
	return core.Account{}, core.Errorf(core.CodeUnavailable, "not here")
}

// echo is a console that repeats what it was told.
type echo struct{ address, key string }

func (e *echo) Run(_ context.Context, r core.Request, text string) (ConsoleReply, error) {
	e.address, e.key = r.Address, r.Key
	if text == "break" {
		panic("told to break")
	}
	return ConsoleReply{Text: r.Actor.Login + " said " + text}, nil
}

func newSite(t *testing.T, change ...func(*Options)) *site {
	t.Helper()
	folder := t.TempDir()
	service, pool := coretest.NewWith(t, core.Options{Backups: core.Backups{On: true}, Objects: coretest.Folder(t, folder)})
	st := &site{service: service, pool: pool, people: passwords{}, console: &echo{}, log: &coretest.Output{}, folder: folder}
	for _, login := range []string{"sam", "eve", "ada"} {
		st.people[login] = coretest.Actor(t, service, login, login == "ada")
	}
	o := Options{
		Service: service, Directory: passwords(st.people), Sessions: service.Sessions(), Console: st.console,
		PublicURL: "http://mydb.example.com", Log: slog.New(slog.NewTextHandler(st.log, nil)), Version: "test",
		CA: func(ctx context.Context) ([]byte, error) {
			a, err := service.Authority(ctx)
			if err != nil {
				return nil, err
			}
			return a.Certificate(), nil
		},
	}
	for _, c := range change {
		c(&o)
	}
	var err error
	if st.portal, err = New(o); err != nil {
		t.Fatal(err)
	}
	st.Server = httptest.NewServer(st.portal)
	t.Cleanup(st.Server.Close)
	t.Cleanup(st.portal.Close) // first: streams would keep the server from closing
	return st
}

// token makes an API token.
func (st *site) token(t *testing.T, login string, scope core.Scope) string {
	t.Helper()
	_, secret, err := st.service.MakeToken(t.Context(), core.Request{Actor: st.people[login], Door: core.DoorPortal}, core.NewToken{Name: "test", Scope: scope})
	if err != nil {
		t.Fatal(err)
	}
	return secret
}

// reply is an answer of the API.
type reply struct {
	status int
	header http.Header
	raw    string
	json   map[string]any
}

// at digs a value out of the answer.
func (r reply) at(keys ...string) any {
	var v any = r.json
	for _, k := range keys {
		m, ok := v.(map[string]any)
		if !ok {
			return nil
		}
		v = m[k]
	}
	return v
}

// call sends a request to the API. A body that is a string goes as it is. headers are names and values in turn.
func (st *site) call(t *testing.T, token, method, path string, body any, headers ...string) reply {
	t.Helper()
	var b []byte
	switch v := body.(type) {
	case nil:
	case string:
		b = []byte(v)
	default:
		var err error
		if b, err = json.Marshal(v); err != nil {
			t.Fatal(err)
		}
	}
	req, err := http.NewRequestWithContext(t.Context(), method, st.URL+apiPrefix+path, bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	out := reply{status: res.StatusCode, header: res.Header, raw: string(raw)}
	_ = json.Unmarshal(raw, &out.json) // some answers are not JSON
	return out
}

// create asks for a database over the API and gives its receipt.
func (st *site) create(t *testing.T, login string, c core.Create) core.Receipt {
	t.Helper()
	r, err := st.service.Do(t.Context(), core.Request{Actor: st.people[login], Door: core.DoorAPI, Command: c})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// finish does what a worker does at the end of a create.
func (st *site) finish(t *testing.T, r core.Receipt, failure *core.Explanation) {
	t.Helper()
	ctx := t.Context()
	i, _, err := st.service.Begin(ctx, r.Operation.ID)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := st.service.Place(ctx, i.ID, func([]core.Placed) (string, string, error) { return "n1", "db.example.com", nil }); err != nil {
		t.Fatal(err)
	}
	if err := st.service.StartStep(ctx, r.Operation.ID, 1, "start the server"); err != nil {
		t.Fatal(err)
	}
	if err := st.service.EndStep(ctx, r.Operation.ID, 1, failure == nil, ""); err != nil {
		t.Fatal(err)
	}
	err = pgx.BeginFunc(ctx, st.pool, func(tx pgx.Tx) error {
		return st.service.FinishCreate(ctx, tx, r.Operation.ID, i, failure)
	})
	if err != nil {
		t.Fatal(err)
	}
}

// browser is somebody's browser: it keeps cookies and follows redirects.
type browser struct {
	*http.Client
	site *site
}

func (st *site) browser(t *testing.T) *browser {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &browser{&http.Client{Jar: jar}, st}
}

// loggedIn is the browser of somebody who has logged in.
func (st *site) loggedIn(t *testing.T, login string) *browser {
	t.Helper()
	b := st.browser(t)
	if p := b.post(t, "/login", url.Values{"login": {login}, "password": {login + "-password"}}); p.status != http.StatusOK {
		t.Fatalf("log in as %s: %d\n%s", login, p.status, p.Text())
	}
	return b
}

// shown is a page as a browser got it.
type shown struct {
	*goquery.Document
	status int
	path   string
	header http.Header
	raw    string
}

func (b *browser) get(t *testing.T, path string) shown {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, b.site.URL+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	return b.do(t, req)
}

func (b *browser) post(t *testing.T, path string, form url.Values, headers ...string) shown {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, b.site.URL+path, strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	return b.do(t, req)
}

func (b *browser) do(t *testing.T, req *http.Request) shown {
	t.Helper()
	res, err := b.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	doc, err := goquery.NewDocumentFromReader(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	return shown{doc, res.StatusCode, res.Request.URL.Path, res.Header, string(raw)}
}

// text is what a selector finds, with single blanks.
func (s shown) text(selector string) string {
	return strings.Join(strings.Fields(s.Find(selector).Text()), " ")
}
