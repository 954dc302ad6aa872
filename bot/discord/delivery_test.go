package discord_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/mydb-project/mydb/bot/chattest"
	"github.com/mydb-project/mydb/bot/discord/discordfake"
	"github.com/mydb-project/mydb/core"
)

func TestClosedDirectMessagesAreToldByMail(t *testing.T) {
	r := everything(t)
	ada := r.linked("ada", false)
	ada.CloseDMs(true)
	r.ready(ada, "genomes")
	r.Eventually("a mail instead", func() bool {
		return chattest.One[int](r.MyDB, "select count(*) from notifications where kind = 'undelivered' and address = 'ada@example.com'") == 1
	})
	if state := chattest.One[string](r.MyDB, "select state || ' ' || last_error from chat_messages where state = 'failed'"); !strings.Contains(state, "Cannot send messages to this user") {
		t.Errorf("administrators read %q", state)
	}
}

func TestSilencedChannelIsToldDirectly(t *testing.T) {
	r := everything(t)
	ada := r.linked("ada", false)
	r.lab.Mute(true)
	i := r.slash(ada, r.lab, "create", map[string]any{"engine": "postgres", "name": "genomes"})
	r.sees(ada, ada.DM(), "Creating genomes")
	r.answer(i, "A direct message tells you")
	r.lab.ShutOut(true)
	r.answer(r.slash(ada, r.lab, "create", map[string]any{"engine": "postgres", "name": "cohort"}), "A direct message tells you")
}

func TestTooOftenWaits(t *testing.T) {
	r := everything(t)
	ada := r.linked("ada", false)
	r.fake.Spoil(discordfake.Fault{Method: http.MethodPost, Path: "/channels/" + r.lab.ID + "/messages", Status: http.StatusTooManyRequests, RetryAfter: 1500 * time.Millisecond})
	began := time.Now()
	r.slash(ada, r.lab, "create", map[string]any{"engine": "postgres", "name": "genomes"})
	r.sees(ada, r.lab, "Creating genomes")
	if waited := time.Since(began); waited < 1500*time.Millisecond {
		t.Errorf("it was posted after %s", waited)
	}
	if posts := r.fake.Calls("POST /channels/" + r.lab.ID); len(posts) != 2 {
		t.Errorf("it was tried as often as %v", posts)
	}
}

func TestWhatDiscordSays(t *testing.T) {
	r := newRig(t)
	a := r.another(r.options)
	card := core.Card{Text: "hello"}
	post := func(channel string) *core.ChatError {
		t.Helper()
		_, err := a.Post(t.Context(), channel, "", "tag", card)
		var said *core.ChatError
		if !errors.As(err, &said) {
			said = &core.ChatError{Err: err}
		}
		return said
	}
	if e := post("4711"); !e.Refused {
		t.Errorf("an unknown channel: %v", e)
	}
	r.lab.ShutOut(true)
	if e := post(r.lab.ID); !e.Refused {
		t.Errorf("a channel that the bot does not see: %v", e)
	}
	r.office.Mute(true)
	if e := post(r.office.ID); !e.Refused {
		t.Errorf("a channel in which it may not write: %v", e)
	}
	r.office.Mute(false)
	r.fake.Spoil(discordfake.Fault{Status: http.StatusInternalServerError})
	if e := post(r.office.ID); e.Refused || e.After != 0 {
		t.Errorf("a fault of Discord's: %v", e)
	}
	r.fake.Spoil(discordfake.Fault{Cut: true})
	if e := post(r.office.ID); e.Refused || e.After != 0 || strings.Contains(e.Error(), r.office.ID) {
		t.Errorf("a cut connection: %v", e)
	}
	r.fake.Spoil(discordfake.Fault{Status: http.StatusTooManyRequests, RetryAfter: time.Hour, Global: true})
	if e := post(r.office.ID); e.After < 59*time.Minute {
		t.Errorf("too often: %v, %s", e, e.After)
	}
	// Now nothing goes to Discord, and nobody sleeps.
	calls := len(r.fake.Calls())
	if _, err := a.Direct(t.Context(), r.fake.AddUser("ada").ID); !errors.As(err, new(*core.ChatError)) || len(r.fake.Calls()) != calls {
		t.Errorf("a global limit was not kept: %v", err)
	}
	b := r.another(r.options)
	r.fake.SetToken("another")
	_, err := b.Post(t.Context(), r.office.ID, "", "tag", card)
	var said *core.ChatError
	if !errors.As(err, &said) || said.Refused || said.After == 0 {
		t.Errorf("a wrong token: %v", err)
	}
	if strings.Contains(err.Error(), r.options.Token) {
		t.Error("the error holds the token")
	}
}

