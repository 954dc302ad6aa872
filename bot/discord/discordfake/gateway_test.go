package discordfake_test

import (
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/bwmarrin/discordgo"
	"github.com/gorilla/websocket"

	"github.com/mydb-project/mydb/bot/discord/discordfake"
)

// quick lets the client notice soon that nobody answers: after five heartbeats.
func quick(o *discordfake.Options) { o.Heartbeat = time.Second }

// heard is what a bot has heard, and tells when there is more.
type heard struct {
	mu    sync.Mutex
	texts []string
	more  chan struct{}
}

func listen(s *discordgo.Session) *heard {
	h := &heard{more: make(chan struct{}, 1000)}
	s.SyncEvents = true
	s.AddHandler(func(_ *discordgo.Session, m *discordgo.MessageCreate) {
		h.mu.Lock()
		h.texts = append(h.texts, m.Content)
		h.mu.Unlock()
		h.more <- struct{}{}
	})
	return h
}

// until waits until so many messages have been heard, and gives them.
func (h *heard) until(t *testing.T, n int) []string {
	t.Helper()
	ctx := patient(t)
	for {
		h.mu.Lock()
		texts := slices.Clone(h.texts)
		h.mu.Unlock()
		if len(texts) >= n {
			return texts
		}
		select {
		case <-h.more:
		case <-ctx.Done():
			t.Fatalf("heard only %q", texts)
		}
	}
}

// listening is a guild with a bot that hears what ada says.
func listening(t *testing.T, options ...func(*discordfake.Options)) (f *discordfake.Fake, say func(string), h *heard) {
	t.Helper()
	f = newFake(t, append(options, func(o *discordfake.Options) { o.Privileged = 1 << 15 })...)
	ada, c := f.AddUser("ada"), f.AddChannel("lab")
	s := newBot(t, f)
	s.Identify.Intents |= discordgo.IntentMessageContent
	h = listen(s)
	open(t, s)
	// A connection that breaks before its first heartbeat makes the library reconnect for ever: the heartbeat that is late closes the
	// next connection, and so on.
	waitFor(t, f, "a heartbeat", func(g discordfake.GatewayState) bool { return g.Heartbeats > 0 })
	return f, func(text string) {
		t.Helper()
		must[discordfake.Message](t)(ada.Says(c, text))
	}, h
}

func waitFor(t *testing.T, f *discordfake.Fake, what string, holds func(discordfake.GatewayState) bool) {
	t.Helper()
	if err := f.Wait(patient(t), what, func() bool { return holds(f.Gateway()) }); err != nil {
		t.Fatalf("%v; the gateway: %+v", err, f.Gateway())
	}
}

func TestConnect(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	f.AddChannel("lab")
	s := newBot(t, f)
	guild := make(chan *discordgo.GuildCreate, 1)
	s.AddHandler(func(_ *discordgo.Session, g *discordgo.GuildCreate) { guild <- g })
	open(t, s)
	if s.State.User.ID != f.AppID || s.State.SessionID == "" || s.State.Application.ID != f.AppID {
		t.Errorf("READY said %+v", s.State.Ready)
	}
	select {
	case g := <-guild:
		if g.ID != f.GuildID || len(g.Channels) != 1 || g.Channels[0].Name != "lab" || g.MemberCount != 1 {
			t.Errorf("the guild is %+v", g.Guild)
		}
	case <-patient(t).Done():
		t.Fatal("no GUILD_CREATE")
	}
	waitFor(t, f, "a heartbeat", func(g discordfake.GatewayState) bool { return g.Heartbeats > 0 })
	if g := f.Gateway(); g.Live != 1 || len(g.Identifies) != 1 || g.Identifies[0].Beside != 0 {
		t.Errorf("the gateway says %+v", g)
	}
	if saw := f.Saw(f.Token()); len(saw) > 0 {
		t.Errorf("the bot's token was recorded: %v", saw)
	}
	bot := must[*discordgo.GatewayBotResponse](t)(s.GatewayBot())
	if bot.Shards != 1 || bot.SessionStartLimit.Remaining != 999 {
		t.Errorf("/gateway/bot says %+v", bot)
	}
}

func TestHeartbeatsKeepTheConnection(t *testing.T) {
	t.Parallel()
	f, say, h := listening(t, quick)
	waitFor(t, f, "many heartbeats", func(g discordfake.GatewayState) bool { return g.Heartbeats > 3 })
	say("still here?")
	h.until(t, 1)
	if g := f.Gateway(); g.Connections != 1 {
		t.Errorf("there were %d connections", g.Connections)
	}
}

