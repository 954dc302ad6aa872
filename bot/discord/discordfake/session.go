package discordfake

import (
	"crypto/rand"
	"encoding/json"
	"slices"
	"strings"
	"time"
)

// replayLimit is how many events a session keeps for a client that comes back.
const replayLimit = 1000

// session is what the bot has at the gateway. It outlives a connection that breaks.
type session struct {
	id       string
	intents  int
	compress bool
	seq      int64
	events   []event
	socket   *socket // nil while nobody is connected
}

type event struct {
	seq  int64
	name string
	data json.RawMessage
}

// gateway is all that goes on at the gateway.
type gateway struct {
	sockets  []*socket
	sessions []*session // the last one gets the events, as with one shard
	refuse   bool

	duplicateEvery int
	dispatched     int
	reorder        int
	held           []event

	connections int
	identifies  []Identify
	resumes     int
	invalid     int
	heartbeats  int
}

// Identify is a session that the bot began.
type Identify struct {
	At      time.Time
	Session string
	Intents int
	Beside  int // sessions that were connected at that moment: with one holder of the gateway it is always 0
}

// GatewayState is what has gone on at the gateway so far.
type GatewayState struct {
	Connections int        // all that were made
	Live        int        // sessions that are connected now
	Identifies  []Identify // sessions that were begun
	Resumes     int        // sessions that were taken up again
	Invalid     int        // attempts to, of sessions that were gone
	Heartbeats  int
}

// Gateway is what has gone on at the gateway so far.
func (f *Fake) Gateway() GatewayState {
	defer f.hold()()
	return f.gateway.state()
}

func (g *gateway) state() GatewayState {
	return GatewayState{
		Connections: g.connections, Live: g.live(), Identifies: slices.Clone(g.identifies), Resumes: g.resumes, Invalid: g.invalid, Heartbeats: g.heartbeats,
	}
}

func (g *gateway) live() (n int) {
	for _, s := range g.sessions {
		if s.socket != nil {
			n++
		}
	}
	return n
}

func (g *gateway) forget(s *session) {
	g.sessions = slices.DeleteFunc(g.sessions, func(x *session) bool { return x == s })
}

// bare takes "Bot " off a token, which the gateway takes with and without.
func bare(token string) string { return strings.TrimPrefix(token, "Bot ") }

// identify begins a session: READY is the next frame, then the guild.
func (s *socket) identify(data json.RawMessage) {
	f := s.fake
	var who struct {
		Token    string `json:"token"`
		Intents  int    `json:"intents"`
		Compress bool   `json:"compress"`
	}
	err := json.Unmarshal(data, &who)
	switch {
	case err != nil:
		s.close(closeDecode, "Error while decoding payload.")
		return
	case s.session != nil:
		s.close(closeAlreadyIdentity, "Already authenticated.")
		return
	case bare(who.Token) != f.token:
		s.close(closeAuthentication, "Authentication failed.")
		return
	case who.Intents&privileged&^f.opts.Privileged != 0:
		s.close(closeIntents, "Disallowed intent(s).")
		return
	}
	g := &f.gateway
	begun := &session{id: strings.ToLower(rand.Text()), intents: who.Intents, compress: who.Compress, socket: s}
	g.identifies = append(g.identifies, Identify{At: f.now(), Session: begun.id, Intents: who.Intents, Beside: g.live()})
	g.sessions = append(g.sessions, begun)
	s.session = begun
	s.pushEvent(begun.add("READY", map[string]any{
		"v": 10, "session_id": begun.id, "resume_gateway_url": f.gatewayURL(), "user": f.Bot.author(), "session_type": "normal",
		"guilds": []any{map[string]any{"id": f.GuildID, "unavailable": true}}, "private_channels": []any{},
		"application": map[string]any{"id": f.AppID, "flags": 0},
	}))
	if who.Intents&intentGuilds != 0 {
		s.pushEvent(begun.add("GUILD_CREATE", f.guildPayload()))
	}
}

// resume takes a session up again: what the client has missed, in its order, then RESUMED.
func (s *socket) resume(data json.RawMessage) {
	f := s.fake
	var what struct {
		Token   string `json:"token"`
		Session string `json:"session_id"`
		Seq     int64  `json:"seq"`
	}
	if json.Unmarshal(data, &what) != nil {
		s.close(closeDecode, "Error while decoding payload.")
		return
	}
	if bare(what.Token) != f.token {
		s.close(closeAuthentication, "Authentication failed.")
		return
	}
	g := &f.gateway
	i := slices.IndexFunc(g.sessions, func(x *session) bool { return x.id == what.Session })
	if i < 0 || s.session != nil {
		g.invalid++
		s.push(opInvalid, false)
		return
	}
	taken := g.sessions[i]
	if what.Seq > taken.seq {
		g.forget(taken)
		s.close(closeInvalidSequence, "Invalid seq.")
		return
	}
	if old := taken.socket; old != nil {
		old.session = nil
		old.close(closeUnknownError, "Session was taken up elsewhere.")
	}
	g.resumes++
	g.sessions = append(slices.Delete(g.sessions, i, i+1), taken)
	taken.socket, s.session = s, taken
	for _, e := range taken.events {
		if e.seq > what.Seq {
			s.pushEvent(e)
		}
	}
	s.pushEvent(taken.add("RESUMED", map[string]any{}))
}

// add gives an event its number, and keeps it for a client that comes back.
func (s *session) add(name string, data any) event {
	raw, _ := json.Marshal(data)
	s.seq++
	e := event{s.seq, name, raw}
	s.events = append(s.events, e)
	s.events = s.events[max(0, len(s.events)-replayLimit):]
	return e
}

// dispatch sends an event to the session that gets them, if it has asked for that kind (intent 0 needs no asking). While nobody is
// connected, the session keeps it. Without a session it is lost, as on the real one.
func (f *Fake) dispatch(name string, intent int, data any) {
	g := &f.gateway
	if len(g.sessions) == 0 {
		return
	}
	s := g.sessions[len(g.sessions)-1]
	if intent != 0 && s.intents&intent == 0 {
		return
	}
	e := s.add(name, data)
	ready := []event{e}
	if g.reorder > 0 {
		g.held = append(g.held, e)
		if len(g.held) < g.reorder {
			return
		}
		ready, g.held, g.reorder = g.held, nil, 0
		slices.Reverse(ready)
	}
	for _, e := range ready {
		g.dispatched++
		times := 1
		if g.duplicateEvery > 0 && g.dispatched%g.duplicateEvery == 0 {
			times = 2
		}
		for range times {
			if s.socket != nil {
				s.socket.pushEvent(e)
			}
		}
	}
}
