package discordfake

import (
	"fmt"
	"slices"
	"time"
)

// Report sums up what the bot did.
type Report struct {
	Calls         int
	Refused       map[int]int // refused calls by HTTP status
	WorstMinutes  int         // the most 401, 403 and 429 within ten minutes; 10,000 are a ban
	Violations    []string
	Interactions  int
	Unanswered    []string        // interactions that nobody acknowledged in time
	Late          []string        // acknowledgements that were refused: too late, not the first, or of a kind that does not fit
	Acks          []time.Duration // how long each acknowledgement took
	Registrations []time.Time     // of commands
	Gateway       GatewayState
}

// Report sums up what the bot did so far.
func (f *Fake) Report() Report {
	defer f.hold()()
	r := Report{
		Calls: f.record.total, WorstMinutes: f.record.worst, Refused: map[int]int{}, Violations: slices.Clone(f.record.violations),
		Interactions: len(f.interactions), Late: slices.Clone(f.record.late), Acks: slices.Clone(f.record.acks),
		Registrations: slices.Clone(f.record.registered), Gateway: f.gateway.state(),
	}
	for status, n := range f.record.statuses {
		r.Refused[status] = n
	}
	for _, i := range f.interactions {
		if i.state() == Failed {
			r.Unanswered = append(r.Unanswered, i.String())
		}
	}
	return r
}

// Registrations is how often the bot has registered its commands.
func (f *Fake) Registrations() int {
	defer f.hold()()
	return len(f.record.registered)
}

// lateAck notes an acknowledgement that was refused.
func (r *record) lateAck(i *Interaction, err *apiError) {
	r.late = append(r.late, fmt.Sprintf("%s: %s", i, err.Message))
}
