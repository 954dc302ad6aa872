package portal

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/mydb-project/mydb/core"
)

func TestGuessingIsSlowedDown(t *testing.T) {
	st := newSite(t)
	b := st.browser(t)
	wrong := url.Values{"login": {"sam"}, "password": {"wrong"}}
	var p shown
	for range accountBurst + 1 {
		p = b.post(t, "/login", wrong)
	}
	if p.status != http.StatusTooManyRequests || p.header.Get("Retry-After") == "" || !strings.Contains(p.text(".trouble"), "Too many attempts") {
		t.Fatalf("%d %s", p.status, p.text("main"))
	}
	if p := b.post(t, "/login", url.Values{"login": {" SAM "}, "password": {"sam-password"}}); p.status != http.StatusTooManyRequests {
		t.Errorf("the same account, written otherwise: %d", p.status)
	}
	if r := st.call(t, "", "POST", "/tokens", map[string]any{"name": "x"}, "Authorization", basicAuth("sam", "sam-password")); r.status != http.StatusTooManyRequests || r.at("error", "code") != "too_many" {
		t.Errorf("over the API: %d", r.status)
	}
	if p := b.post(t, "/login", url.Values{"login": {"eve"}, "password": {"eve-password"}}); p.status != http.StatusOK {
		t.Errorf("another account: %d", p.status)
	}
}

func TestBuckets(t *testing.T) {
	now := time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)
	g := newLoginGate(func() time.Time { return now })
	try := func(account, address string) error {
		done, err := g.enter(t.Context(), account, address)
		if err == nil {
			done(false)
		}
		return err
	}
	for range accountBurst {
		if err := try("sam", "10.0.0.1"); err != nil {
			t.Fatal(err)
		}
	}
	if err := try("sam", "10.0.0.1"); err == nil {
		t.Error("no limit for one account from one address")
	}
	if err := try("sam", "10.0.0.2"); err != nil {
		t.Errorf("another address is locked out: %v", err)
	}
	now = now.Add(accountEvery)
	if err := try("sam", "10.0.0.1"); err != nil {
		t.Errorf("after the wait: %v", err)
	}
	for n := range addressBurst {
		_ = try(strings.Repeat("x", n+1), "10.0.0.3")
	}
	if err := try("fresh", "10.0.0.3"); err == nil {
		t.Error("no limit for one address")
	}
	for n := range accountBurst {
		_ = try("eve", fmt.Sprintf("2001:db8::%x", n+1))
	}
	if try("eve", "2001:db8::ffff") == nil || try("eve", "2001:db8:0:1::1") != nil {
		t.Error("a network of IPv6 is not one address, or two of them are")
	}
	for range 3 * accountBurst {
		done, err := g.enter(t.Context(), "ada", "10.0.0.4")
		if err != nil {
			t.Fatalf("somebody who knows the password: %v", err)
		}
		done(true)
	}
}

func TestBucketsAreBounded(t *testing.T) {
	b := newBuckets(1, 1, time.Now)
	for n := range maxBuckets + 100 {
		b.take(netip.AddrFrom4([4]byte{10, byte(n >> 16), byte(n >> 8), byte(n)}).String())
	}
	if len(b.byKey) != maxBuckets || b.used.Len() != maxBuckets {
		t.Errorf("%d buckets", len(b.byKey))
	}
}

func TestAddressBehindProxies(t *testing.T) {
	s := &Server{proxies: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}}
	for _, c := range []struct{ remote, forwarded, want string }{
		{"192.0.2.7:1234", "", "192.0.2.7"},
		{"192.0.2.7:1234", "198.51.100.1", "192.0.2.7"}, // not a proxy of ours: anybody can write that header
		{"10.0.0.1:1234", "", "10.0.0.1"},
		{"10.0.0.1:1234", "198.51.100.1", "198.51.100.1"},
		{"10.0.0.1:1234", "1.1.1.1, 198.51.100.1, 10.0.0.9", "198.51.100.1"},
		{"10.0.0.1:1234", "rubbish", "10.0.0.1"},
		{"10.0.0.1:1234", "198.51.100.1:4711", "198.51.100.1"},
		{"[::ffff:192.0.2.7]:99", "", "192.0.2.7"},
	} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.RemoteAddr = c.remote
		if c.forwarded != "" {
			r.Header.Set("X-Forwarded-For", c.forwarded)
		}
		if got := s.addressOf(r); got != c.want {
			t.Errorf("%s for %q: %s, want %s", c.remote, c.forwarded, got, c.want)
		}
	}
}

