package slack_test

import (
	"strings"
	"testing"

	"github.com/mydb-project/mydb/bot/chattest"
	"github.com/mydb-project/mydb/bot/slack/slackfake"
)

// shownIn waits until a window shows a password, and gives it.
func (r *rig) shownIn(u *slackfake.User) string {
	r.Helper()
	var password string
	r.until("a password is shown", func() bool {
		v, _ := u.Modal()
		for n, text := range v.Shown() {
			if text == "Password" && n > 0 && n+1 < len(v.Shown()) {
				password = v.Shown()[n+1]
			}
		}
		return password != ""
	})
	if len(password) < 12 {
		r.Fatalf("the password is %q", password)
	}
	return password
}

// carriers are the methods of the calls in which something stands.
func (r *rig) carriers(secret string) (methods []string) {
	for _, c := range r.fake.Leaks(secret) {
		methods = append(methods, c.Method)
	}
	return methods
}

// TestRevealOnce looks for the password wherever it could have been left.
func TestRevealOnce(t *testing.T) {
	r := everything(t)
	ada, bob := r.person("ada", false), r.person("bob", true)
	i := r.ready(ada, "genomes")
	offer := r.sees(ada, ada.Direct(), "has a password for you")
	r.press(ada, offer, "reveal")
	password := r.shownIn(ada)
	if saw := strings.Join(r.carriers(password), " "); saw != "views.update" {
		t.Errorf("it was sent in %s", saw)
	}
	// Once more within ten minutes; a click that comes twice is answered once.
	v, _ := ada.Modal()
	ada.Dismiss(v)
	r.fake.DuplicateNext(1)
	r.press(ada, offer, "reveal")
	r.shownIn(ada)
	r.answered(ada, r.lab, "whoami", "You are ada") // the copy had its time
	if saw := strings.Join(r.carriers(password), " "); saw != "views.update views.update" {
		t.Errorf("it was sent in %s", saw)
	}
	// Nobody else's click helps, not even an administrator's who could see the message.
	reveal, _ := offer.Button("reveal")
	r.acked(r.fake.Deliver(slackfake.Interaction, map[string]any{
		"type": "block_actions", "team": map[string]any{"id": r.fake.Team()}, "user": map[string]any{"id": bob.ID(), "name": "bob", "team_id": r.fake.Team()},
		"container":  map[string]any{"type": "message", "message_ts": offer.TS, "channel_id": ada.Direct().ID()},
		"actions":    []map[string]any{{"type": "button", "action_id": "reveal", "value": reveal.Value, "action_ts": "2.1", "block_id": "b"}},
		"trigger_id": r.trigger(bob),
	}))
	r.until("bob is refused", func() bool {
		v, _ := bob.Modal()
		return strings.Contains(strings.Join(v.Shown(), " "), "Only ada, who owns genomes")
	})
	// After its time, it is gone.
	v, _ = ada.Modal()
	ada.Dismiss(v)
	r.Exec("update secrets set collected_at = now() - interval '1 hour' where kind = 'owner'")
	r.press(ada, offer, "reveal")
	r.until("it is gone", func() bool {
		v, _ := ada.Modal()
		return strings.Contains(strings.Join(v.Shown(), " "), "MyDB keeps none")
	})
	if saw := r.carriers(password); len(saw) != 2 {
		t.Errorf("it was sent in %v", saw)
	}
	r.nowhere(password)
	if n := chattest.One[int](r.MyDB, "select count(*) from audit where instance_id = $1 and door = 'slack' and action like 'credentials%'", i.ID); n == 0 {
		t.Error("nobody will know that it was shown")
	}
	r.kept()
}

// trigger gives a trigger of somebody's: it comes with all that they do.
func (r *rig) trigger(u *slackfake.User) string {
	r.Helper()
	r.fake.Hold()
	d := u.Command(r.lab, "/mydb", "whoami")
	defer r.fake.Release(false)
	_, rest, _ := strings.Cut(string(d.Payload), `"trigger_id":"`)
	id, _, _ := strings.Cut(rest, `"`)
	return id
}

// nowhere fails the test when a secret is in the log or in a table.
func (r *rig) nowhere(secret string) {
	r.Helper()
	if strings.Contains(r.Log.String(), secret) {
		r.Error("the secret is in the log")
	}
	for _, table := range []string{"river_job", "audit", "chat_messages", "inbox", "notifications", "operations", "operation_steps", "instances"} {
		if n := chattest.One[int](r.MyDB, "select count(*) from "+table+" x where x::text like '%' || $1 || '%'", secret); n != 0 {
			r.Errorf("the secret is in %s", table)
		}
	}
}

func TestRevealThatCannotBeShown(t *testing.T) {
	r := everything(t)
	ada := r.person("ada", false)
	r.ready(ada, "genomes")
	offer := r.sees(ada, ada.Direct(), "has a password for you")
	r.fake.Next("views.open", slackfake.Fault{Error: "expired_trigger_id"})
	r.press(ada, offer, "reveal")
	r.sees(ada, ada.Direct(), "nothing was shown. Press the button once more")
	r.fake.Next("views.update", slackfake.Fault{Status: 503})
	r.press(ada, offer, "reveal")
	r.sees(ada, ada.Direct(), "that works for ten minutes")
	v, _ := ada.Modal()
	ada.Dismiss(v)
	r.press(ada, offer, "reveal")
	password := r.shownIn(ada)
	for _, m := range ada.Directs() {
		if strings.Contains(m.Shown(), password) {
			t.Errorf("it was written: %s", m.Shown())
		}
	}
	for _, method := range r.carriers(password) {
		if method != "views.update" {
			t.Errorf("it was sent in %s", method)
		}
	}
}

func TestRevealLink(t *testing.T) {
	r := everything(t)
	ada := r.person("ada", false)
	r.ready(ada, "genomes")
	offer := r.sees(ada, ada.Direct(), "has a password for you")
	r.fake.DuplicateNext(1)
	r.press(ada, offer, "reveal_link")
	m := r.sees(ada, ada.Direct(), "the portal shows it once")
	if links := m.Links(); m.EphemeralTo != ada.ID() || len(links) != 1 || !strings.HasPrefix(links[0], "https://mydb.example.org/links/") {
		t.Errorf("the link is for %q: %v", m.EphemeralTo, links)
	}
	for _, c := range r.fake.Calls("response_url") {
		if strings.Contains(string(c.Body), `"unfurl_links":true`) || !strings.Contains(string(c.Body), `"unfurl_links":false`) {
			t.Errorf("Slack is asked for a preview: %s", c.Body)
		}
	}
	r.kept()
}
