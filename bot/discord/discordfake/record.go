package discordfake

import (
	"bytes"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
)

// Methods of calls that are no HTTP requests of the bot.
const (
	FrameMethod  = "FRAME"  // a frame that the bot sent through the gateway; its Path is "op 1", its Body the frame without the token
	AnswerMethod = "ANSWER" // the body with which the bot answered an interaction that was POSTed; its Path is the address
)

// Call is something that the bot sent.
type Call struct {
	At        time.Time
	Method    string
	Path      string // below /api/vN, with the query
	UserAgent string
	Body      []byte
	Status    int
	Answer    []byte
}

func (c Call) String() string {
	return fmt.Sprintf("%s %s: %d %.300s", c.Method, c.Path, c.Status, c.Body)
}

// record is what the bot did, and what was wrong with it.
type record struct {
	calls      []Call
	total      int
	violations []string
	held       int
	statuses   map[int]int // of refused calls
	invalid    []time.Time // of those that count against the ten thousand, in order
	worst      int         // the most of them in ten minutes
	late       []string
	acks       []time.Duration
	registered []time.Time
	previews   []Preview
}

func (r *record) add(keep int, c Call) {
	r.calls = append(r.calls, c)
	r.total++
	if keep > 0 && len(r.calls) > keep {
		r.calls = slices.Delete(r.calls, 0, len(r.calls)-keep)
	}
}

// refused counts what Discord bans an address for: 10,000 answers 401, 403 or 429 within ten minutes.
func (r *record) refused(now time.Time, err *apiError) {
	if r.statuses == nil {
		r.statuses = map[int]int{}
	}
	r.statuses[err.status]++
	switch err.status {
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusTooManyRequests:
	default:
		return
	}
	r.invalid = append(r.invalid, now)
	first := slices.IndexFunc(r.invalid, func(at time.Time) bool { return now.Sub(at) < 10*time.Minute })
	r.invalid = r.invalid[max(first, 0):]
	r.worst = max(r.worst, len(r.invalid))
}

// violation notes what the real Discord would let pass, or would only punish in the long run, but what MyDB must not do.
func (f *Fake) violation(format string, args ...any) {
	f.record.violations = append(f.record.violations, fmt.Sprintf(format, args...))
}

// Violations are what the bot must not do: pinging everyone, calling what is not there, sending more than the gateway takes.
func (f *Fake) Violations() []string {
	defer f.hold()()
	return slices.Clone(f.record.violations)
}

// Calls are those that the bot has made, oldest first, of which "METHOD path" contains all the texts.
func (f *Fake) Calls(containing ...string) []Call {
	return f.calls(func(c Call) bool {
		return !slices.ContainsFunc(containing, func(text string) bool { return !strings.Contains(c.Method+" "+c.Path, text) })
	})
}

// Saw are the calls in which a text stands, wherever it does: for passwords that must be in none, and for those that must be in one.
func (f *Fake) Saw(text string) []Call {
	return f.calls(func(c Call) bool { return strings.Contains(c.Path, text) || bytes.Contains(c.Body, []byte(text)) })
}

func (f *Fake) calls(fits func(Call) bool) (found []Call) {
	defer f.hold()()
	for _, c := range f.record.calls {
		if fits(c) {
			found = append(found, c)
		}
	}
	return found
}

// Forget forgets all calls so far, as a test does between two things that it looks at.
func (f *Fake) Forget() { f.lock(func() { f.record.calls = nil }) }
