// Package policy is what the operator of a site settles in the file that MYDB_CONFIG names, beside the catalogue: rules for what
// people ask for, and how much they may have.
package policy

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/mydb-project/mydb/core/engine"
)

// Site is the whole file. Sections that it leaves out are as MyDB ships them.
type Site struct {
	engine.Catalogue `yaml:",inline"`
	Policy           Policy `yaml:"policy"`
	Quotas           Quotas `yaml:"quotas"`
}

// Policy is the rules for what people ask for.
type Policy struct {
	Expiry Expiry `yaml:"expiry"`
	// Support lists the support levels; the first is the default.
	Support []string `yaml:"support"`
	PHI     PHI      `yaml:"phi"`
	Delete  Delete   `yaml:"delete"`
	Backup  Backup   `yaml:"backup"`
	Links   Links    `yaml:"links"`
	// Approve lists what an administrator has to approve on this site, beside deletions: words of Approvable.
	Approve []string `yaml:"approve"`

	Approvals Approvals `yaml:"approvals"`
	Import    Import    `yaml:"import"`
	Roles     Roles     `yaml:"roles"`
	// Create says who may create what.
	Create []Allowance `yaml:"create"`
	Tokens Tokens      `yaml:"tokens"`
	Mail   Mail        `yaml:"mail"`
	Audit  Audit       `yaml:"audit"`

	Directory Directory `yaml:"directory"`
}

// Approvable are the words that Approve may list.
var Approvable = []string{"restore_in_place", "phi"}

// NeedsApproval reports whether somebody else has to approve an action first.
func (p Policy) NeedsApproval(action string) bool { return slices.Contains(p.Approve, action) }

// Expiry is for how long databases live when nothing is said, and for how long at most. Zero: without an end.
type Expiry struct {
	Default Span `yaml:"default"`
	Maximum Span `yaml:"maximum"`
}

// PHI is who deals with health data about persons.
type PHI struct {
	Groups []string `yaml:"groups"` // who may mark a database as holding it; empty: everybody
	Admins []string `yaml:"admins"` // logins of the administrators who see and approve what others have of it; empty: all of them
	// SecondApprover asks for two different people who approve what is about it.
	SecondApprover bool `yaml:"second_approver"`
}

// Delete is when owners may delete without an approval: everything that is given has to be so. Nothing given: never. What holds health
// data always needs one.
type Delete struct {
	Sizes       []string     `yaml:"sizes"`
	YoungerThan Span         `yaml:"younger_than"`
	SmallerThan engine.Bytes `yaml:"smaller_than"` // on disk, as measured last
}

// Alone reports whether there is anything that owners may delete alone.
func (d Delete) Alone() bool { return len(d.Sizes) > 0 || d.YoungerThan > 0 || d.SmallerThan > 0 }

// Quotas is how much people may have. What is zero has no limit.
type Quotas struct {
	Person  Limit            `yaml:"person"` // of each person
	Roles   map[string]Limit `yaml:"roles"`  // of each person of a role (user, lead, admin), in place of Person
	People  map[string]Limit `yaml:"people"` // of single people, by login, in place of Person and Roles
	Groups  map[string]Limit `yaml:"groups"` // of all who are in a group together
	Total   Limit            `yaml:"total"`
	Contact string           `yaml:"contact"` // who can raise a limit, for people to read; default: an administrator
}

// Limit is how much is allowed. Memory and Disk are bytes; Disk counts the figures of the size classes.
type Limit struct {
	Databases int          `yaml:"databases" json:"databases,omitempty"`
	CPU       float64      `yaml:"cpu" json:"cpu,omitempty"`
	Memory    engine.Bytes `yaml:"memory" json:"memory,omitempty"`
	Disk      engine.Bytes `yaml:"disk" json:"disk,omitempty"`
}

// Any reports whether anything is limited.
func (l Limit) Any() bool { return l != Limit{} }

func (l Limit) check(where string) error {
	if l.Databases < 0 || l.CPU < 0 || l.Memory < 0 || l.Disk < 0 {
		return fmt.Errorf("quotas.%s: limits are 0 (none) or more", where)
	}
	return nil
}

// Span is a time in whole days, written such as 90d.
type Span time.Duration

