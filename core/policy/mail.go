package policy

import (
	"fmt"
	"time"
)

// DigestNever is the time of a daily mail that is not sent.
const DigestNever = "never"

// Mail is what MyDB tells by mail, beside what happens.
type Mail struct {
	// Digest is the time of the day, in the zone of Backup.Timezone, at which administrators get the daily mail, or never; default: 07:00.
	Digest string `yaml:"digest"`
}

// DefaultMail is what a site has that says nothing.
func DefaultMail() Mail {
	var m Mail
	m.fill()
	return m
}

func (m *Mail) fill() {
	if m.Digest == "" {
		m.Digest = "07:00"
	}
}

// DigestAt is how long after midnight the daily mail is sent, and whether it is at all.
func (m Mail) DigestAt() (after time.Duration, sent bool) {
	at, err := time.Parse("15:04", m.Digest)
	return time.Duration(at.Hour())*time.Hour + time.Duration(at.Minute())*time.Minute, err == nil
}

func (m Mail) check() error {
	if _, sent := m.DigestAt(); !sent && m.Digest != DigestNever {
		return fmt.Errorf("policy.mail.digest: %q is no time of the day such as 07:00, and not never", m.Digest)
	}
	return nil
}
