package slackfake_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/slack-go/slack"
	"github.com/slack-go/slack/slackevents"
	"github.com/slack-go/slack/socketmode"

	"github.com/mydb-project/mydb/bot/slack/slackfake"
)

// heard collects what an app heard.
type heard struct {
	mu  sync.Mutex
	all []string
}

func (h *heard) add(format string, args ...any) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.all = append(h.all, fmt.Sprintf(format, args...))
}

func (h *heard) list() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.all)
}

func told(t *testing.T, d *slackfake.Delivery) slackfake.Result {
	t.Helper()
	r, err := d.Wait(patient(t))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TestSocketMode goes through a command, a mention, a direct message and a click with the real client.
func TestSocketMode(t *testing.T) {
	w := newTown(t, slackfake.Options{})
	var h heard
	runApp(t, w.Fake, func(e socketmode.Event) any {
		switch data := e.Data.(type) {
		case slack.SlashCommand:
			h.add("%s %s by %s in %s of %s", data.Command, data.Text, data.UserID, data.ChannelName, data.TeamID)
			return slack.Msg{Text: "accepted", ResponseType: slack.ResponseTypeEphemeral}
		case slackevents.EventsAPIEvent:
			switch inner := data.InnerEvent.Data.(type) {
			case *slackevents.AppMentionEvent:
				h.add("mention %s in thread %s", inner.Text, inner.ThreadTimeStamp)
			case *slackevents.MessageEvent:
				h.add("message %s in %s", inner.Text, inner.ChannelType)
			}
		case slack.InteractionCallback:
			h.add("%s %s by %s", data.ActionCallback.BlockActions[0].ActionID, data.ActionCallback.BlockActions[0].Value, data.User.ID)
		}
		return nil
	})
	if r := told(t, w.alice.Command(w.lab, "/mydb", "create postgres <demo>")); !r.Acked || r.Took <= 0 {
		t.Errorf("the command: %+v", r)
	}
	same(t, "Alice sees", texts(w.alice.Sees(w.lab)), []string{"accepted"})
	same(t, "Bob sees", texts(w.bob.Sees(w.lab)), nil)
	_, ts, err := w.api.PostMessage(w.lab.ID(), slack.MsgOptionText("x", false), slack.MsgOptionBlocks(slack.NewActionBlock("", slack.NewButtonBlockElement("go", "7", plain("Go")))))
	if err != nil {
		t.Fatal(err)
	}
	told(t, w.bob.Mention(w.lab, ts, "list"))
	told(t, w.bob.DM("help & <more>"))
	m, _ := w.bob.Message(w.lab, ts)
	told(t, w.bob.Click(m, "go"))
	same(t, "the app heard", h.list(), []string{
		"/mydb create postgres &lt;demo&gt; by " + w.alice.ID() + " in lab of " + w.Team(),
		"mention <@" + slackfake.BotUserID + "> list in thread " + ts,
		"message help &amp; &lt;more&gt; in im",
		"go 7 by " + w.bob.ID(),
	})
	if r := w.Report(); r.Acks != 4 || r.Late+r.Missing+len(r.Violations) != 0 || len(r.Took[slackfake.Command]) != 1 {
		t.Errorf("report: %+v", r)
	}
}

// TestImpossible lets nobody do what Slack would not let them do.
func TestImpossible(t *testing.T) {
	w := newTown(t, slackfake.Options{})
	foreign := w.AddUser(slackfake.Profile{Name: "foreign", TeamID: "T0PARTNER1"})
	robot := w.AddUser(slackfake.Profile{Name: "robot", Bot: true})
	outsider := w.AddUser(slackfake.Profile{Name: "outsider"})
	w.lab.Join(foreign)
	w.lab.Join(robot)
	said, _ := w.bob.Say(w.lab, "", "hello")
	for name, d := range map[string]*slackfake.Delivery{
		"unknown command":  w.alice.Command(w.lab, "/other", ""),
		"stranger":         foreign.Command(w.lab, "/mydb", ""),
		"bot":              robot.Command(w.lab, "/mydb", ""),
		"not in channel":   outsider.Command(w.lab, "/mydb", ""),
		"no such button":   w.alice.Click(said, "go"),
		"no modal":         w.alice.Submit(slackfake.View{ID: "V1"}, nil),
		"unheard mention":  w.alice.Mention(w.AddChannel(slackfake.Room{Name: "x", WithoutBot: true, Members: []*slackfake.User{w.alice}}), "", "hi"),
		"mention outsider": outsider.Mention(w.lab, "", "hi"),
	} {
		if _, err := d.Wait(patient(t)); err == nil {
			t.Errorf("%s: it was delivered", name)
		}
	}
	same(t, "Alice is told", texts(w.alice.Sees(w.lab))[1:], []string{`/other is not a valid command. In Slack, all messages that start with the "/" character are interpreted as commands.`})
}

// TestTimeouts acknowledges too late, and never: by the workspace's clock, so that nobody sleeps.
func TestTimeouts(t *testing.T) {
	w := newTown(t, slackfake.Options{})
	requests := make(chan socketmode.Request, 9)
	a := runApp(t, w.Fake, func(e socketmode.Event) any {
		requests <- *e.Request
		return noAck
	})
	d := w.alice.Command(w.lab, "/mydb", "slow")
	late := <-requests
	w.Clock().Advance(3 * time.Second)
	if r := told(t, d); r.Acked || r.Failure != "operation_timeout" {
		t.Errorf("a command without an answer: %+v", r)
	}
	same(t, "Alice is told", texts(w.alice.Sees(w.lab)), []string{`/mydb failed with the error "operation_timeout"`})
	if err := a.client.Ack(late, map[string]string{"text": "too late"}); err != nil {
		t.Fatal(err)
	}
	if err := w.Await(patient(t), func() bool { return w.Report().Late == 1 }); err != nil {
		t.Fatalf("%v: %+v", err, w.Report())
	}

	d = w.alice.DM("hello")
	first := <-requests
	w.Clock().Advance(3 * time.Second)
	second := <-requests // at once
	w.Clock().Advance(3 * time.Second)
	if err := w.Await(patient(t), func() bool { return w.Report().Missing == 2 }); err != nil {
		t.Fatal(err)
	}
	w.Clock().Advance(time.Minute)
	third := <-requests
	if first.RetryAttempt != 0 || second.RetryAttempt != 1 || third.RetryAttempt != 2 || second.RetryReason != "timeout" {
		t.Errorf("retries: %d, %d %s, %d", first.RetryAttempt, second.RetryAttempt, second.RetryReason, third.RetryAttempt)
	}
	if string(first.Payload) != string(third.Payload) || first.EnvelopeID == third.EnvelopeID {
		t.Error("a repetition is the same event in another envelope")
	}
	if err := a.client.Ack(third); err != nil {
		t.Fatal(err)
	}
	if r := told(t, d); !r.Acked || r.Attempts != 3 {
		t.Errorf("the third attempt: %+v", r)
	}
}

// TestReconnect drops, refreshes and silences connections under the real client.
func TestReconnect(t *testing.T) {
	w := newTown(t, slackfake.Options{})
	var h heard
	runApp(t, w.Fake, func(e socketmode.Event) any {
		if data, ok := e.Data.(slackevents.EventsAPIEvent); ok {
			h.add("%s", data.InnerEvent.Data.(*slackevents.MessageEvent).Text)
		}
		return nil
	})
	for _, c := range []struct {
		name string
		do   func()
	}{
		{"drop", w.Drop},
		{"refresh", func() { w.Refresh("refresh_requested") }},
		{"warning", func() { w.Refresh("warning") }},
	} {
		opened := len(w.Calls("apps.connections.open"))
		c.do()
		if err := w.Await(patient(t), func() bool {
			return len(w.Calls("apps.connections.open")) > opened && w.Connections() == 1
		}); err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		told(t, w.alice.DM(c.name))
	}
	w.RefuseConnections(true)
	w.Drop()
	if err := w.Await(patient(t), func() bool { return w.Connections() == 0 }); err != nil {
		t.Fatal(err)
	}
	if r := told(t, w.alice.Command(w.lab, "/mydb", "")); r.Failure != "dispatch_failed" {
		t.Errorf("a command without an app: %+v", r)
	}
	d := w.alice.DM("waits for a connection")
	w.RefuseConnections(false)
	if r := told(t, d); !r.Acked {
		t.Errorf("an event without an app: %+v", r)
	}
	same(t, "the app heard", h.list(), []string{"drop", "refresh", "warning", "waits for a connection"})
}

// TestSilence is a connection that dies without closing: the client leaves it for want of pings.
func TestSilence(t *testing.T) {
	w := newTown(t, slackfake.Options{PingEvery: 20 * time.Millisecond})
	smc := socketmode.New(w.api, socketmode.OptionPingInterval(time.Second))
	go func() { _ = smc.RunContext(patient(t)) }()
	if err := w.Await(patient(t), func() bool { return w.Connections() == 1 }); err != nil {
		t.Fatal(err)
	}
	opened := len(w.Calls("apps.connections.open"))
	go func() {
		for range smc.Events { // only the pings matter here
			continue
		}
	}()
	if err := w.Await(patient(t), func() bool {
		w.Silence() // again, should the client have connected anew of itself meanwhile
		return len(w.Calls("apps.connections.open")) > opened
	}); err != nil {
		t.Fatal(err)
	}
}

// TestChaos doubles, reorders and loses.
func TestChaos(t *testing.T) {
	w := newTown(t, slackfake.Options{})
	var h heard
	runApp(t, w.Fake, func(e socketmode.Event) any {
		switch data := e.Data.(type) {
		case slack.SlashCommand:
			h.add("%s", data.Text)
			return slack.Msg{Text: "did " + data.Text}
		case slackevents.EventsAPIEvent:
			h.add("%s %d", data.InnerEvent.Data.(*slackevents.MessageEvent).Text, e.Request.RetryAttempt)
		}
		return nil
	})
	w.DuplicateNext(1)
	told(t, w.alice.Command(w.lab, "/mydb", "twice"))
	if err := w.Await(patient(t), func() bool { return w.Report().Acks == 2 }); err != nil {
		t.Fatal(err)
	}
	same(t, "the answer is shown once", texts(w.alice.Sees(w.lab)), []string{"did twice"})

	w.Hold()
	var held []*slackfake.Delivery
	for i := range 3 {
		held = append(held, w.bob.Command(w.lab, "/mydb", fmt.Sprint(i)))
	}
	w.Release(true)
	for _, d := range held {
		told(t, d)
	}
	w.LoseAcks(2)
	if r := told(t, w.alice.Command(w.lab, "/mydb", "lost")); r.Failure != "operation_timeout" {
		t.Errorf("a lost acknowledgement: %+v", r)
	}
	if r := told(t, w.alice.DM("again")); !r.Acked || r.Attempts != 2 {
		t.Errorf("a lost acknowledgement of an event: %+v", r)
	}
	w.HideRetries(true)
	w.LoseAcks(1)
	told(t, w.alice.DM("hidden"))
	same(t, "the app heard", h.list(), []string{"twice", "twice", "2", "1", "0", "lost", "again 0", "again 1", "hidden 0", "hidden 0"})

	w.Duplicate(0.2)
	before := len(w.Deliveries())
	for range 10 {
		told(t, w.bob.Command(w.lab, "/mydb", "x"))
	}
	if n := len(w.Deliveries()) - before; n != 12 {
		t.Errorf("a fifth doubled makes %d of 10", n)
	}
}

// TestSeveralConnections delivers to one connection at a time, and to all of them in turn.
func TestSeveralConnections(t *testing.T) {
	w := newTown(t, slackfake.Options{})
	var h heard
	for _, name := range []string{"one", "two"} {
		runApp(t, w.Fake, func(socketmode.Event) any { h.add("%s", name); return nil })
	}
	for range 4 {
		told(t, w.alice.Command(w.lab, "/mydb", ""))
	}
	got := h.list()
	slices.Sort(got)
	same(t, "heard", got, []string{"one", "one", "two", "two"})
}

// TestRawAcks sends acknowledgements that the library would not: too large, doubled, for nothing.
func TestRawAcks(t *testing.T) {
	w := newTown(t, slackfake.Options{})
	opened := callWith(t, w.Fake, w.AppToken(), "apps.connections.open", nil)
	header := http.Header{"Origin": {"https://api.slack.com"}}
	conn, resp, err := websocket.DefaultDialer.DialContext(t.Context(), opened.URL, header)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	defer conn.Close()
	var hello struct{ Type string }
	if err := conn.ReadJSON(&hello); err != nil || hello.Type != "hello" {
		t.Fatalf("hello: %+v, %v", hello, err)
	}
	if again, resp, err := websocket.DefaultDialer.DialContext(t.Context(), opened.URL, header); err == nil {
		again.Close()
		t.Error("an address works twice")
	} else {
		resp.Body.Close()
	}
	if err := w.Await(patient(t), func() bool { return w.Connections() == 1 }); err != nil {
		t.Fatal(err)
	}
	d := w.alice.Command(w.lab, "/mydb", "")
	var e struct {
		EnvelopeID string `json:"envelope_id"`
		Accepts    bool   `json:"accepts_response_payload"`
	}
	if err := conn.ReadJSON(&e); err != nil || !e.Accepts {
		t.Fatalf("envelope: %+v, %v", e, err)
	}
	for _, ack := range []any{
		map[string]any{"envelope_id": e.EnvelopeID, "payload": map[string]string{"text": strings.Repeat("x", 20*1024)}},
		map[string]any{"envelope_id": "nothing"},
		map[string]any{"envelope_id": e.EnvelopeID, "payload": map[string]any{"text": "fine"}},
		map[string]any{"envelope_id": e.EnvelopeID},
	} {
		if err := conn.WriteJSON(ack); err != nil {
			t.Fatal(err)
		}
	}
	if r := told(t, d); !r.Acked || string(r.Answer) != `{"text":"fine"}` {
		t.Errorf("the command: %+v", r)
	}
	if err := w.Await(patient(t), func() bool { return len(w.Report().Violations) == 3 }); err != nil {
		t.Fatalf("%v: %v", err, w.Report().Violations)
	}
	var what []string
	for _, v := range w.Report().Violations {
		what = append(what, v.What)
	}
	same(t, "violations", what, []string{"too large", "unknown envelope", "a second time"})
	d = w.alice.Command(w.lab, "/mydb", "")
	if err := conn.ReadJSON(&e); err != nil {
		t.Fatal(err)
	}
	bad, _ := json.Marshal(map[string]any{"envelope_id": e.EnvelopeID, "payload": map[string]any{"blocks": []any{map[string]string{"type": "nonsense"}}}})
	if err := conn.WriteMessage(websocket.TextMessage, bad); err != nil {
		t.Fatal(err)
	}
	told(t, d)
	seen := texts(w.alice.Sees(w.lab))
	if last := seen[len(seen)-1]; last != `/mydb failed with the error "invalid_command_response"` {
		t.Errorf("an answer that is none shows %q", last)
	}
}
