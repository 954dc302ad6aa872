package slackfake_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/slack-go/slack"
	"github.com/slack-go/slack/slackevents"

	"github.com/mydb-project/mydb/bot/slack/slackfake"
)

// site is an app in HTTP mode, which verifies signatures with the real library.
type site struct {
	*httptest.Server
	h      heard
	answer atomic.Pointer[http.HandlerFunc]
}

func newSite(t *testing.T, f *slackfake.Fake) *site {
	t.Helper()
	s := &site{}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 1<<20))
		if err != nil {
			http.Error(w, "too large", http.StatusRequestEntityTooLarge)
			return
		}
		v, err := slack.NewSecretsVerifier(r.Header, f.SigningSecret())
		if err == nil {
			_, _ = v.Write(body)
			err = v.Ensure()
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusUnauthorized)
			return
		}
		if e, err := slackevents.ParseEvent(body, slackevents.OptionNoVerifyToken()); err == nil && e.Type == slackevents.URLVerification {
			_, _ = io.WriteString(w, e.Data.(*slackevents.EventsAPIURLVerificationEvent).Challenge)
			return
		}
		s.h.add("%s %s", r.URL.Path, r.Header.Get("X-Slack-Retry-Num"))
		r.Body = io.NopCloser(strings.NewReader(string(body)))
		if answer := s.answer.Load(); answer != nil {
			(*answer)(w, r)
		}
	}))
	t.Cleanup(s.Close)
	if err := f.UseHTTP(patient(t), s.URL); err != nil {
		t.Fatal(err)
	}
	return s
}

func (s *site) answers(h http.HandlerFunc) { s.answer.Store(&h) }

// TestHTTPMode goes through a command, a click, a modal and an event.
func TestHTTPMode(t *testing.T) {
	w := newTown(t, slackfake.Options{})
	s := newSite(t, w.Fake)
	s.answers(func(rw http.ResponseWriter, r *http.Request) {
		cmd, err := slack.SlashCommandParse(r)
		if err != nil || cmd.UserID != w.alice.ID() || cmd.Text != "list" || cmd.TeamID != w.Team() {
			t.Errorf("command %+v, %v", cmd, err)
		}
		_, _ = io.WriteString(rw, "accepted")
	})
	if r := told(t, w.alice.Command(w.lab, "/mydb", "list")); !r.Acked || r.Status != http.StatusOK {
		t.Errorf("the command: %+v", r)
	}
	same(t, "Alice sees", texts(w.alice.Sees(w.lab)), []string{"accepted"})
	again := w.alice.Command(w.lab, "/mydb", "list")
	told(t, again)
	v, err := w.api.OpenView(triggerOf(t, again), form("Create"))
	if err != nil {
		t.Fatal(err)
	}
	s.answers(func(rw http.ResponseWriter, r *http.Request) {
		if p, err := slack.InteractionCallbackParse(r); err != nil || p.View.ID != v.View.ID {
			t.Errorf("interaction %+v, %v", p, err)
		}
		rw.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(rw).Encode(slack.NewErrorsViewSubmissionResponse(map[string]string{"name": "It is taken."}))
	})
	open, _ := w.alice.Modal()
	told(t, w.alice.Submit(open, map[string]string{"name": "genomes"}))
	if open, _ = w.alice.Modal(); open.Errors["name"] == "" {
		t.Errorf("the modal is %+v", open)
	}
	s.answers(func(http.ResponseWriter, *http.Request) {})
	told(t, w.bob.DM("hello"))
	if len(w.Requests()) != 4 || len(w.Calls("answer")) != 4 {
		t.Errorf("%d requests, %d answers", len(w.Requests()), len(w.Calls("answer")))
	}
	s.answers(func(rw http.ResponseWriter, _ *http.Request) { rw.WriteHeader(http.StatusInternalServerError) })
	if r := told(t, w.alice.Command(w.lab, "/mydb", "list")); r.Failure != "dispatch_failed" || r.Status != 500 {
		t.Errorf("an app that fails: %+v", r)
	}
	w.UseSockets()
	if r := told(t, w.alice.Command(w.lab, "/mydb", "list")); r.Failure != "dispatch_failed" || r.Status != 0 {
		t.Errorf("without a connection: %+v", r)
	}
}

