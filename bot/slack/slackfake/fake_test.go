package slackfake_test

import (
	"context"
	"errors"
	"io"
	"log"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/slack-go/slack"
	"github.com/slack-go/slack/socketmode"

	"github.com/mydb-project/mydb/bot/slack/slackfake"
)

// noon is when the frozen clocks of these tests stand.
var noon = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)

// patient is a context for waiting: generous, because the machine may be slow.
func patient(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// client is the real library, pointed at the fake.
func client(f *slackfake.Fake) *slack.Client {
	return slack.New(f.BotToken(), slack.OptionAppLevelToken(f.AppToken()), slack.OptionAPIURL(f.APIURL()))
}

// town is a workspace with two people in a channel. Its clock stands and nothing is limited, unless a test says otherwise: a slow
// machine must not run into three seconds.
type town struct {
	*slackfake.Fake
	api   *slack.Client
	alice *slackfake.User
	bob   *slackfake.User
	lab   *slackfake.Channel
}

func newTown(t *testing.T, o slackfake.Options) *town {
	t.Helper()
	if o.Clock == nil {
		o.Clock = slackfake.NewFrozenClock(time.Now()) // near the machine's, which the library compares signatures with
	}
	if o.Rates == (slackfake.Rates{}) {
		o.Rates.Off = true
	}
	f := slackfake.Start(t, o)
	alice := f.AddUser(slackfake.Profile{Name: "alice", RealName: "Alice Ångström", Email: "alice@example.com", EmailConfirmed: true, Timezone: "Europe/Berlin"})
	bob := f.AddUser(slackfake.Profile{Name: "bob", Email: "bob@example.com"})
	lab := f.AddChannel(slackfake.Room{Name: "lab", Members: []*slackfake.User{alice, bob}})
	return &town{Fake: f, api: client(f), alice: alice, bob: bob, lab: lab}
}

// app is an app on Socket Mode. handle hears every event of the library; what it returns is acknowledged, unless it is noAck.
type app struct {
	client *socketmode.Client
	stop   context.CancelFunc
	ended  chan struct{}
}

type silence struct{}

var noAck = silence{}

func runApp(t *testing.T, f *slackfake.Fake, handle func(socketmode.Event) any) *app {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	a := &app{client: socketmode.New(client(f), socketmode.OptionLog(log.New(io.Discard, "", 0))), stop: stop, ended: make(chan struct{})}
	before := f.Connections()
	go func() {
		defer close(a.ended)
		_ = a.client.RunContext(ctx)
	}()
	go func() {
		for {
			select {
			case e := <-a.client.Events:
				if e.Request == nil || e.Type == socketmode.EventTypeHello {
					continue
				}
				switch answer := handle(e); answer {
				case noAck:
				case nil:
					_ = a.client.Ack(*e.Request)
				default:
					_ = a.client.Ack(*e.Request, answer)
				}
			case <-ctx.Done():
				return
			}
		}
	}()
	t.Cleanup(func() { stop(); <-a.ended })
	if err := f.Await(patient(t), func() bool { return f.Connections() > before }); err != nil {
		t.Fatal(err)
	}
	return a
}

func text(s string) *slack.TextBlockObject {
	return slack.NewTextBlockObject(slack.MarkdownType, s, false, false)
}

func plain(s string) *slack.TextBlockObject {
	return slack.NewTextBlockObject(slack.PlainTextType, s, false, false)
}

// code is Slack's error code, or empty.
func code(err error) string {
	if err == nil {
		return ""
	}
	var e slack.SlackErrorResponse
	if errors.As(err, &e) {
		return e.Err
	}
	return err.Error()
}

func texts(messages []slackfake.Message) (all []string) {
	for _, m := range messages {
		all = append(all, m.Text)
	}
	return all
}

func same(t *testing.T, what string, got, want []string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s = %q, want %q", what, got, want)
	}
}

