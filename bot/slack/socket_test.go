package slack_test

import (
	"strings"
	"testing"
	"time"

	"github.com/mydb-project/mydb/bot/chattest"
	"github.com/mydb-project/mydb/bot/slack"
	"github.com/mydb-project/mydb/bot/slack/slackfake"
)

// quick pings often, so that silence is noticed soon.
func quick(o *slackfake.Options) { o.PingEvery = 100 * time.Millisecond }

// restless is everything, with silence noticed soon, and a probe often.
func restless(t *testing.T) *rig {
	t.Helper()
	r := newRig(t, quick)
	r.options.Silence, r.options.ProbeEvery = time.Second, 200*time.Millisecond
	return r.open().work().listen()
}

func TestEventsThatComeTwiceAndInDisorder(t *testing.T) {
	r := everything(t)
	ada := r.person("ada", false)
	r.fake.Duplicate(1)
	r.fake.Hold()
	var all []*slackfake.Delivery
	for _, name := range []string{"one-db", "two-db", "three-db"} {
		all = append(all, ada.Command(r.lab, "/mydb", "create postgres "+name))
	}
	all = append(all, ada.Mention(r.lab, "", "create postgres four-db"))
	r.fake.Release(true)
	for _, d := range all {
		r.acked(d)
	}
	for _, name := range []string{"one-db", "two-db", "three-db", "four-db"} {
		r.sees(ada, r.lab, "Creating "+name)
	}
	r.Eventually("all is answered", func() bool {
		return chattest.One[int](r.MyDB, "select count(*) from inbox where answered_at is null") == 0
	})
	if n := chattest.One[int](r.MyDB, "select count(*) from operations"); n != 4 {
		t.Errorf("%d operations", n)
	}
	if n := chattest.One[int](r.MyDB, "select count(*) from chat_messages"); n != 4 {
		t.Errorf("%d messages", n)
	}
	if late := r.fake.Report(); late.Late+late.Missing != 0 {
		t.Errorf("unanswered: %+v", late)
	}
	r.kept()
}

// TestLostAcknowledgement is what happens when MyDB dies between keeping an event and acknowledging it: Slack sends it again, and does not
// always say that it does.
func TestLostAcknowledgement(t *testing.T) {
	r := everything(t)
	ada := r.person("ada", false)
	r.fake.HideRetries(true)
	r.fake.LoseAcks(1)
	d := ada.Mention(r.lab, "", "create postgres genomes")
	if res := r.acked(d); res.Attempts < 2 {
		t.Errorf("it came %d times", res.Attempts)
	}
	r.sees(ada, r.lab, "Creating genomes")
	if n := chattest.One[int](r.MyDB, "select count(*) from inbox"); n != 1 {
		t.Errorf("%d commands", n)
	}
	// The same command once more gets the first receipt, and only that.
	r.answered(ada, r.lab, "whoami", "You are ada")
	first := r.fake.Deliveries()
	again := r.acked(r.fake.Deliver(slackfake.Command, first[len(first)-1].Payload))
	for range 20 {
		if !strings.Contains(string(again.Answer), "MyDB did not accept this") { // on a slow machine
			break
		}
		again = r.acked(r.fake.Deliver(slackfake.Command, first[len(first)-1].Payload))
	}
	if !strings.Contains(string(again.Answer), "You are ada") || !strings.Contains(string(again.Answer), `"response_type":"ephemeral"`) {
		t.Errorf("it is answered with %s", again.Answer)
	}
	if n := chattest.One[int](r.MyDB, "select count(*) from inbox"); n != 2 {
		t.Errorf("%d commands", n)
	}
}

func TestConnectionIsReplaced(t *testing.T) {
	for name, breaks := range map[string]func(*slackfake.Fake){
		"dropped":  (*slackfake.Fake).Drop,
		"silent":   (*slackfake.Fake).Silence,
		"asked to": func(f *slackfake.Fake) { f.Refresh("") },
		"warned":   func(f *slackfake.Fake) { f.Refresh("warning") },
	} {
		t.Run(name, func(t *testing.T) {
			r := restless(t)
			ada := r.person("ada", false)
			r.answered(ada, r.lab, "whoami", "You are ada")
			opened := len(r.fake.Calls("apps.connections.open"))
			breaks(r.fake)
			said := ada.DM("list") // while nobody hears it
			r.until("a new connection", func() bool { return len(r.fake.Calls("apps.connections.open")) > opened && r.fake.Connections() == 1 })
			r.fake.Clock().Advance(4 * time.Second) // Slack sees that it was not acknowledged, and brings it again
			r.acked(said)
			r.sees(ada, ada.Direct(), "no databases yet")
			r.answered(ada, r.lab, "whoami", "You are ada")
			r.Eventually("it says so", r.adapter.Connected)
		})
	}
}

