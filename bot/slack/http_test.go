package slack_test

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/mydb-project/mydb/bot/chattest"
	"github.com/mydb-project/mydb/bot/slack"
	"github.com/mydb-project/mydb/bot/slack/slackfake"
)

// served gives the address at which an adapter takes requests.
func (r *rig) served(a *slack.Adapter) string {
	mux := http.NewServeMux()
	for path, h := range a.Routes(r.Desk) {
		mux.Handle("POST "+path, h)
	}
	server := httptest.NewServer(mux)
	r.Cleanup(server.Close)
	return server.URL
}

// overHTTP is a MyDB to which events come as requests.
func overHTTP(t *testing.T) (r *rig, base string) {
	t.Helper()
	r = newRig(t)
	r.options.AppToken, r.options.SigningSecret = "", r.fake.SigningSecret()
	r.open().work()
	base = r.served(r.adapter)
	if err := r.fake.UseHTTP(r.Patient(), base); err != nil {
		t.Fatal(err)
	}
	r.Serve(r.adapter)
	r.Eventually("it runs", r.adapter.Connected)
	return r, base
}

func TestEventsOverHTTP(t *testing.T) {
	r, _ := overHTTP(t)
	ada, cleo := r.person("ada", false), r.person("cleo", true)
	r.answered(ada, r.lab, "whoami", "You are ada")
	r.types(ada, r.lab, "create")
	form := r.modal(ada, "New database")
	r.submits(ada, form, map[string]string{"engine": "postgres", "name": "1"})
	r.until("the mistake is shown", func() bool { v, _ := ada.Modal(); return v.Errors["name"] != "" })
	form, _ = ada.Modal()
	r.submits(ada, form, map[string]string{"name": "genomes"})
	r.sees(ada, r.lab, "Creating genomes")
	r.Finish(chattest.One[string](r.MyDB, "select id from operations"))
	r.acked(ada.Mention(r.lab, "", "list"))
	r.sees(ada, r.lab, "You have 1 database")
	offer := r.sees(ada, ada.Direct(), "has a password for you")
	r.press(ada, offer, "reveal")
	password := r.shownIn(ada)
	m := r.asks(ada, cleo, "genomes")
	r.press(cleo, m, "approve")
	r.settled(cleo, m, "Approved by cleo")
	if saw := r.carriers(password); len(saw) != 1 || saw[0] != "views.update" {
		t.Errorf("the password was sent in %v", saw)
	}
	if n := r.fake.Connections(); n != 0 {
		t.Errorf("%d connections", n)
	}
	r.kept()
}

