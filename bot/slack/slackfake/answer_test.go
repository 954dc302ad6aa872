package slackfake_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/slack-go/slack"
	"github.com/slack-go/slack/socketmode"

	"github.com/mydb-project/mydb/bot/slack/slackfake"
)

func responseURL(t *testing.T, d *slackfake.Delivery) string {
	t.Helper()
	var p struct {
		URL string `json:"response_url"`
	}
	if err := json.Unmarshal(d.Payload, &p); err != nil || p.URL == "" {
		t.Fatalf("no response_url in %s: %v", d.Payload, err)
	}
	return p.URL
}

// TestResponseURL answers five times within half an hour, to one or to all.
func TestResponseURL(t *testing.T) {
	w := newTown(t, slackfake.Options{})
	runApp(t, w.Fake, func(socketmode.Event) any { return nil })
	d := w.alice.Command(w.lab, "/mydb", "list")
	told(t, d)
	url := responseURL(t, d)
	if _, _, err := w.api.PostMessage("", slack.MsgOptionText("for you", false), slack.MsgOptionResponseURL(url, slack.ResponseTypeEphemeral)); err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{"", "", "", "", "used_url"} {
		if got := post(t, url, "", fmt.Appendf(nil, `{"text":"for all %d","response_type":"in_channel"}`, i)); got.Error != want {
			t.Errorf("use %d: %q, want %q", i+2, got.Error, want)
		}
	}
	same(t, "Bob sees", texts(w.bob.Sees(w.lab)), []string{"for all 0", "for all 1", "for all 2", "for all 3"})

	d = w.alice.Command(w.lab, "/mydb", "list")
	told(t, d)
	if got := post(t, responseURL(t, d), "", []byte(`{"blocks":[{"type":"x"}]}`)); got.Error != "invalid_blocks" {
		t.Errorf("nonsense: %s", got.raw)
	}
	w.Clock().Advance(30*time.Minute + time.Second)
	if got := post(t, responseURL(t, d), "", []byte(`{"text":"late"}`)); got.Error != "expired_url" {
		t.Errorf("after half an hour: %s", got.raw)
	}
}

// TestResponseToClick replaces and deletes what was clicked in, also where only one person sees it.
func TestResponseToClick(t *testing.T) {
	w := newTown(t, slackfake.Options{})
	runApp(t, w.Fake, func(socketmode.Event) any { return nil })
	blocks := slack.MsgOptionBlocks(slack.NewSectionBlock(text("Sure?"), nil, slack.NewAccessory(slack.NewButtonBlockElement("yes", "1", plain("Yes")))))
	if _, err := w.api.PostEphemeral(w.lab.ID(), w.alice.ID(), slack.MsgOptionText("Sure?", false), blocks); err != nil {
		t.Fatal(err)
	}
	asked := w.alice.Sees(w.lab)[0]
	if _, err := w.bob.Click(asked, "yes").Wait(patient(t)); err == nil {
		t.Error("Bob clicks what only Alice sees")
	}
	d := w.alice.Click(asked, "yes")
	told(t, d)
	var p slack.InteractionCallback
	if err := json.Unmarshal(d.Payload, &p); err != nil || !p.Container.IsEphemeral || p.Message.Text != "" {
		t.Errorf("a click in an ephemeral message: %+v, %v", p, err)
	}
	if got := post(t, responseURL(t, d), "", []byte(`{"replace_original":true,"text":"It is done."}`)); !got.OK {
		t.Errorf("replace: %s", got.raw)
	}
	same(t, "Alice sees", texts(w.alice.Sees(w.lab)), []string{"It is done."})
	if got := post(t, responseURL(t, d), "", []byte(`{"delete_original":true}`)); !got.OK {
		t.Errorf("delete: %s", got.raw)
	}
	same(t, "Alice sees", texts(w.alice.Sees(w.lab)), nil)
}

