package policy_test

import (
	"strings"
	"testing"
	"time"

	"github.com/mydb-project/mydb/core/policy"
)

func TestRead(t *testing.T) {
	s, err := policy.Read(strings.NewReader(`
policy:
  expiry: { default: 365d, maximum: 730d }
  support: [none, gold]
  phi: { groups: [clinic], admins: [cleo] }
  delete: { sizes: [small], younger_than: 7d, smaller_than: 100MiB }
  links: { secret: 5m }
quotas:
  person: { databases: 5, cpu: 8, memory: 16GiB, disk: 100GiB }
  people: { ada: { databases: 50 } }
  groups: { genomics: { databases: 20 } }
  total: { cpu: 64 }
  contact: it@example.org
`))
	if err != nil {
		t.Fatal(err)
	}
	if time.Duration(s.Policy.Expiry.Default) != 365*24*time.Hour || s.Policy.Support[1] != "gold" || s.Policy.PHI.Admins[0] != "cleo" || !s.Policy.Delete.Alone() {
		t.Errorf("policy %+v", s.Policy)
	}
	if s.Quotas.Person.Memory != 16<<30 || s.Quotas.People["ada"].Databases != 50 || !s.Quotas.Groups["genomics"].Any() || s.Quotas.Total.CPU != 64 {
		t.Errorf("quotas %+v", s.Quotas)
	}
	if l := s.Policy.Links; l.Secret != 5*time.Minute || l.Download != 24*time.Hour {
		t.Errorf("links %+v", l)
	}
	if len(s.Engines) == 0 || len(s.Sizes) == 0 {
		t.Error("a file without a catalogue takes away the one that is built in")
	}
	for _, empty := range []string{"", "# nothing\n"} {
		if s, err := policy.Read(strings.NewReader(empty)); err != nil || len(s.Engines) == 0 || s.Policy.Support[0] != "standard" {
			t.Errorf("%q: %+v, %v", empty, s.Policy, err)
		}
	}
}

// TestBackup reads how backups are verified, also as yes and no.
func TestBackup(t *testing.T) {
	for text, want := range map[string]policy.Verify{"": policy.VerifyEach, "verify: true": policy.VerifyEach, "verify: false": policy.VerifyNever, "verify: weekly": policy.VerifyWeekly, "verify: each": policy.VerifyEach} {
		s, err := policy.Read(strings.NewReader("policy: { backup: { " + text + " } }"))
		if err != nil || s.Policy.Backup.Verify != want {
			t.Errorf("%q: %q, %v; want %q", text, s.Policy.Backup.Verify, err, want)
		}
	}
	b := policy.DefaultBackup()
	if b.AtOnce != 4 || b.AtOncePerNode != 2 || b.VerifyAtOnce != 2 || b.VerifyAtOncePerNode != 1 || b.VerifyWithin.String() != "35d" || b.Heartbeat != "" {
		t.Errorf("defaults %+v", b)
	}
	_, err := policy.Read(strings.NewReader("policy: { backup: { heartbeat: 'ftp://hc.example.org/sesame' } }"))
	if err == nil || strings.Contains(err.Error(), "sesame") || !strings.Contains(err.Error(), "policy.backup.heartbeat (its value is a secret)") {
		t.Errorf("heartbeat: %v", err)
	}
}

func TestReadRefuses(t *testing.T) {
	for text, want := range map[string]string{
		"policy: { expiry: { default: 10d, maximum: 5d } }":  "longer than the maximum",
		"policy: { expiry: { default: soon } }":              `"soon" is not a number of days`,
		"policy: { delete: { sizes: [tiny] } }":              "there is no size \"tiny\"",
		"policy: { exipry: {} }":                             "exipry",
		"policy: { approve: [everything] }":                  "there is: restore_in_place",
		"quotas: { person: { databases: -1 } }":              "quotas.person",
		"quotas: { people: { ada: { cpu: -1 } } }":           "quotas.people.ada",
		"quotas: { everybody: {} }":                          "everybody",
		"quotas: { total: { memory: lots } }":                "lots",
		"policy: { backup: { catalogue_every: 10s } }":       "policy.backup.catalogue_every",
		"policy: { backup: { catalogue_every: often } }":     "often",
		"policy: { backup: { catalogue_keep: {last: -1} } }": "policy.backup.catalogue_keep",
		"policy: { links: { download: 30s } }":               "policy.links.download",
		"policy: { links: { secret: 1000h } }":               "policy.links.secret",
	} {
		if _, err := policy.Read(strings.NewReader(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
}
