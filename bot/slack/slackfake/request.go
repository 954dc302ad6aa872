package slackfake

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// httpMode is where the app hears, when it does not use Socket Mode: https://docs.slack.dev/apis/events-api/using-http-request-urls
type httpMode struct {
	on   bool
	urls map[Kind]string
	sent []Request
}

// Request is a request of HTTP mode, as it was sent.
type Request struct {
	Kind   Kind
	URL    string
	Header http.Header
	Body   []byte
}

// UseHTTP lets Slack send requests to base + /slack/command, /slack/interaction and /slack/event, after it has verified the last.
func (f *Fake) UseHTTP(ctx context.Context, base string) error {
	base = strings.TrimSuffix(base, "/")
	urls := map[Kind]string{Command: base + "/slack/command", Interaction: base + "/slack/interaction", Event: base + "/slack/event"}
	const challenge = "3eZbrw1aBm2rZgRNFdxV2595E9CY3gmdALWMmHkvFXO7tYXAYM8P"
	body := encoded(object{"type": "url_verification", "token": verification, "challenge": challenge})
	status, answer, err := f.Attack(ctx, Forgery{URL: urls[Event], Body: body, ContentType: "application/json"})
	if err != nil {
		return fmt.Errorf("verify %s: %w", urls[Event], err)
	}
	var given struct{ Challenge string }
	if json.Unmarshal(answer, &given) != nil {
		given.Challenge = strings.TrimPrefix(strings.TrimSpace(string(answer)), "challenge=")
	}
	if status != http.StatusOK || given.Challenge != challenge {
		return fmt.Errorf("verify %s: it answered %d without the challenge", urls[Event], status)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.http.on, f.http.urls = true, urls
	return nil
}

// UseSockets goes back to Socket Mode.
func (f *Fake) UseSockets() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.http.on = false
}

// Requests are those of HTTP mode so far.
func (f *Fake) Requests() []Request {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.http.sent)
}

// Signature is what Slack signs a request with: https://docs.slack.dev/authentication/verifying-requests-from-slack
func Signature(secret string, at time.Time, body []byte) string {
	mac := hmac.New(sha256.New, []byte(secret))
	fmt.Fprintf(mac, "v0:%d:", at.Unix())
	mac.Write(body)
	return "v0=" + hex.EncodeToString(mac.Sum(nil))
}

