package slackfake

import (
	"net/http"
	"slices"
	"time"
)

// Fault is what befalls one call.
type Fault struct {
	RateLimited time.Duration   // 429 with this Retry-After
	Error       string          // an answer that is not ok
	Status      int             // an answer without sense, such as 503
	LoseAnswer  bool            // the call is carried out, and the connection breaks before its answer
	Hold        <-chan struct{} // the call is carried out once this is closed
}

// Next lets faults befall the next calls of a method, one each. Methods that are none are `response_url` and `upload`.
func (f *Fake) Next(method string, faults ...Fault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.faults[method] = append(f.faults[method], faults...)
}

// Held is how many calls a fault has made wait so far.
func (f *Fake) Held() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.held
}

func (f *Fake) nextFault(method string) Fault {
	waiting := f.faults[method]
	if len(waiting) == 0 {
		return Fault{}
	}
	f.faults[method] = waiting[1:]
	return waiting[0]
}

func (fault Fault) err() error {
	switch {
	case fault.RateLimited > 0:
		return &apiError{code: "ratelimited", status: http.StatusTooManyRequests, retry: fault.RateLimited}
	case fault.Status != 0:
		return &apiError{code: "service_unavailable", status: fault.Status}
	case fault.Error != "":
		return refuse(fault.Error)
	}
	return nil
}

// chaos is what befalls deliveries.
type chaos struct {
	share    float64 // of deliveries that are sent twice
	owed     float64
	twice    int // deliveries still to be sent twice
	loseAcks int
	zero     bool
	holding  bool
	held     []*Delivery
}

// Duplicate sends a share of all deliveries twice, evenly spread: 0.2 means every fifth. Slack promises to deliver at least once.
func (f *Fake) Duplicate(share float64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.chaos.share, f.chaos.owed = share, 0
}

// DuplicateNext sends the next n deliveries twice.
func (f *Fake) DuplicateNext(n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.chaos.twice += n
}

// doubled says whether the next delivery is to be sent twice.
func (c *chaos) doubled() bool {
	c.owed += c.share
	switch {
	case c.twice > 0:
		c.twice--
		return true
	case c.owed >= 0.999999: // a sum of shares like 0.2
		c.owed--
		return true
	}
	return false
}

// LoseAcks loses the next n acknowledgements on their way: the app believes it has answered, and Slack delivers events again and tells
// the person of a command that it failed.
func (f *Fake) LoseAcks(n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.chaos.loseAcks += n
}

func (c *chaos) loses() bool {
	if c.loseAcks == 0 {
		return false
	}
	c.loseAcks--
	return true
}

// HideRetries lets repeated deliveries look like first ones, with retry_attempt 0 and no X-Slack-Retry-Num, as it happens with Slack.
func (f *Fake) HideRetries(hide bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.chaos.zero = hide
}

// Hold keeps deliveries back until Release.
func (f *Fake) Hold() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.chaos.holding = true
}

// Release delivers what was held, in its order or reversed, and holds no more. A next one is sent when the one before was answered.
func (f *Fake) Release(reversed bool) {
	f.mu.Lock()
	held := f.chaos.held
	f.chaos.holding, f.chaos.held = false, nil
	f.mu.Unlock()
	if reversed {
		slices.Reverse(held)
	}
	f.spawn(func() {
		for _, d := range held {
			f.start(d)
			select {
			case <-d.sent:
			case <-f.ctx.Done():
			}
		}
	})
}