// TestLateClick clicks a button that the app has just taken away, and one of another team's people.
func TestLateClick(t *testing.T) {
	w := newTown(t, slackfake.Options{})
	partner := w.AddUser(slackfake.Profile{Name: "partner", TeamID: "T0PARTNER1"})
	w.lab.Join(partner)
	runApp(t, w.Fake, func(socketmode.Event) any { return nil })
	_, ts, err := w.api.PostMessage(w.lab.ID(), slack.MsgOptionText("Approve?", false), slack.MsgOptionBlocks(slack.NewActionBlock("", slack.NewButtonBlockElement("approve", "a-1", plain("Approve")))))
	if err != nil {
		t.Fatal(err)
	}
	before, _ := w.bob.Message(w.lab, ts)
	if _, _, _, err := w.api.UpdateMessage(w.lab.ID(), ts, slack.MsgOptionText("Approved.", false), slack.MsgOptionBlocks([]slack.Block{}...)); err != nil {
		t.Fatal(err)
	}
	d := partner.Click(before, "approve")
	told(t, d)
	var p slack.InteractionCallback
	if err := json.Unmarshal(d.Payload, &p); err != nil {
		t.Fatal(err)
	}
	if p.ActionCallback.BlockActions[0].Value != "a-1" || p.Message.Text != "Approved." || p.Team.ID != "T0PARTNER1" || p.User.TeamID != "T0PARTNER1" {
		t.Errorf("the click is %+v", p)
	}
}

// png is the smallest that is told by its beginning.
var png = append([]byte("\x89PNG\r\n\x1a\n"), bytes.Repeat([]byte{0}, 64)...)

// TestFiles uploads a chart into a thread in the three steps of files v2.
func TestFiles(t *testing.T) {
	w := newTown(t, slackfake.Options{})
	_, ts, err := w.api.PostMessage(w.lab.ID(), slack.MsgOptionText("stats", false))
	if err != nil {
		t.Fatal(err)
	}
	up := slack.UploadFileParameters{Filename: "size.png", Title: "Size of genomes", FileSize: len(png), Reader: bytes.NewReader(png), Channel: w.lab.ID(), ThreadTimestamp: ts, AltTxt: "It grows.", InitialComment: "Here you are."}
	f, err := w.api.UploadFile(up)
	if err != nil {
		t.Fatal(err)
	}
	thread := w.bob.Thread(w.lab, ts)
	if len(thread) != 2 || len(thread[1].Files) != 1 {
		t.Fatalf("the thread is %+v", thread)
	}
	shared := thread[1].Files[0]
	if shared.ID != f.ID || shared.Title != "Size of genomes" || shared.Type != "image/png" || shared.Alt != "It grows." || !bytes.Equal(shared.Content, png) {
		t.Errorf("shared %+v", shared)
	}
	replies, _, _, err := w.api.GetConversationReplies(&slack.GetConversationRepliesParameters{ChannelID: w.lab.ID(), Timestamp: ts})
	if err != nil || len(replies[1].Files) != 1 {
		t.Fatalf("GetConversationReplies = %+v, %v", replies, err)
	}
	var back bytes.Buffer
	if err := w.api.GetFile(replies[1].Files[0].URLPrivate, &back); err != nil || !bytes.Equal(back.Bytes(), png) {
		t.Errorf("GetFile: %v", err)
	}
	up.FileSize, up.Reader = 5, bytes.NewReader(png)
	if _, err := w.api.UploadFile(up); err == nil || !strings.Contains(err.Error(), "400") {
		t.Errorf("a file of another length: %v", err)
	}
	up.FileSize, up.Reader, up.Channel = len(png), bytes.NewReader(png), w.alice.ID()
	if _, err := w.api.UploadFile(up); err == nil || !strings.Contains(err.Error(), "invalid_channel") {
		t.Errorf("a file to a user: %v", err)
	}
}

