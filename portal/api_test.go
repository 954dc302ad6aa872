package portal

import (
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/mydb-project/mydb/core"
)

func TestCreateOverTheAPI(t *testing.T) {
	st := newSite(t)
	token := st.token(t, "sam", core.ScopeOperate)

	made := st.call(t, token, "POST", "/databases", map[string]any{"name": "genomes", "engine": "postgres"})
	if made.status != http.StatusAccepted || made.at("database", "state") != "creating" || made.at("operation", "state") != "queued" {
		t.Fatalf("create: %d %s", made.status, made.raw)
	}
	id, _ := made.at("operation", "id").(string)
	if got := made.header.Get("Location"); got != "/api/v1/operations/"+id {
		t.Errorf("Location is %q", got)
	}
	if early := st.call(t, token, "GET", "/databases/genomes/credentials", nil); early.status != http.StatusConflict || early.at("error", "code") != "busy" {
		t.Errorf("credentials before it is ready: %d %s", early.status, early.raw)
	}
	o, err := st.service.Operation(t.Context(), st.people["sam"], id)
	if err != nil {
		t.Fatal(err)
	}
	st.finish(t, core.Receipt{Operation: o}, nil)

	got := st.call(t, token, "GET", "/databases/genomes", nil)
	if got.at("state") != "ready" || got.at("host") != "db.example.com" || got.at("credentials_collectable") != true || got.at("usage") != nil {
		t.Errorf("database: %s", got.raw)
	}
	if snippets, _ := got.at("connection").([]any); len(snippets) < 3 {
		t.Errorf("connection: %s", got.raw)
	}
	if byID := st.call(t, token, "GET", "/databases/"+got.at("id").(string), nil); byID.at("name") != "genomes" {
		t.Errorf("by id: %s", byID.raw)
	}
	first := st.call(t, token, "GET", "/databases/genomes/credentials", nil)
	again := st.call(t, token, "GET", "/databases/genomes/credentials", nil)
	if first.status != http.StatusOK || first.header.Get("Cache-Control") != "no-store" || first.at("username") != "genomes" ||
		first.at("password") == "" || first.raw != again.raw {
		t.Errorf("credentials: %d %v", first.status, first.header)
	}
	if list := st.call(t, token, "GET", "/databases", nil); strings.Count(list.raw, `"name":"genomes"`) != 1 {
		t.Errorf("list: %s", list.raw)
	}
	if log := st.log.String(); strings.Contains(log, first.at("password").(string)) || strings.Contains(log, token) {
		t.Error("a secret is in the log")
	}
}

func TestHeadDoesNotCollectThePassword(t *testing.T) {
	st := newSite(t)
	st.finish(t, st.create(t, "sam", core.Create{Name: "genomes", Engine: "postgres"}), nil)
	token := st.token(t, "sam", core.ScopeOperate)
	if r := st.call(t, token, "HEAD", "/databases/genomes/credentials", nil); r.status != http.StatusMethodNotAllowed {
		t.Errorf("HEAD: %d", r.status)
	}
	entries, err := st.service.Audit(t.Context(), st.people["ada"], 10)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(fmt.Sprint(entries), "credentials.collect") {
		t.Error("HEAD has collected the password")
	}
}

func TestIdempotencyKey(t *testing.T) {
	st := newSite(t)
	token := st.token(t, "sam", core.ScopeOperate)
	body := map[string]any{"name": "genomes", "engine": "postgres"}
	first := st.call(t, token, "POST", "/databases", body, "Idempotency-Key", "k1")
	again := st.call(t, token, "POST", "/databases", body, "Idempotency-Key", "k1")
	if again.status != http.StatusAccepted || first.at("operation", "id") != again.at("operation", "id") || again.header.Get("Idempotency-Replayed") != "true" {
		t.Errorf("again: %d %s", again.status, again.raw)
	}
	body["name"] = "proteomes"
	if other := st.call(t, token, "POST", "/databases", body, "Idempotency-Key", "k1"); other.status != http.StatusConflict || other.at("error", "code") != "key_reused" {
		t.Errorf("another body: %d %s", other.status, other.raw)
	}
	if taken := st.call(t, token, "POST", "/databases", map[string]any{"name": "genomes", "engine": "postgres"}); taken.at("error", "code") != "taken" {
		t.Errorf("without a key: %s", taken.raw)
	}
	if long := st.call(t, token, "POST", "/databases", body, "Idempotency-Key", strings.Repeat("k", 201)); long.status != http.StatusBadRequest {
		t.Errorf("a long key: %d", long.status)
	}
	if r := st.call(t, token, "POST", "/databases", body, "Idempotency-Key", "\xff\xfe"); r.status != http.StatusAccepted {
		t.Errorf("a key of odd bytes: %d %s", r.status, r.raw)
	}
	key := "k1"
	st.call(t, token, "POST", "/chat", map[string]any{"text": "list"}, "Idempotency-Key", key)
	if st.console.key == "" || st.console.key == doorKey(core.DoorAPI, key) {
		t.Errorf("the console got the key %q", st.console.key)
	}
}

