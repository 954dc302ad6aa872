package policy

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// Backup is how backups are made and for how long they are kept.
type Backup struct {
	// Timezone is that of windows and schedules, such as Europe/Zurich; default: UTC.
	Timezone string `yaml:"timezone"`
	// Window is when scheduled backups of databases begin that have no window of their own, such as 01:00-05:00.
	Window string `yaml:"window"`
	// AtOnce is how many scheduled backups are under way at the same moment in the whole site, and AtOncePerNode on each of its machines.
	AtOnce        int `yaml:"at_once"`
	AtOncePerNode int `yaml:"at_once_per_node"`
	// Escrow lists public keys of age that open backups, too. Their private keys are kept offline.
	Escrow []string `yaml:"escrow"`
	// Verify is which backups are restored and counted; default: each.
	Verify Verify `yaml:"verify"`
	// VerifyAtOnce is how many are at the same moment in the whole site, and VerifyAtOncePerNode on each machine.
	VerifyAtOnce        int `yaml:"verify_at_once"`
	VerifyAtOncePerNode int `yaml:"verify_at_once_per_node"`
	// VerifyWithin is after how long without a verified backup a database is reported.
	VerifyWithin Span `yaml:"verify_within"`
	// Heartbeat is an address that is called while the backups are well. It is a secret.
	Heartbeat string `yaml:"heartbeat"`
	Keep      Keep   `yaml:"keep"`
	// CatalogueEvery is how often MyDB's own database is backed up, such as 1h, and CatalogueKeep how many of those backups are kept.
	CatalogueEvery time.Duration `yaml:"catalogue_every"`
	CatalogueKeep  Keep          `yaml:"catalogue_keep"`
}

// Verify is which backups are verified.
type Verify string

// Each backup after it was made; or, in rotation, the newest of a database that is not, once in a day or week; or none.
const (
	VerifyEach   Verify = "each"
	VerifyDaily  Verify = "daily"
	VerifyWeekly Verify = "weekly"
	VerifyNever  Verify = "never"
)

// UnmarshalYAML also takes true for each and false for never.
func (v *Verify) UnmarshalYAML(node *yaml.Node) error {
	switch *v = Verify(node.Value); *v {
	case "true", "yes":
		*v = VerifyEach
	case "false", "no":
		*v = VerifyNever
	case VerifyEach, VerifyDaily, VerifyWeekly, VerifyNever:
	default:
		return fmt.Errorf("line %d: policy.backup.verify is each, daily, weekly or never, not %q", node.Line, node.Value)
	}
	return nil
}

// Keep is how many backups are kept: the newest ones, and the newest of each of the last days, weeks, months and years that have one.
type Keep struct {
	Last    int `yaml:"last"`
	Daily   int `yaml:"daily"`
	Weekly  int `yaml:"weekly"`
	Monthly int `yaml:"monthly"`
	Yearly  int `yaml:"yearly"`
}

// DefaultBackup is what a site has that says nothing.
func DefaultBackup() Backup {
	var b Backup
	b.fill()
	return b
}

func (b *Backup) fill() {
	if b.Timezone == "" {
		b.Timezone = "UTC"
	}
	if b.Window == "" {
		b.Window = "01:00-05:00"
	}
	if b.AtOnce == 0 {
		b.AtOnce = 4
	}
	if b.AtOncePerNode == 0 {
		b.AtOncePerNode = 2
	}
	if b.Verify == "" {
		b.Verify = VerifyEach
	}
	if b.VerifyAtOnce == 0 {
		b.VerifyAtOnce = 2
	}
	if b.VerifyAtOncePerNode == 0 {
		b.VerifyAtOncePerNode = 1
	}
	if b.VerifyWithin == 0 {
		b.VerifyWithin = Span(35 * 24 * time.Hour)
	}
	if b.Keep == (Keep{}) {
		b.Keep = Keep{Last: 3, Daily: 7, Weekly: 4, Monthly: 6}
	}
	if b.CatalogueEvery == 0 {
		b.CatalogueEvery = time.Hour
	}
	if b.CatalogueKeep == (Keep{}) {
		b.CatalogueKeep = Keep{Last: 24, Daily: 14, Weekly: 8}
	}
}

// Location is the time zone. It is loaded when the file is read, so it is there.
func (b Backup) Location() *time.Location {
	l, err := time.LoadLocation(b.Timezone)
	if err != nil {
		return time.UTC
	}
	return l
}

func (b Backup) check() error {
	var errs []error
	if _, err := time.LoadLocation(b.Timezone); err != nil {
		errs = append(errs, fmt.Errorf("policy.backup.timezone: %q is no time zone such as Europe/Zurich", b.Timezone))
	}
	if _, _, err := ParseWindow(b.Window); b.Window != "" && err != nil {
		errs = append(errs, fmt.Errorf("policy.backup.window: %w", err))
	}
	for name, n := range map[string]int{"at_once": b.AtOnce, "at_once_per_node": b.AtOncePerNode, "verify_at_once": b.VerifyAtOnce, "verify_at_once_per_node": b.VerifyAtOncePerNode} {
		if n < 0 || n > 1000 {
			errs = append(errs, fmt.Errorf("policy.backup.%s: write 1 to 1000", name))
		}
	}
	if u, err := url.Parse(b.Heartbeat); b.Heartbeat != "" && (err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https") {
		errs = append(errs, errors.New("policy.backup.heartbeat (its value is a secret) is no address such as https://hc.example.org/ping/1234"))
	}
	for name, k := range map[string]Keep{"keep": b.Keep, "catalogue_keep": b.CatalogueKeep} {
		if min(k.Last, k.Daily, k.Weekly, k.Monthly, k.Yearly) < 0 {
			errs = append(errs, fmt.Errorf("policy.backup.%s: numbers are 0 or more", name))
		}
	}
	if b.CatalogueEvery < time.Minute || b.CatalogueEvery > 7*24*time.Hour {
		errs = append(errs, errors.New("policy.backup.catalogue_every: write 1m to 168h"))
	}
	for _, key := range b.Escrow {
		if !strings.HasPrefix(key, "age1") {
			errs = append(errs, fmt.Errorf("policy.backup.escrow: %q is no public key of age (age1...)", key))
		}
	}
	return errors.Join(errs...)
}

// ParseWindow reads a span of a day such as 22:00-04:00, and gives its start since midnight and its length.
func ParseWindow(text string) (start, length time.Duration, err error) {
	from, to, ok := strings.Cut(text, "-")
	a, errA := time.Parse("15:04", from)
	b, errB := time.Parse("15:04", to)
	if !ok || errA != nil || errB != nil || from == to {
		return 0, 0, fmt.Errorf("%q is no span of a day such as 01:00-05:00", text)
	}
	start = time.Duration(a.Hour())*time.Hour + time.Duration(a.Minute())*time.Minute
	end := time.Duration(b.Hour())*time.Hour + time.Duration(b.Minute())*time.Minute
	if length = end - start; length < 0 {
		length += 24 * time.Hour
	}
	return start, length, nil
}
