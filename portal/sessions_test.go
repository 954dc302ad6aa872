package portal

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/mydb-project/mydb/core"
)

// visit asks for a page with a cookie as it is, and gives the path that the browser ends at.
func (st *site) visit(t *testing.T, cookie, path string) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, st.URL+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Cookie", cookie)
	return st.browser(t).do(t, req).path
}

// age moves the logins of somebody into the past.
func (st *site) age(t *testing.T, login, column, by string) {
	t.Helper()
	_, err := st.pool.Exec(t.Context(), `update logins set `+column+` = `+column+` - $2::interval where person_id = (select id from people where login = $1)`, login, by)
	if err != nil {
		t.Fatal(err)
	}
}

func TestCookiesThatAreRefused(t *testing.T) {
	st, other := newSite(t), newSite(t)
	mine := st.cookies(t, st.loggedIn(t, "sam"))
	name, token, _ := strings.Cut(mine, "=")
	for what, cookie := range map[string]string{
		"of another instance": other.cookies(t, other.loggedIn(t, "sam")),
		"forged":              name + "=" + strings.Repeat("A", len(token)),
		"changed":             mine[:len(mine)-1] + map[bool]string{true: "A", false: "B"}[mine[len(mine)-1] != 'A'],
		"longer":              mine + "A",
		"of SQL":              name + "=' or true --",
		"empty":               name + "=",
	} {
		if path := st.visit(t, cookie, "/account"); path != "/login" {
			t.Errorf("a cookie %s opens %s", what, path)
		}
	}
	if path := st.visit(t, mine, "/account"); path != "/account" {
		t.Errorf("the cookie itself leads to %s", path)
	}
}

// TestSessionsEnd keeps both times: without use, and at most.
func TestSessionsEnd(t *testing.T) {
	for _, c := range []struct {
		column, by string
		want       string
	}{
		{"seen_at", "119 minutes", "/account"},
		{"seen_at", "121 minutes", "/login"},
		{"started_at", "719 minutes", "/account"},
		{"started_at", "721 minutes", "/login"},
	} {
		st := newSite(t)
		cookie := st.cookies(t, st.loggedIn(t, "sam"))
		st.age(t, "sam", c.column, c.by)
		if path := st.visit(t, cookie, "/account"); path != c.want {
			t.Errorf("%s %s ago: %s", c.column, c.by, path)
		}
		if err := st.service.Forget(t.Context()); err != nil {
			t.Fatal(err)
		}
		var left int
		if err := st.pool.QueryRow(t.Context(), "select count(*) from logins").Scan(&left); err != nil || (left == 0) != (c.want == "/login") {
			t.Errorf("%s %s ago: %d are kept (%v)", c.column, c.by, left, err)
		}
	}
}

func TestSessionsAreListedAndRevoked(t *testing.T) {
	st := newSite(t)
	here := st.browser(t)
	form := url.Values{"login": {"sam"}, "password": {"sam-password"}}
	here.post(t, "/login", form, "User-Agent", "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0")
	away, phone, eve := st.loggedIn(t, "sam"), st.loggedIn(t, "sam"), st.loggedIn(t, "eve")
	p := here.get(t, "/account")
	if rows := p.Find("#sessions tbody tr").Length(); rows != 3 || !strings.Contains(p.text("#sessions"), "Firefox on Linux 127.0.0.1") || !strings.Contains(p.text("#sessions"), "this one") {
		t.Fatalf("%d sessions: %s", rows, p.text("#sessions"))
	}

	token := st.token(t, "sam", core.ScopeOperate)
	r := st.call(t, token, "GET", "/sessions", nil)
	items, _ := r.at("items").([]any)
	if len(items) != 3 || items[0].(map[string]any)["address"] != "127.0.0.1" || items[0].(map[string]any)["last_seen_at"] == nil {
		t.Fatalf("over the API: %s", r.raw)
	}
	var ofEve string
	if err := st.pool.QueryRow(t.Context(), "select l.id from logins l join people p on p.id = l.person_id where p.login = 'eve'").Scan(&ofEve); err != nil {
		t.Fatal(err)
	}
	if r := st.call(t, token, "DELETE", "/sessions/"+ofEve, nil); r.status != http.StatusNotFound {
		t.Errorf("somebody else's: %d", r.status)
	}
	if r := st.call(t, st.token(t, "sam", core.ScopeRead), "DELETE", "/sessions", nil); r.status != http.StatusForbidden {
		t.Errorf("with a token that reads: %d", r.status)
	}
	action := p.Find("#sessions form[action$='/revoke']").First().AttrOr("action", "")
	if p := here.post(t, action, nil); p.status != http.StatusOK || p.Find("#sessions tbody tr").Length() != 2 {
		t.Errorf("revoke one: %d %s", p.status, p.text("#sessions"))
	}
	if p := here.post(t, "/account/sessions/revoke-others", nil); p.Find("#sessions tbody tr").Length() != 1 {
		t.Errorf("revoke the others: %s", p.text("#sessions"))
	}
	for what, b := range map[string]*browser{"one": away, "another": phone} {
		if p := b.get(t, "/account"); p.path != "/login" {
			t.Errorf("%s that was revoked opens %s", what, p.path)
		}
	}
	if p := eve.get(t, "/account"); p.path != "/account" {
		t.Error("eve's session is gone")
	}
	if r := st.call(t, token, "DELETE", "/sessions", nil); r.at("revoked") != 1.0 {
		t.Errorf("revoke all: %s", r.raw)
	}
	if p := here.get(t, "/account"); p.path != "/login" {
		t.Error("the last session goes on")
	}
	var audited int
	if err := st.pool.QueryRow(t.Context(), "select count(*) from audit where action = 'session.revoke' and outcome = 'done'").Scan(&audited); err != nil || audited != 3 {
		t.Errorf("%d in the audit trail (%v)", audited, err)
	}
}

