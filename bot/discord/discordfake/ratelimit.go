package discordfake

import (
	"fmt"
	"net/http"
	"strconv"
	"time"
)

// Limit names a limit of how often something may be done.
type Limit string

// The limits. Discord tells their size in headers and changes it at will; these are what it is seen to use.
const (
	LimitSend    Limit = "send"    // messages, for each channel: 5 in 5 s
	LimitEdit    Limit = "edit"    // changes of messages, for each channel: 5 in 5 s
	LimitWebhook Limit = "webhook" // what follows an interaction, for each: 5 in 2 s
	LimitGlobal  Limit = "global"  // all that needs the bot's token: 50 in 1 s
)

// limits are what may be done how often, and what of it is spent.
type limits struct {
	rules map[Limit]rule
	spent map[string]*bucket
}

type rule struct {
	calls int
	in    time.Duration
}

type bucket struct {
	used  int
	reset time.Time
}

func usualLimits() map[Limit]rule {
	return map[Limit]rule{
		LimitSend: {5, 5 * time.Second}, LimitEdit: {5, 5 * time.Second}, LimitWebhook: {5, 2 * time.Second}, LimitGlobal: {50, time.Second},
	}
}

// Limit changes a limit. Without calls there is none.
func (f *Fake) Limit(which Limit, calls int, in time.Duration) {
	f.lock(func() {
		f.limits.rules[which] = rule{calls, in}
		f.limits.spent = map[string]*bucket{}
	})
}

// brake refuses a call that comes too early, and says in the headers how much is left.
func (f *Fake) brake(e endpoint, h *http.Request, headers http.Header) *apiError {
	if _, late := f.limits.take(f.now(), LimitGlobal, ""); late > 0 && !e.open {
		return tooMany(late, true)
	}
	rule := f.limits.rules[e.limit]
	if e.limit == "" || rule.calls == 0 {
		return nil
	}
	key := h.PathValue("channel") + h.PathValue("token")
	b, late := f.limits.take(f.now(), e.limit, key)
	left := b.reset.Sub(f.now())
	headers.Set("X-RateLimit-Limit", strconv.Itoa(rule.calls))
	headers.Set("X-RateLimit-Remaining", strconv.Itoa(max(0, rule.calls-b.used)))
	headers.Set("X-RateLimit-Reset", fmt.Sprintf("%.3f", float64(b.reset.UnixMilli())/1000))
	headers.Set("X-RateLimit-Reset-After", fmt.Sprintf("%.3f", left.Seconds()))
	headers.Set("X-RateLimit-Bucket", string(e.limit))
	if late > 0 {
		return tooMany(late, false)
	}
	return nil
}

// take counts a call. It gives how long to wait instead if there have been too many.
func (l *limits) take(now time.Time, which Limit, key string) (*bucket, time.Duration) {
	rule := l.rules[which]
	if rule.calls == 0 {
		return nil, 0
	}
	key = string(which) + " " + key
	b := l.spent[key]
	if b == nil || !now.Before(b.reset) {
		b = &bucket{reset: now.Add(rule.in)}
		l.spent[key] = b
	}
	if b.used >= rule.calls {
		return b, b.reset.Sub(now)
	}
	b.used++
	return b, 0
}

func tooMany(late time.Duration, global bool) *apiError {
	return &apiError{status: http.StatusTooManyRequests, Message: "You are being rate limited.", retryAfter: late, global: global}
}
