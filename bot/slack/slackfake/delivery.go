package slackfake

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"
)

// Kind is what Socket Mode calls the sort of a delivery.
type Kind string

// The kinds of deliveries.
const (
	Command     Kind = "slash_commands"
	Interaction Kind = "interactive"
	Event       Kind = "events_api"
)

// What Slack tells the person when a command or a click did not reach the app, as far as it says why.
const (
	timedOut  = "operation_timeout"
	noApp     = "dispatch_failed"
	badAnswer = "invalid_command_response"
)

// retries are the waits before an event is delivered again: https://docs.slack.dev/apis/events-api#retries
var retries = []time.Duration{0, time.Minute, 5 * time.Minute}

// Delivery is something that Slack tells the app: a command, an interaction or an event.
type Delivery struct {
	Kind    Kind
	Payload json.RawMessage // JSON; in HTTP mode commands travel as a form of the same fields
	Message Message         // that an event tells of

	fake   *Fake
	done   chan struct{}
	sent   chan struct{} // the first attempt is over
	result Result
	err    error
	end    func(Result) // with f.mu held
}

// Result is what became of a delivery.
type Result struct {
	Acked    bool
	Attempts int
	Took     time.Duration   // the last attempt, by the machine's clock
	Answer   json.RawMessage // what came with the acknowledgement
	Failure  string          // operation_timeout, dispatch_failed, http_error ...
	Status   int             // of HTTP mode
	noRetry  bool
	at       time.Time // when the attempt was over, by the workspace's clock: from then on the next one is counted
}

// Wait returns when the app has acknowledged the delivery, or Slack has given up. The error says that the delivery could not be made
// at all, as when somebody clicks what is not there.
func (d *Delivery) Wait(ctx context.Context) (Result, error) {
	select {
	case <-d.done:
		return d.result, d.err
	case <-ctx.Done():
		return Result{}, fmt.Errorf("wait for the app to acknowledge %s: %w", d.Kind, context.Cause(ctx))
	}
}

// Done is closed when the app has acknowledged, or Slack has given up.
func (d *Delivery) Done() <-chan struct{} { return d.done }

// Deliveries are all so far, doubles among them.
func (f *Fake) Deliveries() []*Delivery {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.deliveries)
}

// impossible is a delivery that cannot be made.
func impossible(kind Kind, format string, args ...any) *Delivery {
	d := &Delivery{Kind: kind, done: make(chan struct{}), err: fmt.Errorf(format, args...)}
	close(d.done)
	return d
}

// deliver sends something to the app, once or twice. The answer to the second is thrown away. f.mu is held.
func (f *Fake) deliver(kind Kind, payload object, end func(Result)) *Delivery {
	d := f.delivery(kind, encoded(payload), end)
	all := []*Delivery{d}
	if f.chaos.doubled() {
		all = append(all, f.delivery(kind, d.Payload, nil))
	}
	if f.chaos.holding {
		f.chaos.held = append(f.chaos.held, all...)
		return d
	}
	for _, one := range all {
		f.start(one)
	}
	return d
}

func (f *Fake) delivery(kind Kind, payload json.RawMessage, end func(Result)) *Delivery {
	d := &Delivery{Kind: kind, Payload: payload, fake: f, done: make(chan struct{}), sent: make(chan struct{}), end: end}
	f.deliveries = newest(append(f.deliveries, d), f.o.KeepCalls)
	return d
}

// Deliver sends any payload as if Slack had made it, to see what the app does with one that Slack would not make.
func (f *Fake) Deliver(kind Kind, payload any) *Delivery {
	f.mu.Lock()
	defer f.mu.Unlock()
	d := f.delivery(kind, encoded(payload), nil)
	f.start(d)
	return d
}

func (f *Fake) start(d *Delivery) {
	f.spawn(func() {
		r := f.tell(d)
		f.mu.Lock()
		defer f.mu.Unlock()
		d.result = r
		if d.end != nil {
			d.end(r)
		}
		close(d.done)
		f.touch()
	})
}

// tell delivers: commands and interactions once, events until they are acknowledged or Slack gives up.
func (f *Fake) tell(d *Delivery) Result {
	r := f.attempt(d, 0, "")
	r.Attempts = 1
	close(d.sent)
	for n, wait := range retries {
		if r.Acked || r.noRetry || d.Kind != Event || f.ctx.Err() != nil {
			break
		}
		ring, stop := f.clock.At(r.at.Add(wait))
		select {
		case <-ring:
		case <-f.ctx.Done():
		}
		stop()
		r = f.attempt(d, n+1, r.Failure)
		r.Attempts = n + 2
	}
	return r
}

func (f *Fake) attempt(d *Delivery, n int, reason string) Result {
	f.mu.Lock()
	if f.chaos.zero {
		n, reason = 0, ""
	}
	http := f.http.on
	f.mu.Unlock()
	if http {
		return f.post(d, n, reason)
	}
	return f.send(d, n, reason)
}

// noted records how long an attempt took. It returns where, so that a late acknowledgement can mend the record.
func (f *Fake) noted(kind Kind, took time.Duration, what fate) int {
	f.acks = append(f.acks, ack{kind: kind, took: took, fate: what})
	f.touch()
	return len(f.acks) - 1
}

// commandAnswered shows the person of a command what came with the acknowledgement, or that it failed.
func (f *Fake) commandAnswered(name string, at *responseURL) func(Result) {
	return func(r Result) {
		failure := r.Failure
		if r.Acked && len(r.Answer) > 0 {
			var a response
			if err := json.Unmarshal(r.Answer, &a); err != nil {
				failure = badAnswer
			} else if err := at.respond(a); err != nil {
				failure = badAnswer
				f.violation(string(Command), badAnswer, detail(err))
			}
		}
		if failure != "" {
			at.channel.slackbot(at.user, fmt.Sprintf("%s failed with the error %q", name, failure))
		}
	}
}

// viewAnswered does to the view what the app answered to its submission.
func (f *Fake) viewAnswered(v *view) func(Result) {
	return func(r Result) {
		if r.Acked {
			err := f.answered(v, r.Answer)
			if err == nil {
				return
			}
			f.violation(string(Interaction), "bad answer to a submission", detail(err))
		}
		v.trouble = "We had some trouble connecting. Try again?"
		f.touch()
	}
}

// clickAnswered tells the person of a click that the app did not hear of it.
func clickAnswered(c *Channel, u *User) func(Result) {
	return func(r Result) {
		if !r.Acked {
			c.slackbot(u, "Something went wrong: the app did not answer ("+r.Failure+").")
		}
	}
}

func detail(err error) string {
	var e *apiError
	if errors.As(err, &e) && e.more != nil {
		return e.code + " " + string(encoded(e.more))
	}
	return err.Error()
}

// enter counts work that Close waits for; it refuses once Close has begun.
func (f *Fake) enter() bool {
	f.gate.Lock()
	defer f.gate.Unlock()
	if f.closed {
		return false
	}
	f.work.Add(1)
	return true
}

func (f *Fake) spawn(do func()) {
	if f.enter() {
		go func() {
			defer f.work.Done()
			do()
		}()
	}
}
