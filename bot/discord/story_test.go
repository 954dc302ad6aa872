package discord_test

import (
	"testing"

	"github.com/mydb-project/mydb/bot/chattest"
	"github.com/mydb-project/mydb/bot/discord/discordfake"
)

// TestCreateBySlash follows a database from the command to the password's button.
func TestCreateBySlash(t *testing.T) {
	r := everything(t)
	ada := r.linked("ada", false)
	i := r.slash(ada, r.lab, "create", map[string]any{"engine": "postgres", "name": "genomes", "description": "the *best* @everyone"})
	r.sees(ada, r.lab, "Creating genomes is about to begin")
	m := r.answer(i, "Accepted. A message in this channel")
	if !m.Ephemeral() || i.Acked() != 5 {
		t.Errorf("the receipt is for all, or was acknowledged with %d", i.Acked())
	}
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
	r.sees(ada, r.lab, "2 steps done")
	r.Finish(operation)
	r.sees(ada, r.lab, "genomes is ready")
	r.wants(r.sees(ada, ada.DM(), "has a password for you"), "[Show it once]")
	if n := len(ada.Sees(r.lab)); n != 2 { // the receipt, and one message that told all of it
		t.Errorf("%d messages", n)
	}
	if v := r.fake.Violations(); len(v) > 0 {
		t.Error(v)
	}
}

func TestAnswersAreForThePersonAlone(t *testing.T) {
	r := everything(t)
	ada := r.linked("ada", false)
	r.ready(ada, "genomes")
	for sub, c := range map[string]struct {
		options map[string]any
		says    string
	}{
		"list":   {nil, "You have 1 database"},
		"help":   {nil, "What you can write here"},
		"status": {map[string]any{"name": "genomes"}, "genomes is ready"},
		"whoami": {nil, "You are ada"},
		"report": {map[string]any{"name": "nothing"}, "You have no database"},
	} {
		m := r.answer(r.slash(ada, r.lab, sub, c.options), c.says)
		if !m.Ephemeral() {
			t.Errorf("%s is answered for all", sub)
		}
	}
	m := r.answer(ada.Slash(r.lab, "mydb-admin", "site", nil), "Only administrators")
	if !m.Ephemeral() {
		t.Error("a refusal is shown to all")
	}
}

func TestTypedCommands(t *testing.T) {
	r := everything(t)
	ada := r.linked("ada", false)
	say := func(c *discordfake.Channel, text string) {
		t.Helper()
		if _, err := ada.Says(c, text); err != nil {
			t.Fatal(err)
		}
	}
	say(r.lab, "is <@"+r.fake.AppID+"> a person?") // about MyDB, not to it
	say(r.lab, "create postgres unheard")
	say(ada.DM(), "whoami")
	r.sees(ada, ada.DM(), "You are ada")
	say(r.lab, "<@"+r.fake.AppID+"> create postgres genomes")
	r.sees(ada, r.lab, "Creating genomes")
	say(ada.DM(), "create postgres cohort")
	r.sees(ada, ada.DM(), "Creating cohort")
	say(ada.DM(), "create")
	r.sees(ada, ada.DM(), "create needs an engine and a name")
	if n := chattest.One[int](r.MyDB, "select count(*) from inbox"); n != 4 {
		t.Errorf("%d messages were taken as commands", n)
	}
}
