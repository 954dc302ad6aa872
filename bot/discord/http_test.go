package discord_test

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/mydb-project/mydb/bot/chattest"
	"github.com/mydb-project/mydb/bot/discord"
	"github.com/mydb-project/mydb/bot/discord/discordfake"
)

// overHTTP is a MyDB to which interactions come as requests.
func overHTTP(t *testing.T) *rig {
	t.Helper()
	r := newRig(t)
	r.options.PublicKey = r.fake.PublicKey()
	r.open().work()
	mux := http.NewServeMux()
	for path, h := range r.adapter.Routes(r.Desk) {
		mux.Handle("POST "+path, h)
	}
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	r.fake.PostTo(server.URL + discord.Path)
	r.Serve(r.adapter)
	r.until("the commands are registered", func() bool { return r.fake.Registrations() > 0 })
	return r
}

func TestInteractionsOverHTTP(t *testing.T) {
	r := overHTTP(t)
	if err := r.fake.ValidateEndpoint(r.Patient()); err != nil {
		t.Fatal(err)
	}
	ada, cleo := r.linked("ada", false), r.linked("cleo", true)
	r.answer(r.slash(ada, r.lab, "whoami", nil), "You are ada")
	form := r.opens(r.slash(ada, r.lab, "create", nil))
	r.answer(ada.Submit(form, map[string]string{"engine": "postgres", "name": "genomes"}), "Accepted")
	choices, err := ada.Autocomplete(r.lab, "mydb", "status", "name", map[string]any{"name": "gen"}).Choices(r.Patient())
	if err != nil || len(choices) != 1 || choices[0].Value != "genomes" {
		t.Errorf("choices %v, %v", choices, err)
	}
	r.Finish(chattest.One[string](r.MyDB, "select id from operations"))
	shown := r.answer(r.press(ada, r.sees(ada, ada.DM(), "has a password for you"), "Show it once"), "password  ")
	m := r.asks(ada, cleo, "genomes")
	r.press(cleo, m, "Approve")
	r.settled(cleo, m, "Approved by cleo")
	if g := r.fake.Gateway(); g.Connections != 0 || !r.adapter.Connected() {
		t.Errorf("the gateway: %+v", g)
	}
	// What is answered to the request itself tells nothing to whom it was not for.
	_, rest, _ := strings.Cut(shown.Content, "password  ")
	for _, c := range r.fake.Calls(discordfake.AnswerMethod) {
		if bytes.Contains(c.Body, []byte(rest[:12])) || len(c.Body) > 100 {
			t.Errorf("the answer is %s", c)
		}
	}
}

