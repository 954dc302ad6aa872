package store_test

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/mydb-project/mydb/jobs/store/storetest"
)

// sent is what MyDB has asked a service for.
type sent struct {
	operation, host, path string
	header                http.Header
}

// recorder is a service that notes what it is asked for. It knows just enough to take an upload.
func recorder(t *testing.T) (endpoint string, all func() []sent) {
	t.Helper()
	var (
		lock sync.Mutex
		got  []sent
	)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		lock.Lock()
		got = append(got, sent{storetest.Operation(r), r.Host, r.URL.Path, r.Header.Clone()})
		lock.Unlock()
		w.Header().Set("ETag", `"etag"`)
		switch {
		case r.URL.Query().Has("uploads"):
			_, _ = io.WriteString(w, "<InitiateMultipartUploadResult><UploadId>u</UploadId></InitiateMultipartUploadResult>")
		case r.Method == http.MethodPost:
			_, _ = io.WriteString(w, "<CompleteMultipartUploadResult><ETag>etag</ETag></CompleteMultipartUploadResult>")
		}
	}))
	t.Cleanup(server.Close)
	return server.URL, func() []sent {
		lock.Lock()
		defer lock.Unlock()
		return got
	}
}

// TestRequests sends what the address of the store asks for with every object, small or large.
func TestRequests(t *testing.T) {
	storetest.Credentials(t)
	for options, want := range map[string]map[string]string{
		"":                             {"Authorization": "/us-east-1/s3/aws4_request"},
		"&region=eu-central-1":         {"Authorization": "/eu-central-1/s3/aws4_request"},
		"&sse=AES256":                  {"X-Amz-Server-Side-Encryption": "AES256"},
		"&sse=aws:kms":                 {"X-Amz-Server-Side-Encryption": "aws:kms"},
		"&storage_class=STANDARD_IA":   {"X-Amz-Storage-Class": "STANDARD_IA"},
		"&lock=GOVERNANCE&lock_for=2d": {"X-Amz-Object-Lock-Mode": "GOVERNANCE", "X-Amz-Object-Lock-Retain-Until-Date": "20"},
	} {
		endpoint, all := recorder(t)
		s := open(t, storetest.URL(endpoint)+options)
		for key, size := range map[string]int{"i/small": 1000, "i/large": 20 << 20} {
			if err := s.Put(t.Context(), key, bytes.NewReader(make([]byte, size)), 0); err != nil {
				t.Fatalf("%s: %v", options, err)
			}
		}
		seen := map[string]bool{}
		for _, r := range all() {
			seen[r.operation] = true
			if r.operation != "PutObject" && r.operation != "CreateMultipartUpload" {
				continue
			}
			for name, value := range want {
				if got := r.header.Get(name); !strings.Contains(got, value) {
					t.Errorf("%s: %s with %s %q, want %q", options, r.operation, name, got, value)
				}
			}
		}
		if !seen["PutObject"] || !seen["CreateMultipartUpload"] || !seen["CompleteMultipartUpload"] {
			t.Errorf("%s: only %v", options, seen)
		}
		for _, r := range all() {
			if (r.operation == "PutObject" || r.operation == "UploadPart") && r.header.Get("X-Amz-Checksum-Crc32")+r.header.Get("X-Amz-Trailer") == "" {
				t.Errorf("%s: %s without a checksum: %v", options, r.operation, r.header)
			}
		}
	}
}

// TestAddressStyles puts the bucket's name into the path or into the host, as the address of the store says.
func TestAddressStyles(t *testing.T) {
	storetest.Credentials(t)
	answerAllNames(t)
	endpoint, all := recorder(t)
	port := endpoint[strings.LastIndex(endpoint, ":"):]
	for _, options := range []string{"path_style=true", "path_style=false"} {
		s := open(t, "s3://backups/a/prefix?endpoint=http://s3.example.org"+port+"&"+options)
		if err := s.Put(t.Context(), "i/x", strings.NewReader("x"), 1); err != nil {
			t.Fatal(err)
		}
	}
	got := all()
	for n, want := range []sent{{host: "s3.example.org" + port, path: "/backups/a/prefix/i/x"}, {host: "backups.s3.example.org" + port, path: "/a/prefix/i/x"}} {
		if got[n].host != want.host || got[n].path != want.path {
			t.Errorf("%s%s, want %s%s", got[n].host, got[n].path, want.host, want.path)
		}
	}
}

// answerAllNames makes every name that this process looks up that of this machine.
func answerAllNames(t *testing.T) {
	t.Helper()
	conn, err := (&net.ListenConfig{}).ListenPacket(t.Context(), "udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		packet := make([]byte, 1500)
		for {
			n, from, err := conn.ReadFrom(packet)
			if err != nil {
				return
			}
			if answer, err := hereIs(packet[:n]); err == nil {
				_, _ = conn.WriteTo(answer, from)
			}
		}
	}()
	before := net.DefaultResolver
	net.DefaultResolver = &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "udp", conn.LocalAddr().String())
	}}
	t.Cleanup(func() {
		net.DefaultResolver = before
		_ = conn.Close()
	})
}

// hereIs answers a question of the domain name system with 127.0.0.1.
func hereIs(packet []byte) ([]byte, error) {
	var m dnsmessage.Message
	if err := m.Unpack(packet); err != nil {
		return nil, err
	}
	m.Response, m.Authoritative, m.Additionals = true, true, nil
	for _, q := range m.Questions {
		if q.Type == dnsmessage.TypeA {
			m.Answers = append(m.Answers, dnsmessage.Resource{
				Header: dnsmessage.ResourceHeader{Name: q.Name, Type: q.Type, Class: q.Class}, Body: &dnsmessage.AResource{A: [4]byte{127, 0, 0, 1}},
			})
		}
	}
	return m.Pack()
}

// TestFlippedOnTheWay has a bit flipped between MyDB and the service, which refuses the part.
func TestFlippedOnTheWay(t *testing.T) {
	t.Parallel()
	endpoint := storetest.Serve(t)
	before := storetest.Before(t, endpoint, func(_ http.ResponseWriter, r *http.Request) bool {
		if op := storetest.Operation(r); op == "UploadPart" || op == "PutObject" {
			r.Body = io.NopCloser(&flipping{r.Body})
		}
		return false
	})
	s := open(t, storetest.URL(before))
	for key, size := range map[string]int{"i/b/small": 1000, "i/b/large": 20 << 20} {
		if err := s.Put(t.Context(), key, bytes.NewReader(make([]byte, size)), 0); err == nil {
			t.Errorf("%s was taken", key)
		}
	}
	leavesNothing(t, endpoint)
}

// flipping flips a bit of each piece.
type flipping struct{ io.Reader }

func (f *flipping) Read(p []byte) (int, error) {
	n, err := f.Reader.Read(p)
	if n > 0 {
		p[n/2] ^= 4
	}
	return n, err
}
