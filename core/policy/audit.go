package policy

import (
	"errors"
	"time"
)

// Audit is for how long the audit trail is kept.
type Audit struct {
	// Keep is after what time `mydb audit prune` takes entries away, and before which it does not. Nothing said: the operator decides each time.
	Keep Span `yaml:"keep"`
}

// minAudit keeps what has just happened from being taken away.
const minAudit = Span(30 * 24 * time.Hour)

func (a Audit) check() error {
	if a.Keep != 0 && a.Keep < minAudit {
		return errors.New("policy.audit.keep: write 30d or more")
	}
	return nil
}