// UnmarshalYAML implements yaml.Unmarshaler.
func (s *Span) UnmarshalYAML(node *yaml.Node) error {
	days, isDays := strings.CutSuffix(node.Value, "d")
	n, err := strconv.Atoi(days)
	if !isDays || err != nil || n < 1 || n > 36500 {
		return fmt.Errorf("line %d: %q is not a number of days such as 90d", node.Line, node.Value)
	}
	*s = Span(time.Duration(n) * 24 * time.Hour)
	return nil
}

// String writes the span as it is read.
func (s Span) String() string { return strconv.Itoa(int(time.Duration(s).Hours()/24)) + "d" }

// defaultSupport is the support levels of a site that says nothing.
var defaultSupport = []string{"standard", "critical"}

// Default is what a site has that says nothing.
func Default() Site {
	return Site{Catalogue: engine.BuiltIn(), Policy: Policy{Support: defaultSupport, Backup: DefaultBackup(), Links: DefaultLinks(), Import: Import{MaxUpload: DefaultMaxUpload}, Tokens: DefaultTokens(), Mail: DefaultMail(), Directory: DefaultDirectory()}}
}

// Read reads a site's file and checks it. Unknown keys are errors.
func Read(r io.Reader) (Site, error) {
	var s Site
	dec := yaml.NewDecoder(r)
	dec.KnownFields(true)
	if err := dec.Decode(&s); err != nil && !errors.Is(err, io.EOF) {
		return s, fmt.Errorf("read the site's file: %w", err)
	}
	base := engine.BuiltIn()
	if len(s.Engines) == 0 {
		s.Engines = base.Engines
	}
	if len(s.Sizes) == 0 {
		s.Sizes = base.Sizes
	}
	if len(s.Policy.Support) == 0 {
		s.Policy.Support = defaultSupport
	}
	s.Policy.Backup.fill()
	s.Policy.Links.fill()
	s.Policy.Import.fill()
	s.Policy.Directory.fill()
	s.Policy.Tokens.fill()
	s.Policy.Mail.fill()
	return s, errors.Join(s.Catalogue.Check(), s.Policy.check(s.Catalogue), s.Quotas.check())
}

func (p Policy) check(c engine.Catalogue) error {
	errs := []error{p.Backup.check(), p.Links.check(), p.Import.check(), p.Roles.check(), p.Approvals.check(), p.Tokens.check(), p.Audit.check(), p.Directory.check(), p.Mail.check(), checkAllowances(p.Create, c)}
	if p.Expiry.Maximum > 0 && p.Expiry.Default > p.Expiry.Maximum {
		errs = append(errs, fmt.Errorf("policy.expiry: the default of %s is longer than the maximum of %s", p.Expiry.Default, p.Expiry.Maximum))
	}
	for _, size := range p.Delete.Sizes {
		if !slices.Contains(c.SizeNames(), size) {
			errs = append(errs, fmt.Errorf("policy.delete.sizes: there is no size %q; there is: %s", size, strings.Join(c.SizeNames(), ", ")))
		}
	}
	for _, action := range p.Approve {
		if !slices.Contains(Approvable, action) {
			errs = append(errs, fmt.Errorf("policy.approve: nothing is called %q; there is: %s", action, strings.Join(Approvable, ", ")))
		}
	}
	for _, size := range p.Approvals.Sizes {
		if !slices.Contains(c.SizeNames(), size) {
			errs = append(errs, fmt.Errorf("policy.approvals.sizes: there is no size %q; there is: %s", size, strings.Join(c.SizeNames(), ", ")))
		}
	}
	return errors.Join(errs...)
}

// limitedRoles are the roles of people who may have databases.
var limitedRoles = []string{"user", "lead", "admin"}

func (q Quotas) check() error {
	errs := []error{q.Person.check("person"), q.Total.check("total")}
	for name, l := range q.People {
		errs = append(errs, l.check("people."+name))
	}
	for role, l := range q.Roles {
		if !slices.Contains(limitedRoles, role) {
			errs = append(errs, fmt.Errorf("quotas.roles: there is no role %q; there is: %s", role, strings.Join(limitedRoles, ", ")))
		}
		errs = append(errs, l.check("roles."+role))
	}
	for name, l := range q.Groups {
		errs = append(errs, l.check("groups."+name))
	}
	return errors.Join(errs...)
}
