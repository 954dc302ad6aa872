package store_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/mydb-project/mydb/core/config"
	"github.com/mydb-project/mydb/jobs"
	"github.com/mydb-project/mydb/jobs/store"
	"github.com/mydb-project/mydb/jobs/store/storetest"
)

func open(t *testing.T, address string) jobs.Store {
	t.Helper()
	where, err := config.Config{StoreURL: address}.Store()
	if err != nil {
		t.Fatal(err)
	}
	s, err := store.Open(t.Context(), where)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestFolder(t *testing.T) { conformance(t, open(t, "file://"+t.TempDir()+"/store")) }

func TestS3(t *testing.T) { conformance(t, open(t, storetest.URL(storetest.Serve(t)))) }

// conformance is what every store must do.
func conformance(t *testing.T, s jobs.Store) {
	t.Helper()
	ctx := t.Context()
	if err := s.Check(ctx); err != nil {
		t.Fatalf("check: %v", err)
	}
	for _, size := range []int{0, 1, 5 << 20, 8 << 20, 8<<20 + 1, 30 << 20} {
		t.Run(fmt.Sprintf("%d bytes come back", size), func(t *testing.T) {
			content := make([]byte, size)
			_, _ = rand.Read(content)
			key := fmt.Sprintf("i/b/%d.zst.age", size)
			if err := s.Put(ctx, key, onlyReader{bytes.NewReader(content)}, 0); err != nil {
				t.Fatal(err)
			}
			if got := get(t, s, key); !bytes.Equal(got, content) {
				t.Errorf("%d bytes came back as %d others", size, len(got))
			}
			if o, err := s.Head(ctx, key); err != nil || o.Size != int64(size) || o.Key != key || time.Since(o.At) > time.Hour {
				t.Errorf("head: %+v, %v", o, err)
			}
		})
	}
	t.Run("an object is replaced", func(t *testing.T) {
		for _, text := range []string{"one", "two"} {
			put(t, s, "i/b/manifest.json", text)
			if got := get(t, s, "i/b/manifest.json"); string(got) != text {
				t.Errorf("%q, want %q", got, text)
			}
		}
	})
	t.Run("nothing is left of what was not finished", func(t *testing.T) { unfinished(t, s) })
	t.Run("what is not there", func(t *testing.T) {
		if _, err := s.Get(ctx, "i/none"); !errors.Is(err, jobs.ErrNoObject) {
			t.Errorf("get: %v", err)
		}
		if _, err := s.Head(ctx, "i/none"); !errors.Is(err, jobs.ErrNoObject) {
			t.Errorf("head: %v", err)
		}
		if err := s.Remove(ctx, "i/none"); err != nil {
			t.Errorf("remove: %v", err)
		}
	})
	t.Run("lists", func(t *testing.T) {
		for _, key := range []string{"l/1/b", "l/1/a", "l/10/c", "l/2/ä ö.dump"} {
			put(t, s, key, "x")
		}
		if got := list(t, s, "l/1"); !slices.Equal(got, []string{"l/1/a", "l/1/b"}) {
			t.Errorf("l/1: %v", got)
		}
		if got := list(t, s, "l"); len(got) != 4 {
			t.Errorf("l: %v", got)
		}
		if got := list(t, s, "nothing"); len(got) != 0 {
			t.Errorf("nothing: %v", got)
		}
		if err := s.Remove(ctx, "l/1/a"); err != nil {
			t.Error(err)
		}
		if got := list(t, s, "l/1"); !slices.Equal(got, []string{"l/1/b"}) {
			t.Errorf("l/1: %v", got)
		}
	})
	t.Run("keys stay inside", func(t *testing.T) {
		for _, key := range []string{"", "/etc/passwd", "../x", "a/../../x", "a//b", `a\b`} {
			if err := s.Put(ctx, key, strings.NewReader("x"), 1); err == nil {
				t.Errorf("%q was taken as a key", key)
			}
		}
	})
}

// unfinished breaks off an upload in the middle, by its source and by its context.
func unfinished(t *testing.T, s jobs.Store) {
	t.Helper()
	broken := errors.New("the tool ended with 1")
	err := s.Put(t.Context(), "i/broken", io.MultiReader(bytes.NewReader(make([]byte, 20<<20)), failing{broken}), 0)
	if !errors.Is(err, broken) {
		t.Errorf("put: %v, want the error of the source", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	err = s.Put(ctx, "i/stopped", io.MultiReader(bytes.NewReader(make([]byte, 20<<20)), stopping{cancel}), 0)
	if err == nil {
		t.Error("an upload that was stopped ended well")
	}
	for _, key := range []string{"i/broken", "i/stopped"} {
		if _, err := s.Head(t.Context(), key); !errors.Is(err, jobs.ErrNoObject) {
			t.Errorf("%s: %v, want no object", key, err)
		}
	}
	if n, err := s.Sweep(t.Context(), "", time.Now().Add(time.Hour)); n != 0 || err != nil {
		t.Errorf("%d uploads were left, %v", n, err)
	}
}

// TestSweep ends uploads that a killed worker has left, and not those that are under way.
func TestSweep(t *testing.T) {
	endpoint := storetest.Serve(t)
	s := open(t, storetest.URL(endpoint))
	_, err := storetest.Client(endpoint).CreateMultipartUpload(t.Context(), &s3.CreateMultipartUploadInput{Bucket: aws.String(storetest.Bucket), Key: aws.String("a/prefix/i/b/1.dump")})
	if err != nil {
		t.Fatal(err)
	}
	for want, before := range []time.Time{time.Now().Add(-time.Hour), time.Now().Add(time.Hour)} {
		if n, err := s.Sweep(t.Context(), "", before); n != want || err != nil {
			t.Errorf("%d uploads before %s were ended, %v; want %d", n, before, err, want)
		}
	}
}

// TestCutConnection goes on reading where the connection was cut, and says so when it is cut again and again.
func TestCutConnection(t *testing.T) {
	endpoint := storetest.Serve(t)
	put(t, open(t, storetest.URL(endpoint)), "i/large", strings.Repeat("0123456789", 1<<20))
	var cuts atomic.Int64
	proxy := cuttingProxy(t, strings.TrimPrefix(endpoint, "http://"), &cuts)
	s := open(t, storetest.URL("http://"+proxy))
	if got := get(t, s, "i/large"); string(got) != strings.Repeat("0123456789", 1<<20) {
		t.Errorf("%d bytes came", len(got))
	}
	if cuts.Load() < 2 {
		t.Errorf("the connection was cut %d times; the test proves nothing", cuts.Load())
	}
}

// cuttingProxy passes three megabytes of each connection on.
func cuttingProxy(t *testing.T, to string, cuts *atomic.Int64) string {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer in.Close()
				out, err := net.Dial("tcp", to)
				if err != nil {
					return
				}
				defer out.Close()
				go func() { _, _ = io.Copy(out, in) }()
				if n, _ := io.CopyN(in, out, 3<<20); n == 3<<20 {
					cuts.Add(1)
				}
			}()
		}
	}()
	return l.Addr().String()
}

