package discordfake_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bwmarrin/discordgo"

	"github.com/mydb-project/mydb/bot/discord/discordfake"
)

type object = map[string]any

func text(n int) string { return strings.Repeat("ü", n) }

func row(cells ...object) object { return object{"type": 1, "components": cells} }

func buttons(n int) (cells []object) {
	for i := range n {
		cells = append(cells, object{"type": 2, "style": 1, "label": "x", "custom_id": fmt.Sprint(i)})
	}
	return cells
}

// TestLimitsOfMessages holds, for each limit, what is just allowed against what is just too much.
func TestLimitsOfMessages(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	f.Limit(discordfake.LimitSend, 0, 0)
	f.Limit(discordfake.LimitGlobal, 0, 0)
	lab := f.AddChannel("lab")
	embed := func(e object) object { return object{"embeds": []object{e}} }
	components := func(rows ...object) object { return object{"components": rows} }
	fields := func(n int) object {
		return embed(object{"fields": slices.Repeat([]object{{"name": "n", "value": "v"}}, n)})
	}
	oneButton := func(change object) object {
		b := object{"type": 2, "style": 1, "label": "x", "custom_id": "x"}
		for k, v := range change {
			b[k] = v
		}
		return components(row(b))
	}
	list := func(n int) object {
		options := []object{}
		for i := range n {
			options = append(options, object{"label": "x", "value": fmt.Sprint(i)})
		}
		return components(row(object{"type": 3, "custom_id": "x", "options": options}))
	}
	rows := func(n int) (all []object) {
		for i := range n {
			all = append(all, row(object{"type": 2, "style": 1, "label": "x", "custom_id": fmt.Sprint(i)}))
		}
		return all
	}
	two := row(buttons(2)...)
	two["components"].([]object)[1]["custom_id"] = "0"
	for name, test := range map[string]struct {
		good, bad  object
		path, code string
	}{
		"content":       {object{"content": text(2000)}, object{"content": text(2001)}, "content", "BASE_TYPE_MAX_LENGTH"},
		"title":         {embed(object{"title": text(256)}), embed(object{"title": text(257)}), "embeds.0.title", "BASE_TYPE_MAX_LENGTH"},
		"description":   {embed(object{"description": text(4096)}), embed(object{"description": text(4097)}), "embeds.0.description", "BASE_TYPE_MAX_LENGTH"},
		"fields":        {fields(25), fields(26), "embeds.0.fields", "BASE_TYPE_MAX_LENGTH"},
		"field value":   {embed(object{"fields": []object{{"name": "n", "value": text(1024)}}}), embed(object{"fields": []object{{"name": "n", "value": ""}}}), "embeds.0.fields.0.value", "BASE_TYPE_REQUIRED"},
		"total":         {object{"embeds": []object{{"description": text(3000)}, {"description": text(3000)}}}, object{"embeds": []object{{"description": text(3000)}, {"description": text(3001)}}}, "embeds", "MAX_EMBED_SIZE_EXCEEDED"},
		"rows":          {components(rows(5)...), components(rows(6)...), "components", "BASE_TYPE_BAD_LENGTH"},
		"buttons":       {components(row(buttons(5)...)), components(row(buttons(6)...)), "components.0.components", "BASE_TYPE_BAD_LENGTH"},
		"label":         {oneButton(object{"label": text(80)}), oneButton(object{"label": text(81)}), "components.0.components.0.label", "BASE_TYPE_MAX_LENGTH"},
		"custom id":     {oneButton(object{"custom_id": text(100)}), oneButton(object{"custom_id": text(101)}), "components.0.components.0.custom_id", "BASE_TYPE_BAD_LENGTH"},
		"style":         {oneButton(object{"style": 4}), oneButton(object{"style": 0}), "components.0.components.0.style", "BASE_TYPE_CHOICES"},
		"link":          {oneButton(object{"style": 5, "custom_id": "", "url": "https://example.com"}), oneButton(object{"style": 5, "custom_id": ""}), "components.0.components.0.url", "URL_TYPE_INVALID_URL"},
		"twice the id":  {components(row(buttons(2)...)), components(two), "components.0.components.1.custom_id", "COMPONENT_CUSTOM_ID_DUPLICATED"},
		"options":       {list(25), list(26), "components.0.components.0.options", "BASE_TYPE_BAD_LENGTH"},
		"mentions":      {object{"content": "x", "allowed_mentions": object{"parse": []string{"users"}}}, object{"content": "x", "allowed_mentions": object{"parse": []string{"all"}}}, "allowed_mentions.parse.0", "BASE_TYPE_CHOICES"},
		"both mentions": {object{"content": "x", "allowed_mentions": object{"users": []string{"1"}}}, object{"content": "x", "allowed_mentions": object{"parse": []string{"users"}, "users": []string{"1"}}}, "allowed_mentions", "MESSAGE_ALLOWED_MENTIONS_PARSE_EXCLUSIVE"},
		"nonce":         {object{"content": "x", "nonce": text(25)}, object{"content": "x", "nonce": text(26)}, "nonce", "BASE_TYPE_MAX_LENGTH"},
	} {
		if status, answer, _ := call(t, f, "POST", "/channels/"+lab.ID+"/messages", test.good); status != 200 {
			t.Errorf("%s: what is allowed is refused with %d %v", name, status, answer)
		}
		status, answer, _ := call(t, f, "POST", "/channels/"+lab.ID+"/messages", test.bad)
		if status != 400 || answer["code"] != 50035.0 || !slices.Contains(problemsAt(answer, test.path), test.code) {
			t.Errorf("%s: what is too much says %d %v; it should say %s at %s", name, status, answer, test.code, test.path)
		}
	}
}

