package slack_test

import (
	"strings"
	"testing"

	"github.com/mydb-project/mydb/bot/chattest"
	"github.com/mydb-project/mydb/bot/slack/slackfake"
	"github.com/mydb-project/mydb/core"
	"github.com/mydb-project/mydb/core/coretest"
)

func TestWhomMyDBDoesNotWorkFor(t *testing.T) {
	r := everything(t)
	coretest.Actor(t, r.Service, "ada", false)
	for name, c := range map[string]struct {
		profile slackfake.Profile
		says    string
	}{
		"a person":          {slackfake.Profile{Email: "Ada@Example.com", EmailConfirmed: true}, "You are ada"},
		"not confirmed":     {slackfake.Profile{Email: "ada@example.com"}, "write: link <code>"},
		"no address":        {slackfake.Profile{}, "write: link <code>"},
		"an unknown one":    {slackfake.Profile{Email: "eve@example.com", EmailConfirmed: true}, "No single person here has the mail address eve@example.com"},
		"a guest":           {slackfake.Profile{Email: "ada@example.com", EmailConfirmed: true, Guest: true}, "Guests cannot use MyDB"},
		"a channel's guest": {slackfake.Profile{Email: "ada@example.com", EmailConfirmed: true, ChannelGuest: true}, "Guests cannot use MyDB"},
	} {
		c.profile.Name = strings.ReplaceAll(name, " ", "-")
		r.answered(r.stranger(c.profile), r.lab, "whoami", c.says)
	}
	r.kept()
}

// TestPeopleOfOtherOrganisations is about a channel that is shared by Slack Connect.
func TestPeopleOfOtherOrganisations(t *testing.T) {
	r := everything(t)
	ada := r.person("ada", false)
	shared := r.fake.AddChannel(slackfake.Room{Name: "consortium", SharedWith: []string{"T0OTHER"}})
	mallory := r.fake.AddUser(slackfake.Profile{Name: "ada", Email: "ada@example.com", EmailConfirmed: true, TeamID: "T0OTHER"})
	shared.Join(ada)
	shared.Join(mallory)
	r.acked(mallory.Mention(shared, "", "list"))
	if m := r.sees(mallory, shared, "its own organisation only"); m.EphemeralTo != mallory.ID() {
		t.Error("all can see it")
	}
	// What ada does there is between her and MyDB, although work is told to all in other channels.
	r.types(ada, shared, "create postgres genomes")
	r.sees(ada, ada.Direct(), "Creating genomes")
	r.acked(ada.Mention(shared, "", "create postgres cohort"))
	r.sees(ada, ada.Direct(), "Creating cohort")
	for _, m := range mallory.Sees(shared) {
		if strings.Contains(m.Shown(), "Creating") {
			t.Errorf("others read %s", m.Shown())
		}
	}
	// A button that somebody of another team presses.
	r.Finish(chattest.One[string](r.MyDB, "select o.id from operations o join instances i on i.id = o.instance_id where i.name = 'genomes'"))
	offer := r.sees(ada, ada.Direct(), "has a password for you")
	reveal, _ := offer.Button("reveal")
	r.acked(r.fake.Deliver(slackfake.Interaction, map[string]any{
		"type": "block_actions", "team": map[string]any{"id": "T0OTHER"}, "user": map[string]any{"id": mallory.ID(), "name": "ada", "team_id": "T0OTHER"},
		"container": map[string]any{"type": "message", "message_ts": offer.TS, "channel_id": shared.ID()}, "channel": map[string]any{"id": shared.ID()},
		"actions":    []map[string]any{{"type": "button", "action_id": "undelete", "value": reveal.Value, "action_ts": "1.1", "block_id": "b"}},
		"trigger_id": "1.1.x", "response_url": "https://evil.example.org/collect",
	}))
	r.Eventually("the click is refused", func() bool {
		return chattest.One[int](r.MyDB, "select count(*) from inbox where kind = 'click' and answer->>'text' like '%its own organisation only%'") == 1
	})
	r.kept()
}

// TestWhatIsNotSaidToMyDB is what MyDB hears and must not take for a command.
func TestWhatIsNotSaidToMyDB(t *testing.T) {
	r := everything(t)
	ada := r.person("ada", false)
	robot := r.stranger(slackfake.Profile{Name: "robot", Bot: true})
	r.acked(robot.Mention(r.lab, "", "create postgres robots"))
	_, d := ada.Say(r.lab, "", "is <@"+slackfake.BotUserID+"> a person?")
	r.acked(d)
	if _, d := ada.Say(r.lab, "", "create postgres unheard"); d != nil {
		t.Error("MyDB hears what is said between people")
	}
	ada.DM("whoami")
	r.sees(ada, ada.Direct(), "You are ada")
	// Every message that MyDB sends directly, it hears itself.
	r.until("its own messages were heard", func() bool {
		n := 0
		for _, d := range r.fake.Deliveries() {
			if d.Kind == slackfake.Event && strings.Contains(string(d.Payload), slackfake.BotID) {
				n++
			}
		}
		return n > 0
	})
	r.answered(ada, r.lab, "whoami", "You are ada")
	if n := chattest.One[int](r.MyDB, "select count(*) from inbox"); n != 2 {
		t.Errorf("%d things were taken for commands", n)
	}
}

// TestAccountThatChanges is about somebody whom MyDB knew: after a quarter of an hour, Slack is asked again.
func TestAccountThatChanges(t *testing.T) {
	r := everything(t)
	ada := r.person("ada", false)
	r.answered(ada, r.lab, "whoami", "You are ada")
	ada.Change(func(p *slackfake.Profile) { p.Guest = true })
	r.Exec("update chat_identities set checked_at = now() - interval '16 minutes'")
	r.answered(ada, r.lab, "whoami", "Guests cannot use MyDB")
}

func TestLinkByCode(t *testing.T) {
	r := everything(t)
	eve := r.stranger(slackfake.Profile{Name: "eve"})
	ada := coretest.Actor(t, r.Service, "ada", false)
	ada.Scope = core.ScopeAdmin // logged in to the portal
	code, err := r.Service.MakeLinkCode(t.Context(), core.Request{Actor: ada, Door: core.DoorPortal})
	if err != nil {
		t.Fatal(err)
	}
	r.answered(eve, r.lab, "link ABCD-2345", "wrong, used or older")
	offer := r.answered(eve, r.lab, "link "+code.Code, "You are eve on Slack", "written by ada")
	r.press(eve, offer, "confirm")
	r.sees(eve, r.lab, "done as ada")
	r.answered(eve, r.lab, "whoami", "You are ada")
	if saw := r.fake.Leaks(code.Code); len(saw) != 0 {
		t.Errorf("the code was repeated: %v", saw)
	}
	r.answered(eve, r.lab, "unlink", "not take what you write here as yours")
	r.answered(eve, r.lab, "whoami", "does not know who you are")
	r.kept()
}
