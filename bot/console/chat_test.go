package console_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/mydb-project/mydb/bot/console"
	"github.com/mydb-project/mydb/core"
)

func (s *server) chat(t *testing.T, in string, args ...string) (*terminal, error) {
	t.Helper()
	var o terminal
	err := console.Chat(t.Context(), console.ChatOptions{Client: s.client(), Args: args, In: strings.NewReader(in), Out: &o.out, Err: &o.err})
	return &o, err
}

const created = `Creating genomes (PostgreSQL 17, small).
✓ step 1 (1.0 s)
✓ step 2 (1.0 s)
genomes is ready after 2.0 s.

How to connect to genomes
Host  db1.example.org
`

func TestCreateIsFollowedOverADroppedStream(t *testing.T) {
	s := newServer(t)
	s.onCreate()
	s.onEvents(
		[]core.Operation{operation(core.OperationQueued, 0), operation(core.OperationRunning, 1)},
		[]core.Operation{operation(core.OperationRunning, 2), operation(core.OperationDone, 2)},
	)
	s.onPoll(operation(core.OperationRunning, 2))
	o, err := s.chat(t, "", "create", "postgres", "genomes")
	if err != nil {
		t.Errorf("Chat: %v", err)
	}
	o.wants(t, created, "")
	if n := s.times("GET /operations/op1/events"); n != 2 {
		t.Errorf("the stream was opened %d times, want 2", n)
	}
}

func TestCreateIsFollowedWithoutStreams(t *testing.T) {
	for name, handler := range map[string]http.HandlerFunc{
		"refused": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNotFound) },
		"a proxy's page": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/html")
		},
		"nonsense": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/event-stream")
			_, _ = w.Write([]byte("event: operation\ndata: {\n\nevent: operation\ndata: {\"id\":\"op2\"}\n\ndata"))
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newServer(t)
			s.onCreate()
			s.HandleFunc("GET /api/v1/operations/op1/events", handler)
			s.onPoll(operation(core.OperationQueued, 0), operation(core.OperationRunning, 2), operation(core.OperationDone, 2))
			o, err := s.chat(t, "", "create postgres genomes")
			if err != nil {
				t.Errorf("Chat: %v", err)
			}
			o.wants(t, created, "")
		})
	}
}

func TestFailedOperationFailsTheCommand(t *testing.T) {
	s := newServer(t)
	s.onCreate()
	s.onEvents([]core.Operation{operation(core.OperationFailed, 2)})
	o, err := s.chat(t, "", "create postgres genomes")
	if !errors.Is(err, console.ErrFailed) {
		t.Errorf("Chat: %v, want ErrFailed", err)
	}
	o.wants(t, "Creating genomes (PostgreSQL 17, small).\n✓ step 1 (1.0 s)\n✗ step 2 (1.0 s)\n", "genomes could not be created. No machine has room for it.\n")
}

func TestRefusedCommandFails(t *testing.T) {
	s := newServer(t)
	s.onCreate()
	o, err := s.chat(t, "", "create", "postgres", "taken")
	if !errors.Is(err, console.ErrFailed) {
		t.Errorf("Chat: %v, want ErrFailed", err)
	}
	o.wants(t, "", "The name genomes is taken: grace has a database of that name.\n")
}

func TestRefusalThatIsAnAnswerFails(t *testing.T) {
	s := newServer(t)
	s.onChat(func(string) map[string]string { return map[string]string{"text": "No.", "code": "forbidden"} })
	o, err := s.chat(t, "", "list all")
	if !errors.Is(err, console.ErrFailed) {
		t.Errorf("Chat: %v, want ErrFailed", err)
	}
	o.wants(t, "", "No.\n")
}

func TestLinesAreCommands(t *testing.T) {
	s := newServer(t)
	s.onCreate()
	o, err := s.chat(t, "\nhelp\n  connect genomes  \nEXIT\nhelp\n")
	if err != nil {
		t.Errorf("Chat: %v", err)
	}
	o.wants(t, "What you can write here\nHow to connect to genomes\nHost  db1.example.org\n", "")

	o, err = s.chat(t, "frobnicate\nhelp") // the last line without an end
	if !errors.Is(err, console.ErrFailed) {
		t.Errorf("Chat: %v, want ErrFailed", err)
	}
	o.wants(t, "What you can write here\n", "The name genomes is taken: grace has a database of that name.\n")
}