func TestWrongTokenIsClosedWith4004(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	s := newBot(t, f)
	s.Identify.Token = "Bot wrong"
	err := s.Open()
	var closed *websocket.CloseError
	if !errors.As(err, &closed) || closed.Code != 4004 {
		t.Fatalf("Open says %v", err)
	}
	s.Identify.Token = ""
	s.Token = "Bot wrong"
	var rest *discordgo.RESTError
	if _, err := s.User("@me"); !errors.As(err, &rest) || rest.Response.StatusCode != 401 {
		t.Errorf("/users/@me says %v", err)
	}
	if r := f.Report(); r.Refused[401] != 1 || r.WorstMinutes != 1 || len(r.Gateway.Identifies) != 0 {
		t.Errorf("the report is %+v", r)
	}
}

func TestPrivilegedIntentsMustBeSwitchedOn(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	s := newBot(t, f)
	s.Identify.Intents |= discordgo.IntentGuildMembers
	var closed *websocket.CloseError
	if err := s.Open(); !errors.As(err, &closed) || closed.Code != 4014 {
		t.Fatalf("Open says %v", err)
	}
}

func TestContentIsOnlyForThoseWhoMayReadIt(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	ada, c := f.AddUser("ada"), f.AddChannel("lab")
	s := newBot(t, f)
	h := listen(s)
	open(t, s)
	for _, said := range []struct {
		in   *discordfake.Channel
		text string
	}{{c, "a secret of the lab"}, {c, "<@" + f.AppID + "> hello"}, {ada.DM(), "help"}} {
		must[discordfake.Message](t)(ada.Says(said.in, said.text))
	}
	if texts := h.until(t, 3); texts[0] != "" || texts[1] != "<@"+f.AppID+"> hello" || texts[2] != "help" {
		t.Errorf("the bot heard %q", texts)
	}
}

// TestComeBack breaks the connection in each way, says something meanwhile, and expects that the bot hears all in the end, once and in order.
func TestComeBack(t *testing.T) {
	t.Parallel()
	for name, break_ := range map[string]func(f *discordfake.Fake){
		"dropped":       func(f *discordfake.Fake) { f.Drop() },
		"closed 4000":   func(f *discordfake.Fake) { f.CloseGateway(4000, "Unknown error.") },
		"asked to":      func(f *discordfake.Fake) { f.Reconnect() },
		"gateway down":  func(f *discordfake.Fake) { f.RefuseGateway(true); f.Drop() },
		"gone silent":   func(f *discordfake.Fake) { f.Silence() },
		"twice dropped": func(f *discordfake.Fake) { f.Drop(); f.Drop() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			options := []func(*discordfake.Options){}
			if name == "gone silent" {
				options = append(options, quick)
			}
			f, say, h := listening(t, options...)
			say("one")
			h.until(t, 1)
			break_(f)
			say("two")
			say("three")
			f.RefuseGateway(false)
			waitFor(t, f, "the bot to resume", func(g discordfake.GatewayState) bool { return g.Resumes > 0 && g.Live > 0 })
			say("four")
			if texts := h.until(t, 4); !slices.Equal(texts, []string{"one", "two", "three", "four"}) {
				t.Errorf("the bot heard %q", texts)
			}
			if g := f.Gateway(); len(g.Identifies) != 1 {
				t.Errorf("the bot began a new session: %+v", g)
			}
		})
	}
}

func TestSessionsThatAreGone(t *testing.T) {
	t.Parallel()
	for name, break_ := range map[string]func(f *discordfake.Fake){
		"forgotten": func(f *discordfake.Fake) { f.ForgetSessions(); f.Drop() },
		"timed out": func(f *discordfake.Fake) { f.CloseGateway(4009, "Session timed out.") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f, say, h := listening(t)
			f.RefuseGateway(true)
			break_(f)
			say("lost")
			f.RefuseGateway(false)
			waitFor(t, f, "a new session", func(g discordfake.GatewayState) bool { return len(g.Identifies) == 2 && g.Live == 1 })
			say("heard")
			if texts := h.until(t, 1); texts[0] != "heard" {
				t.Errorf("the bot heard %q", texts)
			}
		})
	}
}

