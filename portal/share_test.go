package portal

import (
	"encoding/csv"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/mydb-project/mydb/core"
)

// share ends a share as its worker would.
func (st *site) share(t *testing.T, operationID string, i core.Instance) {
	t.Helper()
	var args core.AccessArgs
	if err := st.service.Args(t.Context(), operationID, &args); err != nil {
		t.Fatal(err)
	}
	err := pgx.BeginFunc(t.Context(), st.pool, func(tx pgx.Tx) error {
		return st.service.FinishShare(t.Context(), tx, operationID, i, args, nil, nil)
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestShareByForm shares on the page, and looks at it as the colleague, who may do no more than connect.
func TestShareByForm(t *testing.T) {
	st := newSite(t)
	made := st.create(t, "sam", core.Create{Name: "genomes", Engine: "postgres"})
	st.finish(t, made, nil)
	sam, eve := st.loggedIn(t, "sam"), st.loggedIn(t, "eve")

	p := sam.post(t, "/databases/genomes/share", url.Values{"with": {"nobody"}, "right": {"read"}})
	if p.status != http.StatusBadRequest || !strings.Contains(p.text("main"), "Nobody here has the login") {
		t.Errorf("with nobody: %d %s", p.status, p.text(".trouble"))
	}
	p = sam.post(t, "/databases/genomes/share", url.Values{"with": {"eve"}, "right": {"write"}, "until": {"90d"}})
	if p.path != "/databases/genomes" || p.status != http.StatusOK {
		t.Fatalf("shared: %d %s", p.status, p.path)
	}
	i, err := st.service.Instance(t.Context(), st.people["sam"], "genomes")
	if err != nil {
		t.Fatal(err)
	}
	st.share(t, *i.OperationID, i)
	if p = sam.get(t, "/databases/genomes"); !strings.Contains(p.text("#people tbody"), "eve") || !strings.Contains(p.text("#people tbody"), "read and write") {
		t.Errorf("the owner's page: %s", p.text("#people"))
	}
	p = eve.get(t, "/databases/genomes")
	if p.text("#user") != "eve" || p.Find("#manage, #people").Length() != 0 || !strings.Contains(p.text("main"), "sam shares it with you: read and write") {
		t.Errorf("the colleague's page: %s", p.text("main"))
	}
	if p = eve.post(t, "/databases/genomes/credentials", nil); len(p.text("#password")) < 12 {
		t.Errorf("the colleague's password: %s", p.text("main"))
	}
	if p = eve.post(t, "/databases/genomes/stop", nil); p.status != http.StatusForbidden {
		t.Errorf("the colleague stops it: %d", p.status)
	}
	if p = eve.get(t, "/"); !strings.Contains(p.text("td.name"), "shared by sam, to write") {
		t.Errorf("the colleague's list: %s", p.text("main"))
	}
}

// TestAccountsOverTheAPI makes a pipeline's account, collects its password once, and removes it.
func TestAccountsOverTheAPI(t *testing.T) {
	st := newSite(t)
	made := st.create(t, "sam", core.Create{Name: "genomes", Engine: "postgres"})
	st.finish(t, made, nil)
	sam, eve := st.token(t, "sam", core.ScopeOperate), st.token(t, "eve", core.ScopeOperate)
	r := st.call(t, sam, "POST", "/databases/genomes/accounts", map[string]any{"account": "nightly", "right": "write"})
	if r.status != http.StatusAccepted {
		t.Fatalf("%d %s", r.status, r.raw)
	}
	st.share(t, r.at("operation", "id").(string), made.Database)
	if r := st.call(t, sam, "GET", "/databases/genomes/accounts", nil); !strings.Contains(r.raw, `"nightly"`) || strings.Contains(r.raw, "password") {
		t.Errorf("list: %s", r.raw)
	}
	if r := st.call(t, sam, "GET", "/databases/genomes/accounts/nightly/credentials", nil); r.at("username") != "nightly" || r.at("password") == "" {
		t.Errorf("credentials: %d", r.status)
	}
	for _, c := range []struct {
		token, method, path string
		body                any
		status              int
	}{
		{eve, "GET", "/databases/genomes/accounts", nil, 404},
		{eve, "GET", "/databases/genomes/accounts/nightly/credentials", nil, 404},
		{sam, "GET", "/databases/genomes/accounts/other/credentials", nil, 404},
		{sam, "DELETE", "/databases/genomes/accounts/other", nil, 404},
		{sam, "POST", "/databases/genomes/accounts/nightly/rotate", map[string]any{"overlap": "soon"}, 400},
		{sam, "POST", "/databases/genomes/accounts", map[string]any{"account": "genomes"}, 409},
		{sam, "DELETE", "/databases/genomes/accounts/nightly", nil, 202},
	} {
		if r := st.call(t, c.token, c.method, c.path, c.body); r.status != c.status {
			t.Errorf("%s %s: %d %s, want %d", c.method, c.path, r.status, r.raw, c.status)
		}
	}
}

// TestClassAndSearchByForm makes a class on the page, looks for it, and takes the list and the passwords away as files.
func TestClassAndSearchByForm(t *testing.T) {
	st := newSite(t)
	b := st.loggedIn(t, "sam")
	form := url.Values{"name": {"biology"}, "engine": {"postgres/17"}, "size": {"small"}, "backup": {"daily"}, "count": {"3"}, "project": {"=cmd()"}, "department": {"Biology"}}
	p := b.post(t, "/databases/new", form)
	if p.path != "/" || p.Find("td.name a").Length() != 3 || !strings.Contains(p.text("main"), "The class biology") {
		t.Fatalf("the class: %s %s", p.path, p.text("main"))
	}
	form.Set("count", "many")
	if p = b.post(t, "/databases/new", form); p.status != http.StatusBadRequest || !strings.Contains(p.text("#count ~ .trouble"), "1 to 100") {
		t.Errorf("how many: %d %s", p.status, p.text(".trouble"))
	}
	if p = b.get(t, "/?q=biology-02"); p.Find("td.name a").Length() != 1 {
		t.Errorf("found: %s", p.text("table"))
	}
	if p = b.get(t, "/?q=nothing"); !strings.Contains(p.text("main"), "Nothing fits") {
		t.Errorf("nothing: %s", p.text("main"))
	}
	token := st.token(t, "sam", core.ScopeOperate)
	r := st.call(t, token, "GET", "/databases?format=csv&department=BIOLOGY", nil)
	rows, err := csv.NewReader(strings.NewReader(r.raw)).ReadAll()
	if err != nil || len(rows) != 4 || rows[1][0] != "biology-03" || rows[1][15] != "'=cmd()" || !strings.HasPrefix(r.header.Get("Content-Type"), "text/csv") {
		t.Errorf("csv: %v, %v", rows, err)
	}
	if r := st.call(t, token, "GET", "/databases?format=xml", nil); r.status != http.StatusBadRequest {
		t.Errorf("xml: %d", r.status)
	}
	i, err := st.service.Instance(t.Context(), st.people["sam"], "biology-01")
	if err != nil {
		t.Fatal(err)
	}
	st.finish(t, core.Receipt{Operation: core.Operation{ID: *i.OperationID}, Database: i}, nil)
	r = st.call(t, token, "GET", "/classes/biology/credentials", nil)
	if strings.Count(r.raw, `"password"`) != 1 || strings.Count(r.raw, "not ready yet") != 2 {
		t.Errorf("passwords: %d %s", r.status, strings.ReplaceAll(r.raw, `"password":"`, `"password":"...`))
	}
	if p = b.post(t, "/databases/biology-01/describe", url.Values{"project": {"ERC"}, "maintenance_window": {"sun 02:00-06:00"}}); p.status != http.StatusOK || !strings.Contains(p.text("main"), "sun 02:00-06:00") {
		t.Errorf("described: %d %s", p.status, p.text(".trouble"))
	}
	if p = b.post(t, "/databases/biology-01/describe", url.Values{"backup_window": {"never"}}); p.status != http.StatusBadRequest {
		t.Errorf("a bad window: %d", p.status)
	}
}

// TestApprovalIsTakenBack shows who waits and lets only the requester take it back.
func TestApprovalIsTakenBack(t *testing.T) {
	st := newSite(t)
	st.finish(t, st.create(t, "sam", core.Create{Name: "genomes", Engine: "postgres"}), nil)
	sam, ada := st.loggedIn(t, "sam"), st.loggedIn(t, "ada")
	sam.post(t, "/databases/genomes/delete", url.Values{"reason": {"done"}})
	if p := ada.get(t, "/"); p.text("nav .badge") != "1" {
		t.Errorf("the administrator sees %q", p.text("nav .badge"))
	}
	list, err := st.service.Approvals(t.Context(), st.people["sam"], true)
	if err != nil || len(list) != 1 {
		t.Fatalf("%+v, %v", list, err)
	}
	if p := ada.post(t, "/approvals/"+list[0].ID+"/withdraw", nil); p.status != http.StatusForbidden {
		t.Errorf("the administrator takes it back: %d", p.status)
	}
	if p := sam.post(t, "/approvals/"+list[0].ID+"/withdraw", nil); p.status != http.StatusOK || !strings.Contains(p.text("main"), "withdrawn") {
		t.Errorf("taken back: %d %s", p.status, p.text("main"))
	}
	if p := ada.get(t, "/"); p.text("nav .badge") != "" {
		t.Errorf("the administrator still sees %q", p.text("nav .badge"))
	}
	if p := sam.get(t, "/notifications"); p.status != http.StatusForbidden {
		t.Errorf("a scientist sees the notifications: %d", p.status)
	}
	if p := ada.get(t, "/notifications?state=pending"); p.status != http.StatusOK {
		t.Errorf("the administrator sees the notifications: %d", p.status)
	}
}
