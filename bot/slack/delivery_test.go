package slack_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/mydb-project/mydb/bot/chattest"
	"github.com/mydb-project/mydb/bot/slack/slackfake"
	"github.com/mydb-project/mydb/core"
)

func TestClosedAccountIsToldByMail(t *testing.T) {
	r := everything(t)
	ada := r.person("ada", false)
	operation, _ := r.created(ada, "genomes")
	r.fake.Next("conversations.open", slackfake.Fault{Error: "user_disabled"})
	r.Finish(operation)
	r.Eventually("a mail instead", func() bool {
		return chattest.One[int](r.MyDB, "select count(*) from notifications where kind = 'undelivered' and address = 'ada@example.com'") == 1
	})
	if last := chattest.One[string](r.MyDB, "select last_error from chat_messages where state = 'failed'"); !strings.Contains(last, "user_disabled") {
		t.Errorf("administrators read %q", last)
	}
}

// TestChannelWithoutMyDB is about commands, which can be given where MyDB was not invited.
func TestChannelWithoutMyDB(t *testing.T) {
	r := everything(t)
	ada := r.person("ada", false)
	r.lab.Invite(false)
	r.types(ada, r.lab, "create postgres genomes")
	r.sees(ada, ada.Direct(), "Creating genomes")
	closed := r.fake.AddChannel(slackfake.Room{Name: "closed", Private: true, WithoutBot: true, Members: []*slackfake.User{ada}})
	r.answered(ada, closed, "list", "You have 1 database")
	r.types(ada, closed, "create postgres cohort")
	r.sees(ada, ada.Direct(), "Creating cohort")
	r.kept()
}

func TestTooOftenWaits(t *testing.T) {
	r := everything(t)
	ada := r.person("ada", false)
	r.fake.Next("chat.postMessage", slackfake.Fault{RateLimited: 2 * time.Second})
	r.types(ada, r.lab, "create postgres genomes")
	r.Eventually("it was refused", func() bool {
		return chattest.One[int](r.MyDB, "select count(*) from chat_messages where last_error <> ''") == 1
	})
	r.fake.Clock().Advance(2 * time.Second)
	r.sees(ada, r.lab, "Creating genomes")
	posts := r.fake.Calls("chat.postMessage")
	if len(posts) != 2 || posts[1].At.Sub(posts[0].At) < 2*time.Second {
		t.Errorf("it was tried as often as %d", len(posts))
	}
}

// TestWithinSlacksRates does much at once under the limits of the real service, by the real clock.
func TestWithinSlacksRates(t *testing.T) {
	r := everything(t, func(o *slackfake.Options) {
		o.Rates, o.Clock = slackfake.Rates{Every: 2, Burst: 2}, slackfake.NewClock()
	})
	ada := r.person("ada", false)
	for _, name := range []string{"one-db", "two-db", "three-db", "four-db"} {
		r.types(ada, r.lab, "create postgres "+name)
	}
	for _, name := range []string{"one-db", "two-db", "three-db", "four-db"} {
		r.sees(ada, r.lab, "Creating "+name)
	}
	if n := len(ada.Sees(r.lab)); n != 4 {
		t.Errorf("%d messages", n)
	}
}

