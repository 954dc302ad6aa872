package portal

import (
	"bufio"
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/PuerkitoBio/goquery"

	"github.com/mydb-project/mydb/core"
)

// hearing reads server-sent events.
type hearing struct {
	t     *testing.T
	lines *bufio.Scanner
	res   *http.Response
}

func (st *site) hear(t *testing.T, client *http.Client, path string, headers ...string) *hearing {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	t.Cleanup(cancel)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, st.URL+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	res, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = res.Body.Close() })
	lines := bufio.NewScanner(res.Body)
	lines.Buffer(nil, 1<<20)
	return &hearing{t, lines, res}
}

// next is the next event; an empty name means that the stream has ended.
func (h *hearing) next() (name, id, data string) {
	h.t.Helper()
	var lines []string
	for h.lines.Scan() {
		line := h.lines.Text()
		field, value, _ := strings.Cut(line, ": ")
		switch {
		case field == "event":
			name = value
		case field == "id":
			id = value
		case field == "data":
			lines = append(lines, value)
		case line == "" && name != "":
			return name, id, strings.Join(lines, "\n")
		}
	}
	return "", "", ""
}

func (h *hearing) operation() (o core.Operation) {
	h.t.Helper()
	name, id, data := h.next()
	if name != "operation" || id == "" {
		h.t.Fatalf("event %q with the id %q: %s", name, id, data)
	}
	if err := json.Unmarshal([]byte(data), &o); err != nil {
		h.t.Fatal(err)
	}
	return o
}

// TestEventsWithTheFeed hears of changes by notification: the stream looks by itself only once an hour.
func TestEventsWithTheFeed(t *testing.T) {
	st := newSite(t)
	st.portal.watching.look = time.Hour
	ctx, cancel := context.WithCancel(t.Context())
	listening := make(chan struct{})
	go func() { defer close(listening); st.service.Listen(ctx) }()
	t.Cleanup(func() { cancel(); <-listening })
	followToTheEnd(t, st)
}

// TestEventsWithoutTheFeed finds changes by looking: nobody passes notifications on.
func TestEventsWithoutTheFeed(t *testing.T) {
	st := newSite(t)
	st.portal.watching.look = 10 * time.Millisecond
	followToTheEnd(t, st)
}

func followToTheEnd(t *testing.T, st *site) {
	r := st.create(t, "sam", core.Create{Name: "genomes", Engine: "postgres"})
	h := st.hear(t, http.DefaultClient, apiPrefix+"/operations/"+r.Operation.ID+"/events", "Authorization", "Bearer "+st.token(t, "sam", core.ScopeRead))
	if h.res.StatusCode != http.StatusOK || h.res.Header.Get("Content-Type") != "text/event-stream" {
		t.Fatalf("%d %v", h.res.StatusCode, h.res.Header)
	}
	if o := h.operation(); o.State != core.OperationQueued {
		t.Errorf("at first: %+v", o)
	}
	st.finish(t, r, nil)
	var last core.Operation
	for !last.Finished() {
		last = h.operation()
	}
	if last.State != core.OperationDone || len(last.Steps) != 1 || last.Steps[0].FinishedAt == nil {
		t.Errorf("at last: %+v", last)
	}
	if name, _, _ := h.next(); name != "" {
		t.Errorf("after the end comes %q", name)
	}
}

func TestProgressAsHTML(t *testing.T) {
	st := newSite(t)
	st.portal.watching.look = 10 * time.Millisecond
	r := st.create(t, "sam", core.Create{Name: "genomes", Engine: "postgres", Description: "<script>alert(1)</script>\n\nevent: finished"})
	b := st.loggedIn(t, "sam")
	address := b.get(t, "/databases/genomes").Find("[sse-connect]").AttrOr("sse-connect", "")
	h := st.hear(t, b.Client, address)
	name, _, html := h.next()
	if name != "progress" || !strings.Contains(html, "waiting for a worker") || strings.Contains(html, "<script") {
		t.Errorf("at first %q: %s", name, html)
	}
	st.finish(t, r, nil)
	var latest string
	for name == "progress" {
		latest = html
		name, _, html = h.next()
	}
	if name != "finished" || html != "done" {
		t.Errorf("at last %q: %s", name, html)
	}
	doc, err := goquery.NewDocumentFromReader(strings.NewReader(latest))
	if err != nil {
		t.Fatal(err)
	}
	if doc.Find("#host").Text() != "db.example.com" || doc.Find(".secret form").Length() != 1 || doc.Find("h1 .badge.ready").Length() != 1 {
		t.Errorf("the connection does not appear: %s", latest)
	}
}

func TestStreamsBeatAndEnd(t *testing.T) {
	st := newSite(t)
	st.portal.watching = watchPace{look: time.Hour, beat: time.Millisecond, write: time.Second, life: time.Hour}
	r := st.create(t, "sam", core.Create{Name: "genomes", Engine: "postgres"})
	h := st.hear(t, http.DefaultClient, apiPrefix+"/operations/"+r.Operation.ID+"/events", "Authorization", "Bearer "+st.token(t, "sam", core.ScopeRead))
	h.operation()
	for h.lines.Scan() && !strings.HasPrefix(h.lines.Text(), ":") { //nolint:revive // waits for a comment
	}
	if !strings.HasPrefix(h.lines.Text(), ":") {
		t.Fatal("no sign of life")
	}
	st.portal.Close()
	if name, _, _ := h.next(); name != "" {
		t.Errorf("after Close comes %q", name)
	}
}

// TestStreamsOutliveTheTimeouts: a server's time limits are for ordinary answers.
func TestStreamsOutliveTheTimeouts(t *testing.T) {
	st := newSite(t)
	st.portal.watching = watchPace{look: time.Hour, beat: 20 * time.Millisecond, write: time.Second, life: time.Hour}
	strict := httptest.NewUnstartedServer(st.portal)
	strict.Config.ReadTimeout, strict.Config.WriteTimeout = 100*time.Millisecond, 100*time.Millisecond
	strict.Start()
	t.Cleanup(strict.Close)
	t.Cleanup(st.portal.Close)
	st.Server = strict
	r := st.create(t, "sam", core.Create{Name: "genomes", Engine: "postgres"})
	h := st.hear(t, http.DefaultClient, apiPrefix+"/operations/"+r.Operation.ID+"/events", "Authorization", "Bearer "+st.token(t, "sam", core.ScopeRead))
	h.operation()
	start := time.Now()
	for time.Since(start) < 400*time.Millisecond {
		if !h.lines.Scan() {
			t.Fatalf("the stream ended after %s: %v", time.Since(start), h.lines.Err())
		}
	}
}
