package portal

import (
	"container/list"
	"context"
	"net/netip"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/mydb-project/mydb/core"
)

// How often somebody may try to log in. The first pair is for one account from one address, the second for an address as a
// whole, which may be that of many people. Nobody can lock an account for other addresses.
const (
	accountBurst, accountEvery = 6, 10 * time.Second
	addressBurst, addressEvery = 40, 2 * time.Second
	maxBuckets                 = 20_000
	maxChecks                  = 4 // at once: each takes 64 MiB to compare with a local account's hash
)

// loginGate slows down those who guess passwords.
type loginGate struct {
	accounts  *buckets
	addresses *buckets
	checks    chan struct{}
}

func newLoginGate(now func() time.Time) *loginGate {
	return &loginGate{
		accounts:  newBuckets(rate.Every(accountEvery), accountBurst, now),
		addresses: newBuckets(rate.Every(addressEvery), addressBurst, now),
		checks:    make(chan struct{}, maxChecks),
	}
}

// enter admits one attempt, or answers core.CodeTooMany. done must be called with the attempt's result.
func (g *loginGate) enter(ctx context.Context, account, address string) (done func(ok bool), err error) {
	address = household(address)
	key := strings.ToLower(strings.TrimSpace(account)) + "\x00" + address
	wait := g.addresses.take(address)
	if wait == 0 {
		wait = g.accounts.take(key)
	}
	if wait > 0 {
		return nil, &problem{err: core.Errorf(core.CodeTooMany, "Too many attempts to log in. Try again in %s.", inWords(wait)), after: wait}
	}
	select {
	case g.checks <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	return func(ok bool) {
		<-g.checks
		if ok {
			g.accounts.forget(key) // who knows the password may log in as often as they like
		}
	}, nil
}

// household is what counts as one address. Whoever has an IPv6 address has the other 2^64 of its network, too.
func household(address string) string {
	a, err := netip.ParseAddr(address)
	if err != nil || !a.Is6() {
		return address
	}
	p, err := a.WithZone("").Prefix(64)
	if err != nil {
		return address
	}
	return p.String()
}

// buckets is a bounded set of token buckets. When it is full, the one that was used the longest ago is dropped, which
// by then is most likely full again.
type buckets struct {
	limit rate.Limit
	burst int
	now   func() time.Time

	mu    sync.Mutex
	byKey map[string]*list.Element
	used  *list.List // of *bucket, the latest in front
}

type bucket struct {
	key     string
	limiter *rate.Limiter
}

func newBuckets(limit rate.Limit, burst int, now func() time.Time) *buckets {
	return &buckets{limit: limit, burst: burst, now: now, byKey: map[string]*list.Element{}, used: list.New()}
}

// take takes a token, or tells how long it takes until there is one.
func (b *buckets) take(key string) time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	e := b.byKey[key]
	if e == nil {
		if len(b.byKey) >= maxBuckets {
			b.drop(b.used.Back())
		}
		e = b.used.PushFront(&bucket{key, rate.NewLimiter(b.limit, b.burst)})
		b.byKey[key] = e
	}
	b.used.MoveToFront(e)
	limiter, now := e.Value.(*bucket).limiter, b.now()
	r := limiter.ReserveN(now, 1)
	wait := r.DelayFrom(now)
	if wait > 0 {
		r.CancelAt(now)
	}
	return wait
}

func (b *buckets) forget(key string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if e := b.byKey[key]; e != nil {
		b.drop(e)
	}
}

func (b *buckets) drop(e *list.Element) {
	b.used.Remove(e)
	delete(b.byKey, e.Value.(*bucket).key)
}

func inWords(d time.Duration) string {
	if seconds := int((d + time.Second - 1) / time.Second); seconds != 1 {
		return plural(seconds, "second")
	}
	return "a second"
}
