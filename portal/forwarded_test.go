package portal

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"testing"
)

func TestForwarded(t *testing.T) {
	s := &Server{proxies: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}}
	for _, c := range []struct {
		remote, header, value, address, proto string
	}{
		{"10.0.0.1:9", "Forwarded", `for=192.0.2.60;proto=https;by=203.0.113.43`, "192.0.2.60", "https"},
		{"10.0.0.1:9", "Forwarded", `for="[2001:db8:cafe::17]:4711"; PROTO="http"`, "2001:db8:cafe::17", "http"},
		{"10.0.0.1:9", "Forwarded", `for=1.1.1.1;proto=https, for=192.0.2.43;proto=http, for=10.0.0.9;proto=http`, "192.0.2.43", "http"},
		{"10.0.0.1:9", "Forwarded", `for=_hidden;proto=https`, "10.0.0.1", "https"},
		{"10.0.0.1:9", "Forwarded", `;;,,=`, "10.0.0.1", ""},
		{"10.0.0.1:9", "X-Forwarded-Proto", "http, https", "10.0.0.1", "https"},
		{"192.0.2.7:9", "Forwarded", `for=127.0.0.1;proto=http`, "192.0.2.7", ""}, // no proxy of ours
		{"192.0.2.7:9", "X-Forwarded-Proto", "http", "192.0.2.7", ""},
	} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.RemoteAddr = c.remote
		r.Header.Set(c.header, c.value)
		if address, proto := s.addressOf(r), s.proxied(r); address != c.address || proto != c.proto {
			t.Errorf("%s from %s: %s over %q", c.value, c.remote, address, proto)
		}
	}
}

// TestForgedHeaders: what somebody writes who is no proxy changes neither the address in the audit trail nor the limit of guesses, and
// nobody is sent to https whom no proxy said to have come without it.
func TestForgedHeaders(t *testing.T) {
	st := newSite(t, func(o *Options) { o.PublicURL = "https://mydb.example.com" })
	b := st.browser(t)
	for n := range accountBurst {
		b.post(t, "/login", url.Values{"login": {"sam"}, "password": {"wrong"}}, "X-Forwarded-For", netip.AddrFrom4([4]byte{198, 51, 100, byte(n)}).String(),
			"Forwarded", "for=198.51.100.77", "X-Forwarded-Proto", "http")
	}
	if p := b.post(t, "/login", url.Values{"login": {"sam"}, "password": {"wrong"}}, "X-Forwarded-For", "198.51.100.200"); p.status != http.StatusTooManyRequests {
		t.Errorf("another forged address is admitted: %d", p.status)
	}
	var others int
	if err := st.pool.QueryRow(t.Context(), "select count(*) from audit where action = 'login' and address <> '127.0.0.1'").Scan(&others); err != nil || others != 0 {
		t.Errorf("%d logins from forged addresses in the audit trail (%v)", others, err)
	}
}

func TestProxiesThatSayHTTP(t *testing.T) {
	st := newSite(t, func(o *Options) {
		o.PublicURL, o.Proxies = "https://mydb.example.com", []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	})
	do := func(method, proto string) (status int, location string, cookies int) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), method, st.URL+"/login?next=%2Faccount", strings.NewReader("login=sam&password=sam-password"))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		req.Header.Set("X-Forwarded-Proto", proto)
		req.Header.Set("X-Forwarded-For", "198.51.100.7")
		res, err := http.DefaultTransport.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		return res.StatusCode, res.Header.Get("Location"), len(res.Cookies())
	}
	if status, location, _ := do("GET", "http"); status != http.StatusPermanentRedirect || location != "https://mydb.example.com/login?next=%2Faccount" {
		t.Errorf("a page: %d %s", status, location)
	}
	if status, _, cookies := do("POST", "http"); status != http.StatusForbidden || cookies != 0 {
		t.Errorf("a password in the clear: %d", status)
	}
	if status, _, _ := do("POST", "https"); status != http.StatusSeeOther {
		t.Errorf("a password over TLS: %d", status)
	}
	var address string
	if err := st.pool.QueryRow(t.Context(), "select address from audit where action = 'login'").Scan(&address); err != nil || address != "198.51.100.7" {
		t.Errorf("from %q (%v)", address, err)
	}
}
