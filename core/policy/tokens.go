package policy

import (
	"errors"
	"time"
)

// Tokens is for how long tokens of the API work.
type Tokens struct {
	Default Span `yaml:"default"` // when nothing is said; default: 90d, or the maximum if that is shorter
	Maximum Span `yaml:"maximum"` // default: 366d
}

// maxToken is the longest that a site may allow: a token that outlives a year is forgotten somewhere.
const maxToken = Span(366 * 24 * time.Hour)

// DefaultTokens is what a site has that says nothing.
func DefaultTokens() Tokens {
	var t Tokens
	t.fill()
	return t
}

func (t *Tokens) fill() {
	if t.Maximum == 0 {
		t.Maximum = maxToken
	}
	if t.Default == 0 {
		t.Default = min(Span(90*24*time.Hour), t.Maximum)
	}
}

func (t Tokens) check() error {
	if t.Maximum > maxToken || t.Default > t.Maximum {
		return errors.New("policy.tokens: write a maximum of at most 366d, and a default that is no longer")
	}
	return nil
}