// TestRefusedKey says in words what an operator can do.
func TestRefusedKey(t *testing.T) {
	endpoint := storetest.Serve(t)
	stranger, secret := storetest.Stranger(t, endpoint)
	for name, c := range map[string]struct{ bucket, key, secret, want string }{
		"no bucket":     {"missing", storetest.AccessKey, storetest.SecretKey, "look at the bucket missing"},
		"wrong secret":  {"backups", storetest.AccessKey, "wrong", "the service refuses the key"},
		"unknown key":   {"backups", "nobody", secret, "the service refuses the key"},
		"without right": {"backups", stranger, secret, "the service refuses the key; it needs to list the bucket, and to read, write and delete its objects"},
	} {
		t.Setenv("AWS_ACCESS_KEY_ID", c.key)
		t.Setenv("AWS_SECRET_ACCESS_KEY", c.secret)
		if err := open(t, "s3://"+c.bucket+"?path_style=true&endpoint="+endpoint).Check(t.Context()); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

// TestFailingService ends with an error, and not with an object, when the service fails at any part.
func TestFailingService(t *testing.T) {
	t.Setenv("AWS_ACCESS_KEY_ID", storetest.AccessKey)
	t.Setenv("AWS_SECRET_ACCESS_KEY", storetest.SecretKey)
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.WriteHeader(http.StatusNotImplemented) // which the SDK does not try again
	}), ReadHeaderTimeout: time.Second}
	go func() { _ = server.Serve(l) }()
	t.Cleanup(func() { server.Close() })
	s := open(t, storetest.URL("http://"+l.Addr().String()))
	if err := s.Put(t.Context(), "i/x", bytes.NewReader(make([]byte, 20<<20)), 0); err == nil {
		t.Error("the upload ended well")
	}
}

type onlyReader struct{ io.Reader }

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

type stopping struct{ stop func() }

func (s stopping) Read([]byte) (int, error) {
	s.stop()
	return 0, context.Canceled
}

func put(t *testing.T, s jobs.Store, key, content string) {
	t.Helper()
	if err := s.Put(t.Context(), key, strings.NewReader(content), int64(len(content))); err != nil {
		t.Fatal(err)
	}
}

func get(t *testing.T, s jobs.Store, key string) []byte {
	t.Helper()
	content, err := read(t, s, key)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

// read gives what came, also before an error.
func read(t *testing.T, s jobs.Store, key string) ([]byte, error) {
	t.Helper()
	r, err := s.Get(t.Context(), key)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return io.ReadAll(r)
}

// farAway is later than anything began.
var farAway = time.Now().Add(24 * time.Hour)

func list(t *testing.T, s jobs.Store, folder string) (keys []string) {
	t.Helper()
	for o, err := range s.List(t.Context(), folder) {
		if err != nil {
			t.Fatal(err)
		}
		keys = append(keys, o.Key)
	}
	slices.Sort(keys)
	return keys
}