func TestUnknownTokenIsExplained(t *testing.T) {
	s := newServer(t)
	client := s.client()
	client.Token = "mydb_other"
	var o terminal
	err := console.Chat(t.Context(), console.ChatOptions{Client: client, Args: []string{"list"}, Out: &o.out, Err: &o.err})
	if !errors.Is(err, console.ErrFailed) {
		t.Errorf("Chat: %v, want ErrFailed", err)
	}
	o.wants(t, "", "This token is unknown.\n")
}

// When the answer gets lost, the message is sent again with the same key.
func TestLostAnswerIsAskedForAgain(t *testing.T) {
	s := newServer(t)
	var n int
	s.HandleFunc("POST /api/v1/chat", func(w http.ResponseWriter, _ *http.Request) {
		switch n++; n {
		case 1:
			panic(http.ErrAbortHandler)
		case 2:
			w.WriteHeader(http.StatusBadGateway)
		case 3:
			refuse(w, http.StatusServiceUnavailable, "unavailable", "Try again.")
		default:
			answer(w, map[string]string{"text": "done"})
		}
	})
	reply, err := s.client().Chat(t.Context(), "create postgres genomes", "")
	if err != nil || reply.Text != "done" {
		t.Fatalf("Chat: %+v, %v", reply, err)
	}
	keys := s.seenKeys()
	if len(keys) < 4 || len(keys[0]) < 20 {
		t.Fatalf("the keys are %q", keys)
	}
	for _, key := range keys {
		if key != keys[0] {
			t.Errorf("the keys differ: %q", keys)
		}
	}
	if reply, err = s.client().Chat(t.Context(), "list", "mine"); err != nil || s.seenKeys()[len(keys)] != "mine" {
		t.Errorf("Chat with a key: %+v, %v, keys %q", reply, err, s.seenKeys())
	}
}

func TestErrorsKeepTheirCodes(t *testing.T) {
	s := newServer(t)
	s.HandleFunc("GET /api/v1/databases/{name}", func(w http.ResponseWriter, r *http.Request) {
		switch r.PathValue("name") {
		case "a/b c":
			refuse(w, http.StatusNotFound, "not_found", "You have no such database.")
		case "html":
			w.WriteHeader(http.StatusTeapot)
		default:
			_, _ = w.Write([]byte("<html>"))
		}
	})
	for name, want := range map[string]core.Code{"a/b c": core.CodeNotFound, "html": core.CodeInternal, "strange": core.CodeInternal} {
		var e *core.Error
		if _, err := s.client().Database(t.Context(), name); !errors.As(err, &e) || e.Code != want || strings.Contains(e.Error(), "canary") {
			t.Errorf("Database(%q): %v, want %s", name, err, want)
		}
	}
}

func TestServerThatIsNotThere(t *testing.T) {
	s := newServer(t)
	s.Close()
	o, err := s.chat(t, "", "list")
	if !errors.Is(err, console.ErrFailed) || !strings.Contains(o.err.String(), "MyDB does not answer at "+s.URL) || !strings.Contains(o.err.String(), "MYDB_URL") {
		t.Errorf("Chat: %v, %s", err, o.err.String())
	}
}

func TestFollowingEndsWhenInterruptedOrHopeless(t *testing.T) {
	s := newServer(t)
	ctx, cancel := context.WithCancel(t.Context())
	s.onEvents([]core.Operation{operation(core.OperationRunning, 1)})
	s.onPoll(operation(core.OperationRunning, 1))
	_, err := s.client().FollowOperation(ctx, "op1", func(core.Operation) { cancel() })
	if !errors.Is(err, context.Canceled) {
		t.Errorf("FollowOperation: %v, want the interruption", err)
	}
	if _, err = s.client().FollowOperation(t.Context(), "op2", func(core.Operation) {}); err == nil {
		t.Error("FollowOperation waits for an operation that does not exist")
	}
	s.Close()
	if _, err = s.client().FollowOperation(t.Context(), "op1", func(core.Operation) {}); core.CodeOf(err) != core.CodeUnavailable {
		t.Errorf("FollowOperation: %v, want unavailable", err)
	}
}
