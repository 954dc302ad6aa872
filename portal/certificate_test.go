package portal

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/mydb-project/mydb/core/crypt"
)

// tlsSite serves something over TLS with files that the test changes.
type tlsSite struct {
	*Certificate
	cert, key string
	address   string
	authority *crypt.Authority
}

func (s *tlsSite) write(t *testing.T, cert, key []byte) {
	t.Helper()
	if err := errors.Join(os.WriteFile(s.cert, cert, 0o600), os.WriteFile(s.key, key, 0o600)); err != nil {
		t.Fatal(err)
	}
}

func (s *tlsSite) issue(t *testing.T, at time.Time) (cert, key []byte) {
	t.Helper()
	cert, key, err := s.authority.Issue(at, "127.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	return cert, key
}

// client is a client that keeps one connection. serial tells with which certificate the connection of an answer was made.
func (s *tlsSite) client(version uint16) *http.Client {
	return &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: s.authority.Pool(), MaxVersion: version}}}
}

func (s *tlsSite) serial(t *testing.T, c *http.Client) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://"+s.address, nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := c.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if body, err := io.ReadAll(res.Body); err != nil || string(body) != "here" {
		t.Fatalf("%s %v", body, err)
	}
	return res.TLS.PeerCertificates[0].SerialNumber.String()
}

func newTLSSite(t *testing.T) *tlsSite {
	t.Helper()
	ca, caKey, err := crypt.NewAuthority(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	s := &tlsSite{cert: filepath.Join(t.TempDir(), "tls.crt"), key: filepath.Join(t.TempDir(), "tls.key")}
	if s.authority, err = crypt.ParseAuthority(ca, caKey); err != nil {
		t.Fatal(err)
	}
	cert, key := s.issue(t, time.Now())
	s.write(t, cert, key)
	if s.Certificate, err = OpenCertificate(s.cert, s.key); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.address = l.Addr().String()
	server := &http.Server{
		TLSConfig: s.Config(), ReadHeaderTimeout: time.Minute,
		Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "here") }),
	}
	go server.ServeTLS(l, "", "")
	t.Cleanup(func() { server.Close() })
	return s
}

func TestCertificatesAreReloaded(t *testing.T) {
	s := newTLSSite(t)
	old := s.client(0)
	first := s.serial(t, old)
	cert, key := s.issue(t, time.Now())
	s.write(t, cert, key)
	if changed, err := s.look(); !changed || err != nil {
		t.Fatalf("%v %v", changed, err)
	}
	if s.serial(t, old) != first {
		t.Error("the connection that was open was made anew")
	}
	second := s.serial(t, s.client(0))
	if second == first {
		t.Error("a new connection has the old certificate")
	}

	_, otherKey := s.issue(t, time.Now())
	expired, expiredKey := s.issue(t, time.Now().AddDate(-30, 0, 0))
	for what, pair := range map[string][2][]byte{
		"a key of another": {cert, otherKey}, "half a file": {cert[:len(cert)/2], key}, "an expired one": {expired, expiredKey}, "no certificate": {[]byte("hello"), key},
	} {
		s.write(t, pair[0], pair[1])
		if changed, _ := s.look(); changed {
			t.Errorf("%s: told at once, when somebody may still be writing", what)
		}
		if changed, err := s.look(); !changed || err == nil || bytes.Contains([]byte(err.Error()), key) {
			t.Errorf("%s: %v %v", what, changed, err)
		}
		if changed, _ := s.look(); changed {
			t.Errorf("%s: told again", what)
		}
		if s.serial(t, s.client(0)) != second {
			t.Errorf("%s: the old certificate is gone", what)
		}
	}
	if err := os.Remove(s.cert); err != nil {
		t.Fatal(err)
	}
	_, _ = s.look()
	if _, err := s.look(); err == nil || s.serial(t, s.client(0)) != second {
		t.Errorf("without the file: %v", err)
	}
	s.write(t, cert, key)
	if changed, err := s.look(); !changed || err != nil {
		t.Errorf("mended: %v %v", changed, err)
	}
}

func TestOldTLSIsRefused(t *testing.T) {
	s := newTLSSite(t)
	s.serial(t, s.client(tls.VersionTLS12))
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://"+s.address, nil)
	if err != nil {
		t.Fatal(err)
	}
	old := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: s.authority.Pool(), MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}}}
	if res, err := old.Do(req); err == nil || !strings.Contains(err.Error(), "protocol version") {
		if err == nil {
			res.Body.Close()
		}
		t.Errorf("TLS 1.1: %v", err)
	}
	var unknown x509.UnknownAuthorityError
	if res, err := http.DefaultClient.Do(req); !errors.As(err, &unknown) {
		if err == nil {
			res.Body.Close()
		}
		t.Errorf("somebody without the authority: %v", err)
	}
}

// TestPortalCertificateFinding keeps the finding of one portal apart from those of others.
func TestPortalCertificateFinding(t *testing.T) {
	st := newSite(t)
	open := func() (n int) {
		t.Helper()
		if err := st.pool.QueryRow(t.Context(), "select count(*) from findings where kind = 'portal_certificate' and resolved_at is null").Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	note := func(ctx context.Context, host string, problem error) {
		t.Helper()
		if err := st.service.NotePortalCertificate(ctx, host, problem); err != nil {
			t.Fatal(err)
		}
	}
	note(t.Context(), "a", errors.New("they do not fit together"))
	note(t.Context(), "b", errors.New("they do not fit together"))
	note(t.Context(), "a", nil)
	if n := open(); n != 1 {
		t.Errorf("%d are open", n)
	}
	note(t.Context(), "b", nil)
	if n := open(); n != 0 {
		t.Errorf("%d are open", n)
	}
}