func TestAttacksOverHTTP(t *testing.T) {
	r, base := overHTTP(t)
	ada := r.person("ada", false)
	r.answered(ada, r.lab, "whoami", "You are ada")
	var genuine slackfake.Request
	for _, q := range r.fake.Requests() {
		if q.Kind == slackfake.Command {
			genuine = q
		}
	}
	fresh := func() []byte {
		return append(bytes.Clone(genuine.Body), "&x="+url.QueryEscape(time.Now().Format(time.RFC3339Nano))...)
	}
	at := func(path string) string { return base + path }
	now := r.fake.Clock().Now()
	form := "application/x-www-form-urlencoded"
	for name, c := range map[string]struct {
		forgery slackfake.Forgery
		status  int
	}{
		"signed by somebody else": {slackfake.Forgery{URL: at(slack.CommandPath), Body: fresh(), Secret: "guess"}, http.StatusUnauthorized},
		"not signed": {slackfake.Forgery{URL: at(slack.CommandPath), Body: fresh(), Tamper: func(h http.Header) []byte {
			h.Del("X-Slack-Signature")
			return nil
		}}, http.StatusUnauthorized},
		"another body": {slackfake.Forgery{URL: at(slack.CommandPath), Body: fresh(), Tamper: func(http.Header) []byte {
			return append(fresh(), "&text=delete+genomes"...)
		}}, http.StatusUnauthorized},
		"another time": {slackfake.Forgery{URL: at(slack.CommandPath), Body: fresh(), Tamper: func(h http.Header) []byte {
			h.Set("X-Slack-Request-Timestamp", "noon")
			return nil
		}}, http.StatusUnauthorized},
		"signed six minutes ago": {slackfake.Forgery{URL: at(slack.CommandPath), Body: fresh(), At: now.Add(-6 * time.Minute)}, http.StatusUnauthorized},
		"signed in the future":   {slackfake.Forgery{URL: at(slack.CommandPath), Body: fresh(), At: now.Add(6 * time.Minute)}, http.StatusUnauthorized},
		"two megabytes":          {slackfake.Forgery{URL: at(slack.CommandPath), Body: bytes.Repeat([]byte("x"), 2<<20)}, http.StatusRequestEntityTooLarge},
		"nothing":                {slackfake.Forgery{URL: at(slack.CommandPath), Body: []byte{}}, http.StatusBadRequest},
		"no form":                {slackfake.Forgery{URL: at(slack.CommandPath), Body: []byte("%zz"), ContentType: form}, http.StatusBadRequest},
		"no interaction":         {slackfake.Forgery{URL: at(slack.InteractionPath), Body: []byte("payload=%7B")}, http.StatusBadRequest},
		"nobody's interaction":   {slackfake.Forgery{URL: at(slack.InteractionPath), Body: []byte("payload=%7B%7D")}, http.StatusBadRequest},
		"no event":               {slackfake.Forgery{URL: at(slack.EventPath), Body: []byte("["), ContentType: "application/json"}, http.StatusBadRequest},
		"an unknown event":       {slackfake.Forgery{URL: at(slack.EventPath), Body: []byte(`{"type":"event_callback","event":{"type":"no_such_thing"}}`), ContentType: "application/json"}, http.StatusBadRequest},
		"a command as an event":  {slackfake.Forgery{URL: at(slack.EventPath), Body: fresh()}, http.StatusBadRequest},
		"an event as a command":  {slackfake.Forgery{URL: at(slack.CommandPath), Body: []byte(`{"type":"event_callback","event":{}}`)}, http.StatusBadRequest},
	} {
		if status, body, err := r.fake.Attack(t.Context(), c.forgery); err != nil || status != c.status {
			t.Errorf("%s: %d %s, %v", name, status, body, err)
		}
	}
	if status, body, err := r.fake.Replay(t.Context(), genuine); err != nil || status != http.StatusUnauthorized {
		t.Errorf("a replay: %d %s, %v", status, body, err)
	}
	if n := chattest.One[int](r.MyDB, "select count(*) from inbox"); n != 1 {
		t.Errorf("%d events were taken", n)
	}
	// Another process knows nothing of the replay, but the inbox does, and who sent it learns nothing.
	genuine.URL = r.served(r.another(r.options)) + slack.CommandPath
	if status, body, err := r.fake.Replay(t.Context(), genuine); err != nil || status != http.StatusOK || len(body) != 0 {
		t.Errorf("a replay elsewhere: %d %s, %v", status, body, err)
	}
	if n := chattest.One[int](r.MyDB, "select count(*) from chat_messages"); n != 1 {
		t.Errorf("it was answered %d times", n)
	}
}

// TestOddInteractions are those that Slack would not make, or that are of another version of MyDB.
func TestOddInteractions(t *testing.T) {
	r := everything(t)
	ada := r.person("ada", false)
	r.ready(ada, "genomes")
	offer := r.sees(ada, ada.Direct(), "has a password for you")
	odd := func(action, value, trigger string) {
		r.acked(r.fake.Deliver(slackfake.Interaction, map[string]any{
			"type": "block_actions", "team": map[string]any{"id": r.fake.Team()}, "user": map[string]any{"id": ada.ID(), "name": "ada", "team_id": r.fake.Team()},
			"container":  map[string]any{"type": "message", "message_ts": offer.TS, "channel_id": ada.Direct().ID()},
			"actions":    []map[string]any{{"type": "button", "action_id": action, "value": value, "action_ts": action, "block_id": "b"}},
			"trigger_id": trigger,
		}))
	}
	for _, action := range []string{"explode", "create_all", strings.Repeat("x", 255), "later"} {
		odd(action, "1", "")
	}
	r.Eventually("all are refused", func() bool {
		return chattest.One[int](r.MyDB, "select count(*) from inbox where kind = 'click' and answer->>'text' like '%none of MyDB''s, or of another version%'") == 4
	})
	odd("undelete", "nothing", "")
	odd("approve", "nothing", "")
	odd("confirm", "00ff", "")
	r.sees(ada, ada.Direct(), "confirmed already, or its ten minutes are over")
	odd("deny", "nothing", "4711.1.expired") // whose form Slack does not open
	odd("reveal", "nothing", r.trigger(ada))
	r.until("there is nothing to show", func() bool {
		v, _ := ada.Modal()
		return strings.Contains(strings.Join(v.Shown(), " "), "no database")
	})
	for _, payload := range []any{
		map[string]any{"type": "view_submission", "user": map[string]any{"id": ada.ID()}, "view": map[string]any{"id": "V1", "private_metadata": "no JSON"}},
		map[string]any{"type": "block_actions", "user": map[string]any{"id": ada.ID()}},
		map[string]any{"type": "shortcut"},
		map[string]any{},
	} {
		r.acked(r.fake.Deliver(slackfake.Interaction, payload))
	}
	r.answered(ada, r.lab, "whoami", "You are ada")
}