// problemsAt are the codes at a path of the tree of errors.
func problemsAt(answer object, path string) (codes []string) {
	at, _ := answer["errors"].(object)
	for _, step := range strings.Split(path, ".") {
		at, _ = at[step].(object)
	}
	list, _ := at["_errors"].([]any)
	for _, e := range list {
		codes = append(codes, e.(object)["code"].(string))
	}
	return codes
}

func TestLimitsOfForms(t *testing.T) {
	t.Parallel()
	got := make(chan *discordgo.Interaction, 1)
	f, ada, lab, _ := serving(t, func(_ *discordgo.Session, i *discordgo.Interaction) error { got <- i; return nil })
	ada.Slash(lab, "mydb", "status", map[string]any{"name": "x"})
	i := <-got
	input := func(id string, change object) object {
		c := object{"type": 4, "custom_id": id, "label": "x", "style": 1}
		for k, v := range change {
			c[k] = v
		}
		return row(c)
	}
	six := []object{}
	for n := range 6 {
		six = append(six, input(fmt.Sprint(n), nil))
	}
	for path, form := range map[string]object{
		"data.title":                                {"title": text(46), "custom_id": "x", "components": six[:5]},
		"data.custom_id":                            {"title": "x", "components": six[:5]},
		"data.components":                           {"title": "x", "custom_id": "x", "components": six},
		"data.components.0.components.0.label":      {"title": "x", "custom_id": "x", "components": []object{input("a", object{"label": text(46)})}},
		"data.components.0.components.0.value":      {"title": "x", "custom_id": "x", "components": []object{input("a", object{"value": text(4001)})}},
		"data.components.0.components.0.max_length": {"title": "x", "custom_id": "x", "components": []object{input("a", object{"max_length": 4001})}},
		"data.components.1.components.0.custom_id":  {"title": "x", "custom_id": "x", "components": []object{input("a", nil), input("a", nil)}},
		"data.components.0.type":                    {"title": "x", "custom_id": "x", "components": []object{{"type": 18, "label": "x"}}},
	} {
		status, answer, _ := call(t, f, "POST", "/interactions/"+i.ID+"/"+i.Token+"/callback", object{"type": 9, "data": form})
		if status != 400 || len(problemsAt(answer, path)) == 0 {
			t.Errorf("a form with a bad %s says %d %v", path, status, answer)
		}
	}
	good := object{"title": text(45), "custom_id": text(100), "components": six[:5]}
	if status, answer, _ := call(t, f, "POST", "/interactions/"+i.ID+"/"+i.Token+"/callback", object{"type": 9, "data": good}); status != 204 {
		t.Errorf("a good form says %d %v", status, answer)
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	ada, gone := f.AddUser("ada"), f.AddUserWith(discordfake.UserSpec{Name: "gone", Stranger: true})
	lab, closed, deaf := f.AddChannel("lab"), f.AddChannel("closed"), f.AddChannel("deaf")
	closed.ShutOut(true)
	deaf.Mute(true)
	said := must[discordfake.Message](t)(ada.Says(lab, "hello"))
	deleted := f.AddChannel("old")
	deleted.Delete()
	for _, test := range []struct {
		method, path string
		body         any
		status, code int
	}{
		{"GET", "/channels/1", nil, 404, 10003},
		{"GET", "/channels/" + deleted.ID, nil, 404, 10003},
		{"GET", "/channels/" + closed.ID + "/messages", nil, 403, 50001},
		{"POST", "/channels/" + deaf.ID + "/messages", object{"content": "x"}, 403, 50013},
		{"POST", "/channels/" + lab.ID + "/messages", object{"content": " "}, 400, 50006},
		{"POST", "/channels/" + lab.ID + "/messages", []byte("{"), 400, 50109},
		{"POST", "/channels/" + lab.ID + "/messages", make([]byte, 11<<20), 413, 40005},
		{"POST", "/channels/" + lab.ID + "/messages", object{"content": "x", "message_reference": object{"message_id": "1"}}, 400, 50035},
		{"GET", "/channels/" + lab.ID + "/messages/1", nil, 404, 10008},
		{"GET", "/channels/" + lab.ID + "/messages?limit=101", nil, 400, 50035},
		{"PATCH", "/channels/" + lab.ID + "/messages/" + said.ID, object{"content": "x"}, 403, 50005},
		{"DELETE", "/channels/" + lab.ID + "/messages/" + said.ID, nil, 403, 50013},
		{"GET", "/users/1", nil, 404, 10013},
		{"POST", "/users/@me/channels", object{"recipient_id": "1"}, 400, 50033},
		{"GET", "/guilds/1", nil, 404, 10004},
		{"GET", "/guilds/" + f.GuildID + "/members/" + gone.ID, nil, 404, 10007},
		{"PUT", "/applications/1/guilds/" + f.GuildID + "/commands", []object{}, 404, 10002},
		{"PUT", "/applications/" + f.AppID + "/guilds/1/commands", []object{}, 403, 50001},
		{"GET", "/nowhere", nil, 404, 0},
	} {
		status, answer, _ := call(t, f, test.method, test.path, test.body)
		if status != test.status || answer["code"] != float64(test.code) || answer["message"] == "" {
			t.Errorf("%s %s: %d %v, not %d with code %d", test.method, test.path, status, answer, test.status, test.code)
		}
	}
	if v := f.Violations(); len(v) != 1 || !strings.Contains(v[0], "GET /nowhere is not known") {
		t.Errorf("the violations are %q", v)
	}
}

func TestDirectory(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	admins := f.AddRole("admins", discordfake.Administrator)
	ada := f.AddUser("ada", admins)
	s := newBot(t, f)
	ada.Rename("lovelace", "Ada Lovelace")
	ada.Nick("the first")
	m := must[*discordgo.Member](t)(s.GuildMember(f.GuildID, ada.ID))
	if m.User.Username != "lovelace" || m.User.GlobalName != "Ada Lovelace" || m.Nick != "the first" || !slices.Equal(m.Roles, []string{admins.ID}) {
		t.Errorf("the member is %+v", m)
	}
	if u := must[*discordgo.User](t)(s.User(ada.ID)); u.ID != ada.ID || u.Bot {
		t.Errorf("the user is %+v", u)
	}
	if me := must[*discordgo.User](t)(s.User("@me")); me.ID != f.AppID || !me.Bot {
		t.Errorf("the bot is %+v", me)
	}
	if app := must[*discordgo.Application](t)(s.Application("@me")); app.ID != f.AppID || app.VerifyKey != f.PublicKey() {
		t.Errorf("the application is %+v", app)
	}
	ada.Leave()
	if _, err := s.GuildMember(f.GuildID, ada.ID); err == nil {
		t.Error("who has left is still a member")
	}
	if guild := must[*discordgo.Guild](t)(s.Guild(f.GuildID)); guild.Name != "Laboratory" || len(guild.Roles) != 2 {
		t.Errorf("the guild is %+v", guild)
	}
}

func TestNonce(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	lab := f.AddChannel("lab")
	send := func(body object) string {
		t.Helper()
		_, answer, _ := call(t, f, "POST", "/channels/"+lab.ID+"/messages", body)
		id, _ := answer["id"].(string)
		return id
	}
	first := send(object{"content": "x", "nonce": "request-7", "enforce_nonce": true})
	if again := send(object{"content": "x", "nonce": "request-7", "enforce_nonce": true}); first == "" || again != first {
		t.Errorf("the same nonce again made %s, the first time %s", again, first)
	}
	if id := send(object{"content": "x", "nonce": "request-7"}); id == first {
		t.Error("a nonce that is not enforced counted")
	}
	f.Advance(6 * time.Minute)
	if id := send(object{"content": "x", "nonce": "request-7", "enforce_nonce": true}); id == first {
		t.Error("the nonce is remembered for ever")
	}
}

func TestPings(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	ada, lab := f.AddUser("ada"), f.AddChannel("lab")
	role := f.AddRole("admins", 0)
	s := newBot(t, f)
	content := fmt.Sprintf("@everyone <@%s> <@&%s>", ada.ID, role.ID)
	must[*discordgo.Message](t)(s.ChannelMessageSendComplex(lab.ID, &discordgo.MessageSend{Content: content, AllowedMentions: &discordgo.MessageAllowedMentions{}}))
	must[*discordgo.Message](t)(s.ChannelMessageSendComplex(lab.ID, &discordgo.MessageSend{
		Content: content, AllowedMentions: &discordgo.MessageAllowedMentions{Users: []string{ada.ID}},
	}))
	if v := f.Violations(); len(v) != 0 {
		t.Errorf("the violations are %q", v)
	}
	loud := must[*discordgo.Message](t)(s.ChannelMessageSend(lab.ID, content))
	seen := ada.Sees(lab)
	for n, want := range [][]string{nil, {ada.ID}, {"everyone", role.ID, ada.ID}} {
		if !slices.Equal(seen[n].Pinged, want) {
			t.Errorf("message %d pinged %q, not %q", n, seen[n].Pinged, want)
		}
	}
	if v := f.Violations(); len(v) != 1 || !strings.Contains(v[0], "everyone") || !loud.MentionEveryone {
		t.Errorf("the violations are %q", v)
	}
}

func TestEdit(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	ada, lab := f.AddUser("ada"), f.AddChannel("lab")
	s := newBot(t, f)
	m := must[*discordgo.Message](t)(s.ChannelMessageSendComplex(lab.ID, &discordgo.MessageSend{
		Content: "queued", Embeds: []*discordgo.MessageEmbed{{Title: "demo"}}, Components: button("Stop", "stop"),
		Files: []*discordgo.File{{Name: "a.txt", Reader: strings.NewReader("a")}},
	}))
	done := "done"
	must[*discordgo.Message](t)(s.ChannelMessageEditComplex(&discordgo.MessageEdit{ID: m.ID, Channel: lab.ID, Content: &done}))
	if now := ada.Sees(lab)[0]; now.Content != "done" || now.Embeds[0].Title != "demo" || len(now.Attachments) != 1 || now.EditedTimestamp == nil {
		t.Errorf("what was left out did not stay: %+v", now)
	}
	before := ada.Sees(lab)[0]
	must[*discordgo.Message](t)(s.ChannelMessageEditComplex(&discordgo.MessageEdit{
		ID: m.ID, Channel: lab.ID, Components: &[]discordgo.MessageComponent{}, Attachments: &[]*discordgo.MessageAttachment{},
		Files: []*discordgo.File{{Name: "b.txt", Reader: strings.NewReader("b")}},
	}))
	if now := ada.Sees(lab)[0]; len(now.Clickable()) != 0 || len(now.Attachments) != 1 || now.Attachments[0].Filename != "b.txt" {
		t.Errorf("what was emptied is still there: %+v", now)
	}
	if len(before.Clickable()) != 1 || before.Attachments[0].Filename != "a.txt" {
		t.Errorf("the copy from before has changed: %+v", before)
	}
	got := must[*discordgo.Message](t)(s.ChannelMessage(lab.ID, m.ID))
	if got.Content != "done" || got.Embeds[0].Title != "demo" {
		t.Errorf("the library reads %+v", got)
	}
	if status, answer, _ := call(t, f, "PATCH", "/channels/"+lab.ID+"/messages/"+m.ID, object{"content": nil}); status != 200 || answer["content"] != "" {
		t.Errorf("emptied: %d %v", status, answer)
	}
}

func TestListMessages(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	ada, lab := f.AddUser("ada"), f.AddChannel("lab")
	var ids []string
	for n := range 10 {
		ids = append(ids, must[discordfake.Message](t)(ada.Says(lab, fmt.Sprint(n))).ID)
	}
	for query, want := range map[string]string{
		"": "9876543210", "?limit=3": "987", "?limit=3&before=" + ids[5]: "432", "?limit=3&after=" + ids[5]: "876", "?limit=3&around=" + ids[5]: "654",
	} {
		_, raw, _ := callRaw(t, f, "GET", "/channels/"+lab.ID+"/messages"+query, nil)
		var messages []discordfake.Message
		if err := json.Unmarshal(raw, &messages); err != nil {
			t.Fatal(err)
		}
		got := ""
		for _, m := range messages {
			got += m.Content
		}
		if got != want {
			t.Errorf("%q gives %s, not %s", query, got, want)
		}
	}
}

func TestRateLimits(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	lab, other := f.AddChannel("lab"), f.AddChannel("other")
	send := func(c *discordfake.Channel) (int, object, string, string) {
		t.Helper()
		status, answer, headers := call(t, f, "POST", "/channels/"+c.ID+"/messages", object{"content": "x"})
		return status, answer, headers.Get("X-RateLimit-Remaining"), headers.Get("Retry-After")
	}
	for n := range 5 {
		if status, _, left, _ := send(lab); status != 200 || left != fmt.Sprint(4-n) {
			t.Errorf("message %d: %d, left %s", n, status, left)
		}
	}
	f.Advance(1500 * time.Millisecond)
	status, answer, _, after := send(lab)
	if status != 429 || answer["retry_after"] != 3.5 || answer["global"] != false || after != "4" {
		t.Errorf("the sixth: %d %v, Retry-After %s", status, answer, after)
	}
	if status, _, _, _ := send(other); status != 200 {
		t.Errorf("another channel: %d", status)
	}
	f.Advance(3500 * time.Millisecond)
	if status, _, _, _ := send(lab); status != 200 {
		t.Errorf("later: %d", status)
	}
	s := newBot(t, f)
	f.Spoil(discordfake.Fault{Method: "GET", Path: "/users/", Status: 429, RetryAfter: 65 * time.Second, Global: true})
	var limited *discordgo.RateLimitError
	if _, err := s.User("@me"); !errors.As(err, &limited) || limited.RetryAfter != 65*time.Second {
		t.Errorf("on demand: %v", err)
	}
	f.Limit(discordfake.LimitGlobal, 2, time.Second)
	call(t, f, "GET", "/users/@me", nil)
	call(t, f, "GET", "/users/@me", nil)
	if status, answer, headers := call(t, f, "GET", "/users/@me", nil); status != 429 || answer["global"] != true || headers.Get("X-RateLimit-Global") != "true" {
		t.Errorf("all in all too many: %d %v", status, answer)
	}
	if r := f.Report(); r.Refused[429] != 3 || r.WorstMinutes != 3 {
		t.Errorf("the report is %+v", r)
	}
	f.Advance(11 * time.Minute)
	f.Spoil(discordfake.Fault{Status: 403})
	call(t, f, "GET", "/users/@me", nil)
	if r := f.Report(); r.Refused[403] != 1 || r.WorstMinutes != 3 {
		t.Errorf("the report is %+v", r)
	}
}

func TestFaults(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	ada, lab := f.AddUser("ada"), f.AddChannel("lab")
	s := newBot(t, f)
	send := func(text string) error {
		_, err := s.ChannelMessageSend(lab.ID, text)
		return err
	}
	f.Spoil(discordfake.Fault{Method: "POST", Path: "/messages", Cut: true})
	if err := send("cut"); err == nil || len(ada.Sees(lab)) != 0 {
		t.Errorf("cut: %v, and there is %v", err, ada.Sees(lab))
	}
	f.Spoil(discordfake.Fault{Method: "POST", Path: "/messages", Lost: true})
	if err := send("lost"); err == nil || len(ada.Sees(lab)) != 1 {
		t.Errorf("lost: %v, and there is %v", err, ada.Sees(lab))
	}
	f.Spoil(discordfake.Fault{Path: "/messages", Status: 500, Times: -1})
	if send("a") == nil || send("b") == nil {
		t.Error("500 is no error")
	}
	f.Heal()
	goOn := make(chan struct{})
	f.Spoil(discordfake.Fault{Path: "/messages", Hold: goOn})
	held := make(chan error)
	go func() { held <- send("held") }()
	if err := f.Wait(patient(t), "a call that is held", func() bool { return f.Held() == 1 }); err != nil {
		t.Fatal(err)
	}
	if len(ada.Sees(lab)) != 1 {
		t.Error("what is held was done")
	}
	close(goOn)
	if err := <-held; err != nil || len(ada.Sees(lab)) != 2 {
		t.Errorf("held: %v, and there is %v", err, ada.Sees(lab))
	}
	if calls := f.Calls("POST", "/messages"); len(calls) != 5 || calls[0].Status != 0 || calls[1].Status != 200 || calls[2].Status != 500 {
		t.Errorf("the calls were %v", calls)
	}
	f.Forget()
	if len(f.Saw("held")) != 0 {
		t.Error("the calls were not forgotten")
	}
}