func TestSlackThatIsDown(t *testing.T) {
	r := newRig(t, quick).open().work()
	r.fake.RefuseConnections(true)
	r.Serve(r.adapter)
	r.until("it was tried twice", func() bool { return len(r.fake.Calls("apps.connections.open")) > 1 })
	if r.adapter.Connected() {
		t.Error("it says that it is connected")
	}
	r.fake.RefuseConnections(false)
	r.until("a connection", func() bool { return r.fake.Connections() == 1 })
	r.Eventually("it says so", r.adapter.Connected)
}

// TestProbe is about a process in which events stand still: it shows, although nobody has asked for anything.
func TestProbe(t *testing.T) {
	r := restless(t)
	r.Eventually("a probe is through", func() bool { return !r.adapter.Responsive().IsZero() })
	was := r.adapter.Responsive()
	r.fake.Clock().Advance(time.Hour)
	r.Eventually("another one is", func() bool { return r.adapter.Responsive().Sub(was) >= time.Hour })
	r.fake.Next("auth.test", slackfake.Fault{Status: 503}, slackfake.Fault{Status: 503})
	r.Eventually("operators read of it", func() bool { return strings.Contains(r.Log.String(), "Slack does not answer MyDB") })
}

func TestInvalidTokenEndsIt(t *testing.T) {
	r := newRig(t).open()
	r.options.AppToken = "xapp-revoked"
	a := r.another(r.options)
	ctx := r.Patient()
	if err := a.Run(ctx, r.Desk); err == nil || ctx.Err() != nil || !strings.Contains(err.Error(), "MYDB_SLACK_APP_TOKEN is not valid (any more)") {
		t.Errorf("it ended with %v", err)
	}
	if n := len(r.fake.Calls("apps.connections.open")); n != 1 {
		t.Errorf("it was tried %d times", n)
	}
}

// TestTwoProcesses are both connected; each event is taken by one of them, and when one ends, the other hears all.
func TestTwoProcesses(t *testing.T) {
	r := newRig(t).open().work()
	ada := r.person("ada", false)
	first, second := r.another(r.options), r.another(r.options)
	endFirst := r.Serve(first)
	r.Serve(second)
	r.until("both are connected", func() bool { return r.fake.Connections() == 2 })
	for range 4 {
		r.answered(ada, r.lab, "whoami", "You are ada")
	}
	if err := endFirst(); err != nil {
		t.Error(err)
	}
	if first.Connected() || !second.Connected() {
		t.Error("who is connected?")
	}
	r.until("one is gone", func() bool { return r.fake.Connections() == 1 })
	for range 2 {
		r.answered(ada, r.lab, "whoami", "You are ada")
	}
	if n := chattest.One[int](r.MyDB, "select count(*) from inbox"); n != 6 {
		t.Errorf("%d commands", n)
	}
}

// TestStopping acknowledges what was heard before, and ends although Slack is away.
func TestStopping(t *testing.T) {
	r := newRig(t).open()
	ada := r.person("ada", false)
	end := r.Serve(r.adapter)
	r.until("MyDB is connected", func() bool { return r.fake.Connections() > 0 })
	hold := make(chan struct{})
	r.fake.Next("conversations.info", slackfake.Fault{Hold: hold})
	d := ada.Command(r.lab, "/mydb", "whoami")
	r.Eventually("it was heard", func() bool { return !r.adapter.Health().Heard.IsZero() })
	stopped := make(chan error, 1)
	go func() { stopped <- end() }()
	close(hold)
	r.acked(d)
	if err := <-stopped; err != nil {
		t.Error(err)
	}
	r.fake.RefuseConnections(true)
	away := r.another(r.options)
	tried := len(r.fake.Calls("apps.connections.open"))
	end = r.Serve(away)
	r.until("it tries", func() bool { return len(r.fake.Calls("apps.connections.open")) > tried })
	if err := end(); err != nil {
		t.Errorf("without Slack: %v", err)
	}
	if _, err := slack.New(slack.Options{APIURL: "::"}); err == nil {
		t.Error("an address that is none is taken")
	}
}
