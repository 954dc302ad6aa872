package slackfake

import (
	"slices"
	"sync"
	"time"
)

// Clock is the time of a workspace: what lives three seconds or half an hour lives by it, never by a sleep. A running clock goes with
// the machine's and can be put forward; a frozen one stands still until it is.
type Clock struct {
	mu     sync.Mutex
	frozen bool
	now    time.Time     // of a frozen clock
	ahead  time.Duration // of a running one
	timers map[*timer]struct{}
}

type timer struct {
	at   time.Time
	ring chan struct{}
	real *time.Timer // of a running clock
}

// NewClock goes with the machine's clock.
func NewClock() *Clock { return &Clock{timers: map[*timer]struct{}{}} }

// NewFrozenClock stands at a moment.
func NewFrozenClock(at time.Time) *Clock {
	return &Clock{frozen: true, now: at, timers: map[*timer]struct{}{}}
}

// Now is the workspace's time.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.read()
}

func (c *Clock) read() time.Time {
	if c.frozen {
		return c.now
	}
	return time.Now().Add(c.ahead)
}

// Advance puts the clock forward, and lets everything happen that was due by then.
func (c *Clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now, c.ahead = c.now.Add(d), c.ahead+d
	now := c.read()
	var due []*timer
	for t := range c.timers {
		if t.at.After(now) {
			c.wind(t, now)
			continue
		}
		due = append(due, t)
	}
	slices.SortFunc(due, func(a, b *timer) int { return a.at.Compare(b.at) })
	for _, t := range due {
		c.ringing(t)
	}
}

// After closes its channel when the time has come. stop forgets it.
func (c *Clock) After(d time.Duration) (ring <-chan struct{}, stop func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at(c.read().Add(d))
}

// At does the same for a moment, which may be over.
func (c *Clock) At(moment time.Time) (ring <-chan struct{}, stop func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at(moment)
}

func (c *Clock) at(moment time.Time) (ring <-chan struct{}, stop func()) {
	t := &timer{at: moment, ring: make(chan struct{})}
	c.timers[t] = struct{}{}
	if now := c.read(); t.at.After(now) {
		c.wind(t, now)
	} else {
		c.ringing(t)
	}
	return t.ring, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.forget(t)
	}
}

// wind sets the machine's timer for what is left on a running clock.
func (c *Clock) wind(t *timer, now time.Time) {
	if c.frozen {
		return
	}
	if t.real != nil {
		t.real.Stop()
	}
	t.real = time.AfterFunc(t.at.Sub(now), func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.ringing(t)
	})
}

func (c *Clock) ringing(t *timer) {
	if _, waits := c.timers[t]; waits {
		close(t.ring)
		c.forget(t)
	}
}

func (c *Clock) forget(t *timer) {
	delete(c.timers, t)
	if t.real != nil {
		t.real.Stop()
	}
}