func TestLogoutEndsTheLogin(t *testing.T) {
	st := newSite(t)
	b := st.loggedIn(t, "sam")
	b.post(t, "/logout", nil)
	if list, err := st.service.Logins(t.Context(), st.people["sam"]); err != nil || len(list) != 0 {
		t.Errorf("%v %v", list, err)
	}
}

// TestStepUp follows a deletion whose administrator logged in a while ago, by the link of a message and by the form.
func TestStepUp(t *testing.T) {
	st := newSite(t)
	made := st.create(t, "sam", core.Create{Name: "genomes", Engine: "postgres"})
	st.finish(t, made, nil)
	asked, err := st.service.Do(t.Context(), core.Request{Actor: st.people["sam"], Door: core.DoorAPI, Command: core.Delete{On: core.On{Database: "genomes"}, Reason: "old"}})
	if err != nil {
		t.Fatal(err)
	}
	id := asked.Approval.ID
	state := func() (out string) {
		t.Helper()
		if err := st.pool.QueryRow(t.Context(), "select state from approvals where id = $1", id).Scan(&out); err != nil {
			t.Fatal(err)
		}
		return out
	}
	ada := st.loggedIn(t, "ada")
	if p := ada.get(t, "/approvals/"+id); p.path != "/approvals" || p.status != http.StatusOK {
		t.Errorf("right after the login: %d %s", p.status, p.path)
	}
	st.age(t, "ada", "confirmed_at", "16 minutes")
	if p := ada.get(t, "/approvals/"+id); p.Find("input[name=password-again]").Length() != 1 {
		t.Fatalf("the link of a message: %s", p.text("main"))
	}
	approve := "/approvals/" + id + "/approve"
	p := ada.post(t, approve, url.Values{"reason": {"agreed \"indeed\""}})
	if p.status != http.StatusForbidden || p.Find("form").Last().AttrOr("action", "") != approve || p.Find("input[name=reason]").AttrOr("value", "") != `agreed "indeed"` || state() != "pending" {
		t.Fatalf("without the password: %d %s %s", p.status, state(), p.text("main"))
	}
	form := url.Values{"reason": {"agreed"}, againField: {"wrong"}}
	if p := ada.post(t, approve, form); p.status != http.StatusForbidden || !strings.Contains(p.text(".trouble"), "not the password of ada") || state() != "pending" {
		t.Fatalf("with a wrong password: %d %s", p.status, p.text("main"))
	}
	form.Set(againField, "sam-password")
	if ada.post(t, approve, form); state() != "pending" {
		t.Fatal("with somebody else's password")
	}
	before := st.cookies(t, ada)
	form.Set(againField, "ada-password")
	if p := ada.post(t, approve, form); p.status != http.StatusOK || state() != "approved" {
		t.Fatalf("with the password: %d %s", p.status, p.text("main"))
	}
	if st.cookies(t, ada) == before || st.visit(t, before, "/account") != "/login" {
		t.Error("the session's token is the same")
	}
	if !st.service.Fresh(must(st.service.Logins(t.Context(), st.people["ada"]))[0]) || strings.Contains(st.log.String(), "ada-password") {
		t.Error("the login is not fresh, or the log holds the password")
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// TestWhatAsksForThePassword lists the forms that do, and some that do not.
func TestWhatAsksForThePassword(t *testing.T) {
	st := newSite(t)
	st.finish(t, st.create(t, "ada", core.Create{Name: "genomes", Engine: "postgres"}), nil)
	ada := st.loggedIn(t, "ada")
	st.age(t, "ada", "confirmed_at", "16 minutes")
	for _, c := range []struct {
		path  string
		form  url.Values
		asked bool
	}{
		{"/databases/genomes/delete", nil, true},
		{"/databases/genomes/undo", nil, true},
		{"/databases/genomes/restore", url.Values{"in_place": {"yes"}, "confirm": {"genomes"}}, true},
		{"/databases/genomes/restore", url.Values{"as": {"copy"}}, false},
		{"/databases/genomes/restart", nil, false},
		{"/recovery/accept", nil, true},
		{"/account/chat/code", nil, false},
	} {
		if p := ada.post(t, c.path, c.form); (p.Find("input[name=password-again]").Length() == 1) != c.asked {
			t.Errorf("%s %v: %d %s", c.path, c.form, p.status, p.text("main"))
		}
	}
}

func TestDevices(t *testing.T) {
	for agent, want := range map[string]string{
		"": "an unknown browser", "curl/8.5.0": "curl",
		"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36 Edg/140.0.0.0":           "Edge on Windows",
		"Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Mobile/15E148 Safari/604.1": "Safari on iPhone",
		"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36":                   "Chrome on macOS",
	} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Header.Set("User-Agent", agent)
		if got := deviceOf(r); got != want {
			t.Errorf("%s: %s", agent, got)
		}
	}
}
