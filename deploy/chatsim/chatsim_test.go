package chatsim

import (
	"encoding/json"
	"html/template"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"github.com/mydb-project/mydb/bot/discord/discordfake"
)

// started is a simulation for a test, and a browser that has opened it with its key.
func started(t *testing.T) (*Sim, *http.Client) {
	t.Helper()
	s, err := Start("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	b := &http.Client{Jar: jar}
	if status, body := get(t, b, s.URL); status != http.StatusOK || !strings.Contains(body, "#general") {
		t.Fatalf("%d\n%s", status, body)
	}
	return s, b
}

func get(t *testing.T, b *http.Client, address string) (int, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	return send(t, b, r)
}

func post(t *testing.T, b *http.Client, address, origin string, form url.Values) (int, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, address, strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if origin != "" {
		r.Header.Set("Origin", origin)
	}
	return send(t, b, r)
}

func send(t *testing.T, b *http.Client, r *http.Request) (int, string) {
	t.Helper()
	answer, err := b.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	if csp := answer.Header.Get("Content-Security-Policy"); !strings.Contains(csp, "default-src 'none'") || strings.Contains(csp, "unsafe") {
		t.Errorf("%s has the policy %q", r.URL.Path, csp)
	}
	return answer.StatusCode, string(body)
}

// base is the page's address without its key.
func (s *Sim) base() string { return strings.TrimRight(strings.Split(s.URL, "?")[0], "/") }

func TestOnlyLoopback(t *testing.T) {
	for _, address := range []string{":8090", "0.0.0.0:8090", "[::]:8090", "192.0.2.1:8090", "example.org:8090", "127.0.0.1"} {
		if err := CheckListen(address); err == nil {
			t.Errorf("it would listen on %q", address)
		}
	}
	for _, address := range []string{"127.0.0.1:0", "[::1]:8090", "localhost:8090"} {
		if err := CheckListen(address); err != nil {
			t.Error(err)
		}
	}
}

func TestNobodyElseGetsIn(t *testing.T) {
	s, b := started(t)
	room := s.base() + "/slack/U0ADMIN0001/" + slackGeneral
	for _, address := range []string{s.base(), room, s.base() + "/?key=guessed", room + "/news", s.base() + "/static/chat.js"} {
		if status, _ := get(t, http.DefaultClient, address); status != http.StatusForbidden {
			t.Errorf("%s without the key: %d", address, status)
		}
	}
	form := url.Values{"text": {"hello"}}
	if status, _ := post(t, b, room+"/say", "https://evil.example", form); status != http.StatusForbidden {
		t.Errorf("a form of another page: %d", status)
	}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, room, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Host = "evil.example"
	if status, _ := send(t, b, r); status != http.StatusForbidden {
		t.Errorf("under another name: %d", status)
	}
	if strings.Contains(s.Settings(), strings.Split(s.URL, "key=")[1]) {
		t.Error("the page's key is among MyDB's settings")
	}
}

func TestPeopleSeeTheirRooms(t *testing.T) {
	s, b := started(t)
	for path, want := range map[string]int{
		"/slack/U0SCIENTIST/" + slackGeneral: 200, "/slack/U0SCIENTIST/" + slackAdmins: 404, "/slack/U0ADMIN0001/" + slackAdmins: 200,
		"/slack/scientist/": 200, "/discord/admin/": 200, "/discord/300000000000000002/" + discordAdmins: 200, "/discord/300000000000000001/" + discordAdmins: 404,
		"/slack/nobody/" + slackGeneral: 404, "/teams/scientist/": 404, "/slack/nobody/": 404,
	} {
		if status, _ := get(t, b, s.base()+path); status != want {
			t.Errorf("%s: %d, not %d", path, status, want)
		}
	}
}

func TestWhatIsWrittenIsEscaped(t *testing.T) {
	s, b := started(t)
	const attack = `<script>alert(1)</script> <img src=x onerror=alert(1)> "quoted" @mydb`
	for _, room := range []string{"/slack/U0SCIENTIST/" + slackGeneral, "/discord/300000000000000001/" + discordGeneral} {
		if status, body := post(t, b, s.base()+room+"/say", s.base(), url.Values{"text": {attack}}); status != http.StatusOK {
			t.Errorf("%d\n%s", status, body)
		}
		_, body := get(t, b, s.base()+room)
		if strings.Contains(body, "<script>alert") || strings.Contains(body, "<img src=x") || !strings.Contains(body, "&lt;script&gt;alert(1)") || !strings.Contains(body, `<span class="mention">@MyDB`) {
			t.Errorf("%s shows\n%s", room, body)
		}
	}
}

func TestSaysThatNobodyAnswers(t *testing.T) {
	s, b := started(t)
	status, body := post(t, b, s.base()+"/discord/300000000000000001/"+discordGeneral+"/say", "", url.Values{"text": {"/mydb list"}})
	if status != http.StatusUnprocessableEntity || !strings.Contains(body, "Is MyDB running") || !strings.Contains(body, `value="/mydb list"`) {
		t.Errorf("%d\n%s", status, body)
	}
	status, body = post(t, b, s.base()+"/slack/U0SCIENTIST/"+slackGeneral+"/say", "", url.Values{"text": {"/mydb list"}})
	if status != http.StatusOK || !strings.Contains(body, "Only visible to you") || !strings.Contains(body, "/mydb") {
		t.Errorf("%d\n%s", status, body)
	}
}

func TestMarkup(t *testing.T) {
	s, _ := started(t)
	slack, discord := &slackSpace{s.slack}, &discordSpace{s.discord}
	for text, want := range map[string]string{
		"*bold* and _italic_ &lt;b&gt;":                                        "<strong>bold</strong> and <em>italic</em> &lt;b&gt;",
		"<@U0ADMIN0001> <https://example.org/a|here> <javascript:alert(1)|no>": `<span class="mention">@Admin</span> <a href="https://example.org/a" target="_blank" rel="noopener noreferrer">here</a> no`,
		"`*code*` a_b_c": "<code>*code*</code> a_b_c",
		"```x &lt; y```": "<pre>x &lt; y</pre>",
	} {
		if got := slack.mrkdwn(text); got != template.HTML(want) {
			t.Errorf("Slack shows %q as\n%s\nnot\n%s", text, got, want)
		}
	}
	for text, want := range map[string]string{
		"**bold** and *italic* <b>":        "<strong>bold</strong> and <em>italic</em> &lt;b&gt;",
		`\*plain\* \<@1\> \_a\_`:           "*plain* &lt;@1&gt; _a_",
		"<@300000000000000002> @everyone":  `<span class="mention">@Admin</span> @everyone`,
		"see <https://example.org/a_b_c>.": `see <a href="https://example.org/a_b_c" target="_blank" rel="noopener noreferrer">https://example.org/a_b_c</a>.`,
		"```\na  **b**\n```":               "<pre>a  **b**</pre>",
	} {
		if got := discord.markdown(text); got != template.HTML(want) {
			t.Errorf("Discord shows %q as\n%s\nnot\n%s", text, got, want)
		}
	}
}

func TestFormsKeepWhatStandsInThem(t *testing.T) {
	s, _ := started(t)
	blocks := json.RawMessage(`[
		{"type":"input","block_id":"engine","label":{"type":"plain_text","text":"Engine"},"element":{"type":"static_select","action_id":"engine",
			"options":[{"text":{"type":"plain_text","text":"PostgreSQL"},"value":"postgres"},{"text":{"type":"plain_text","text":"MariaDB"},"value":"mariadb"}]}},
		{"type":"input","block_id":"about","optional":true,"label":{"type":"plain_text","text":"About"},"element":{"type":"plain_text_input","action_id":"about","multiline":true,"max_length":80}}]`)
	filled := json.RawMessage(`{"engine":{"engine":{"type":"static_select","selected_option":{"value":"mariadb"}}},"about":{"about":{"type":"plain_text_input","value":"mine"}}}`)
	pieces := (&slackSpace{s.slack}).blocks(blocks, filled, map[string]string{"about": "too short"})
	if len(pieces) != 2 {
		t.Fatalf("%+v", pieces)
	}
	engine, about := pieces[0].Input, pieces[1].Input
	if engine.Kind != "select" || !engine.Needed || engine.Options[0].Chosen || !engine.Options[1].Chosen {
		t.Errorf("%+v", engine)
	}
	if about.Kind != "long" || about.Needed || about.Value != "mine" || about.Trouble != "too short" || about.Most != 80 {
		t.Errorf("%+v", about)
	}
}

func TestEmbeds(t *testing.T) {
	s, _ := started(t)
	pieces := (&discordSpace{s.discord}).pieces(discordfake.Message{
		Embeds:      []discordfake.Embed{{Title: "demo", Color: 0x2e7d32, Image: &discordfake.Picture{URL: "attachment://chart.png"}, Fields: []discordfake.EmbField{{Name: "Size", Value: "small"}}}},
		Attachments: []discordfake.Attachment{{ID: "7", Filename: "chart.png", Description: "a chart"}},
		Components:  []discordfake.Component{{Type: 1, Components: []discordfake.Component{{Type: 2, Style: 4, CustomID: "x", Label: "Delete"}, {Type: 2, Style: 5, URL: "https://example.org", Label: "Page"}}}},
	})
	if len(pieces) != 2 || pieces[0].Card == nil || pieces[0].Card.Colour != "#2e7d32" || pieces[0].Card.Pieces[1].Picture.ID != "7" {
		t.Fatalf("%+v", pieces)
	}
	if c := pieces[1].Controls; len(c) != 2 || c[0].Style != "danger" || c[0].Action != "x" || c[1].URL != "https://example.org" {
		t.Errorf("%+v", c)
	}
}

// TestPictures shares a file as the bot does, and looks at it as somebody who sees the message, and as somebody who does not.
func TestPictures(t *testing.T) {
	s, b := started(t)
	call := func(address string, form url.Values) string {
		t.Helper()
		form.Set("token", s.Slack().BotToken)
		answer, err := http.PostForm(address, form) //nolint:noctx // of a test
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		body, err := io.ReadAll(answer.Body)
		if err != nil || answer.StatusCode != http.StatusOK || strings.Contains(string(body), `"ok":false`) {
			t.Fatalf("%s: %v %s", address, err, body)
		}
		return string(body)
	}
	const png = "\x89PNG\r\n\x1a\n and so on"
	var place struct {
		URL string `json:"upload_url"`
		ID  string `json:"file_id"`
	}
	length := strconv.Itoa(len(png))
	if err := json.Unmarshal([]byte(call(s.Slack().APIURL+"files.getUploadURLExternal", url.Values{"filename": {"chart.png"}, "length": {length}, "alt_txt": {"a chart"}})), &place); err != nil {
		t.Fatal(err)
	}
	answer, err := http.Post(place.URL, "image/png", strings.NewReader(png)) //nolint:noctx // of a test
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	call(s.Slack().APIURL+"files.completeUploadExternal", url.Values{"files": {`[{"id":"` + place.ID + `"}]`}, "channel_id": {slackAdmins}})

	room := s.base() + "/slack/U0ADMIN0001/" + slackAdmins
	if _, body := get(t, b, room); !strings.Contains(body, `<img src="/slack/U0ADMIN0001/`+slackAdmins+`/picture/`+place.ID+`" alt="a chart">`) {
		t.Errorf("the picture is missing in\n%s", body)
	}
	if status, body := get(t, b, room+"/picture/"+place.ID); status != http.StatusOK || body != png {
		t.Errorf("%d %q", status, body)
	}
	if status, _ := get(t, b, strings.Replace(room, "U0ADMIN0001", "U0SCIENTIST", 1)+"/picture/"+place.ID); status != http.StatusNotFound {
		t.Errorf("somebody who is not in the channel gets %d", status)
	}
}
