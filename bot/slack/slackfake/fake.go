package slackfake

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// Who the app and its workspace are, where Options do not say otherwise.
const (
	DefaultTeam   = "T0MYDB0001"
	AppID         = "A0MYDB0001"
	BotID         = "B0MYDB0001"
	BotUserID     = "U0MYDB0001"
	SlackbotID    = "USLACKBOT"
	verification  = "slackfake-verification" // the deprecated token that Slack still sends with everything
	ackLimit      = 3 * time.Second          // https://docs.slack.dev/interactivity/handling-user-interaction#acknowledgment_response
	defaultDomain = "mydb-fake"
)

// DefaultScopes are what MyDB's manifest asks for.
var DefaultScopes = []string{
	"app_mentions:read", "channels:history", "channels:read", "chat:write", "commands", "files:write", "groups:history", "groups:read",
	"im:history", "im:read", "im:write", "users:read", "users:read.email",
}

// Options say what workspace to make. All may be left out.
type Options struct {
	Listen        string // address of the server; a free port of loopback
	Team          string // id of the workspace
	BotToken      string
	AppToken      string
	SigningSecret string
	Scopes        []string // of the bot token; DefaultScopes
	Commands      []string // that the app has; /mydb
	Events        []string // that the app hears; app_mention and message.im
	Clock         *Clock   // a running one
	Rates         Rates
	PingEvery     time.Duration // of Socket Mode, by the machine's clock; 5 s
	FirstID       int           // ids are counted from here, for a workspace that begins anew before an app that remembers an earlier one
	KeepCalls     int           // how many calls and deliveries are kept, the newest ones; all
}

// Rates are how much the app may say. Slack allows about one message a second in a channel, with short bursts, and for each method so
// many calls a minute: https://docs.slack.dev/apis/web-api/rate-limits
type Rates struct {
	Off   bool    // for measurements
	Every float64 // messages a second in one channel; 1
	Burst int     // messages at once in one channel; 5
}

// Fake is a workspace of Slack with one app in it, and the server that the app talks to.
type Fake struct {
	o      Options
	clock  *Clock
	server *http.Server
	base   string // http://host:port
	ctx    context.Context
	cancel context.CancelFunc

	gate   sync.Mutex
	closed bool
	work   sync.WaitGroup

	mu         sync.Mutex
	changed    chan struct{} // closed at the next change
	version    uint64
	seq        int
	lastTS     int64
	users      []*User
	channels   []*Channel
	views      []*view
	files      []*file
	triggers   map[string]*trigger
	urls       map[string]*responseURL
	buckets    map[string]*rate.Limiter
	faults     map[string][]Fault
	calls      []Call
	deliveries []*Delivery
	acks       []ack
	violations []Violation
	chaos      chaos
	held       int // calls that a fault has made wait
	sockets    sockets
	http       httpMode
}

// New starts a workspace. Close ends it.
func New(o Options) (*Fake, error) {
	f := &Fake{
		o: filled(o), changed: make(chan struct{}), triggers: map[string]*trigger{}, urls: map[string]*responseURL{},
		buckets: map[string]*rate.Limiter{}, faults: map[string][]Fault{},
		sockets: sockets{tickets: map[string]bool{}, pending: map[string]*pending{}},
	}
	f.clock, f.seq = f.o.Clock, f.o.FirstID
	f.ctx, f.cancel = context.WithCancel(context.Background())
	f.users = append(
		f.users,
		&User{fake: f, id: BotUserID, profile: Profile{Name: "mydb", RealName: "MyDB", Bot: true, TeamID: f.o.Team}},
		&User{fake: f, id: SlackbotID, profile: Profile{Name: "slackbot", RealName: "Slackbot", Bot: true, TeamID: f.o.Team}},
	)
	l, err := net.Listen("tcp", f.o.Listen)
	if err != nil {
		return nil, fmt.Errorf("listen for the fake of Slack: %w", err)
	}
	f.base = "http://" + l.Addr().String()
	f.server = &http.Server{Handler: f.handler(), ReadHeaderTimeout: time.Minute}
	f.spawn(func() { _ = f.server.Serve(l) }) // ends with ErrServerClosed
	return f, nil
}

