package portal

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/PuerkitoBio/goquery"

	"github.com/mydb-project/mydb/core"
)

func TestLogin(t *testing.T) {
	st := newSite(t, func(o *Options) { o.Announce = "Log in as <sam>." })
	b := st.browser(t)
	p := b.get(t, "/databases/genomes?x=1")
	if p.path != "/login" || p.text("h1") != "Log in" || p.text(".note") != "Log in as <sam>." {
		t.Fatalf("without a session: %s %s", p.path, p.raw)
	}
	next, _ := p.Find("input[name=next]").Attr("value")
	if next != "/databases/genomes?x=1" {
		t.Errorf("next is %q", next)
	}
	p = b.post(t, "/login", url.Values{"login": {"sam"}, "password": {"wrong"}})
	if p.status != http.StatusUnauthorized || p.text(".trouble") == "" || p.Find("input[name=login]").AttrOr("value", "") != "sam" {
		t.Errorf("a wrong password: %d %s", p.status, p.text("main"))
	}
	if strings.Contains(p.raw, "wrong") {
		t.Error("the password came back")
	}
	p = b.post(t, "/login", url.Values{"login": {"sam"}, "password": {"sam-password"}, "next": {"/account"}})
	if p.path != "/account" || !strings.Contains(p.text("main"), "sam@example.com") {
		t.Errorf("log in: %s %s", p.path, p.text("main"))
	}
	if p = b.get(t, "/login?next=/help"); p.path != "/help" {
		t.Errorf("a second login leads to %s", p.path)
	}
	old := st.cookies(t, b)
	if p = b.post(t, "/logout", nil); p.path != "/login" {
		t.Errorf("log out leads to %s", p.path)
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, st.URL+"/account", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Cookie", old)
	if p = st.browser(t).do(t, req); p.path != "/login" {
		t.Error("the old cookie still works")
	}
}

// TestLoginRenewsTheSession: a cookie that somebody planted before the login is worth nothing after it.
func TestLoginRenewsTheSession(t *testing.T) {
	st := newSite(t)
	b := st.loggedIn(t, "eve")
	planted := st.cookies(t, b)
	if p := b.post(t, "/login", url.Values{"login": {"sam"}, "password": {"sam-password"}, "next": {"/account"}}); p.text("main code") == "" {
		t.Fatalf("log in as somebody else: %s", p.text("main"))
	}
	if planted == st.cookies(t, b) {
		t.Fatal("the cookie is the same")
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, st.URL+"/account", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Cookie", planted)
	if p := st.browser(t).do(t, req); p.path != "/login" {
		t.Error("the planted cookie opens the account")
	}
}

// cookies is what the browser would send.
func (st *site) cookies(t *testing.T, b *browser) string {
	t.Helper()
	u, err := url.Parse(st.URL)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, c := range b.Jar.Cookies(u) {
		all = append(all, c.String())
	}
	return strings.Join(all, "; ")
}

func TestSessionTokensAreStoredAsHashes(t *testing.T) {
	st := newSite(t)
	_, token, _ := strings.Cut(st.cookies(t, st.loggedIn(t, "sam")), "=")
	var found bool
	err := st.pool.QueryRow(t.Context(), "select exists (select from sessions where token = $1)", token).Scan(&found)
	if err != nil || found || token == "" {
		t.Errorf("token %q, stored as it is: %v (%v)", token, found, err)
	}
}

func TestDisabledPeopleAreOut(t *testing.T) {
	st := newSite(t)
	b := st.loggedIn(t, "sam")
	if _, err := st.pool.Exec(t.Context(), "update people set disabled_at = now() where login = 'sam'"); err != nil {
		t.Fatal(err)
	}
	if p := b.get(t, "/"); p.path != "/login" {
		t.Errorf("a disabled person gets %s", p.path)
	}
}

func TestNextStaysHere(t *testing.T) {
	for next, want := range map[string]string{
		"": "/", "/": "/", "/databases/x?y=z": "/databases/x?y=z", "https://evil.example": "/", "//evil.example/": "/", `/\evil.example`: "/",
		"/%2f/evil.example": "/", "javascript:alert(1)": "/", "/a\nb": "/", "evil": "/", "///evil.example": "/", `\\evil.example`: "/", "/ok#x": "/ok",
	} {
		if got := localPath(next); got != want {
			t.Errorf("next=%q leads to %q, want %q", next, got, want)
		}
	}
}

func TestFormsOfOtherSitesAreRefused(t *testing.T) {
	st := newSite(t)
	b := st.loggedIn(t, "sam")
	form := url.Values{"name": {"genomes"}, "engine": {"postgres/17"}}
	for _, headers := range [][]string{{"Sec-Fetch-Site", "cross-site"}, {"Sec-Fetch-Site", "same-site"}, {"Origin", "https://evil.example"}, {"Origin", "null"}} {
		if p := b.post(t, "/databases/new", form, headers...); p.status != http.StatusForbidden || p.text(".card p") == "" {
			t.Errorf("%s: %d", headers, p.status)
		}
	}
	if p := b.post(t, "/databases/new", form, "Origin", "http://mydb.example.com"); p.status != http.StatusOK {
		t.Errorf("the public address: %d", p.status)
	}
}

func TestCreateByForm(t *testing.T) {
	st := newSite(t)
	b := st.loggedIn(t, "sam")
	if p := b.get(t, "/"); !strings.Contains(p.text("main"), "You have no database yet") {
		t.Errorf("the empty list: %s", p.text("main"))
	}
	p := b.get(t, "/databases/new")
	if got := p.Find("select[name=engine] option[selected]").AttrOr("value", ""); got != "postgres/17" {
		t.Errorf("the default is %q", got)
	}
	key := p.Find("input[name=key]").AttrOr("value", "")
	form := url.Values{
		"key": {key}, "name": {"genomes"}, "engine": {"postgres/16"}, "size": {"medium"}, "backup": {"weekly"}, "expires": {"90d"},
		"description": {"line 1\r\nline 2"}, "phi": {"yes"}, "extensions": {"postgres/hstore", "mariadb/other"},
	}
	first, second := b.post(t, "/databases/new", form), b.post(t, "/databases/new", form)
	if first.path != "/databases/genomes" || second.path != "/databases/genomes" || second.status != http.StatusOK {
		t.Fatalf("a double click: %s %s %s", first.path, second.path, second.text("main"))
	}
	i, err := st.service.Instance(t.Context(), st.people["sam"], "genomes")
	if err != nil {
		t.Fatal(err)
	}
	if i.Version != "16" || i.Size != "medium" || i.Backup != "weekly" || !i.PHI || i.ExpiresAt == nil || i.Description != "line 1\nline 2" || len(i.Extensions) != 1 {
		t.Errorf("%+v", i)
	}
	if got := first.text("h1 .badge.creating"); got != "being created" {
		t.Errorf("the state reads %q", got)
	}
	if p := b.get(t, "/"); p.text("td.name a") != "genomes" || p.Find("meta[http-equiv=refresh]").Length() != 1 {
		t.Errorf("the list: %s", p.text("table"))
	}
}

func TestFormKeepsWhatWasTyped(t *testing.T) {
	st := newSite(t)
	b := st.loggedIn(t, "sam")
	form := url.Values{
		"key": {"k"}, "name": {"Bad Name"}, "engine": {"postgres/16"}, "size": {"large"}, "backup": {"never"}, "expires": {"17d"}, "password": {"my secret password"},
		"description": {"<b>bold</b>"}, "init_sql": {"select 1"}, "extensions": {"postgres/hstore"},
	}
	p := b.post(t, "/databases/new", form)
	if p.status != http.StatusBadRequest || !strings.Contains(p.text("#name ~ .trouble"), "does not fit") {
		t.Fatalf("%d %s", p.status, p.text("main"))
	}
	if strings.Contains(p.raw, "my secret password") {
		t.Error("the password came back")
	}
	for selector, want := range map[string]string{
		"input[name=name]": "Bad Name", "select[name=engine] option[selected]": "postgres/16", "input[name=size][checked]": "large",
		"select[name=backup] option[selected]": "never", "select[name=expires] option[selected]": "17d", "input[name=extensions][checked]": "postgres/hstore",
	} {
		if got := p.Find(selector).AttrOr("value", ""); got != want {
			t.Errorf("%s is %q, want %q", selector, got, want)
		}
	}
	if p.Find("textarea[name=description]").Text() != "<b>bold</b>" || p.Find("textarea[name=init_sql]").Text() != "select 1" {
		t.Error("a text was lost")
	}
	if p.Find("details[open] textarea[name=init_sql]").Length() != 1 {
		t.Error("what was typed into the folded part is hidden")
	}
	st.create(t, "eve", core.Create{Name: "genomes", Engine: "postgres"})
	form.Set("name", "genomes")
	form.Set("expires", "")
	if p := b.post(t, "/databases/new", form); p.status != http.StatusConflict || !strings.Contains(p.text("#name ~ .trouble"), "taken") {
		t.Errorf("a name that is taken: %d %s", p.status, p.text("main"))
	}
}

func TestNastyTextIsShownAsText(t *testing.T) {
	st := newSite(t)
	b := st.loggedIn(t, "ada")
	for kind, value := range nasty {
		for _, field := range []string{"name", "engine", "size", "username", "password", "backup", "expires", "description", "contact", "init_sql", "owner", "extensions"} {
			form := url.Values{"name": {"nasty"}, "engine": {"postgres/17"}}
			form.Set(field, value)
			p := b.post(t, "/databases/new", form)
			if p.status >= 500 || p.Find("main script, main img[onerror], main [onerror]").Length() != 0 {
				t.Errorf("%s with %s: %d", field, kind, p.status)
			}
			if p.path == "/databases/nasty" {
				if list := b.get(t, "/"); list.Find("main script, main [onerror]").Length() != 0 {
					t.Errorf("%s with %s is live in the list", field, kind)
				}
				i, err := st.service.Instance(t.Context(), st.people["ada"], "nasty")
				if err != nil {
					t.Fatal(err)
				}
				endNow(t, st, reply{json: map[string]any{"operation": map[string]any{"id": *i.OperationID}}})
			}
		}
		if p := b.post(t, "/account/tokens", url.Values{"name": {value}}); p.status >= 500 || p.Find("main script, main [onerror]").Length() != 0 {
			t.Errorf("a token named %s: %d", kind, p.status)
		}
	}
	if log := st.log.String(); strings.Contains(log, "level=ERROR") {
		t.Errorf("internal errors:\n%s", log)
	}
}

func TestShowThePasswordOnce(t *testing.T) {
	st := newSite(t)
	st.finish(t, st.create(t, "sam", core.Create{Name: "genomes", Engine: "postgres", Password: "a password of my own"}), nil)
	b := st.loggedIn(t, "sam")
	p := b.get(t, "/databases/genomes")
	if strings.Contains(p.raw, "a password of my own") || p.text("#host") != "db.example.com" || p.Find(".snippets details").Length() < 3 {
		t.Fatalf("the page: %s", p.text("main"))
	}
	if p.Find("meta[http-equiv=refresh]").Length() != 0 || p.Find("[sse-connect]").Length() != 0 {
		t.Error("a page that is done still looks for news")
	}
	action := p.Find(".secret form").AttrOr("action", "")
	shownOnce := b.post(t, action, nil)
	if shownOnce.text("#password") != "a password of my own" || shownOnce.header.Get("Cache-Control") != "no-store" {
		t.Errorf("the password: %s", shownOnce.text(".secret"))
	}
	if p := b.get(t, action); p.status != http.StatusMethodNotAllowed {
		t.Errorf("a link to the password: %d", p.status)
	}
	if _, err := st.pool.Exec(t.Context(), "update secrets set collected_at = now() - interval '11 minutes'"); err != nil {
		t.Fatal(err)
	}
	if p := b.post(t, action, nil); p.status != http.StatusGone || p.text(".trouble") == "" || p.Find("#password").Length() != 0 {
		t.Errorf("after ten minutes: %d %s", p.status, p.text("main"))
	}
	if p := st.loggedIn(t, "ada").post(t, action, nil); p.status != http.StatusForbidden || p.Find("#password").Length() != 0 {
		t.Errorf("an administrator: %d", p.status)
	}
	if p := st.loggedIn(t, "eve").get(t, "/databases/genomes"); p.status != http.StatusNotFound || p.text("h1") != "Not found" {
		t.Errorf("a stranger: %d %s", p.status, p.text("main"))
	}
}

func TestFailedCreatePage(t *testing.T) {
	st := newSite(t)
	st.finish(t, st.create(t, "sam", core.Create{Name: "genomes", Engine: "postgres"}), &core.Explanation{Code: core.CodeInvalid, Message: "The script <b>broke</b>."})
	p := st.loggedIn(t, "sam").get(t, "/databases/genomes")
	if !strings.Contains(p.text(".card.bad"), "The script <b>broke</b>.") || p.Find(".connect").Length() != 0 || p.text("h1 .badge") != "failed" {
		t.Errorf("%s", p.text("main"))
	}
}

func TestAccount(t *testing.T) {
	st := newSite(t)
	b := st.loggedIn(t, "sam")
	p := b.post(t, "/account/tokens", url.Values{"name": {"laptop"}, "scope": {"read"}, "expires": {"7d"}})
	token := p.text("#token")
	if r := st.call(t, token, "GET", "/me", nil); r.at("scope") != "read" {
		t.Fatalf("the token %q: %s", token, r.raw)
	}
	if p = b.get(t, "/account"); strings.Contains(p.raw, token) || p.text("#tokens td.name") != "laptop" {
		t.Errorf("the account page: %s", p.text("main"))
	}
	if p := b.post(t, "/account/tokens", url.Values{"name": {""}}); p.status != http.StatusBadRequest || p.text(".trouble") == "" {
		t.Errorf("a token without a name: %d", p.status)
	}
	action := p.Find("#tokens td form").AttrOr("action", "")
	if p := st.loggedIn(t, "eve").post(t, action, nil); p.status != http.StatusNotFound {
		t.Errorf("a stranger revokes: %d", p.status)
	}
	if p = b.post(t, action, nil); p.path != "/account" || p.Find("#tokens td").Length() != 0 {
		t.Errorf("revoke: %s %s", p.path, p.text("main"))
	}
}

func TestEverybodysList(t *testing.T) {
	st := newSite(t)
	st.create(t, "sam", core.Create{Name: "genomes", Engine: "postgres"})
	if p := st.loggedIn(t, "ada").get(t, "/?all=true"); !strings.Contains(p.text("table"), "genomes sam") {
		t.Errorf("an administrator: %s", p.text("main"))
	}
	eve := st.loggedIn(t, "eve")
	if p := eve.get(t, "/?all=true"); p.status != http.StatusForbidden || p.text("h1") != "Not allowed" {
		t.Errorf("a scientist: %d", p.status)
	}
	if p := eve.get(t, "/"); p.Find(".switch").Length() != 0 || strings.Contains(p.raw, "genomes</a>") {
		t.Errorf("a scientist's list: %s", p.text("main"))
	}
}

// TestEveryPageIsInOrder holds what is promised of all pages: no inline script or style, labels on all fields, one heading.
func TestEveryPageIsInOrder(t *testing.T) {
	st := newSite(t)
	st.finish(t, st.create(t, "ada", core.Create{Name: "genomes", Engine: "postgres"}), nil)
	st.create(t, "ada", core.Create{Name: "cells", Engine: "postgres"})
	b := st.loggedIn(t, "ada")
	for _, path := range []string{"/", "/?all=true", "/databases/new", "/databases/genomes", "/databases/cells", "/backups", "/account", "/help", "/nothing", "/databases/nothing"} {
		p := b.get(t, path)
		if n := p.Find("script:not([src]), style, [style], [onclick], [onload]").Length(); n != 0 {
			t.Errorf("%s: %d inline scripts or styles", path, n)
		}
		if n := p.Find("h1").Length(); n != 1 {
			t.Errorf("%s: %d headings", path, n)
		}
		p.Find("input:not([type=hidden]), select, textarea").Each(func(_ int, field *goquery.Selection) {
			id := field.AttrOr("id", "none")
			if field.Closest("label").Length() == 0 && p.Find("label[for="+id+"]").Length() == 0 {
				t.Errorf("%s: the field %s has no label", path, field.AttrOr("name", "?"))
			}
		})
		p.Find("[id]").Each(func(_ int, e *goquery.Selection) {
			if id := e.AttrOr("id", ""); p.Find("[id='"+id+"']").Length() != 1 {
				t.Errorf("%s: the id %s is there twice", path, id)
			}
		})
		for name, want := range map[string]string{"X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY", "Referrer-Policy": "same-origin"} {
			if got := p.header.Get(name); got != want {
				t.Errorf("%s: %s is %q", path, name, got)
			}
		}
		if csp := p.header.Get("Content-Security-Policy"); !strings.Contains(csp, "default-src 'none'") || strings.Contains(csp, "unsafe") {
			t.Errorf("%s: the policy is %q", path, csp)
		}
		p.Find("link[href^='/static/'], script[src], img[src]").Each(func(_ int, e *goquery.Selection) {
			address := e.AttrOr("href", e.AttrOr("src", ""))
			if file := b.get(t, address); file.status != http.StatusOK || !strings.Contains(file.header.Get("Cache-Control"), "immutable") {
				t.Errorf("%s: %s: %d %s", path, address, file.status, file.header.Get("Cache-Control"))
			}
		})
	}
}
