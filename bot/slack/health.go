package slack

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/mydb-project/mydb/bot"
)

// Health is how the connection to Slack is doing. Times are zero when it has not happened yet.
type Health struct {
	Connected    bool      // events reach this process, or could, at the address that Slack was told
	Heard        time.Time // when something came in last
	Acknowledged time.Time // when that, or a probe, was through
	Called       time.Time // when Slack answered last
}

type health struct {
	mu sync.Mutex
	Health
}

func (h *health) change(do func(*Health)) {
	h.mu.Lock()
	defer h.mu.Unlock()
	do(&h.Health)
}

func (h *health) called(at time.Time)       { h.change(func(c *Health) { c.Called = at }) }
func (h *health) heard(at time.Time)        { h.change(func(c *Health) { c.Heard = at }) }
func (h *health) acknowledged(at time.Time) { h.change(func(c *Health) { c.Acknowledged = at }) }
func (h *health) connected(is bool)         { h.change(func(c *Health) { c.Connected = is }) }

// Health is how the connection to Slack is doing, as it was measured.
func (a *Adapter) Health() Health {
	a.health.mu.Lock()
	defer a.health.mu.Unlock()
	return a.health.Health
}

// Connected reports whether events reach this process, or could: through its connection, or at the address that Slack was told.
func (a *Adapter) Connected() bool { return a.Health().Connected }

// Responsive reports when last something went all the way that events go, to the acknowledgement. A probe goes it every so often, so that
// a standstill shows in a quiet night, too.
func (a *Adapter) Responsive() time.Time { return a.Health().Acknowledged }

// probe is an event of MyDB's own: it waits for its turn as all others do, and asks Slack who MyDB is.
type probe struct{ *Adapter }

func (p probe) take(ctx context.Context, _ *bot.Desk) answer {
	err := p.call(ctx, "auth.test", func(ctx context.Context) error {
		_, err := p.api.AuthTestContext(ctx)
		return err
	})
	if err != nil {
		p.o.Log.Warn("Slack does not answer MyDB", "error", err)
	}
	return answer{again: err != nil || !p.Connected()}
}

func (p probe) refuse() answer {
	p.o.Log.Warn("events from Slack wait for too long in this process", "error", errors.New("a probe was not begun in time"))
	return answer{again: true}
}

// probes sends a probe every so often, until ctx ends.
func (a *Adapter) probes(ctx context.Context, d *bot.Desk) {
	tick := time.NewTicker(a.o.ProbeEvery)
	defer tick.Stop()
	for {
		a.admit(ctx, d, probe{a}, func(answer) {})
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}