// request makes a signed request of a delivery.
func (f *Fake) request(d *Delivery, n int, reason string) Request {
	r := Request{Kind: d.Kind, URL: f.http.urls[d.Kind], Header: http.Header{}}
	switch d.Kind {
	case Command:
		form := url.Values{}
		for name, value := range jsonArgs(d.Payload) {
			form.Set(name, value)
		}
		r.Body = []byte(form.Encode())
	case Interaction:
		r.Body = []byte(url.Values{"payload": {string(d.Payload)}}.Encode())
	default:
		r.Body = d.Payload
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if d.Kind == Event {
		r.Header.Set("Content-Type", "application/json")
	}
	if n > 0 {
		r.Header.Set("X-Slack-Retry-Num", strconv.Itoa(n))
		r.Header.Set("X-Slack-Retry-Reason", reason)
	}
	f.sign(&r, f.clock.Now(), f.o.SigningSecret)
	return r
}

func (f *Fake) sign(r *Request, at time.Time, secret string) {
	r.Header.Set("User-Agent", "Slackbot 1.0 (+https://api.slack.com/robots)")
	r.Header.Set("X-Slack-Request-Timestamp", strconv.FormatInt(at.Unix(), 10))
	r.Header.Set("X-Slack-Signature", Signature(secret, at, r.Body))
}

// post makes one attempt over HTTP.
func (f *Fake) post(d *Delivery, n int, reason string) Result {
	f.mu.Lock()
	r := f.request(d, n, reason)
	f.http.sent = append(f.http.sent, r)
	f.mu.Unlock()
	deadline, stop := f.clock.After(ackLimit)
	defer stop()
	ctx, cancel := context.WithCancelCause(f.ctx)
	defer cancel(nil)
	over := make(chan struct{})
	defer close(over)
	go func() {
		select {
		case <-deadline:
			cancel(context.DeadlineExceeded)
		case <-over:
		}
	}()
	began := time.Now()
	status, header, answer, err := r.do(ctx)
	took := time.Since(began)
	f.mu.Lock()
	defer f.mu.Unlock()
	result := Result{Took: took, at: f.clock.Now()}
	if err != nil {
		f.unanswered(ctx, d, &result)
		return result
	}
	f.note(Call{At: result.at, Method: "answer", Path: r.URL, Header: header, Body: answer, Status: status})
	f.touch()
	f.heard(d, &result, status, header, answer)
	return result
}

// unanswered is a request that took too long, or reached nobody.
func (f *Fake) unanswered(ctx context.Context, d *Delivery, r *Result) {
	late := errors.Is(context.Cause(ctx), context.DeadlineExceeded)
	if late {
		f.noted(d.Kind, r.Took, missing)
	}
	switch {
	case late && d.Kind == Event:
		r.Failure = "http_timeout"
	case late:
		r.Failure = timedOut
	case d.Kind == Event:
		r.Failure = "connection_failed"
	default:
		r.Failure = noApp
	}
}

func (f *Fake) heard(d *Delivery, r *Result, status int, header http.Header, answer []byte) {
	r.Status, r.noRetry = status, header.Get("X-Slack-No-Retry") == "1"
	switch {
	case d.Kind == Event && status/100 == 2, status == http.StatusOK:
		if f.chaos.loses() {
			r.Failure = failureOf(d.Kind)
			return
		}
		r.Acked, r.Answer = true, spoken(d.Kind, header, answer)
		f.noted(d.Kind, r.Took, inTime)
	case d.Kind == Event:
		r.Failure = "http_error"
	default:
		r.Failure = noApp
	}
}

// spoken is an answer as JSON. Commands may be answered with plain text.
func spoken(k Kind, header http.Header, answer []byte) json.RawMessage {
	answer = bytes.TrimSpace(answer)
	if k == Event || len(answer) == 0 {
		return nil
	}
	if k == Command && !strings.HasPrefix(header.Get("Content-Type"), "application/json") {
		return encoded(object{"text": string(answer)})
	}
	return answer
}

func (r Request) do(ctx context.Context) (status int, header http.Header, answer []byte, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, r.URL, bytes.NewReader(r.Body))
	if err != nil {
		return 0, nil, nil, fmt.Errorf("make a request to the app: %w", err)
	}
	req.Header = r.Header.Clone()
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, nil, nil, fmt.Errorf("send a request to the app: %w", err)
	}
	defer resp.Body.Close()
	if answer, err = io.ReadAll(io.LimitReader(resp.Body, maxBody)); err != nil {
		return 0, nil, nil, fmt.Errorf("read the app's answer: %w", err)
	}
	return resp.StatusCode, resp.Header, answer, nil
}

// Forgery is a request that Slack would not send, or would not send again.
type Forgery struct {
	URL         string
	ContentType string // of a form where empty
	Body        []byte
	Secret      string                   // that signs it; the right one where empty
	At          time.Time                // of the signature; now where zero
	Tamper      func(http.Header) []byte // changes headers after they were signed; the body too if it returns one
}

// Attack sends a forgery to the app, and gives what it answered.
func (f *Fake) Attack(ctx context.Context, g Forgery) (status int, answer []byte, err error) {
	r := Request{URL: g.URL, Header: http.Header{}, Body: g.Body}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if g.ContentType != "" {
		r.Header.Set("Content-Type", g.ContentType)
	}
	if g.Secret == "" {
		g.Secret = f.o.SigningSecret
	}
	if g.At.IsZero() {
		g.At = f.clock.Now()
	}
	f.sign(&r, g.At, g.Secret)
	if g.Tamper != nil {
		if body := g.Tamper(r.Header); body != nil {
			r.Body = body
		}
	}
	return f.Replay(ctx, r)
}

// Replay sends a request again, byte by byte as it was.
func (f *Fake) Replay(ctx context.Context, r Request) (status int, answer []byte, err error) {
	status, _, answer, err = r.do(ctx)
	return status, answer, err
}