func TestWhoMayDoWhat(t *testing.T) {
	st := newSite(t)
	st.finish(t, st.create(t, "sam", core.Create{Name: "genomes", Engine: "postgres"}), nil)
	r := st.create(t, "sam", core.Create{Name: "cells", Engine: "postgres"})
	operation := "/operations/" + r.Operation.ID
	sam, samReads := st.token(t, "sam", core.ScopeOperate), st.token(t, "sam", core.ScopeRead)
	eve, ada := st.token(t, "eve", core.ScopeOperate), st.token(t, "ada", core.ScopeAdmin)
	adaReads := st.token(t, "ada", core.ScopeRead)
	body := map[string]any{"name": "new-one", "engine": "postgres"}
	for _, c := range []struct {
		who, token, method, path string
		body                     any
		want                     int
		code                     string
	}{
		{"nobody", "", "GET", "/databases", nil, 401, "unauthenticated"},
		{"a made-up token", "mydb_nonsense", "GET", "/databases", nil, 401, "unauthenticated"},
		{"no token", "hello", "GET", "/me", nil, 401, "unauthenticated"},
		{"a stranger", eve, "GET", "/databases/genomes", nil, 404, "not_found"},
		{"a stranger", eve, "GET", "/databases/genomes/credentials", nil, 404, "not_found"},
		{"a stranger", eve, "GET", operation, nil, 404, "not_found"},
		{"a stranger", eve, "GET", operation + "/events", nil, 404, "not_found"},
		{"a stranger", eve, "GET", "/databases?all=true", nil, 403, "forbidden"},
		{"a stranger", eve, "GET", "/audit", nil, 403, "forbidden"},
		{"the owner, reading", samReads, "GET", "/databases/genomes", nil, 200, ""},
		{"the owner, reading", samReads, "GET", "/databases/genomes/credentials", nil, 403, "forbidden"},
		{"the owner, reading", samReads, "POST", "/databases", body, 403, "forbidden"},
		{"the owner, reading", samReads, "POST", "/tokens", map[string]any{"name": "wider", "scope": "operate"}, 403, "forbidden"},
		{"the owner, reading", samReads, "POST", "/tokens", map[string]any{"name": "same", "scope": "read"}, 201, ""},
		{"the owner", sam, "POST", "/tokens", map[string]any{"name": "wider", "scope": "admin"}, 400, "invalid"},
		{"the owner", sam, "POST", "/databases", map[string]any{"name": "for-eve", "engine": "postgres", "owner": "eve"}, 403, "forbidden"},
		{"an administrator", ada, "GET", "/databases/genomes", nil, 200, ""},
		{"an administrator", ada, "GET", "/databases/genomes/credentials", nil, 403, "forbidden"},
		{"an administrator", ada, "GET", "/databases?all=true", nil, 200, ""},
		{"an administrator", ada, "GET", "/audit?limit=5", nil, 200, ""},
		{"an administrator", ada, "POST", "/databases", map[string]any{"name": "for-eve", "engine": "postgres", "owner": "eve"}, 202, ""},
		{"an administrator, reading", adaReads, "GET", "/databases?all=true", nil, 403, "forbidden"},
		{"an administrator, reading", adaReads, "GET", "/audit", nil, 403, "forbidden"},
	} {
		got := st.call(t, c.token, c.method, c.path, c.body)
		if got.status != c.want || c.code != "" && got.at("error", "code") != c.code {
			t.Errorf("%s: %s %s: %d %s, want %d %s", c.who, c.method, c.path, got.status, got.raw, c.want, c.code)
		}
		if got.status == http.StatusUnauthorized && got.header.Get("WWW-Authenticate") == "" {
			t.Errorf("%s: %s: no WWW-Authenticate", c.who, c.path)
		}
	}
}

func TestTokens(t *testing.T) {
	st := newSite(t)
	basic := func(login, password string) reply {
		return st.call(t, "", "POST", "/tokens", map[string]any{"name": "laptop", "expires": "30d"}, "Authorization", basicAuth(login, password))
	}
	made := basic("sam", "sam-password")
	token, _ := made.at("token").(string)
	if made.status != http.StatusCreated || !strings.HasPrefix(token, core.TokenPrefix) || made.at("scope") != "operate" {
		t.Fatalf("make: %d %s", made.status, made.raw)
	}
	if me := st.call(t, token, "GET", "/me", nil); me.at("login") != "sam" || me.at("scope") != "operate" {
		t.Errorf("me: %s", me.raw)
	}
	if r := basic("sam", "wrong"); r.status != http.StatusUnauthorized {
		t.Errorf("a wrong password: %d", r.status)
	}
	if r := basic("unlucky", "x"); r.status != http.StatusServiceUnavailable || r.header.Get("Retry-After") == "" {
		t.Errorf("no directory: %d %v", r.status, r.header)
	}
	if r := st.call(t, "", "GET", "/me", nil, "Authorization", basicAuth("sam", "sam-password")); r.status != http.StatusUnauthorized {
		t.Errorf("a password elsewhere: %d", r.status)
	}
	id, _ := made.at("id").(string)
	if list := st.call(t, token, "GET", "/tokens", nil); !strings.Contains(list.raw, id) || strings.Contains(list.raw, token) {
		t.Errorf("list: %s", list.raw)
	}
	if r := st.call(t, st.token(t, "eve", core.ScopeOperate), "DELETE", "/tokens/"+id, nil); r.status != http.StatusNotFound {
		t.Errorf("a stranger revokes: %d", r.status)
	}
	if r := st.call(t, token, "DELETE", "/tokens/"+id, nil); r.status != http.StatusNoContent {
		t.Errorf("revoke: %d %s", r.status, r.raw)
	}
	if r := st.call(t, token, "GET", "/me", nil); r.status != http.StatusUnauthorized {
		t.Errorf("a revoked token: %d", r.status)
	}
}