func TestAttacksOverHTTP(t *testing.T) {
	r := overHTTP(t)
	ada := r.linked("ada", false)
	i := r.slash(ada, r.lab, "whoami", nil)
	r.answer(i, "You are ada")
	// A body that was never sent, so that nothing but what is tried can be wrong.
	fresh := func() []byte {
		return bytes.Replace(i.Body(), []byte(`"version":1`), []byte(`"version":1,"x":"`+time.Now().Format(time.RFC3339Nano)+`"`), 1)
	}
	for name, c := range map[string]struct {
		post   discordfake.Post
		status int
	}{
		"signed by somebody else": {discordfake.Post{Body: fresh(), Forged: true}, http.StatusUnauthorized},
		"not signed":              {discordfake.Post{Body: fresh(), Unsigned: true}, http.StatusUnauthorized},
		"signed six minutes ago":  {discordfake.Post{Body: fresh(), At: r.fake.Now().Add(-6 * time.Minute)}, http.StatusUnauthorized},
		"signed in the future":    {discordfake.Post{Body: fresh(), At: r.fake.Now().Add(6 * time.Minute)}, http.StatusUnauthorized},
		"no signature in hex":     {discordfake.Post{Body: fresh(), Header: http.Header{"X-Signature-Ed25519": {"zz"}}}, http.StatusUnauthorized},
		"a short signature":       {discordfake.Post{Body: fresh(), Header: http.Header{"X-Signature-Ed25519": {"abcd"}}}, http.StatusUnauthorized},
		"no time":                 {discordfake.Post{Body: fresh(), Header: http.Header{"X-Signature-Timestamp": {"noon"}}}, http.StatusUnauthorized},
		"two megabytes":           {discordfake.Post{Body: bytes.Repeat([]byte("x"), 2<<20)}, http.StatusRequestEntityTooLarge},
		"nothing":                 {discordfake.Post{Body: []byte{}}, http.StatusBadRequest},
		"no JSON":                 {discordfake.Post{Body: []byte("{")}, http.StatusBadRequest},
		"no interaction":          {discordfake.Post{Body: []byte(`{"type":2}`)}, http.StatusBadRequest},
		"data of another kind":    {discordfake.Post{Body: []byte(`{"type":5,"data":[1]}`)}, http.StatusBadRequest},
	} {
		status, body, err := r.fake.Post(t.Context(), c.post)
		if err != nil || status != c.status {
			t.Errorf("%s: %d %s, %v", name, status, body, err)
		}
	}
	if status, body, err := r.fake.Replay(t.Context(), i); err != nil || status != http.StatusUnauthorized {
		t.Errorf("a replay: %d %s, %v", status, body, err)
	}
	if n := chattest.One[int](r.MyDB, "select count(*) from inbox"); n != 1 {
		t.Errorf("%d events were taken", n)
	}
	// Another process knows nothing of the replay, but the inbox does, and only Discord hears the answer.
	other := httptest.NewServer(r.another(r.options).Routes(r.Desk)[discord.Path])
	defer other.Close()
	r.fake.PostTo(other.URL + discord.Path)
	if status, body, err := r.fake.Replay(t.Context(), i); err != nil || status != http.StatusAccepted || len(body) != 0 {
		t.Errorf("a replay elsewhere: %d %s, %v", status, body, err)
	}
	if n := chattest.One[int](r.MyDB, "select count(*) from chat_messages"); n != 1 {
		t.Errorf("it was answered %d times", n)
	}
}

func TestOddClicks(t *testing.T) {
	r := everything(t)
	ada := r.linked("ada", false)
	r.ready(ada, "genomes")
	m := r.sees(ada, ada.DM(), "has a password for you")
	id := m.Button("Show it once").CustomID
	as := func(customID string) {
		r.fake.Tamper(func(i map[string]any) { i["data"].(map[string]any)["custom_id"] = customID })
	}
	for _, odd := range []string{"explode:1", "no colon", ":", "later:" + strings.Repeat("x", 90), "reveal_it:1"} {
		as(odd)
		r.answer(ada.Click(m, id), "none of MyDB's, or of another version")
	}
	as("reveal:nothing")
	r.answer(ada.Click(m, id), "no database")
	as("deny:nothing")
	form := r.opens(ada.Click(m, id))
	r.answer(ada.Submit(form, map[string]string{"reason": "why not"}), "There is no approval")
	as("confirm:00ff")
	r.answer(ada.Click(m, id), "confirmed already, or its ten minutes are over")
	r.fake.Tamper(func(i map[string]any) { i["guild_id"], i["context"] = "4711", 0 })
	r.answer(ada.Click(m, id), "works in another server only")
	if saw := r.fake.Saw("password  "); len(saw) != 0 {
		t.Errorf("a password was shown: %v", saw)
	}
	// What cannot be read at all breaks nothing.
	r.fake.Tamper(func(i map[string]any) { i["data"] = []string{"x"} })
	ada.Click(m, id)
	r.fake.Tamper(func(i map[string]any) { delete(i, "data") })
	ada.Click(m, id)
	r.answer(r.slash(ada, r.lab, "whoami", nil), "You are ada")
}