func TestWhatSlackSays(t *testing.T) {
	r := newRig(t)
	a := r.another(r.options)
	post := func(channel string) *core.ChatError {
		t.Helper()
		_, err := a.Post(t.Context(), channel, "", "tag", core.Card{Text: "hello"})
		var said *core.ChatError
		if !errors.As(err, &said) {
			said = &core.ChatError{Err: err}
		}
		return said
	}
	if e := post("C4711"); !e.Refused {
		t.Errorf("an unknown channel: %v", e)
	}
	for code, refused := range map[string]bool{
		"not_in_channel": true, "is_archived": true, "restricted_action": true, "invalid_blocks": true, "internal_error": false, "fatal_error": false,
	} {
		r.fake.Next("chat.postMessage", slackfake.Fault{Error: code})
		if e := post(r.lab.ID()); e.Refused != refused || e.After != 0 {
			t.Errorf("%s: %+v", code, e)
		}
	}
	r.fake.Next("chat.postMessage", slackfake.Fault{Status: http.StatusServiceUnavailable})
	if e := post(r.lab.ID()); e.Refused || e.After != 0 {
		t.Errorf("a fault of Slack's: %v", e)
	}
	r.fake.Next("chat.postMessage", slackfake.Fault{LoseAnswer: true})
	if e := post(r.lab.ID()); e.Refused || e.After != 0 || strings.Contains(e.Error(), "http://") {
		t.Errorf("a cut connection: %v", e)
	}
	r.fake.Next("chat.postMessage", slackfake.Fault{RateLimited: time.Hour})
	if e := post(r.lab.ID()); e.After < 59*time.Minute {
		t.Errorf("too often: %v, %s", e, e.After)
	}
	// Now nothing of that kind goes to Slack.
	calls := len(r.fake.Calls())
	if e := post(r.lab.ID()); e.After <= 0 || len(r.fake.Calls()) != calls {
		t.Errorf("a limit was not kept: %v", e)
	}
	if e := post(r.office.ID()); e.Err != nil {
		t.Errorf("another channel has to wait, too: %v", e)
	}
	r.options.BotToken = "xoxb-another"
	_, err := r.another(r.options).Post(t.Context(), r.lab.ID(), "", "tag", core.Card{Text: "x"})
	var said *core.ChatError
	if !errors.As(err, &said) || said.Refused || said.After == 0 || strings.Contains(err.Error(), "xoxb-another") {
		t.Errorf("a wrong token: %v", err)
	}
	if strings.Contains(r.Log.String(), "xoxb-another") || !strings.Contains(r.Log.String(), "make a new one on the app's pages") {
		t.Error("operators are not told, or are told the token")
	}
}

// TestNothingIsSaidTwice kills MyDB between Slack's taking a message and MyDB's knowing it.
func TestNothingIsSaidTwice(t *testing.T) {
	r := newRig(t)
	card := core.Card{Title: "Creating genomes", Text: "It is on its way."}
	const tag = "d0c1u2v3w4x5y6z7a8b9"
	began := r.fake.Clock().Now()
	ada := r.fake.AddUser(slackfake.Profile{Name: "ada"})
	r.lab.Join(ada)
	root, _ := ada.Say(r.lab, "", "a thread")
	for _, thread := range []string{"", root.TS} {
		r.fake.Next("chat.postMessage", slackfake.Fault{LoseAnswer: true})
		if id, err := r.another(r.options).Post(t.Context(), r.lab.ID(), thread, tag, card); err == nil {
			t.Fatalf("the answer arrived: %s", id)
		}
		for range 250 { // people have talked since
			ada.Say(r.lab, thread, tag+" is what I was told")
		}
		next := r.another(r.options)
		id, found, err := next.Find(t.Context(), r.lab.ID(), thread, tag, began)
		if err != nil || !found {
			t.Fatalf("in the thread %q: found %q, %v, %v", thread, id, found, err)
		}
		if _, found, err := next.Find(t.Context(), r.lab.ID(), thread, "e0c1u2v3w4x5y6z7a8b9", began); err != nil || found {
			t.Errorf("found what is not there: %v", err)
		}
		if err := next.Update(t.Context(), r.lab.ID(), id, core.Card{Text: "Ready."}); err != nil {
			t.Fatal(err)
		}
		if _, found, err := next.Find(t.Context(), r.lab.ID(), thread, tag, began); err != nil || !found {
			t.Errorf("it is not found any more once it was changed: %v", err)
		}
	}
	r.kept()
}

// TestCrashBetweenPostAndStore is the same, through the worker.
func TestCrashBetweenPostAndStore(t *testing.T) {
	r := everything(t)
	ada := r.person("ada", false)
	r.fake.Next("chat.postMessage", slackfake.Fault{LoseAnswer: true})
	r.types(ada, r.lab, "create postgres genomes")
	r.Eventually("the message is known", func() bool {
		return chattest.One[int](r.MyDB, "select count(*) from chat_messages where posted <> ''") == 1
	})
	if n := len(ada.Sees(r.lab)); n != 1 {
		t.Errorf("%d messages", n)
	}
}

