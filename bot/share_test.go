package bot

import (
	"strings"
	"testing"

	"github.com/mydb-project/mydb/core"
)

// TestShareByMessage understands the small words, and tells people from groups and pipelines.
func TestShareByMessage(t *testing.T) {
	for in, want := range map[string]string{
		"share genomes with grace":                   "share genomes grace",
		"share genomes grace write":                  "share genomes grace write",
		"share genomes WITH grace write until=90d":   "share genomes grace write until=90d",
		"share genomes with with":                    "share genomes person=with",
		"share genomes with group:genomics read":     "share genomes group:genomics read",
		"share genomes with pipeline:nightly":        "share genomes pipeline:nightly",
		"unshare genomes grace":                      "unshare genomes grace",
		"transfer genomes to grace@example.com":      "transfer genomes grace@example.com",
		"transfer genomes to to":                     "transfer genomes person=to",
		"rotate genomes account=nightly overlap=24h": "rotate genomes account=nightly overlap=24h",
	} {
		p, err := grammar().Parse(in)
		if err != nil || p.String() != want {
			t.Errorf("Parse(%q) = %q, %v; want %q", in, p.String(), err, want)
		}
	}
	for in, want := range map[string]string{
		"share genomes":                "share needs a name and a person. Type: share genomes with grace",
		"share genomes with":           "share needs a name and a person",
		"share genomes with a b":       "Choose one of: read, write",
		"transfer genomes to a please": "more words than transfer can use",
	} {
		if _, err := grammar().Parse(in); core.CodeOf(err) != core.CodeInvalid || !strings.Contains(err.Error(), want) {
			t.Errorf("Parse(%q): %v, want %q", in, err, want)
		}
	}
}