// TestMessages posts, changes and takes away, and looks at it as people do.
func TestMessages(t *testing.T) {
	w := newTown(t, slackfake.Options{})
	api := w.api
	eve := w.AddUser(slackfake.Profile{Name: "eve"})
	vault := w.AddChannel(slackfake.Room{Name: "vault", Private: true, Members: []*slackfake.User{w.alice}})

	id, ts, err := api.PostMessage(w.lab.ID(), slack.MsgOptionText("accepted", false),
		slack.MsgOptionBlocks(slack.NewSectionBlock(text("*accepted*"), nil, nil), slack.NewActionBlock("", slack.NewButtonBlockElement("undo", "42", plain("Undo")))))
	if err != nil || id != w.lab.ID() {
		t.Fatalf("PostMessage = %s, %v", id, err)
	}
	if _, err = api.PostEphemeral(w.lab.ID(), w.bob.ID(), slack.MsgOptionText("only for Bob", false)); err != nil {
		t.Fatal(err)
	}
	if _, _, err = api.PostMessage(w.lab.ID(), slack.MsgOptionText("a detail", false), slack.MsgOptionTS(ts)); err != nil {
		t.Fatal(err)
	}
	if _, _, err = api.PostMessage(vault.ID(), slack.MsgOptionText("secret", false)); err != nil {
		t.Fatal(err)
	}
	same(t, "Alice's channel", texts(w.alice.Sees(w.lab)), []string{"accepted"})
	same(t, "Bob's channel", texts(w.bob.Sees(w.lab)), []string{"accepted", "only for Bob"})
	same(t, "the thread", texts(w.bob.Thread(w.lab, ts)), []string{"accepted", "a detail"})
	same(t, "a public channel", texts(eve.Sees(w.lab)), []string{"accepted"})
	same(t, "a private channel", texts(eve.Sees(vault)), nil)

	m, _ := w.alice.Message(w.lab, ts)
	if b, ok := m.Button("undo"); !ok || b.Value != "42" || b.Text != "Undo" || m.Replies != 1 || len(m.Blocks().BlockSet) != 2 || m.Shown() != "*accepted*\nUndo" {
		t.Errorf("the message is %+v", m)
	}
	if _, _, _, err = api.UpdateMessage(w.lab.ID(), ts, slack.MsgOptionText("done", false)); err != nil {
		t.Fatal(err)
	}
	if m, _ = w.alice.Message(w.lab, ts); m.Text != "done" || len(m.RawBlocks) == 0 || m.Edits != 1 {
		t.Errorf("without blocks an update leaves those that are there: %+v", m)
	}
	if _, _, _, err = api.UpdateMessage(w.lab.ID(), ts, slack.MsgOptionText("done", false), slack.MsgOptionBlocks([]slack.Block{}...)); err != nil {
		t.Fatal(err)
	}
	if _, _, err = api.DeleteMessage(w.lab.ID(), ts); err != nil {
		t.Fatal(err)
	}
	same(t, "after the deletion", texts(w.alice.Sees(w.lab)), []string{"This message was deleted."}) // a thread hangs on it
	if v := w.Report().Violations; len(v) != 0 {
		t.Errorf("violations: %v", v)
	}
}

