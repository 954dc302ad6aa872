package jobs_test

import (
	"bytes"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/mydb-project/mydb/core"
	"github.com/mydb-project/mydb/core/coretest"
	"github.com/mydb-project/mydb/core/policy"
	"github.com/mydb-project/mydb/jobs"
)

// TestHeartbeat reaches a dead man's switch while all is well, and leaves it to raise the alarm otherwise.
func TestHeartbeat(t *testing.T) {
	t.Parallel()
	var pings, elsewhere atomic.Int32
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { elsewhere.Add(1) }))
	t.Cleanup(other.Close)
	mux := http.NewServeMux()
	mux.HandleFunc("/ping/secret", func(http.ResponseWriter, *http.Request) { pings.Add(1) })
	mux.HandleFunc("/moved/secret", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "/ping/secret", http.StatusFound)
	})
	mux.HandleFunc("/away/secret", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, other.URL+"/secret", http.StatusFound)
	})
	mux.HandleFunc("/round/secret", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/round/secret", http.StatusFound) })
	mux.HandleFunc("/broken/secret", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) })
	mux.HandleFunc("/silent/secret", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	gone := httptest.NewServer(mux)
	gone.Close()

	_, app := coretest.Database(t)
	pool := coretest.Pool(t, app)
	var log bytes.Buffer
	beat := func(address string) *core.Heartbeat {
		t.Helper()
		p := policy.Default().Policy
		p.Backup.Heartbeat = address
		s := coretest.Service(t, pool, core.Options{Policy: p, Backups: core.Backups{On: true}})
		if err := jobs.Beat(t.Context(), jobs.Options{Service: s, Log: slog.New(slog.NewTextHandler(&log, nil))}); err != nil {
			t.Errorf("%s: a heartbeat that does not arrive is no error: %v", address, err)
		}
		g, err := s.Gauges(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return g.Heartbeat
	}
	if h := beat(""); h != nil {
		t.Errorf("without an address: %+v", h)
	}
	if h := beat(server.URL + "/ping/secret"); pings.Load() != 1 || h == nil || h.SentAt == nil || h.Problem != "" {
		t.Errorf("%d pings, %+v", pings.Load(), h)
	}
	if h := beat(server.URL + "/moved/secret"); pings.Load() != 2 || h.Problem != "" {
		t.Errorf("redirected on the same host: %d pings, %+v", pings.Load(), h)
	}
	for address, want := range map[string]string{
		server.URL + "/away/secret":   "leads somewhere else",
		server.URL + "/round/secret":  "leads somewhere else",
		server.URL + "/broken/secret": "it answers 500",
		server.URL + "/silent/secret": "did not answer within 5s",
		gone.URL + "/ping/secret":     "connection refused",
	} {
		if h := beat(address); !strings.Contains(h.Problem, want) || h.SentAt == nil {
			t.Errorf("%s: %+v, want %q", address, h, want)
		}
	}
	if pings.Load() != 2 || elsewhere.Load() != 0 {
		t.Errorf("%d pings, and %d elsewhere", pings.Load(), elsewhere.Load())
	}
	if strings.Contains(log.String(), "secret") || !strings.Contains(log.String(), strings.TrimPrefix(server.URL, "http://")) {
		t.Errorf("the log tells the address, or not the host: %s", log.String())
	}

	// An alarm about a backup: nothing is sent until it is over.
	if _, err := pool.Exec(t.Context(), "insert into findings (id, kind, subject, message, severity, action, first_at, last_at) values ('f', 'backup_late', 'x', 'late', 'alarm', '', now(), now())"); err != nil {
		t.Fatal(err)
	}
	beat(server.URL + "/ping/secret")
	if pings.Load() != 2 {
		t.Error("pinged while a backup is late")
	}
	if _, err := pool.Exec(t.Context(), "update findings set resolved_at = now()"); err != nil {
		t.Fatal(err)
	}
	if h := beat(server.URL + "/ping/secret"); pings.Load() != 3 || h.Problem != "" {
		t.Errorf("%d pings, %+v", pings.Load(), h)
	}
}
