package policy_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/mydb-project/mydb/core/policy"
)

func TestAllowances(t *testing.T) {
	s, err := policy.Read(strings.NewReader(`
policy:
  create:
    - { sizes: [small] }
    - { groups: [Genomics], engines: [postgres] }
    - { roles: [lead], engines: [mariadb, postgres], sizes: [small, medium] }
`))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		groups             []string
		role, engine, size string
		want               bool
	}{
		{nil, "user", "mongodb", "small", true},
		{nil, "user", "postgres", "large", false},
		{[]string{"genomics"}, "user", "postgres", "large", true},
		{[]string{"genomics"}, "user", "mariadb", "large", false},
		{nil, "lead", "mariadb", "medium", true},
		{nil, "lead", "mongodb", "medium", false},
	} {
		mine, bound := s.Policy.Allowances(c.groups, c.role)
		if got := slices.ContainsFunc(mine, func(a policy.Allowance) bool { return a.Allows(c.engine, c.size) }); got != c.want || !bound {
			t.Errorf("%v as %s, %s in %s: %v", c.groups, c.role, c.engine, c.size, got)
		}
	}
	if _, bound := policy.Default().Policy.Allowances(nil, "user"); bound {
		t.Error("a site that says nothing binds people")
	}
	if got := s.Policy.Create[2].String(); got != "mariadb or postgres in the size small or medium" {
		t.Error(got)
	}
}

// TestReadRules refuses what a site cannot mean, each with its place in the file.
func TestReadRules(t *testing.T) {
	for text, want := range map[string]string{
		"policy: { create: [{ roles: [admin] }] }":                                 `policy.create, rule 1: there is no role "admin"; there is: user, lead`,
		"policy: { create: [{}, { engines: [oracle] }] }":                          `policy.create, rule 2: there is no engine "oracle"`,
		"policy: { create: [{ sizes: [tiny] }] }":                                  `there is no size "tiny"`,
		"policy: { create: [{ people: [ada] }] }":                                  "field people not found",
		"policy: { create: [{ groups: [''] }] }":                                   "policy.create, rule 1",
		"policy: { approvals: { approvers: { purge: { groups: [x] } } } }":         "policy.approvals.approvers.purge: nothing of that kind is approved",
		"policy: { approvals: { approvers: { delete: { only: true } } } }":         "policy.approvals.approvers.delete: write which groups decide",
		"policy: { approvals: { approvers: { delete: { groups: [x], al: 1 } } } }": "field al not found",
		"policy: { tokens: { maximum: 400d } }":                                    "policy.tokens",
		"policy: { tokens: { maximum: 30d, default: 60d } }":                       "policy.tokens",
		"policy: { directory: { refresh: 1m } }":                                   "policy.directory.refresh: write a time from 5m to 24h",
		"policy: { directory: { confirm: 8d } }":                                   "cannot unmarshal",
		"policy: { directory: { confirm: 200h } }":                                 "policy.directory.confirm: write a time from 5m to 168h",
		"policy: { audit: { keep: 7d } }":                                          "policy.audit.keep",
		"policy: { audit: { keep: always } }":                                      "always",
		"policy: { phi: { second_approver: perhaps } }":                            "perhaps",
		"quotas: { roles: { auditor: { databases: 1 } } }":                         `quotas.roles: there is no role "auditor"`,
		"quotas: { roles: { lead: { databases: -1 } } }":                           "quotas.roles.lead",
	} {
		if _, err := policy.Read(strings.NewReader(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
	s, err := policy.Read(strings.NewReader("policy: { tokens: { maximum: 30d } }"))
	if err != nil || s.Policy.Tokens.Default != s.Policy.Tokens.Maximum {
		t.Errorf("%+v, %v", s.Policy.Tokens, err)
	}
}
