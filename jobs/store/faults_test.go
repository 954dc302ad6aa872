package store_test

import (
	"bytes"
	"crypto/rand"
	"errors"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/mydb-project/mydb/jobs"
	"github.com/mydb-project/mydb/jobs/store/storetest"
)

// large is an object of four parts.
func large() []byte {
	content := make([]byte, 30<<20)
	_, _ = rand.Read(content)
	return content
}

// leavesNothing looks for objects and unfinished uploads.
func leavesNothing(t *testing.T, endpoint string) {
	t.Helper()
	if left := list(t, open(t, storetest.URL(endpoint)), ""); len(left) > 0 {
		t.Errorf("objects are left: %v", left)
	}
	if left := storetest.Uploads(t, endpoint); len(left) > 0 {
		t.Errorf("uploads are left: %v", left)
	}
}

// TestServiceFails has each request of an upload, and of a download, fail: a few times, which is mended, and always, which is an error
// that leaves nothing.
func TestServiceFails(t *testing.T) {
	t.Parallel()
	content := large()
	for _, operation := range []string{"CreateMultipartUpload", "UploadPart", "CompleteMultipartUpload", "PutObject", "GetObject"} {
		for name, times := range map[string]int64{"twice": 2, "always": 1 << 40} {
			t.Run(operation+" fails "+name, func(t *testing.T) {
				t.Parallel()
				endpoint := storetest.Serve(t)
				var failed atomic.Int64
				before := storetest.Before(t, endpoint, func(w http.ResponseWriter, r *http.Request) bool {
					return storetest.Operation(r) == operation && failed.Add(1) <= times && storetest.Fail(w, r, http.StatusInternalServerError, "InternalError")
				})
				s, content := open(t, storetest.URL(before)), content
				if operation == "PutObject" {
					content = content[:1000]
				}
				err := s.Put(t.Context(), "i/b/part", onlyReader{bytes.NewReader(content)}, 0)
				if operation == "GetObject" {
					if err != nil {
						t.Fatal(err)
					}
					_, err = s.Get(t.Context(), "i/b/part")
					_ = s.Remove(t.Context(), "i/b/part")
				}
				if failed.Load() < 2 {
					t.Fatal("nothing failed; the test proves nothing")
				}
				if name == "twice" && operation != "GetObject" {
					if got := get(t, open(t, storetest.URL(endpoint)), "i/b/part"); err != nil || !bytes.Equal(got, content) {
						t.Errorf("%d bytes came back, %v", len(got), err)
					}
					return
				}
				if (err == nil) != (name == "twice") || err != nil && !strings.Contains(err.Error(), "500") {
					t.Errorf("it ended with %v", err)
				}
				leavesNothing(t, endpoint)
			})
		}
	}
}

// TestAbortFails leaves the end of an upload to the sweep when the service is gone by then.
func TestAbortFails(t *testing.T) {
	t.Parallel()
	endpoint := storetest.Serve(t)
	before := storetest.Before(t, endpoint, func(w http.ResponseWriter, r *http.Request) bool {
		op := storetest.Operation(r)
		return (op == "CompleteMultipartUpload" || op == "AbortMultipartUpload") && storetest.Fail(w, r, http.StatusNotImplemented, "NotImplemented")
	})
	err := open(t, storetest.URL(before)).Put(t.Context(), "i/b/part", onlyReader{bytes.NewReader(large())}, 0)
	if left := storetest.Uploads(t, endpoint); err == nil || len(left) != 1 {
		t.Fatalf("%v, with %v", err, left)
	}
	s := open(t, storetest.URL(endpoint))
	for folder, want := range map[string]int{"i/other": 0, "i/b": 1} {
		if n, err := s.Sweep(t.Context(), folder, farAway); n != want || err != nil {
			t.Errorf("%d uploads into %s were ended, %v; want %d", n, folder, err, want)
		}
	}
	leavesNothing(t, endpoint)
}

// TestLostAnswer takes an upload for complete when the service has completed it, and the connection broke before it could say so.
func TestLostAnswer(t *testing.T) {
	t.Parallel()
	endpoint, content := storetest.Serve(t), large()
	var lost atomic.Int64
	before := storetest.Before(t, endpoint, func(w http.ResponseWriter, r *http.Request) bool {
		if storetest.Operation(r) != "CompleteMultipartUpload" || lost.Add(1) > 1 {
			return false
		}
		r.URL.Scheme, r.URL.Host, r.RequestURI = "http", strings.TrimPrefix(endpoint, "http://"), ""
		answer, err := http.DefaultTransport.RoundTrip(r)
		if err != nil {
			t.Errorf("complete: %v", err)
		} else if answer.Body.Close(); answer.StatusCode != http.StatusOK {
			t.Errorf("complete: %s", answer.Status)
		}
		panic(http.ErrAbortHandler)
	})
	if err := open(t, storetest.URL(before)).Put(t.Context(), "i/b/part", onlyReader{bytes.NewReader(content)}, 0); err != nil || lost.Load() < 2 {
		t.Errorf("%v, after %d completions", err, lost.Load())
	}
	if got := get(t, open(t, storetest.URL(endpoint)), "i/b/part"); !bytes.Equal(got, content) {
		t.Errorf("%d bytes came back", len(got))
	}
}