// TestMetadata finds a message again by what it carries, as an app does after a crash between sending and storing.
func TestMetadata(t *testing.T) {
	w := newTown(t, slackfake.Options{})
	meta := slack.SlackMetadata{EventType: "mydb_status", EventPayload: map[string]any{"request": "r-17"}}
	w.Next("chat.postMessage", slackfake.Fault{LoseAnswer: true})
	if _, _, err := w.api.PostMessage(w.lab.ID(), slack.MsgOptionText("status", false), slack.MsgOptionMetadata(meta)); err == nil {
		t.Fatal("the answer was not lost")
	}
	for range 5 {
		if _, _, err := w.api.PostMessage(w.lab.ID(), slack.MsgOptionText("more", false)); err != nil {
			t.Fatal(err)
		}
	}
	var found slack.Message
	cursor, pages := "", 0
	for ; found.Timestamp == "" && pages < 9; pages++ {
		page, err := w.api.GetConversationHistory(&slack.GetConversationHistoryParameters{ChannelID: w.lab.ID(), Limit: 4, Cursor: cursor, IncludeAllMetadata: true})
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range page.Messages {
			if m.Metadata.EventType == "mydb_status" && m.Metadata.EventPayload["request"] == "r-17" {
				found = m
			}
		}
		cursor = page.ResponseMetaData.NextCursor
	}
	if found.Text != "status" || pages != 2 || found.BotID != slackfake.BotID {
		t.Errorf("found %+v on page %d", found, pages)
	}
	without, err := w.api.GetConversationHistory(&slack.GetConversationHistoryParameters{ChannelID: w.lab.ID(), Oldest: found.Timestamp, Inclusive: true})
	if err != nil || len(without.Messages) != 6 || without.Messages[5].Metadata.EventType != "" {
		t.Errorf("history without metadata = %+v, %v", without, err)
	}
	for name, c := range map[string]struct{ raw, want string }{
		"no JSON": {"{", "invalid_metadata_format"}, "no type": {`{"event_payload":{"a":1}}`, "invalid_metadata_schema"},
		"large": {`{"event_type":"x","event_payload":{"a":"` + strings.Repeat("x", 17000) + `"}}`, "metadata_too_large"},
	} {
		if got := call(t, w.Fake, "chat.postMessage", map[string]any{"channel": w.lab.ID(), "text": "x", "metadata": c.raw}); got.Error != c.want {
			t.Errorf("%s: %q, want %q", name, got.Error, c.want)
		}
	}
	replies, _, _, err := w.api.GetConversationReplies(&slack.GetConversationRepliesParameters{ChannelID: w.lab.ID(), Timestamp: "1.2"})
	if code(err) != "thread_not_found" {
		t.Errorf("GetConversationReplies = %v, %v", replies, err)
	}
}

// TestErrors asks for what cannot be had.
func TestErrors(t *testing.T) {
	scopes := []string{"chat:write", "channels:read", "channels:history", "im:write", "users:read"}
	w := newTown(t, slackfake.Options{Scopes: scopes})
	foreign := w.AddChannel(slackfake.Room{Name: "foreign", WithoutBot: true, Members: []*slackfake.User{w.alice}})
	vault := w.AddChannel(slackfake.Room{Name: "vault", Private: true, WithoutBot: true})
	old := w.AddChannel(slackfake.Room{Name: "old", Archived: true})
	gone := w.AddUser(slackfake.Profile{Name: "gone", Deleted: true})
	robot := w.AddUser(slackfake.Profile{Name: "robot", Bot: true})
	own, _ := w.alice.Say(w.lab, "", "mine")
	for _, c := range []struct {
		method string
		args   map[string]any
		want   string
	}{
		{"chat.postMessage", map[string]any{"channel": "C404", "text": "x"}, "channel_not_found"},
		{"chat.postMessage", map[string]any{"channel": vault.ID(), "text": "x"}, "channel_not_found"},
		{"chat.postMessage", map[string]any{"channel": foreign.ID(), "text": "x"}, "not_in_channel"},
		{"chat.postMessage", map[string]any{"channel": old.ID(), "text": "x"}, "is_archived"},
		{"chat.postMessage", map[string]any{"channel": w.lab.ID(), "text": " "}, "no_text"},
		{"chat.postMessage", map[string]any{"channel": w.lab.ID(), "text": strings.Repeat("ä", 40001)}, "msg_too_long"},
		{"chat.postMessage", map[string]any{"channel": w.lab.ID(), "text": "x", "thread_ts": "1.000001"}, "cannot_reply_to_message"},
		{"chat.postMessage", map[string]any{"channel": gone.ID(), "text": "x"}, "user_disabled"},
		{"chat.update", map[string]any{"channel": w.lab.ID(), "ts": own.TS, "text": "x"}, "cant_update_message"},
		{"chat.update", map[string]any{"channel": w.lab.ID(), "ts": "1.000001", "text": "x"}, "message_not_found"},
		{"chat.update", map[string]any{"channel": w.alice.ID(), "ts": "1.000001", "text": "x"}, "channel_not_found"},
		{"chat.delete", map[string]any{"channel": w.lab.ID(), "ts": own.TS}, "cant_delete_message"},
		{"chat.postEphemeral", map[string]any{"channel": w.lab.ID(), "user": gone.ID(), "text": "x"}, "user_not_in_channel"},
		{"chat.postEphemeral", map[string]any{"channel": w.lab.ID(), "user": "U404", "text": "x"}, "user_not_found"},
		{"conversations.open", map[string]any{"users": robot.ID()}, "cannot_dm_bot"},
		{"conversations.open", map[string]any{"users": "U404"}, "user_not_found"},
		{"conversations.history", map[string]any{"channel": foreign.ID()}, "not_in_channel"},
		{"users.info", map[string]any{"user": "U404"}, "user_not_found"},
		{"users.lookupByEmail", map[string]any{"email": "alice@example.com"}, "missing_scope"},
		{"files.getUploadURLExternal", map[string]any{"filename": "a.png", "length": "1"}, "missing_scope"},
		{"reactions.add", nil, "unknown_method"},
	} {
		if got := call(t, w.Fake, c.method, c.args); got.OK || got.Error != c.want {
			t.Errorf("%s %v: %q, want %q", c.method, c.args, got.Error, c.want)
		}
	}
	lacking := call(t, w.Fake, "users.lookupByEmail", nil)
	if lacking.Needed != "users:read.email" || lacking.Provided != strings.Join(scopes, ",") {
		t.Errorf("missing_scope needs %q of %q", lacking.Needed, lacking.Provided)
	}
	u, err := w.api.GetUserInfo(w.alice.ID())
	if err != nil || u.Profile.Email != "" {
		t.Errorf("without users:read.email the address is hidden: %+v, %v", u, err)
	}
}