func basicAuth(login, password string) string {
	r := http.Request{Header: http.Header{}}
	r.SetBasicAuth(login, password)
	return r.Header.Get("Authorization")
}

func TestPaging(t *testing.T) {
	st := newSite(t)
	for n := range 5 {
		st.create(t, "sam", core.Create{Name: fmt.Sprintf("set-%d", n), Engine: "postgres"})
	}
	token := st.token(t, "sam", core.ScopeRead)
	var names []string
	path := "/databases?limit=2"
	for range 3 {
		r := st.call(t, token, "GET", path, nil)
		for _, i := range r.at("items").([]any) {
			names = append(names, i.(map[string]any)["name"].(string))
		}
		next, _ := r.at("next").(string)
		if next == "" {
			break
		}
		path = "/databases?limit=2&cursor=" + next
	}
	if got := strings.Join(names, " "); got != "set-4 set-3 set-2 set-1 set-0" {
		t.Errorf("pages: %s", got)
	}
	for _, query := range []string{"limit=0", "limit=201", "limit=x", "limit=-1", "cursor=", "cursor=x", "cursor='--", "all=maybe", "sort=name", "limit=1&limit=2", "a%00=1"} {
		if r := st.call(t, token, "GET", "/databases?"+query, nil); r.status != http.StatusBadRequest || r.at("error", "field") == nil {
			t.Errorf("%s: %d %s", query, r.status, r.raw)
		}
	}
	if r := st.call(t, st.token(t, "ada", core.ScopeAdmin), "GET", "/audit?colour=red", nil); r.status != http.StatusBadRequest {
		t.Errorf("a filter that would be ignored: %d", r.status)
	}
}

func TestSmallEndpoints(t *testing.T) {
	st := newSite(t)
	token := st.token(t, "sam", core.ScopeOperate)
	if r := st.call(t, token, "GET", "/catalogue", nil); r.status != 200 || !strings.Contains(r.raw, `"title":"PostgreSQL"`) || strings.Contains(r.raw, "mariadb") {
		t.Errorf("catalogue: %s", r.raw)
	}
	if r := st.call(t, token, "POST", "/chat", map[string]any{"text": " list "}); r.at("text") != "sam said list" || st.console.address != "127.0.0.1" {
		t.Errorf("chat: %s", r.raw)
	}
	if r := st.call(t, token, "POST", "/chat", map[string]any{"text": strings.Repeat("ä", maxCommand+1)}); r.status != http.StatusBadRequest {
		t.Errorf("a long command: %d", r.status)
	}
	ca := st.call(t, "", "GET", "/ca.crt", nil)
	block, _ := pem.Decode([]byte(ca.raw))
	if block == nil {
		t.Fatalf("ca.crt: %s", ca.raw)
	}
	if c, err := x509.ParseCertificate(block.Bytes); err != nil || !c.IsCA {
		t.Errorf("ca.crt: %v", err)
	}
	if r := st.call(t, "", "GET", "/openapi.json", nil); r.at("openapi") == nil {
		t.Errorf("openapi.json: %s", r.raw)
	}
	if r := st.call(t, token, "GET", "/nothing", nil); r.status != 404 || r.at("error", "code") != "not_found" {
		t.Errorf("an unknown path: %d %s", r.status, r.raw)
	}
	for path, allow := range map[string]string{"/databases": "GET, POST", "/databases/genomes": "GET, PATCH, DELETE", "/tokens/x": "DELETE"} {
		if r := st.call(t, token, "PUT", path, nil); r.status != 405 || r.header.Get("Allow") != allow || r.at("error", "code") != "invalid" {
			t.Errorf("PUT %s: %d Allow %q %s", path, r.status, r.header.Get("Allow"), r.raw)
		}
	}
}

func TestPanicHasAReference(t *testing.T) {
	st := newSite(t)
	r := st.call(t, st.token(t, "sam", core.ScopeOperate), "POST", "/chat", map[string]any{"text": "break"})
	reference, _ := r.at("error", "reference").(string)
	if r.status != http.StatusInternalServerError || reference == "" || strings.Contains(r.raw, "told to break") {
		t.Errorf("%d %s", r.status, r.raw)
	}
	if !strings.Contains(st.log.String(), reference) || !strings.Contains(st.log.String(), "told to break") {
		t.Error("the log does not tell of it")
	}
}