// TestBadLine writes and reads over lines that are bad in every way: what a patient client can get through arrives whole, and anything
// else is an error that leaves nothing.
func TestBadLine(t *testing.T) {
	t.Parallel()
	content := large()
	for _, c := range []struct {
		how, direction string
		attributes     map[string]int64
		fails          bool
	}{
		{"latency", storetest.Down, map[string]int64{"latency": 200, "jitter": 100}, false},
		{"latency", storetest.Up, map[string]int64{"latency": 100}, false},
		{"bandwidth", storetest.Up, map[string]int64{"rate": 15000}, false}, // KB/s
		{"slow_close", storetest.Down, map[string]int64{"delay": 500}, false},
		{"slicer", storetest.Up, map[string]int64{"average_size": 10000, "size_variation": 5000, "delay": 1}, false},
		{"limit_data", storetest.Up, map[string]int64{"bytes": 20 << 20}, false}, // per connection: cut in the middle of parts
		{"limit_data", storetest.Up, map[string]int64{"bytes": 3 << 20}, true},   // no part gets through
		{"reset_peer", storetest.Up, map[string]int64{"timeout": 20}, true},
		{"timeout", storetest.Up, map[string]int64{"timeout": 0}, true}, // nothing goes through any more, and nobody hangs up
		{"timeout", storetest.Down, map[string]int64{"timeout": 0}, true},
	} {
		t.Run("writing, "+c.how+" "+c.direction, func(t *testing.T) {
			t.Parallel()
			endpoint := storetest.Serve(t)
			line := storetest.Through(t, endpoint)
			s := open(t, storetest.URL(line.Endpoint)+"&patience=2s")
			put(t, s, "i/x", "before") // connections are there when it begins
			if err := s.Remove(t.Context(), "i/x"); err != nil {
				t.Fatal(err)
			}
			line.Spoil(t, c.how, c.direction, c.attributes)
			err := s.Put(t.Context(), "i/b/part", onlyReader{bytes.NewReader(content)}, 0)
			line.Mend(t)
			if (err != nil) != c.fails {
				t.Fatalf("it ended with %v", err)
			}
			if c.fails {
				if _, err := s.Head(t.Context(), "i/b/part"); !errors.Is(err, jobs.ErrNoObject) {
					t.Errorf("there is an object, %v", err)
				}
				// The service could not be told to end the upload.
				if _, err := s.Sweep(t.Context(), "i/b", farAway); err != nil {
					t.Error(err)
				}
				leavesNothing(t, endpoint)
				return
			}
			if got := get(t, open(t, storetest.URL(endpoint)), "i/b/part"); !bytes.Equal(got, content) {
				t.Errorf("%d bytes came back", len(got))
			}
		})
	}
	for _, c := range []struct {
		how        string
		attributes map[string]int64
		fails      bool
	}{
		{"latency", map[string]int64{"latency": 200, "jitter": 100}, false},
		{"bandwidth", map[string]int64{"rate": 15000}, false},
		{"limit_data", map[string]int64{"bytes": 4 << 20}, false}, // resumed seven times
		{"limit_data", map[string]int64{"bytes": 100}, true},      // less than an answer has
		{"reset_peer", map[string]int64{"timeout": 50}, true},
		{"timeout", map[string]int64{"timeout": 0}, true},
	} {
		t.Run("reading, "+c.how, func(t *testing.T) {
			t.Parallel()
			endpoint := storetest.Serve(t)
			if err := open(t, storetest.URL(endpoint)).Put(t.Context(), "i/b/part", bytes.NewReader(content), 0); err != nil {
				t.Fatal(err)
			}
			line := storetest.Through(t, endpoint)
			s := open(t, storetest.URL(line.Endpoint)+"&patience=2s")
			line.Spoil(t, c.how, storetest.Down, c.attributes)
			got, err := read(t, s, "i/b/part")
			if (err != nil) != c.fails || err == nil && !bytes.Equal(got, content) || !bytes.HasPrefix(content, got) {
				t.Errorf("%d bytes came, of %d, and %v", len(got), len(content), err)
			}
		})
	}
}
