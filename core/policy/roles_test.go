package policy_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/mydb-project/mydb/core/policy"
)

func TestRoles(t *testing.T) {
	s, err := policy.Read(strings.NewReader("policy: { roles: { auditors: [Compliance], leads: { Genomics: [genomics-leads, deans], proteomics: [deans] } } }"))
	if err != nil {
		t.Fatal(err)
	}
	r := s.Policy.Roles
	if !r.Audits([]string{"x", "compliance"}) || r.Audits([]string{"x"}) || r.Audits(nil) {
		t.Error("auditors are not those of the group")
	}
	for groups, want := range map[string][]string{"deans": {"genomics", "proteomics"}, "GENOMICS-leads": {"genomics"}, "genomics": {}} {
		if got := r.Led([]string{groups}); !slices.Equal(got, want) {
			t.Errorf("%s leads %v, want %v", groups, got, want)
		}
	}
	for text, want := range map[string]string{
		"{ auditors: [''] }":            `policy.roles.auditors: "" is no name`,
		"{ auditors: ['x '] }":          "policy.roles.auditors",
		"{ auditors: compliance }":      "cannot unmarshal",
		"{ leads: { genomics: [] } }":   "policy.roles.leads.genomics: write which groups lead it",
		"{ leads: { genomics: [' '] }}": "policy.roles.leads.genomics",
		"{ admins: [it] }":              "field admins not found",
	} {
		if _, err := policy.Read(strings.NewReader("policy: { roles: " + text + " }")); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
}
