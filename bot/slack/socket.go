package slack

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/slack-go/slack"
	"github.com/slack-go/slack/slackevents"
	"github.com/slack-go/slack/socketmode"

	"github.com/mydb-project/mydb/bot"
)

// Pauses before a connection is tried again that ended with more than a lost line. A lost one, the library replaces at once.
const (
	firstPause = time.Second
	lastPause  = 2 * time.Minute
	// When MyDB is stopped, it waits for acknowledgements of what it was working on, and until the last one is written, which the library
	// does not tell.
	finishLimit = ackLimit
	writeLimit  = 500 * time.Millisecond
)

// Run holds a connection of Socket Mode, or only looks now and then whether Slack answers where events come over HTTP, until ctx ends.
// Every process may have one: Slack gives each event to one of them, and the inbox knows what came twice. An error means that an
// operator has to do something before it can work again.
func (a *Adapter) Run(ctx context.Context, d *bot.Desk) error {
	defer a.working.Wait()
	defer a.health.connected(false)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // the probes end, however this ends
	a.goes(func() { a.probes(ctx, d) })
	if a.overHTTP() {
		a.health.connected(true)
		<-ctx.Done()
		return nil
	}
	for pause := firstPause; ; pause = min(2*pause, lastPause) {
		began := time.Now()
		err := a.listen(ctx, d)
		if ctx.Err() != nil {
			return nil
		}
		if code := codeOf(err); broken[code] || code == "not_allowed_token_type" {
			return fmt.Errorf("connect to Slack: %w", explained("MYDB_SLACK_APP_TOKEN", err))
		}
		a.o.Log.Warn("the connection to Slack has ended", "error", bare(err))
		if time.Since(began) > lastPause {
			pause = firstPause
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return nil
		}
	}
}

// listen is connected, by one connection after the other, until ctx ends or the library gives up.
func (a *Adapter) listen(ctx context.Context, d *bot.Desk) error {
	life, end := context.WithCancel(context.WithoutCancel(ctx)) // of the connection: what was heard is still acknowledged
	client := socketmode.New(a.api, socketmode.OptionPingInterval(a.o.Silence), socketmode.OptionReadLimit(bodyLimit),
		socketmode.OptionLog(slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug)))
	ended := make(chan error, 1)
	go func() { ended <- client.RunContext(life) }()
	defer end()
	for {
		select {
		case e := <-client.Events:
			a.hear(ctx, d, client, e)
		case err := <-ended:
			return err
		case <-ctx.Done():
			a.finish()
			end()
			a.drain(client, ended)
			return ctx.Err()
		}
	}
}

// finish waits until what is being worked on was acknowledged, but not for long.
func (a *Adapter) finish() {
	done := make(chan struct{})
	go func() {
		a.taking.Wait()
		close(done)
	}()
	select {
	case <-done:
	case <-time.After(finishLimit):
	}
	if last := a.acked.Load(); last != nil {
		time.Sleep(writeLimit - time.Since(*last))
	}
}

// drain waits for the end of a connection, whose last events nobody takes any more: Slack brings them to another one, or tells their people.
func (a *Adapter) drain(client *socketmode.Client, ended <-chan error) {
	for {
		select {
		case <-client.Events:
		case err := <-ended:
			a.o.Log.Debug("the connection to Slack was closed", "error", bare(err))
			return
		}
	}
}

// hear deals with what the library tells. It never works: while it does, nothing else is heard.
func (a *Adapter) hear(ctx context.Context, d *bot.Desk, client *socketmode.Client, e socketmode.Event) {
	switch e.Type {
	case socketmode.EventTypeConnecting, socketmode.EventTypeIncomingError:
		a.health.connected(false)
	case socketmode.EventTypeConnected:
		a.health.connected(true)
		a.o.Log.Info("connected to Slack")
	case socketmode.EventTypeConnectionError:
		a.o.Log.Warn("Slack cannot be reached", "error", connectionError(e.Data))
	case socketmode.EventTypeErrorBadMessage:
		a.o.Log.Warn("Slack sent what MyDB cannot read")
	case socketmode.EventTypeErrorWriteFailed:
		a.o.Log.Warn("an acknowledgement could not be sent")
	}
	if it := a.event(e.Data); it != nil && e.Request != nil {
		a.health.heard(a.o.Now())
		a.taking.Add(1)
		a.admit(ctx, d, it, func(r answer) {
			defer a.taking.Done()
			a.acknowledge(client, e.Request.EnvelopeID, r)
		})
	}
}

// event is what somebody did; nil when nobody did anything.
func (a *Adapter) event(data any) event {
	switch e := data.(type) {
	case slack.SlashCommand:
		return command{a, e}
	case slack.InteractionCallback:
		return interaction{a, e}
	case slackevents.EventsAPIEvent:
		return mention{a, e}
	}
	return nil
}

// acknowledge tells Slack that an event was taken. Slack drops acknowledgements that are too large; then an empty one has to do.
func (a *Adapter) acknowledge(client *socketmode.Client, envelope string, r answer) {
	if r.again {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), ackLimit)
	defer cancel()
	err := client.AckCtx(ctx, envelope, r.payload)
	if err != nil && r.payload != nil {
		err = client.AckCtx(ctx, envelope, nil)
	}
	if err != nil {
		a.o.Log.Warn("an event could not be acknowledged", "error", err)
	}
	now := time.Now()
	a.acked.Store(&now)
}

func connectionError(data any) error {
	if e, is := data.(*slack.ConnectionErrorEvent); is {
		return bare(e.ErrorObj)
	}
	return errors.New("unknown")
}
