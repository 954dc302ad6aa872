package discord_test

import (
	"strings"
	"testing"

	"github.com/mydb-project/mydb/bot/chattest"
)

// TestRevealOnce looks for the password wherever it could have been left.
func TestRevealOnce(t *testing.T) {
	r := everything(t)
	ada, bob := r.linked("ada", false), r.linked("bob", true)
	i := r.ready(ada, "genomes")
	offer := r.sees(ada, ada.DM(), "has a password for you")
	shown := r.answer(r.press(ada, offer, "Show it once"), "user      genomes", "password  ")
	if !shown.Ephemeral() {
		t.Fatal("all can see it")
	}
	_, rest, _ := strings.Cut(shown.Content, "password  ")
	password, _, _ := strings.Cut(rest, "\n")
	if len(password) < 12 {
		t.Fatalf("the password is %q", password)
	}
	if saw := r.fake.Saw(password); len(saw) != 1 || saw[0].Method != "PATCH" || !strings.HasSuffix(saw[0].Path, "/messages/@original") {
		t.Errorf("it was sent in %v", saw)
	}
	// Once more within ten minutes; a click that comes twice is answered once.
	r.fake.DuplicateEvery(1)
	again := r.press(ada, offer, "Show it once")
	r.answer(again, password)
	r.fake.DuplicateEvery(0)
	r.answer(r.slash(ada, r.lab, "whoami", nil), "You are ada") // the copy had its time
	if saw := r.fake.Saw(password); len(saw) != 2 {
		t.Errorf("it was sent in %v", saw)
	}
	// Nobody else's click helps, not even an administrator's who could see the message.
	r.fake.Tamper(func(i map[string]any) { i["user"] = map[string]any{"id": bob.ID, "username": "bob"} })
	r.answer(r.press(ada, offer, "Show it once"), "Only ada, who owns genomes")
	// After its time, it is gone.
	r.Exec("update secrets set collected_at = now() - interval '1 hour' where kind = 'owner'")
	r.answer(r.press(ada, offer, "Show it once"), "MyDB keeps none")
	if saw := r.fake.Saw(password); len(saw) != 2 {
		t.Errorf("it was sent in %v", saw)
	}

	if strings.Contains(r.Log.String(), password) {
		t.Error("the password is in the log")
	}
	for _, table := range []string{"river_job", "audit", "chat_messages", "inbox", "notifications", "operations", "operation_steps", "instances"} {
		if n := chattest.One[int](r.MyDB, "select count(*) from "+table+" x where x::text like '%' || $1 || '%'", password); n != 0 {
			t.Errorf("the password is in %s", table)
		}
	}
	if n := chattest.One[int](r.MyDB, "select count(*) from audit where instance_id = $1 and door = 'discord' and action like 'credentials%'", i.ID); n == 0 {
		t.Error("nobody will know that it was shown")
	}
}

func TestRevealThatCannotBeShown(t *testing.T) {
	r := everything(t)
	ada := r.linked("ada", false)
	r.ready(ada, "genomes")
	offer := r.sees(ada, ada.DM(), "has a password for you")
	before := len(r.fake.Calls("PATCH", "@original")) // answers to what was written
	r.fake.Spoil(brokenAnswer)
	i := r.press(ada, offer, "Show it once")
	r.until("it was tried", func() bool { return len(r.fake.Calls("PATCH", "@original")) > before })
	r.answer(r.press(ada, offer, "Show it once"), "password  ")
	if n := len(i.Messages()); n != 0 {
		t.Errorf("the broken answer came in %d messages", n)
	}
	posted := r.fake.Calls("POST", "/messages")
	for _, c := range posted {
		if strings.Contains(string(c.Body), "password  ") {
			t.Errorf("it was posted in a channel: %s", c)
		}
	}
}

func TestRevealLink(t *testing.T) {
	r := everything(t)
	ada := r.linked("ada", false)
	r.ready(ada, "genomes")
	r.fake.FollowLinks(true)
	m := r.answer(r.press(ada, r.sees(ada, ada.DM(), "has a password for you"), "Get a link instead"), "https://mydb.example.org/links/")
	if !m.Ephemeral() {
		t.Error("all can see the link")
	}
	if p := r.fake.Previews(); len(p) > 0 {
		t.Errorf("Discord fetched %+v", p)
	}
}
