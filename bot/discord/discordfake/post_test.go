package discordfake_test

import (
	"crypto/ed25519"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/bwmarrin/discordgo"

	"github.com/mydb-project/mydb/bot/discord/discordfake"
)

// endpoint is what a bot has at the address of interactions, with what the library offers: it checks signatures, but no age and no replay.
func endpoint(t *testing.T, f *discordfake.Fake, do func(w http.ResponseWriter, i *discordgo.Interaction)) {
	t.Helper()
	key, err := hex.DecodeString(f.PublicKey())
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, 1<<20)
		if !discordgo.VerifyInteraction(r, ed25519.PublicKey(key)) {
			http.Error(w, "bad signature", http.StatusUnauthorized)
			return
		}
		body, _ := io.ReadAll(r.Body)
		var i discordgo.Interaction
		if err := json.Unmarshal(body, &i); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		if i.Type == discordgo.InteractionPing {
			fmt.Fprint(w, `{"type":1}`)
			return
		}
		do(w, &i)
	}))
	t.Cleanup(server.Close)
	f.PostTo(server.URL + "/discord/interaction")
}

func registered(t *testing.T, f *discordfake.Fake) (*discordgo.Session, *discordfake.User, *discordfake.Channel) {
	t.Helper()
	s := newBot(t, f)
	must[[]*discordgo.ApplicationCommand](t)(s.ApplicationCommandBulkOverwrite(f.AppID, f.GuildID, commands()))
	return s, f.AddUser("ada"), f.AddChannel("lab")
}

func TestPostedInteraction(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	s, ada, lab := registered(t, f)
	endpoint(t, f, func(w http.ResponseWriter, i *discordgo.Interaction) {
		switch i.ApplicationCommandData().Options[0].Options[0].StringValue() {
		case "body":
			fmt.Fprint(w, `{"type":4,"data":{"content":"in the body","flags":64}}`)
		case "callback":
			if err := respond(s, i, discordgo.InteractionResponseChannelMessageWithSource, &discordgo.InteractionResponseData{Content: "by its address"}); err != nil {
				t.Error(err)
			}
			w.WriteHeader(http.StatusAccepted)
		case "late":
			f.Advance(4 * time.Second)
			fmt.Fprint(w, `{"type":4,"data":{"content":"late"}}`)
		case "long":
			fmt.Fprintf(w, `{"type":4,"data":{"content":"%s"}}`, strings.Repeat("x", 2001))
		default:
			http.Error(w, "try again", http.StatusServiceUnavailable)
		}
	})
	if err := f.ValidateEndpoint(t.Context()); err != nil {
		t.Error(err)
	}
	for name, want := range map[string]string{"body": "in the body", "callback": "by its address"} {
		if m := must[discordfake.Message](t)(ada.Slash(lab, "mydb", "status", map[string]any{"name": name}).Answer(patient(t))); m.Content != want {
			t.Errorf("%s: %q", name, m.Content)
		}
	}
	for name, want := range map[string]string{"late": "did not respond", "long": "Invalid Form Body", "down": "answered with 503"} {
		if _, err := ada.Slash(lab, "mydb", "status", map[string]any{"name": name}).Answer(patient(t)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if saw := f.Saw("in the body"); len(saw) != 1 || saw[0].Method != discordfake.AnswerMethod {
		t.Errorf("the answer in the body was recorded as %v", saw)
	}
}

func TestBadPosts(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	_, ada, lab := registered(t, f)
	count := 0
	endpoint(t, f, func(w http.ResponseWriter, _ *discordgo.Interaction) {
		count++
		fmt.Fprint(w, `{"type":5}`)
	})
	i := ada.Slash(lab, "mydb", "status", map[string]any{"name": "demo"})
	must[int](t)(i.WaitAck(patient(t)))
	large := fmt.Appendf(nil, `{"type":1,"x":"%s"}`, strings.Repeat("x", 2<<20))
	for name, test := range map[string]struct {
		post   discordfake.Post
		status int
	}{
		"forged":   {discordfake.Post{Body: i.Body(), Forged: true}, 401},
		"unsigned": {discordfake.Post{Body: i.Body(), Unsigned: true}, 401},
		"old":      {discordfake.Post{Body: i.Body(), At: f.Now().Add(-10 * time.Minute)}, 200}, // what the library does not check
		"2 MB":     {discordfake.Post{Body: large}, 401},
	} {
		if status, body, err := f.Post(t.Context(), test.post); err != nil || status != test.status {
			t.Errorf("%s: %d %s, %v", name, status, body, err)
		}
	}
	if status, _, err := f.Replay(t.Context(), i); err != nil || status != 200 {
		t.Errorf("replayed: %d, %v", status, err)
	}
	if count != 3 {
		t.Errorf("the bot has acted %d times", count)
	}
	if _, _, err := newFake(t).Post(t.Context(), discordfake.Post{}); err == nil {
		t.Error("a post to nowhere")
	}
}

func TestPreviews(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	ada, lab := f.AddUser("ada"), f.AddChannel("lab")
	site := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet || !strings.Contains(r.UserAgent(), "Discordbot") {
			t.Errorf("%s by %s", r.Method, r.UserAgent())
		}
	}))
	t.Cleanup(site.Close)
	must[discordfake.Message](t)(ada.Says(lab, "not yet "+site.URL+"/off"))
	f.FollowLinks(true)
	must[discordfake.Message](t)(ada.Says(lab, "see "+site.URL+"/once and <"+site.URL+"/hidden>"))
	if err := f.Wait(patient(t), "a preview", func() bool { return len(f.Previews()) > 0 }); err != nil {
		t.Fatal(err)
	}
	if p := f.Previews(); len(p) != 1 || p[0].URL != site.URL+"/once" || p[0].Status != 200 {
		t.Errorf("fetched were %+v", p)
	}
}