// TestTokens keeps app and bot tokens apart, and takes JSON's token from the header alone.
func TestTokens(t *testing.T) {
	f := slackfake.Start(t, slackfake.Options{})
	for _, c := range []struct{ token, method, want string }{
		{"", "auth.test", "not_authed"},
		{"xoxb-other", "auth.test", "invalid_auth"},
		{f.AppToken(), "auth.test", "not_allowed_token_type"},
		{f.BotToken(), "apps.connections.open", "not_allowed_token_type"},
		{f.BotToken(), "auth.test", ""},
		{f.AppToken(), "apps.connections.open", ""},
	} {
		if got := callWith(t, f, c.token, c.method, map[string]any{"token": f.BotToken()}); got.Error != c.want {
			t.Errorf("%s with %q: %q, want %q", c.method, c.token, got.Error, c.want)
		}
	}
	who, err := client(f).AuthTest()
	if err != nil || who.TeamID != f.Team() || who.UserID != slackfake.BotUserID || who.BotID != slackfake.BotID || who.Header.Get("X-OAuth-Scopes") == "" {
		t.Errorf("AuthTest = %+v, %v", who, err)
	}
}

// TestPeople looks people up as the identity checks do.
func TestPeople(t *testing.T) {
	w := newTown(t, slackfake.Options{})
	partner := w.AddUser(slackfake.Profile{Name: "partner", Email: "p@partner.example", EmailConfirmed: true, TeamID: "T0PARTNER1"})
	guest := w.AddUser(slackfake.Profile{Name: "guest", Email: "g@example.com", EmailConfirmed: true, ChannelGuest: true})
	shared := w.AddChannel(slackfake.Room{Name: "joint", SharedWith: []string{"T0PARTNER1"}})

	u, err := w.api.GetUserByEmail("ALICE@example.com")
	if err != nil || u.ID != w.alice.ID() || !u.IsEmailConfirmed || u.TeamID != w.Team() || u.TZ != "Europe/Berlin" || u.TZOffset == 0 {
		t.Errorf("GetUserByEmail = %+v, %v", u, err)
	}
	w.alice.Change(func(p *slackfake.Profile) { p.Deleted = true })
	for _, address := range []string{"alice@example.com", "p@partner.example", "nobody@example.com"} {
		if _, err := w.api.GetUserByEmail(address); code(err) != "users_not_found" {
			t.Errorf("GetUserByEmail(%s): %v", address, err)
		}
	}
	bob, err := w.api.GetUserInfo(w.bob.ID())
	if err != nil || bob.IsEmailConfirmed || bob.Profile.Email != "bob@example.com" {
		t.Errorf("Bob is %+v, %v", bob, err)
	}
	g, err := w.api.GetUserInfo(guest.ID())
	if err != nil || !g.IsRestricted || !g.IsUltraRestricted {
		t.Errorf("the guest is %+v, %v", g, err)
	}
	for _, stranger := range []bool{true, false} {
		p, err := w.api.GetUserInfo(partner.ID())
		if err != nil || p.IsStranger != stranger || p.TeamID != "T0PARTNER1" || p.Profile.Email != "" {
			t.Errorf("the partner is %+v, %v", p, err)
		}
		shared.Join(partner)
	}
	info, err := w.api.GetConversationInfo(&slack.GetConversationInfoInput{ChannelID: shared.ID()})
	if err != nil || !info.IsExtShared || !info.IsShared || !slices.Contains(info.ConnectedTeamIDs, "T0PARTNER1") {
		t.Errorf("the shared channel is %+v, %v", info, err)
	}
	dm, _, _, err := w.api.OpenConversation(&slack.OpenConversationParameters{Users: []string{w.bob.ID()}, ReturnIM: true})
	if err != nil || !dm.IsIM || dm.User != w.bob.ID() {
		t.Fatalf("OpenConversation = %+v, %v", dm, err)
	}
	if id, _, err := w.api.PostMessage(w.bob.ID(), slack.MsgOptionText("hello", false)); err != nil || id != dm.ID {
		t.Errorf("a message to a person goes to %s, %v", id, err)
	}
	same(t, "Bob's direct messages", texts(w.bob.Directs()), []string{"hello"})
}