// TestPrivateAnswersThatComeTooLate is about the address that comes with a command: it works five times, within half an hour.
func TestPrivateAnswersThatComeTooLate(t *testing.T) {
	r := everything(t)
	ada := r.person("ada", false)
	r.fake.Next("response_url", slackfake.Fault{Status: http.StatusNotFound})
	r.types(ada, r.lab, "whoami")
	r.sees(ada, ada.Direct(), "You are ada")
	// Nothing is sent to addresses that are not Slack's.
	for _, where := range []string{`{"url":"http://127.0.0.1:1/x","at":"` + r.fake.Clock().Now().Format(time.RFC3339) + `"}`, "no JSON", "{}"} {
		err := r.adapter.Whisper(t.Context(), where, core.Card{Text: "x"})
		var said *core.ChatError
		if !errors.As(err, &said) || !said.Refused {
			t.Errorf("%s: %v", where, err)
		}
	}
}

func TestSlowCatalogueAcceptsNothing(t *testing.T) {
	r := everything(t)
	ada := r.person("ada", false)
	r.answered(ada, r.lab, "whoami", "You are ada")
	r.types(ada, r.lab, "create")
	form := r.modal(ada, "New database")
	tx, err := r.DB.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(t.Context(), "lock table inbox in access exclusive mode"); err != nil {
		t.Fatal(err)
	}
	if res := r.acked(ada.Command(r.lab, "/mydb", "create postgres genomes")); !strings.Contains(string(res.Answer), "Nothing was done. Try again") {
		t.Errorf("it is answered with %s", res.Answer)
	}
	r.acked(ada.Submit(form, map[string]string{"engine": "postgres", "name": "genomes"}))
	r.until("the form says so", func() bool {
		v, _ := ada.Modal()
		for _, says := range v.Errors {
			return strings.Contains(says, "Nothing was done. Try again")
		}
		return false
	})
	said := ada.DM("whoami") // Slack brings it again
	r.Eventually("it was tried", func() bool { return strings.Contains(r.Log.String(), "Slack brings it again") })
	if err := tx.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := chattest.One[int](r.MyDB, "select count(*) from inbox"); n != 1 {
		t.Errorf("%d events were kept", n)
	}
	r.acked(said)
	r.sees(ada, ada.Direct(), "You are ada")
}

func TestPicture(t *testing.T) {
	r := everything(t)
	ada := r.person("ada", false)
	picture := []byte("\x89PNG\r\n\x1a\n picture")
	if _, err := r.adapter.Post(t.Context(), r.lab.ID(), "", "tag", core.Card{Title: "How genomes was doing", Text: "well", Image: picture}); err != nil {
		t.Fatal(err)
	}
	m := r.sees(ada, r.lab, "How genomes was doing")
	r.until("the chart is there", func() bool {
		for _, m = range ada.Sees(r.lab) {
			if len(m.Files) == 1 {
				return true
			}
		}
		return false
	})
	if f := m.Files[0]; f.Name != "chart.png" || f.Type != "image/png" || string(f.Content) != string(picture) || !strings.Contains(f.Alt, "genomes") {
		t.Errorf("the chart is %+v", f)
	}
	// Without one, the words are there all the same.
	r.fake.Next("files.getUploadURLExternal", slackfake.Fault{Error: "internal_error"})
	if _, err := r.adapter.Post(t.Context(), r.lab.ID(), "", "tag", core.Card{Title: "Once more", Image: picture}); err != nil {
		t.Fatal(err)
	}
	r.sees(ada, r.lab, "Once more")
	// A private answer holds no picture: it is told directly.
	r.ready(ada, "genomes")
	i := chattest.One[string](r.MyDB, "select id from instances")
	for n := range 3 {
		r.Exec("insert into samples (instance_id, at, up, bytes, connections) values ($1, now() - $2::int * interval '1 hour', true, 1000000, 3)", i, n)
	}
	r.types(ada, r.lab, "stats genomes")
	r.until("ada has the chart", func() bool {
		for _, m := range ada.Directs() {
			if len(m.Files) == 1 {
				return true
			}
		}
		return false
	})
	r.sees(ada, r.lab, "in your direct messages")
	r.kept()
}