// TestUnfurl looks at links with GET alone, as previews do.
func TestUnfurl(t *testing.T) {
	var methods []string
	site := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		methods = append(methods, r.Method+" "+r.URL.Path+" "+strings.Fields(r.UserAgent())[0])
		fmt.Fprint(w, "<title>Show once</title>")
	}))
	t.Cleanup(site.Close)
	w := newTown(t, slackfake.Options{})
	open := slack.NewButtonBlockElement("open", "", plain("Open")).WithURL(site.URL + "/button")
	if _, _, err := w.api.PostMessage(w.lab.ID(), slack.MsgOptionText("x", false), slack.MsgOptionDisableLinkUnfurl(), slack.MsgOptionBlocks(
		slack.NewSectionBlock(text("Your password: <"+site.URL+"/once?a=1&amp;b=2|here>"), nil, slack.NewAccessory(open)))); err != nil {
		t.Fatal(err)
	}
	m := w.alice.Sees(w.lab)[0]
	previews, err := w.Unfurl(patient(t), m)
	if err != nil || len(previews) != 2 || previews[1].Status != http.StatusOK || !strings.Contains(string(previews[1].Body), "Show once") || !m.NoUnfurl {
		t.Fatalf("Unfurl = %+v, %v", previews, err)
	}
	same(t, "requests", methods, []string{"GET /button Slackbot-LinkExpanding", "GET /once Slackbot-LinkExpanding"})
}

// TestLeaks finds a canary wherever it hides in what the app sends.
func TestLeaks(t *testing.T) {
	canary := `can"ary<&>ü`
	for name, say := range map[string]func(*town) error{
		"form": func(w *town) error {
			_, _, err := w.api.PostMessage(w.lab.ID(), slack.MsgOptionText(canary, false))
			return err
		},
		"blocks in a form": func(w *town) error {
			_, _, err := w.api.PostMessage(w.lab.ID(), slack.MsgOptionText("x", false), slack.MsgOptionBlocks(slack.NewSectionBlock(text(canary), nil, nil)))
			return err
		},
		"metadata": func(w *town) error {
			_, _, err := w.api.PostMessage(w.lab.ID(), slack.MsgOptionText("x", false), slack.MsgOptionMetadata(slack.SlackMetadata{EventType: "x", EventPayload: map[string]any{"deep": []string{canary}}}))
			return err
		},
		"view": func(w *town) error {
			v := form("x")
			v.PrivateMetadata = `{"p":` + fmt.Sprintf("%q", canary) + `}`
			_, err := w.api.OpenView(triggerOf(t, w.alice.Command(w.lab, "/mydb", "")), v)
			return err
		},
		"upload": func(w *town) error {
			_, err := w.api.UploadFile(slack.UploadFileParameters{Filename: "a.txt", FileSize: len(canary), Content: canary, Channel: w.lab.ID()})
			return err
		},
		"response_url": func(w *town) error {
			return slack.PostWebhook(responseURL(t, w.alice.Command(w.lab, "/mydb", "")), &slack.WebhookMessage{Text: canary})
		},
		"ack": func(w *town) error {
			runApp(t, w.Fake, func(socketmode.Event) any { return slack.Msg{Text: canary} })
			_, err := w.alice.Command(w.lab, "/mydb", "").Wait(patient(t))
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newTown(t, slackfake.Options{})
			if _, _, err := w.api.PostMessage(w.lab.ID(), slack.MsgOptionText("harmless", false)); err != nil {
				t.Fatal(err)
			}
			if leaks := w.Leaks(canary); len(leaks) != 0 {
				t.Fatalf("nothing leaked yet: %+v", leaks)
			}
			if err := say(w); err != nil {
				t.Fatal(err)
			}
			if leaks := w.Leaks(canary); len(leaks) != 1 {
				t.Errorf("%d calls leak; all: %+v", len(leaks), w.Calls())
			}
		})
	}
}
