package policy

import (
	"errors"
	"fmt"
	"time"
)

// Links is for how long one-time links work.
type Links struct {
	Download time.Duration `yaml:"download"` // of a backup; default: 24h
	Secret   time.Duration `yaml:"secret"`   // to a password; default: 10m
}

// maxLink is for how long a link may work at most: one that lies about for longer is in somebody's archive of messages.
const maxLink = 7 * 24 * time.Hour

// DefaultLinks is what a site has that says nothing.
func DefaultLinks() Links {
	var l Links
	l.fill()
	return l
}

func (l *Links) fill() {
	if l.Download == 0 {
		l.Download = 24 * time.Hour
	}
	if l.Secret == 0 {
		l.Secret = 10 * time.Minute
	}
}

func (l Links) check() error {
	var errs []error
	for name, d := range map[string]time.Duration{"download": l.Download, "secret": l.Secret} {
		if d < time.Minute || d > maxLink {
			errs = append(errs, fmt.Errorf("policy.links.%s: write a time from 1m to 168h, such as 24h", name))
		}
	}
	return errors.Join(errs...)
}