// TestHTTPRetries repeats events as Slack does, until it is told not to.
func TestHTTPRetries(t *testing.T) {
	// The library compares timestamps with the machine's clock: the workspace's stands at its time, and is put forward by minutes only.
	w := newTown(t, slackfake.Options{Clock: slackfake.NewFrozenClock(time.Now().Add(-3 * time.Minute))})
	s := newSite(t, w.Fake)
	s.answers(func(rw http.ResponseWriter, _ *http.Request) { rw.WriteHeader(http.StatusInternalServerError) })
	d := w.alice.DM("hello")
	if err := w.Await(patient(t), func() bool { return len(w.Calls("answer")) == 2 }); err != nil {
		t.Fatal(err)
	}
	w.Clock().Advance(time.Minute)
	if err := w.Await(patient(t), func() bool { return len(w.Calls("answer")) == 3 }); err != nil {
		t.Fatal(err)
	}
	w.Clock().Advance(5 * time.Minute)
	if r := told(t, d); r.Acked || r.Attempts != 4 || r.Failure != "http_error" {
		t.Errorf("the event: %+v", r)
	}
	same(t, "attempts", s.h.list(), []string{"/slack/event ", "/slack/event 1", "/slack/event 2", "/slack/event 3"})
	last := w.Requests()[3].Header
	if last.Get("X-Slack-Retry-Reason") != "http_error" {
		t.Errorf("the reason is %q", last.Get("X-Slack-Retry-Reason"))
	}
	s.answers(func(rw http.ResponseWriter, _ *http.Request) {
		rw.Header().Set("X-Slack-No-Retry", "1")
		rw.WriteHeader(http.StatusInternalServerError)
	})
	if r := told(t, w.alice.DM("hello")); r.Attempts != 1 {
		t.Errorf("X-Slack-No-Retry: %+v", r)
	}
}

// TestHTTPTimeout gives up after three seconds of the workspace's clock.
func TestHTTPTimeout(t *testing.T) {
	w := newTown(t, slackfake.Options{})
	s := newSite(t, w.Fake)
	arrived := make(chan struct{})
	s.answers(func(_ http.ResponseWriter, r *http.Request) {
		close(arrived)
		<-r.Context().Done() // Slack hangs up
	})
	d := w.alice.Command(w.lab, "/mydb", "slow")
	<-arrived
	w.Clock().Advance(3 * time.Second)
	if r := told(t, d); r.Acked || r.Failure != "operation_timeout" || w.Report().Missing != 1 {
		t.Errorf("the command: %+v", r)
	}
}

// TestAttacks sends what an adapter must refuse. The library alone lets the replay through.
func TestAttacks(t *testing.T) {
	w := newTown(t, slackfake.Options{})
	s := newSite(t, w.Fake)
	told(t, w.alice.Command(w.lab, "/mydb", "delete genomes"))
	good := w.Requests()[0]
	attack := func(g slackfake.Forgery) int {
		g.URL = good.URL
		if g.Body == nil {
			g.Body = good.Body
		}
		status, _, err := w.Attack(patient(t), g)
		if err != nil {
			t.Fatal(err)
		}
		return status
	}
	for name, c := range map[string]struct {
		g    slackfake.Forgery
		want []int
	}{
		"signed well":     {slackfake.Forgery{}, []int{200}},
		"wrong secret":    {slackfake.Forgery{Secret: "guessed"}, []int{401}},
		"old":             {slackfake.Forgery{At: time.Now().Add(-6 * time.Minute)}, []int{401}},
		"from the future": {slackfake.Forgery{At: time.Now().Add(6 * time.Minute)}, []int{401}},
		"no signature":    {slackfake.Forgery{Tamper: func(h http.Header) []byte { h.Del("X-Slack-Signature"); return nil }}, []int{401}},
		"changed body":    {slackfake.Forgery{Tamper: func(http.Header) []byte { return append(slices.Clone(good.Body), "&x=1"...) }}, []int{401}},
		"large":           {slackfake.Forgery{Body: []byte(strings.Repeat("x", 2<<20))}, []int{413}},
	} {
		if got := attack(c.g); !slices.Contains(c.want, got) {
			t.Errorf("%s: %d, want %v", name, got, c.want)
		}
	}
	if status, _, err := w.Replay(patient(t), good); err != nil || status != http.StatusOK {
		t.Errorf("a replay: %d, %v", status, err)
	}
	same(t, "heard", s.h.list(), []string{"/slack/command ", "/slack/command ", "/slack/command "})
	bad := httptest.NewServer(http.NotFoundHandler())
	defer bad.Close()
	if err := w.UseHTTP(patient(t), bad.URL); err == nil {
		t.Error("an address that does not know the challenge was verified")
	}
}
