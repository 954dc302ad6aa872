package slack

import (
	"context"
	"net"
	"sync"
	"time"

	"github.com/mydb-project/mydb/core"
)

// health is when things worked last.
type health struct {
	mu sync.Mutex
	core.ChatHealth
}

func (h *health) change(do func(*core.ChatHealth)) {
	h.mu.Lock()
	defer h.mu.Unlock()
	do(&h.ChatHealth)
}

func (h *health) called(at time.Time) { h.change(func(c *core.ChatHealth) { c.Called = at }) }
func (h *health) heard(at time.Time)  { h.change(func(c *core.ChatHealth) { c.Heard = at }) }
func (h *health) acknowledged(at time.Time) {
	h.change(func(c *core.ChatHealth) { c.Acknowledged = at })
}
func (h *health) connected(is bool) { h.change(func(c *core.ChatHealth) { c.Connected = is }) }

// Health is how the connection to Slack is doing, as it was measured.
func (a *Adapter) Health() core.ChatHealth {
	a.health.mu.Lock()
	defer a.health.mu.Unlock()
	return a.health.ChatHealth
}
