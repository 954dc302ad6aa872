package slackfake

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// Call is something that the app sent: a call of the Web API by its method's name, or
// `response_url`, `upload`, `ack` (over Socket Mode) and `answer` (to a request of HTTP mode).
type Call struct {
	At     time.Time // by the workspace's clock
	Method string
	Path   string
	Header http.Header
	Args   map[string]string // of calls with arguments
	Body   []byte            // as it came
	Status int
	Error  string // the code, where the answer was not ok
	Answer []byte
}

func (f *Fake) note(c Call) { f.calls = newest(append(f.calls, c), f.o.KeepCalls) }

// newest keeps the last n of a list, or all where n is 0.
func newest[T any](all []T, n int) []T {
	if n == 0 || len(all) <= 2*n { // not one by one
		return all
	}
	return slices.Clone(all[len(all)-n:])
}

// Calls are all calls so far, or those of some methods.
func (f *Fake) Calls(methods ...string) []Call {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(methods) == 0 {
		return slices.Clone(f.calls)
	}
	return slices.DeleteFunc(slices.Clone(f.calls), func(c Call) bool { return !slices.Contains(methods, c.Method) })
}

// Contains says whether something stands in the call, in whatever way it is written there: plain, in a form, escaped in JSON, in
// JSON within a form.
func (c Call) Contains(secret string) bool {
	return slices.ContainsFunc(c.texts(), func(s string) bool { return strings.Contains(s, secret) })
}

func (c Call) texts() []string {
	all := []string{string(c.Body), c.Path}
	if plain, err := url.QueryUnescape(string(c.Body)); err == nil {
		all = append(all, plain)
	}
	all = append(all, stringsIn(c.Body)...)
	for _, v := range c.Args {
		all = append(append(all, v), stringsIn([]byte(v))...)
	}
	for _, values := range c.Header {
		all = append(all, values...)
	}
	return all
}

// stringsIn are all strings in a JSON text, and in the JSON texts among them.
func stringsIn(raw []byte) (all []string) {
	var v any
	if json.Unmarshal(raw, &v) != nil {
		return nil
	}
	var walk func(v any)
	walk = func(v any) {
		switch v := v.(type) {
		case string:
			all = append(all, v)
			if strings.HasPrefix(v, "{") || strings.HasPrefix(v, "[") {
				all = append(all, stringsIn([]byte(v))...)
			}
		case []any:
			for _, item := range v {
				walk(item)
			}
		case object:
			for key, item := range v {
				all = append(all, key)
				walk(item)
			}
		}
	}
	walk(v)
	return all
}

// Leaks are the calls in which a secret stands.
func (f *Fake) Leaks(secret string) []Call {
	return slices.DeleteFunc(f.Calls(), func(c Call) bool { return !c.Contains(secret) })
}

// Violation is something that the app did and Slack does not take.
type Violation struct {
	At     time.Time
	Where  string // method, or kind of delivery
	What   string // error code, or what happened
	Detail string
}

func (v Violation) String() string { return fmt.Sprintf("%s: %s %s", v.Where, v.What, v.Detail) }

// breaches are the error codes of which an app that keeps the rules sees none. Other errors belong to life: a closed account, a
// channel that the app is not in.
var breaches = []string{
	"invalid_blocks", "invalid_arguments", "invalid_attachments", "invalid_json", "invalid_form_data", "missing_post_type", "invalid_post_type",
	"no_text", "msg_too_long", "msg_blocks_too_long", "view_too_large", "push_limit_reached", "duplicate_external_id", "metadata_too_large",
	"invalid_metadata_format", "invalid_metadata_schema", "invalid_trigger_id", "exchanged_trigger_id", "expired_trigger_id", "expired_url",
	"used_url", "invalid_url", "invalid_payload", "ratelimited", "not_authed", "invalid_auth", "not_allowed_token_type", "missing_scope",
	"unknown_method", "cannot_reply_to_message", "wrong_length", "invalid_limit", "invalid_cursor", "cannot_dm_bot",
}

// judge notes an answer that a well-behaved app would not have got.
func (f *Fake) judge(method string, err error) {
	var e *apiError
	if !errors.As(err, &e) || !slices.Contains(breaches, e.code) {
		return
	}
	detail := ""
	if meta, ok := e.more["response_metadata"].(object); ok {
		detail = fmt.Sprint(meta["messages"])
	}
	f.violation(method, e.code, detail)
}

func (f *Fake) violation(where, what, detail string) {
	f.violations = append(f.violations, Violation{At: f.clock.Now(), Where: where, What: what, Detail: detail})
	f.touch()
}

// ack is how long one delivery took the app.
type ack struct {
	kind Kind
	took time.Duration // by the machine's clock
	fate fate
}

type fate int

const (
	inTime fate = iota
	late        // after Slack had given up
	missing
)

// Report is how the app kept Slack's limits.
type Report struct {
	Acks       int // in time
	Late       int // after three seconds
	Missing    int // never, so far
	Took       map[Kind][]time.Duration
	Violations []Violation
}

// Report tells how the app has kept Slack's limits so far. Took is what acknowledgements took, by the machine's clock, in their order.
func (f *Fake) Report() Report {
	f.mu.Lock()
	defer f.mu.Unlock()
	r := Report{Violations: slices.Clone(f.violations), Took: map[Kind][]time.Duration{}}
	for _, a := range f.acks {
		switch a.fate {
		case inTime:
			r.Acks++
		case late:
			r.Late++
		case missing:
			r.Missing++
			continue
		}
		r.Took[a.kind] = append(r.Took[a.kind], a.took)
	}
	return r
}
