package policy

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Roles is what people are beside users and administrators, by the groups of the directory that they are in.
type Roles struct {
	// Auditors lists groups whose members read what is known of every database, the audit trail and the receipts, and change nothing.
	Auditors []string `yaml:"auditors"`
	// Leads says of a group which groups lead it: their members see the databases of its members.
	Leads map[string][]string `yaml:"leads"`
}

// Audits reports whether somebody in these groups is an auditor.
func (r Roles) Audits(groups []string) bool { return anyOf(r.Auditors, groups) }

// Led lists the groups that somebody in these groups leads, in lower case as directories have them, sorted.
func (r Roles) Led(groups []string) []string {
	led := []string{}
	for group, leaders := range r.Leads {
		if anyOf(leaders, groups) {
			led = append(led, strings.ToLower(group))
		}
	}
	slices.Sort(led)
	return led
}

func (r Roles) check() error {
	errs := []error{checkGroups("policy.roles.auditors", r.Auditors)}
	for _, group := range slices.Sorted(maps.Keys(r.Leads)) {
		where := "policy.roles.leads." + group
		if strings.TrimSpace(group) == "" || len(r.Leads[group]) == 0 {
			errs = append(errs, fmt.Errorf("%s: write which groups lead it, such as genomics: [genomics-leads]", where))
		}
		errs = append(errs, checkGroups(where, r.Leads[group]))
	}
	return errors.Join(errs...)
}

func checkGroups(where string, groups []string) error {
	for _, g := range groups {
		if strings.TrimSpace(g) == "" || g != strings.TrimSpace(g) {
			return fmt.Errorf("%s: %q is no name of a group", where, g)
		}
	}
	return nil
}

// anyOf reports whether one of these is among those, whatever the case.
func anyOf(some, among []string) bool {
	return slices.ContainsFunc(some, func(a string) bool {
		return slices.ContainsFunc(among, func(b string) bool { return strings.EqualFold(a, b) })
	})
}