func TestInvalidSession(t *testing.T) {
	t.Parallel()
	f, say, h := listening(t)
	f.Invalidate()
	waitFor(t, f, "a new session", func(g discordfake.GatewayState) bool { return len(g.Identifies) == 2 && g.Live == 1 })
	say("heard")
	if texts := h.until(t, 1); texts[0] != "heard" || f.Gateway().Connections != 1 {
		t.Errorf("the bot heard %q on %d connections", texts, f.Gateway().Connections)
	}
}

func TestTokenIsExchanged(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	s := newBot(t, f)
	s.ShouldReconnectOnError = false
	gone := make(chan struct{})
	s.AddHandlerOnce(func(*discordgo.Session, *discordgo.Disconnect) { close(gone) })
	open(t, s)
	f.SetToken("another")
	select {
	case <-gone:
	case <-patient(t).Done():
		t.Fatal("the bot is still connected")
	}
	var closed *websocket.CloseError
	if err := s.Open(); !errors.As(err, &closed) || closed.Code != 4004 {
		t.Errorf("Open says %v", err)
	}
}

func TestOneSessionGetsTheEvents(t *testing.T) {
	t.Parallel()
	f, say, first := listening(t)
	say("to the first")
	first.until(t, 1)
	s := newBot(t, f)
	s.Identify.Intents |= discordgo.IntentMessageContent
	second := listen(s)
	open(t, s)
	say("to the second")
	second.until(t, 1)
	if texts := first.until(t, 1); len(texts) != 1 {
		t.Errorf("the first heard %q", texts)
	}
	if g := f.Gateway(); g.Live != 2 || len(g.Identifies) != 2 || g.Identifies[1].Beside != 1 {
		t.Errorf("the gateway says %+v", g)
	}
}

func TestEventsTwiceAndInDisorder(t *testing.T) {
	t.Parallel()
	f, say, h := listening(t)
	f.DuplicateEvery(2)
	for _, text := range []string{"a", "b", "c", "d"} {
		say(text)
	}
	if texts := h.until(t, 6); !slices.Equal(texts, []string{"a", "b", "b", "c", "d", "d"}) {
		t.Errorf("doubled: %q", texts)
	}
	f.DuplicateEvery(0)
	f.Reorder(3)
	for _, text := range []string{"e", "f", "g", "h"} {
		say(text)
	}
	if texts := h.until(t, 10)[6:]; !slices.Equal(texts, []string{"g", "f", "e", "h"}) {
		t.Errorf("in disorder: %q", texts)
	}
}

// TestBadFrames speaks to the gateway by hand.
func TestBadFrames(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		send []string
		code int
	}{
		"no JSON":            {[]string{"hello"}, 4002},
		"too long":           {[]string{`{"op":1,"d":"` + string(make([]byte, 5000)) + `"}`}, 4002},
		"no such op":         {[]string{`{"op":99}`}, 4001},
		"before identifying": {[]string{`{"op":3,"d":{}}`}, 4003},
		"twice":              {[]string{`{"op":2,"d":{"token":"t"}}`, `{"op":2,"d":{"token":"t"}}`}, 4005},
		"resume, wrong":      {[]string{`{"op":6,"d":{"token":"x"}}`}, 4004},
		"seq of the future":  {[]string{`{"op":2,"d":{"token":"t"}}`}, 4007},
		"too many":           {slices.Repeat([]string{`{"op":6,"d":{"token":"t","session_id":"x"}}`}, 121), 4008},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFake(t, func(o *discordfake.Options) { o.Token = "t" })
			if test.code == 4007 {
				open(t, newBot(t, f))
				test.send = []string{`{"op":6,"d":{"token":"t","seq":1000,"session_id":"` + f.Gateway().Identifies[0].Session + `"}}`}
			}
			conn, response, err := websocket.DefaultDialer.DialContext(t.Context(), "ws"+f.URL[len("http"):]+"/gateway/?v=10", nil)
			if err != nil {
				t.Fatal(err)
			}
			response.Body.Close()
			defer conn.Close()
			for _, text := range test.send {
				if err := conn.WriteMessage(websocket.TextMessage, []byte(text)); err != nil {
					break // closed already
				}
			}
			for err == nil {
				_, _, err = conn.ReadMessage()
			}
			var closed *websocket.CloseError
			if !errors.As(err, &closed) || closed.Code != test.code {
				t.Errorf("closed with %v, not %d", err, test.code)
			}
		})
	}
}
