package main

import (
	"strings"
	"testing"
	"time"

	"github.com/mydb-project/mydb/core/policy"
)

// TestPruneBefore never takes away what the policy keeps.
func TestPruneBefore(t *testing.T) {
	now := time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)
	year := policy.Span(365 * 24 * time.Hour)
	for _, c := range []struct {
		said string
		keep policy.Span
		want string // a date, or what is wrong
	}{
		{"2025-01-01", 0, "2025-01-01"},
		{"", 0, "write a date such as"},
		{"tomorrow", 0, "write a date such as"},
		{"2026-11-20", 0, "at least a month ago"},
		{"", year, "2025-11-26"},
		{"2025-01-01", year, "2025-01-01"},
		{"2026-01-01", year, "keeps the audit trail for 365d: write 2025-11-26 or earlier"},
		{"soon", year, "write a date such as"},
	} {
		got, err := pruneBefore(c.said, c.keep, now)
		told := got.Format(time.DateOnly)
		if err != nil {
			told = err.Error()
		}
		if !strings.Contains(told, c.want) {
			t.Errorf("--before %q with %s: %s, want %s", c.said, c.keep, told, c.want)
		}
	}
}
