package discordfake

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"strings"
	"time"
)

// Fault spoils calls of the bot.
type Fault struct {
	Method string // of the calls that it spoils; empty: any
	Path   string // what their path contains, such as "/messages"; empty: any
	Times  int    // how many calls; 0: one, -1: all until Heal

	// What happens. A Status answers without doing anything.
	Hold       <-chan struct{} // the call waits, before anything is done, until this is closed; it is done even if the bot dies meanwhile
	Cut        bool            // nothing is done, and the connection is cut
	Lost       bool            // the call is carried out, and the connection cut instead of an answer
	Status     int             // such as 500 or 429
	Code       int             // Discord's own
	Message    string
	RetryAfter time.Duration // of a 429; 0: one second
	Global     bool          // whether the 429 is for all that the bot does
}

// Spoil lets a fault happen to the next calls that fit. Faults are used up in the order in which they were given.
func (f *Fake) Spoil(fault Fault) {
	fault.Times = cmp.Or(fault.Times, 1)
	f.lock(func() { f.faults = append(f.faults, &fault) })
}

// Heal ends all faults that are left.
func (f *Fake) Heal() { f.lock(func() { f.faults = nil }) }

// faultFor takes the first fault that fits the call.
func (f *Fake) faultFor(h *http.Request) (found *Fault) {
	f.lock(func() {
		i := slices.IndexFunc(f.faults, func(fault *Fault) bool {
			return (fault.Method == "" || fault.Method == h.Method) && strings.Contains(callPath(h), fault.Path)
		})
		if i < 0 {
			return
		}
		found = f.faults[i]
		if found.Times--; found.Times == 0 {
			f.faults = slices.Delete(f.faults, i, i+1)
		}
		if found.Hold != nil {
			f.record.held++
		}
	})
	return found
}

// Held is how many calls a fault has made wait so far.
func (f *Fake) Held() int {
	defer f.hold()()
	return f.record.held
}

func (fault *Fault) wait(call, life context.Context) {
	if fault == nil || fault.Hold == nil {
		return
	}
	select {
	case <-fault.Hold:
	case <-call.Done():
	case <-life.Done():
	}
}

func (fault *Fault) err() *apiError {
	message := cmp.Or(fault.Message, http.StatusText(fault.Status))
	if fault.Status == http.StatusTooManyRequests {
		message = cmp.Or(fault.Message, "You are being rate limited.")
	}
	return &apiError{status: fault.Status, Code: fault.Code, Message: message, retryAfter: cmp.Or(fault.RetryAfter, time.Second), global: fault.Global}
}
