package discord

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/bwmarrin/discordgo"
	"github.com/gorilla/websocket"

	"github.com/mydb-project/mydb/bot"
)

// How the gateway is connected to again: with the same session, so that Discord sends what happened meanwhile, unless Discord does not want
// that session any more.
const (
	openLimit  = 15 * time.Second
	firstPause = 300 * time.Millisecond // until what the library did with the last connection is over
	lastPause  = 2 * time.Minute        // Discord allows a bot to begin a thousand sessions a day
	steady     = time.Minute            // a connection that lasted so long was a good one
	openTries  = 5                      // with one session
	lookPause  = 250 * time.Millisecond
)

// intents are the kinds of events that MyDB asks for: interactions come without asking, these bring direct messages and mentions. None is
// privileged: what people say to the bot or about it comes with its text.
const intents = discordgo.IntentsGuildMessages | discordgo.IntentsDirectMessages

// hopeless are the codes with which the gateway says that trying again would not help.
var hopeless = map[int]string{
	4004: "MYDB_DISCORD_TOKEN is not valid (any more): make a new one in the developer portal, page Bot, set it and start MyDB again",
	4010: "the gateway refuses the shard", 4011: "the bot is in too many servers for one connection",
	4012: "the gateway does not speak this version any more: MyDB needs an update",
	4013: "the gateway does not know an intent that MyDB asks for", 4014: "the gateway does not allow an intent that MyDB asks for",
}

// Run holds the connection to the gateway, or only tells Discord the commands where interactions come over HTTP, until ctx ends. Only one
// process at a time is connected. An error means that an operator has to do something before it can work again.
func (a *Adapter) Run(ctx context.Context, d *bot.Desk) error {
	defer a.working.Wait()
	defer a.connected.Store(false)
	if a.overHTTP() {
		a.connected.Store(true)
		return a.keepRegistered(ctx, d)
	}
	for pause := firstPause; ; pause = longer(pause) {
		held, release, err := a.hold(ctx)
		if err == nil {
			err = a.listen(ctx, held, d)
			release()
			pause = firstPause
		}
		var end *hopelessError
		if ctx.Err() != nil {
			return nil
		}
		if errors.As(err, &end) {
			return err
		}
		if err != nil {
			a.o.Log.Warn("Discord's gateway could not be taken yet", "error", err)
		}
		if !waited(ctx, pause) {
			return nil
		}
	}
}

func (a *Adapter) hold(ctx context.Context) (context.Context, func(), error) {
	if a.o.Hold == nil {
		held, cancel := context.WithCancel(ctx)
		return held, cancel, nil
	}
	return a.o.Hold(ctx)
}

// hopelessError ends the attempts to connect.
type hopelessError struct {
	code int
	err  error
}

func (e *hopelessError) Error() string {
	return fmt.Sprintf("Discord's gateway has closed with %d: %s", e.code, hopeless[e.code])
}

// Unwrap gives the cause below.
func (e *hopelessError) Unwrap() error { return e.err }

// listen is connected to the gateway until held ends, or it is hopeless.
func (a *Adapter) listen(ctx, held context.Context, d *bot.Desk) error {
	a.goes(func() { _ = a.keepRegistered(held, d) }) // it says itself what is wrong
	var l *line
	var tries int
	for pause := firstPause; held.Err() == nil; pause = longer(pause) {
		if l == nil {
			var err error
			if l, err = a.newLine(held, d); err != nil {
				return err
			}
			tries = 0
		}
		began := time.Now()
		connected, err := a.connect(held, l)
		if held.Err() != nil {
			break
		}
		a.o.Log.Warn("Discord's gateway is not connected", "error", bare(err))
		if tries++; connected {
			tries = 0
		}
		var closed *websocket.CloseError
		refused := errors.As(err, &closed)
		if refused || tries == openTries {
			l.end(true)
			l = nil
		}
		if refused && hopeless[closed.Code] != "" {
			return &hopelessError{closed.Code, err}
		}
		if time.Since(began) > steady {
			pause = firstPause
		}
		waited(held, pause)
	}
	if l != nil {
		l.end(ctx.Err() != nil)
	}
	return nil
}

// connect connects a session, and returns when it is not connected any more.
func (a *Adapter) connect(ctx context.Context, l *line) (connected bool, err error) {
	if err := l.open(ctx); err != nil {
		return false, err
	}
	a.connected.Store(true)
	defer a.connected.Store(false)
	a.o.Log.Info("connected to Discord's gateway")
	return true, l.wait(ctx)
}

func longer(pause time.Duration) time.Duration { return min(2*pause, lastPause) }

// waited waits, and reports whether ctx is still alive then.
func waited(ctx context.Context, pause time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(pause):
		return true
	}
}

// line is one session at the gateway, over one connection after the other.
type line struct {
	*discordgo.Session
	adapter *Adapter
	life    context.Context //nolint:containedctx // of the session: its connections end with it
	cancel  context.CancelFunc
	conn    atomic.Pointer[watched]
}

func (a *Adapter) newLine(ctx context.Context, d *bot.Desk) (*line, error) {
	// It may say goodbye for a moment after ctx has ended.
	life, cancel := context.WithCancel(context.WithoutCancel(ctx))
	s, err := a.session(life)
	if err != nil {
		cancel()
		return nil, err
	}
	l := &line{Session: s, adapter: a, life: life, cancel: cancel}
	s.Identify.Intents = intents
	s.Dialer = &websocket.Dialer{Proxy: http.ProxyFromEnvironment, HandshakeTimeout: callLimit, NetDialContext: l.dial}
	s.AddHandler(func(_ *discordgo.Session, i *discordgo.InteractionCreate) {
		a.goes(func() { a.interaction(ctx, d, i.Interaction) })
	})
	s.AddHandler(func(_ *discordgo.Session, m *discordgo.MessageCreate) {
		a.goes(func() { a.typed(ctx, d, m.Message) })
	})
	return l, nil
}

func (l *line) dial(ctx context.Context, network, address string) (net.Conn, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(l.life, cancel)()
	c, err := (&net.Dialer{}).DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	w := watch(c)
	l.conn.Store(w)
	return w, nil
}

// open connects. The library waits for the gateway's first words without a limit, so the connection is cut when it takes too long.
func (l *line) open(ctx context.Context) error {
	l.conn.Store(nil)
	limit := time.NewTimer(openLimit)
	defer limit.Stop()
	done := make(chan error, 1)
	go func() { done <- l.Open() }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		l.cancel()
	case <-limit.C:
	}
	l.cut()
	return errors.Join(errors.New("the gateway took too long"), <-done)
}

// wait returns when the connection has ended. One that is silent, it ends itself.
func (l *line) wait(ctx context.Context) error {
	look := time.NewTicker(lookPause)
	defer look.Stop()
	c, why := l.conn.Load(), errors.New("the connection broke")
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-c.gone:
			return why
		case <-look.C:
			if c.silent() {
				why = errors.New("the connection was silent")
				_ = c.Conn.Close() // the library notices, and closes the rest
			}
		}
	}
}

func (l *line) cut() {
	if c := l.conn.Load(); c != nil {
		_ = c.Close()
	}
}

// end ends all that the session has. With a goodbye, Discord forgets it.
func (l *line) end(goodbye bool) {
	if !goodbye {
		l.cut()
	}
	_ = l.Close() // what cannot be closed is cut
	l.cut()
	l.cancel()
}