func TestHealthAndMetrics(t *testing.T) {
	broken := errors.New("the metadata database does not answer")
	var ready error
	st := newSite(t, func(o *Options) { o.Ready = func(context.Context) error { return ready } })
	b := st.browser(t)
	if p := b.get(t, "/healthz"); p.status != http.StatusOK {
		t.Errorf("healthz: %d", p.status)
	}
	if p := b.get(t, "/readyz"); p.status != http.StatusOK {
		t.Errorf("readyz: %d", p.status)
	}
	ready = broken
	if p := b.get(t, "/readyz"); p.status != http.StatusServiceUnavailable || !strings.Contains(p.raw, broken.Error()) {
		t.Errorf("readyz: %d %s", p.status, p.raw)
	}
	b.get(t, "/databases/secret-name")
	b.get(t, "/no/such/page")
	p := b.get(t, "/metrics")
	for _, want := range []string{
		`mydb_http_requests_total{method="GET",route="/databases/{name}",status="303"} 1`, `route="none"`, "go_goroutines", "process_open_fds",
	} {
		if !strings.Contains(p.raw, want) {
			t.Errorf("metrics lack %s", want)
		}
	}
	if strings.Contains(p.raw, "secret-name") {
		t.Error("a database's name is a label")
	}
}

func TestSecureCookies(t *testing.T) {
	st := newSite(t, func(o *Options) { o.PublicURL = "https://mydb.example.com" })
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, st.URL+"/login", strings.NewReader("login=sam&password=sam-password"))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	res, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	cookie := res.Header.Get("Set-Cookie")
	for _, want := range []string{"__Host-mydb_session=", "Path=/", "HttpOnly", "Secure", "SameSite=Lax"} {
		if !strings.Contains(cookie, want) {
			t.Errorf("%q lacks %s", cookie, want)
		}
	}
	if strings.Contains(cookie, "Expires") || strings.Contains(cookie, "Max-Age") {
		t.Errorf("%q outlives the browser", cookie)
	}
	if res.Header.Get("Strict-Transport-Security") == "" {
		t.Error("no Strict-Transport-Security")
	}
}

func TestTheLogHoldsNoQuery(t *testing.T) {
	st := newSite(t)
	b := st.browser(t)
	b.get(t, "/login?next=/&token=mydb_hush")
	b.post(t, "/login", url.Values{"login": {"sam"}, "password": {"hush-hush"}})
	if log := st.log.String(); strings.Contains(log, "hush") || !strings.Contains(log, "route=/login") {
		t.Errorf("the log:\n%s", log)
	}
}

// A metadata database that holds its breath makes nobody wait for ever, on a page or at the API.
func TestStalledDatabase(t *testing.T) {
	for _, table := range []string{"instances", "people", "sessions"} {
		t.Run(table, func(t *testing.T) {
			st := newSite(t)
			token, b := st.token(t, "sam", core.ScopeRead), st.loggedIn(t, "sam")
			st.portal.patience = 200 * time.Millisecond
			tx, err := st.pool.Begin(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = tx.Rollback(context.WithoutCancel(t.Context())) }()
			if _, err := tx.Exec(t.Context(), "lock table "+table+" in access exclusive mode"); err != nil {
				t.Fatal(err)
			}
			const say = "cannot reach its own database"
			if p := b.get(t, "/"); p.status != http.StatusServiceUnavailable || !strings.Contains(p.raw, say) {
				t.Errorf("page: %d %s", p.status, p.raw)
			}
			if table == "sessions" {
				return // the API has none
			}
			if r := st.call(t, token, "GET", "/databases", nil); r.status != http.StatusServiceUnavailable || !strings.Contains(string(r.raw), say) {
				t.Errorf("API: %d %s", r.status, r.raw)
			}
		})
	}
}