func filled(o Options) Options {
	for s, otherwise := range map[*string]string{
		&o.Listen: "127.0.0.1:0", &o.Team: DefaultTeam, &o.BotToken: "xoxb-fake-bot", &o.AppToken: "xapp-fake-app", &o.SigningSecret: "fake-signing-secret",
	} {
		if *s == "" {
			*s = otherwise
		}
	}
	if o.Scopes == nil {
		o.Scopes = DefaultScopes
	}
	if o.Commands == nil {
		o.Commands = []string{"/mydb"}
	}
	if o.Events == nil {
		o.Events = []string{"app_mention", "message.im"}
	}
	if o.Clock == nil {
		o.Clock = NewClock()
	}
	if o.Rates.Every == 0 {
		o.Rates.Every = 1
	}
	if o.Rates.Burst == 0 {
		o.Rates.Burst = 5
	}
	if o.PingEvery == 0 {
		o.PingEvery = 5 * time.Second
	}
	return o
}

// Testing is the part of testing.TB that Start needs; the fake is also part of a program, which must not carry the testing package.
type Testing interface {
	Helper()
	Fatalf(format string, args ...any)
	Cleanup(func())
}

// Start starts a workspace for a test, and ends it with the test.
func Start(t Testing, o Options) *Fake {
	t.Helper()
	f, err := New(o)
	if err != nil {
		t.Fatalf("start the fake of Slack: %v", err)
	}
	t.Cleanup(func() { _ = f.Close() })
	return f
}

// Close drops every connection and waits until nothing goes on.
func (f *Fake) Close() error {
	f.gate.Lock()
	f.closed = true
	f.gate.Unlock()
	f.cancel()
	err := f.server.Close()
	f.Drop()
	f.work.Wait()
	return err
}

// APIURL is what slack.OptionAPIURL takes.
func (f *Fake) APIURL() string { return f.base + "/api/" }

// Team is the id of the workspace.
func (f *Fake) Team() string { return f.o.Team }

// BotToken, AppToken and SigningSecret are the app's credentials.
func (f *Fake) BotToken() string { return f.o.BotToken }

// AppToken opens Socket Mode.
func (f *Fake) AppToken() string { return f.o.AppToken }

// SigningSecret signs the requests of HTTP mode.
func (f *Fake) SigningSecret() string { return f.o.SigningSecret }

// Clock is the workspace's clock.
func (f *Fake) Clock() *Clock { return f.clock }

// Changed is closed when next anything changes.
func (f *Fake) Changed() <-chan struct{} {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.changed
}

// Version grows with each change: for pages that ask whether there is something new.
func (f *Fake) Version() uint64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.version
}

// Await returns when done says so. It asks again after every change, and never sleeps; the context says how long to wait at most.
func (f *Fake) Await(ctx context.Context, done func() bool) error {
	for {
		changed := f.Changed()
		if done() {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("wait for something in the workspace: %w", context.Cause(ctx))
		case <-f.ctx.Done():
			return errors.New("wait for something in the workspace: it was closed")
		}
	}
}

// touch wakes those who wait. f.mu is held, here as in all functions that begin with a small letter and say nothing else.
func (f *Fake) touch() {
	f.version++
	close(f.changed)
	f.changed = make(chan struct{})
}

// id makes a new id that begins with a letter, as Slack's do.
func (f *Fake) id(letter string) string {
	f.seq++
	return fmt.Sprintf("%s0FAKE%05d", letter, f.seq)
}

// ts makes the next timestamp. It is a message's id within its channel.
func (f *Fake) ts() string {
	f.lastTS = max(f.clock.Now().UnixMicro(), f.lastTS+1)
	return fmt.Sprintf("%d.%06d", f.lastTS/1e6, f.lastTS%1e6)
}
