package discord

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/bwmarrin/discordgo"

	"github.com/mydb-project/mydb/core"
)

// callLimit is how long one call may take.
const callLimit = 10 * time.Second

// agent is how Discord wants programs to introduce themselves.
const agent = "DiscordBot (https://github.com/mydb-project/mydb, 1)"

var quiet sync.Once

// session makes a session of the library, for calls or for the gateway, until life ends. It never tries again by itself: the library waits
// without looking at the context, and MyDB's own queue knows better when to ask again.
func (a *Adapter) session(life context.Context) (*discordgo.Session, error) {
	// What the library wants to say, its errors say too, and what it logs may hold what people wrote.
	quiet.Do(func() { discordgo.Logger = func(int, int, string, ...any) {} })
	s, err := discordgo.New("Bot " + a.o.Token)
	if err != nil {
		return nil, fmt.Errorf("make a session: %w", err)
	}
	s.UserAgent = agent
	s.MaxRestRetries = 0
	s.ShouldRetryOnRateLimit = false
	s.ShouldReconnectOnError = false
	s.StateEnabled = false
	s.SyncEvents = true
	s.Client = &http.Client{Timeout: callLimit, Transport: &transport{adapter: a, life: life, base: http.DefaultTransport}}
	return s, nil
}

// transport sends calls to the address that stands for Discord, and counts what is refused.
type transport struct {
	adapter *Adapter
	life    context.Context //nolint:containedctx // how long its session lives; the library makes some calls without a context
	base    http.RoundTripper
}

// RoundTrip implements http.RoundTripper.
func (t *transport) RoundTrip(r *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithCancel(r.Context())
	stop := context.AfterFunc(t.life, cancel)
	r = r.Clone(ctx)
	if to := t.adapter.elsew; to != nil {
		r.URL.Scheme, r.URL.Host, r.Host = to.Scheme, to.Host, ""
		r.URL.Path = strings.TrimSuffix(to.Path, "/") + r.URL.Path
	}
	answer, err := t.base.RoundTrip(r)
	if err != nil {
		stop()
		cancel()
		return nil, err
	}
	t.adapter.guard.note(answer)
	answer.Body = &body{answer.Body, func() { stop(); cancel() }}
	return answer, nil
}

// body ends the context of its call when it is closed.
type body struct {
	reader
	ended func()
}

type reader interface {
	Read([]byte) (int, error)
	Close() error
}

// Close implements io.Closer.
func (b *body) Close() error {
	defer b.ended()
	return b.reader.Close()
}

// call is one request to Discord.
type call struct {
	what   string // for errors: the address may hold a token, which is a secret
	method string
	url    string
	bucket string // what Discord limits together; empty for what follows an interaction, which has limits of its own
	body   any
	png    []byte // of the message's picture
}

// get reads something.
func (a *Adapter) get(ctx context.Context, what, address string, answer any) error {
	path, _, _ := strings.Cut(address, "?")
	return a.call(ctx, call{what: what, method: http.MethodGet, url: address, bucket: path}, answer)
}

// call makes a request and reads the answer into answer, which may be nil. Errors: *core.ChatError, around a *refusal where Discord said
// no, for what is refused for good or has to wait; anything else may pass.
func (a *Adapter) call(ctx context.Context, c call, answer any) error {
	if wait := a.guard.wait(); wait > 0 {
		return &core.ChatError{After: wait, Err: fmt.Errorf("%s: Discord has refused so much that MyDB asks nothing for a while", c.what)}
	}
	bucket, wait := a.bucket(c.bucket)
	if wait > 0 {
		return &core.ChatError{After: wait, Err: fmt.Errorf("%s: that would be too often", c.what)}
	}
	kind, raw, err := c.encode()
	if err != nil {
		_ = bucket.Release(nil) // it only gives errors of headers
		return err
	}
	got, err := a.rest.RequestWithLockedBucket(c.method, c.url, kind, raw, bucket, 0, discordgo.WithContext(ctx))
	if err != nil {
		return fmt.Errorf("%s: %w", c.what, understand(err))
	}
	if answer == nil {
		return nil
	}
	if err := json.Unmarshal(got, answer); err != nil {
		return fmt.Errorf("%s: read Discord's answer: %w", c.what, err)
	}
	return nil
}

// bucket takes the bucket of a call, unless it would have to wait: the library would sleep, whatever the context says.
func (a *Adapter) bucket(id string) (*discordgo.Bucket, time.Duration) {
	if id == "" {
		return discordgo.NewRatelimiter().LockBucket(""), 0
	}
	b := a.rest.Ratelimiter.GetBucket(id)
	b.Lock()
	if wait := a.rest.Ratelimiter.GetWaitTime(b, 1); wait > 0 {
		b.Unlock()
		return nil, wait
	}
	b.Remaining--
	return b, 0
}

func (c call) encode() (kind string, raw []byte, err error) {
	switch {
	case c.body == nil:
		return "", nil, nil
	case len(c.png) > 0:
		kind, raw, err = discordgo.MultipartBodyWithJSON(c.body, []*discordgo.File{{Name: pictureName, ContentType: "image/png", Reader: bytes.NewReader(c.png)}})
	default:
		kind = "application/json"
		raw, err = json.Marshal(c.body)
	}
	if err != nil {
		return "", nil, fmt.Errorf("%s: encode it: %w", c.what, err)
	}
	return kind, raw, nil
}

// bare takes the address out of an error of the HTTP client: it may hold the token of an interaction.
func bare(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}
