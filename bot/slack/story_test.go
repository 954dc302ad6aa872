package slack_test

import (
	"strings"
	"testing"

	"github.com/mydb-project/mydb/bot/chattest"
	"github.com/mydb-project/mydb/bot/slack/slackfake"
)

// TestCreateByCommand follows a database from the command to the password's button.
func TestCreateByCommand(t *testing.T) {
	r := everything(t)
	ada := r.person("ada", false)
	if res := r.types(ada, r.lab, `create postgres genomes "the *best* <!channel>"`); len(res.Answer) > 0 {
		t.Errorf("the receipt says %s", res.Answer)
	}
	m := r.sees(ada, r.lab, "Creating genomes is about to begin")
	operation := chattest.One[string](r.MyDB, "select id from operations")
	if _, _, err := r.Service.Begin(t.Context(), operation); err != nil {
		t.Fatal(err)
	}
	for n, step := range []string{"find a place", "start the server"} {
		if err := r.Service.StartStep(t.Context(), operation, n, step); err != nil {
			t.Fatal(err)
		}
		r.sees(ada, r.lab, step)
		if err := r.Service.EndStep(t.Context(), operation, n, true, ""); err != nil {
			t.Fatal(err)
		}
	}
	r.Finish(operation)
	ready := r.sees(ada, r.lab, "genomes is ready", "db.example.org")
	if ready.TS != m.TS || ready.EphemeralTo != "" {
		t.Errorf("it is told in another message: %+v", ready)
	}
	offer := r.sees(ada, ada.Direct(), "has a password for you")
	if _, has := offer.Button("reveal"); !has {
		t.Errorf("the buttons are %v", offer.Buttons())
	}
	if n := len(ada.Sees(r.lab)); n != 1 {
		t.Errorf("%d messages in the channel", n)
	}
	r.until("the steps are in the thread", func() bool {
		thread := ada.Thread(r.lab, m.TS)
		return len(thread) == 2 && strings.Contains(thread[1].Shown(), "start the server")
	})
	r.kept()
}

func TestAnswersAreForThePersonAlone(t *testing.T) {
	r := everything(t)
	ada := r.person("ada", false)
	r.ready(ada, "genomes")
	r.sees(ada, r.lab, "genomes is ready")
	for command, says := range map[string]string{
		"list": "You have 1 database", "help": "What you can write here", "status genomes": "genomes is ready", "whoami": "You are ada",
		"report nothing": "You have no database", "site": "Only administrators", "lst": "list",
	} {
		r.answered(ada, r.lab, command, says)
	}
	// Whoever has one of these can write as MyDB, or to ada.
	for _, secret := range []string{r.fake.BotToken(), r.fake.AppToken(), "/response/"} {
		r.nowhere(secret)
	}
	r.kept()
}

// TestMentions is about threads, in which Slack knows no commands, and about direct messages.
func TestMentions(t *testing.T) {
	r := everything(t)
	ada := r.person("ada", false)
	root, _ := ada.Say(r.lab, "", "we need a place for the genomes")
	r.acked(ada.Mention(r.lab, root.TS, "create postgres genomes"))
	m := r.sees(ada, r.lab, "Creating genomes")
	if m.ThreadTS != root.TS {
		t.Errorf("it is told in the thread %q", m.ThreadTS)
	}
	operation := chattest.One[string](r.MyDB, "select id from operations")
	r.Finish(operation)
	r.sees(ada, r.lab, "genomes is ready")
	r.acked(ada.Mention(r.lab, root.TS, "list"))
	if m := r.sees(ada, r.lab, "You have 1 database"); m.EphemeralTo != ada.ID() || m.ThreadTS != root.TS {
		t.Errorf("the list is for %q, in the thread %q", m.EphemeralTo, m.ThreadTS)
	}
	r.acked(ada.DM("create postgres cohort"))
	r.sees(ada, ada.Direct(), "Creating cohort")
	r.acked(ada.DM("create"))
	r.sees(ada, ada.Direct(), "create needs an engine and a name")
	r.kept()
}

func TestHealthDataIsToldDirectly(t *testing.T) {
	r := everything(t)
	ada := r.person("ada", false)
	r.types(ada, r.lab, "create postgres patients phi=yes")
	r.sees(ada, ada.Direct(), "Creating patients")
	for _, m := range ada.Sees(r.lab) {
		if m.EphemeralTo == "" {
			t.Errorf("all read %s", m.Shown())
		}
	}
	r.sees(ada, r.lab, "in your direct messages")
}

// TestPeopleWhoAreMentioned are those whom Slack knows, and MyDB by their mail address.
func TestPeopleWhoAreMentioned(t *testing.T) {
	r := everything(t)
	ada, bob := r.person("ada", false), r.person("bob", false)
	guest := r.stranger(slackfake.Profile{Name: "guest", Email: "bob@example.com", EmailConfirmed: true, Guest: true})
	r.ready(ada, "genomes")
	r.sees(ada, r.lab, "genomes is ready")
	r.answered(ada, r.lab, "share genomes with <@"+guest.ID()+"|bob>", guest.ID())
	r.types(ada, r.lab, "share genomes with <@"+bob.ID()+"|ada> read")
	r.sees(ada, r.lab, "Working on genomes: share")
	if n := chattest.One[int](r.MyDB, "select count(*) from operations o join instances i on i.id = o.instance_id where o.kind = 'share' and i.name = 'genomes'"); n != 1 {
		t.Errorf("%d shares", n)
	}
	r.kept()
}
