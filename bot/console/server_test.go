package console_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mydb-project/mydb/bot/console"
	"github.com/mydb-project/mydb/core"
)

const token = "mydb_token-canary"

// server speaks MyDB's API. Tests say what it answers; it notes what it was asked.
type server struct {
	*http.ServeMux
	*httptest.Server
	mu    sync.Mutex
	asked []string
	keys  []string
}

func newServer(t *testing.T) *server {
	t.Helper()
	s := &server{ServeMux: http.NewServeMux()}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer "+token {
			refuse(w, http.StatusUnauthorized, "unauthenticated", "This token is unknown.")
			return
		}
		s.mu.Lock()
		s.asked = append(s.asked, r.Method+" "+strings.TrimPrefix(r.URL.EscapedPath(), "/api/v1"))
		if key := r.Header.Get("Idempotency-Key"); key != "" {
			s.keys = append(s.keys, key)
		}
		s.mu.Unlock()
		s.ServeMux.ServeHTTP(w, r)
	}))
	t.Cleanup(s.Close)
	return s
}

func (s *server) client() *console.Client {
	return &console.Client{BaseURL: s.URL, Token: token, HTTP: s.Client(), Pause: time.Millisecond}
}

// times counts how often something was asked.
func (s *server) times(what string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, a := range s.asked {
		if a == what {
			n++
		}
	}
	return n
}

func (s *server) seenKeys() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.keys)
}

func refuse(w http.ResponseWriter, status int, code, message string) {
	w.WriteHeader(status)
	answer(w, map[string]any{"error": map[string]string{"code": code, "message": message}})
}

func answer(w io.Writer, v any) {
	if err := json.NewEncoder(w).Encode(v); err != nil {
		panic(err)
	}
}

// onChat answers messages; reply gives an answer or nil for a refusal.
func (s *server) onChat(reply func(text string) map[string]string) {
	s.HandleFunc("POST /api/v1/chat", func(w http.ResponseWriter, r *http.Request) {
		var in struct{ Text string }
		if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
			refuse(w, http.StatusBadRequest, "invalid", err.Error())
			return
		}
		if a := reply(in.Text); a != nil {
			answer(w, a)
			return
		}
		refuse(w, http.StatusConflict, "taken", "The name genomes is taken: grace has a database of that name.")
	})
}

// onCreate answers a create with operation op1, and connect with a card.
func (s *server) onCreate() {
	s.onChat(func(text string) map[string]string {
		switch text {
		case "create postgres genomes":
			return map[string]string{"text": "Creating genomes (PostgreSQL 17, small).", "operation_id": "op1", "name": "genomes"}
		case "connect genomes":
			return map[string]string{"text": "How to connect to genomes\n```\nHost  db1.example.org\n```", "name": "genomes"}
		case "help":
			return map[string]string{"text": "What you can write here"}
		}
		return nil
	})
}

var start = time.Date(2026, 3, 14, 9, 26, 53, 0, time.UTC)

// operation is op1 with so many steps, of which the last one is running until the operation has ended.
func operation(state core.OperationState, steps int) core.Operation {
	op := core.Operation{ID: "op1", Kind: "create", State: state, Database: "genomes", CreatedAt: start, Steps: []core.Step{}}
	for n := range steps {
		end := start.Add(time.Duration(n+1) * time.Second)
		op.Steps = append(op.Steps, core.Step{Name: fmt.Sprintf("step %d", n+1), State: "done", StartedAt: start.Add(time.Duration(n) * time.Second), FinishedAt: &end})
	}
	last := start.Add(time.Duration(steps) * time.Second)
	switch {
	case state == core.OperationDone:
		op.FinishedAt = &last
	case state == core.OperationFailed:
		op.FinishedAt, op.Steps[steps-1].State = &last, "failed"
		op.Error = &core.Explanation{Code: core.CodeUnavailable, Message: "No machine has room for it."}
	case steps > 0:
		op.Steps[steps-1].State, op.Steps[steps-1].FinishedAt = "running", nil
	}
	return op
}

// send writes an operation as a server-sent event.
func send(w http.ResponseWriter, op core.Operation) {
	b, err := json.Marshal(op)
	if err != nil {
		panic(err)
	}
	fmt.Fprintf(w, ": still here\n\nevent: operation\nid: 1\ndata: %s\n\nevent: news\ndata: {}\n\n", b)
	w.(http.Flusher).Flush()
}

// onEvents streams op1. Each connection gets one list of operations, and breaks off after it; the last list is repeated.
func (s *server) onEvents(streams ...[]core.Operation) {
	var n int
	s.HandleFunc("GET /api/v1/operations/op1/events", func(w http.ResponseWriter, _ *http.Request) {
		s.mu.Lock()
		mine := streams[min(n, len(streams)-1)]
		n++
		s.mu.Unlock()
		w.Header().Set("Content-Type", "text/event-stream")
		for _, op := range mine {
			send(w, op)
		}
		panic(http.ErrAbortHandler) // the connection drops
	})
}

// onPoll answers who asks for op1; each time with the next, the last one for ever.
func (s *server) onPoll(ops ...core.Operation) {
	var n int
	s.HandleFunc("GET /api/v1/operations/op1", func(w http.ResponseWriter, _ *http.Request) {
		s.mu.Lock()
		defer s.mu.Unlock()
		answer(w, ops[min(n, len(ops)-1)])
		n++
	})
}

// terminal is what a person types and reads, without being a terminal.
type terminal struct {
	out, err bytes.Buffer
}

func (o *terminal) wants(t *testing.T, out, err string) {
	t.Helper()
	if o.out.String() != out {
		t.Errorf("out is\n%s\nwant\n%s", o.out.String(), out)
	}
	if o.err.String() != err {
		t.Errorf("err is\n%s\nwant\n%s", o.err.String(), err)
	}
	if all := o.out.String() + o.err.String(); strings.Contains(all, "canary") {
		t.Errorf("a secret was shown: %s", all)
	}
}