// TestRates keeps about one message a second in a channel, by the clock of the workspace.
func TestRates(t *testing.T) {
	w := newTown(t, slackfake.Options{Clock: slackfake.NewFrozenClock(noon), Rates: slackfake.Rates{Burst: 3}})
	other := w.AddChannel(slackfake.Room{Name: "other"})
	post := func(c *slackfake.Channel) error {
		_, _, err := w.api.PostMessage(c.ID(), slack.MsgOptionText("x", false))
		return err
	}
	for range 3 {
		if err := post(w.lab); err != nil {
			t.Fatal(err)
		}
	}
	var limited *slack.RateLimitedError
	if err := post(w.lab); !errors.As(err, &limited) || limited.RetryAfter != time.Second {
		t.Fatalf("the fourth at once: %v", err)
	}
	if err := post(other); err != nil {
		t.Errorf("another channel: %v", err)
	}
	w.Clock().Advance(limited.RetryAfter)
	if err := post(w.lab); err != nil {
		t.Errorf("after Retry-After: %v", err)
	}
	w.Next("chat.postMessage", slackfake.Fault{RateLimited: 30 * time.Second}, slackfake.Fault{Status: 503}, slackfake.Fault{Error: "fatal_error"})
	if err := post(other); !errors.As(err, &limited) || limited.RetryAfter != 30*time.Second {
		t.Errorf("429 on demand: %v", err)
	}
	var status slack.StatusCodeError
	if err := post(other); !errors.As(err, &status) || status.Code != 503 {
		t.Errorf("503 on demand: %v", err)
	}
	if err := post(other); code(err) != "fatal_error" {
		t.Errorf("an error on demand: %v", err)
	}
	if err := post(other); err != nil {
		t.Errorf("after the faults: %v", err)
	}
	if v := w.Report().Violations; len(v) != 1 || v[0].What != "ratelimited" {
		t.Errorf("only the limit that the app broke itself is a violation: %v", v)
	}
}

// TestAwait ends with its context, and with the workspace.
func TestAwait(t *testing.T) {
	w := newTown(t, slackfake.Options{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := w.Await(ctx, func() bool { return false }); !errors.Is(err, context.Canceled) {
		t.Errorf("Await = %v", err)
	}
	done := make(chan error, 1)
	go func() { done <- w.Await(patient(t), func() bool { return false }) }()
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err == nil {
		t.Error("Await has waited for a closed workspace")
	}
}
