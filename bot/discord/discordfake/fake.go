package discordfake

import (
	"cmp"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"
)

// Options are what a Fake is made of. All of them have a default.
type Options struct {
	Addr       string             // where it listens; default: a free port of the loopback interface
	Token      string             // of the bot, without "Bot "; default: one made for this Fake
	AppID      string             // of the application, which is also the bot's user id; default: a new one
	GuildID    string             // default: a new one
	GuildName  string             // default: "Laboratory"
	Key        ed25519.PrivateKey // signs interactions that are POSTed; default: a new one
	Heartbeat  time.Duration      // what the gateway asks for; default: 41.25 s, as Discord does
	Privileged int                // privileged intents that are switched on for the bot; asking for others closes with 4014
	KeepCalls  int                // how many calls are kept, the newest ones; 0: all
	Now        func() time.Time   // default: time.Now; see Advance
}

// Fake is a Discord with one guild and one bot. All its methods may be called at any time by anyone.
type Fake struct {
	URL     string // "http://127.0.0.1:1234", without a slash at the end
	AppID   string
	GuildID string
	Bot     *User

	opts    Options
	server  *http.Server
	client  *http.Client // of interactions that are POSTed and of link previews
	ended   chan struct{}
	closing context.CancelFunc
	life    context.Context //nolint:containedctx // how long the fake lives, not a call
	working sync.WaitGroup

	mu           sync.Mutex
	changed      chan struct{} // closed and made anew at each change
	version      uint64
	shift        time.Duration
	lastID       uint64
	token        string
	roles        []*Role
	users        []*User
	channels     []*Channel
	commands     map[string][]Command // by guild; global ones under ""
	creations    []time.Time          // of commands with a new name
	interactions []*Interaction
	byToken      map[string]*Interaction
	postTo       string // where interactions are POSTed; empty: they go through the gateway
	tampers      []func(map[string]any)
	follows      bool // whether links in messages are fetched
	gateway      gateway
	limits       limits
	faults       []*Fault
	record       record
}

// New makes a Fake and lets it listen. Close it in the end.
func New(o Options) (*Fake, error) {
	f := &Fake{opts: o, token: o.Token, changed: make(chan struct{}), ended: make(chan struct{}), commands: map[string][]Command{}, byToken: map[string]*Interaction{}, client: &http.Client{
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport:     http.DefaultTransport.(*http.Transport).Clone(),
	}}
	if f.opts.Now == nil {
		f.opts.Now = time.Now
	}
	if f.opts.Key == nil {
		_, key, err := ed25519.GenerateKey(nil)
		if err != nil {
			return nil, fmt.Errorf("make a key: %w", err)
		}
		f.opts.Key = key
	}
	f.opts.Heartbeat = cmp.Or(o.Heartbeat, 41250*time.Millisecond)
	f.limits = limits{rules: usualLimits(), spent: map[string]*bucket{}}
	f.life, f.closing = context.WithCancel(context.Background())
	f.found()
	listener, err := (&net.ListenConfig{}).Listen(f.life, "tcp", cmp.Or(o.Addr, "127.0.0.1:0"))
	if err != nil {
		f.closing()
		return nil, fmt.Errorf("listen: %w", err)
	}
	f.URL = "http://" + listener.Addr().String()
	f.server = &http.Server{Handler: f.routes(), ReadHeaderTimeout: time.Minute}
	go func() {
		defer close(f.ended)
		_ = f.server.Serve(listener) // says that it was closed
	}()
	return f, nil
}

// found makes the guild and the bot in it.
func (f *Fake) found() {
	f.opts.GuildName = cmp.Or(f.opts.GuildName, "Laboratory")
	f.GuildID = cmp.Or(f.opts.GuildID, f.newID())
	f.AppID = cmp.Or(f.opts.AppID, f.newID())
	f.token = cmp.Or(f.token, "bot-token-"+rand.Text())
	// The role of everyone has the guild's own id.
	f.roles = []*Role{{ID: f.GuildID, Name: "@everyone"}}
	f.Bot = &User{fake: f, ID: f.AppID, Name: "mydb", name: "mydb", display: "MyDB", bot: true, member: true}
	f.users = []*User{f.Bot}
}

// Close ends the server and all connections, and waits for what it was doing.
func (f *Fake) Close() error {
	f.closing()
	f.lock(func() {
		for _, s := range f.gateway.sockets {
			s.end()
		}
		f.gateway.refuse = true
	})
	err := f.server.Close()
	<-f.ended
	f.working.Wait()
	f.client.CloseIdleConnections()
	if err != nil && !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("close: %w", err)
	}
	return nil
}

// Token is the bot's, without "Bot ".
func (f *Fake) Token() string {
	defer f.hold()()
	return f.token
}

// SetToken exchanges the bot's token, as its owner does in the developer portal. Who is connected is closed with 4004.
func (f *Fake) SetToken(token string) {
	f.lock(func() {
		f.token = token
		f.gateway.sessions = nil
		for _, s := range f.gateway.sockets {
			s.close(closeAuthentication, "Authentication failed.")
		}
	})
}

// PublicKey is what interactions that are POSTed are verified with, in hex as the developer portal shows it.
func (f *Fake) PublicKey() string {
	return hex.EncodeToString(f.opts.Key.Public().(ed25519.PublicKey))
}

// Now is the fake's time. Give it to what is tested, so that both agree on how old something is.
func (f *Fake) Now() time.Time {
	defer f.hold()()
	return f.now()
}

// Advance moves the fake's clock forward: deadlines pass, tokens expire, rate limits are over.
func (f *Fake) Advance(by time.Duration) {
	f.lock(func() { f.shift += by })
}

func (f *Fake) now() time.Time { return f.opts.Now().Add(f.shift) }

// hold locks the fake for reading: `defer f.hold()()`.
func (f *Fake) hold() (release func()) {
	f.mu.Lock()
	return f.mu.Unlock
}

// lock does what changes the fake, and wakes those who wait for a change.
func (f *Fake) lock(do func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	defer f.touch()
	do()
}

func (f *Fake) touch() {
	f.version++
	close(f.changed)
	f.changed = make(chan struct{})
}

// goes starts work that Close waits for.
func (f *Fake) goes(do func(ctx context.Context)) {
	if f.life.Err() != nil {
		return
	}
	f.working.Add(1)
	go func() {
		defer f.working.Done()
		do(f.life)
	}()
}