func TestMyDBIsNotBanned(t *testing.T) {
	r := newRig(t)
	a := r.another(r.options)
	r.lab.ShutOut(true)
	for range 1200 {
		if _, err := a.Post(t.Context(), r.lab.ID, "", "tag", core.Card{Text: "x"}); err == nil {
			t.Fatal("it was posted")
		}
	}
	if n := r.fake.Report().WorstMinutes; n != 1000 {
		t.Errorf("%d calls were refused within ten minutes", n)
	}
	_, err := a.Post(t.Context(), r.office.ID, "", "tag", core.Card{Text: "x"})
	var said *core.ChatError
	if !errors.As(err, &said) || said.After <= 0 || said.After > 10*time.Minute {
		t.Errorf("%v", err)
	}
	r.fake.Advance(11 * time.Minute)
	if _, err := a.Post(t.Context(), r.office.ID, "", "tag", core.Card{Text: "x"}); err != nil {
		t.Errorf("after ten minutes: %v", err)
	}
}

// TestNothingIsSaidTwice kills MyDB between Discord's taking a message and MyDB's knowing it, again and again.
func TestNothingIsSaidTwice(t *testing.T) {
	r := newRig(t)
	card := core.Card{Title: "Creating genomes", Text: "It is on its way.", Footer: "📣 maintenance on Sunday"}
	const tag = "d0c1u2v3w4x5y6z7a8b9"
	began := r.fake.Now()
	r.fake.Spoil(discordfake.Fault{Method: http.MethodPost, Path: "/messages", Lost: true})
	if id, err := r.another(r.options).Post(t.Context(), r.lab.ID, "", tag, card); err == nil {
		t.Fatalf("the answer arrived: %s", id)
	}
	next := r.another(r.options)
	first, err := next.Post(t.Context(), r.lab.ID, "", tag, card)
	if err != nil {
		t.Fatal(err)
	}
	ada := r.fake.AddUser("ada")
	if seen := ada.Sees(r.lab); len(seen) != 1 || seen[0].ID != first {
		t.Fatalf("ada sees %d messages", len(seen))
	}
	// A day later, when Discord has forgotten the nonce, and people have talked.
	r.fake.Advance(24 * time.Hour)
	for range 150 {
		if _, err := ada.Says(r.lab, tag+" is what I was told"); err != nil {
			t.Fatal(err)
		}
	}
	id, found, err := next.Find(t.Context(), r.lab.ID, "", tag, began)
	if err != nil || !found || id != first {
		t.Errorf("found %q, %v, %v", id, found, err)
	}
	if _, found, err := next.Find(t.Context(), r.lab.ID, "", "e0c1u2v3w4x5y6z7a8b9", began); err != nil || found {
		t.Errorf("found what is not there: %v", err)
	}
	if err := next.Update(t.Context(), r.lab.ID, first, core.Card{Text: "Ready."}); err != nil {
		t.Fatal(err)
	}
	if err := next.Update(t.Context(), r.lab.ID, "4711", card); !errors.As(err, new(*core.ChatError)) {
		t.Errorf("a message that is gone: %v", err)
	}
}

func TestSlowCatalogueAcceptsNothing(t *testing.T) {
	r := everything(t)
	ada := r.linked("ada", false)
	tx, err := r.DB.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(t.Context(), "lock table inbox in access exclusive mode"); err != nil {
		t.Fatal(err)
	}
	r.answer(r.slash(ada, r.lab, "create", map[string]any{"engine": "postgres", "name": "genomes"}), "Nothing was done. Try again")
	if _, err := ada.Says(ada.DM(), "create postgres genomes"); err != nil {
		t.Fatal(err)
	}
	r.sees(ada, ada.DM(), "Nothing was done. Try again")
	if err := tx.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := chattest.One[int](r.MyDB, "select count(*) from inbox"); n != 0 {
		t.Errorf("%d events were kept", n)
	}
}

func TestPicture(t *testing.T) {
	r := newRig(t)
	a, ada := r.another(r.options), r.fake.AddUser("ada")
	id, err := a.Post(t.Context(), r.lab.ID, "", "tag", core.Card{Text: "How genomes was doing", Image: []byte("\x89PNG picture")})
	if err != nil {
		t.Fatal(err)
	}
	m := ada.Sees(r.lab)[0]
	if len(m.Attachments) != 1 || m.Attachments[0].Filename != "chart.png" || m.Embeds[0].Image.URL != "attachment://chart.png" || m.Attachments[0].Description == "" {
		t.Errorf("%+v, %+v", m.Attachments, m.Embeds)
	}
	if err := a.Update(t.Context(), r.lab.ID, id, core.Card{Text: "no picture any more"}); err != nil {
		t.Fatal(err)
	}
	if m := ada.Sees(r.lab)[0]; len(m.Attachments) != 0 {
		t.Error("the picture stays")
	}
}
