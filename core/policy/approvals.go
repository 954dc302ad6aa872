package policy

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Approvals is who decides what somebody else has asked for, beside the administrators.
type Approvals struct {
	// Sizes are the size classes that people who are no administrators get only with an approval.
	Sizes []string `yaml:"sizes"`
	// Deputies are logins of people who are no administrators, and decide like them.
	Deputies []string `yaml:"deputies"`
	// Approvers are people who decide about one kind of request, by the words of Decidable.
	Approvers map[string]Approvers `yaml:"approvers"`
	// BreakGlass lets the only administrator of a site approve what they have asked for themselves, while nobody else could: with a
	// reason, which is recorded and told to the owner.
	BreakGlass bool `yaml:"break_glass"`
}

// Approvers decide about one kind of request.
type Approvers struct {
	Groups []string `yaml:"groups"` // of the directory
	Only   bool     `yaml:"only"`   // administrators and deputies decide only if they are in such a group, too
}

// Decidable are the kinds of requests that somebody may have to approve.
var Decidable = []string{"create", "delete", "download", "resize", "restore_in_place"}

// DecidedBy lists the kinds of requests that somebody in these groups decides about, whatever else they are.
func (a Approvals) DecidedBy(groups []string) []string {
	kinds := []string{}
	for kind, by := range a.Approvers {
		if anyOf(by.Groups, groups) {
			kinds = append(kinds, kind)
		}
	}
	slices.Sort(kinds)
	return kinds
}

// Reserved lists the kinds of requests that only their approvers decide about.
func (a Approvals) Reserved() []string {
	kinds := []string{}
	for kind, by := range a.Approvers {
		if by.Only {
			kinds = append(kinds, kind)
		}
	}
	slices.Sort(kinds)
	return kinds
}

func (a Approvals) check() error {
	var errs []error
	for _, kind := range slices.Sorted(maps.Keys(a.Approvers)) {
		where := "policy.approvals.approvers." + kind
		if !slices.Contains(Decidable, kind) {
			errs = append(errs, fmt.Errorf("%s: nothing of that kind is approved; there is: %s", where, strings.Join(Decidable, ", ")))
		}
		if len(a.Approvers[kind].Groups) == 0 {
			errs = append(errs, fmt.Errorf("%s: write which groups decide, such as groups: [data-stewards]", where))
		}
		errs = append(errs, checkGroups(where, a.Approvers[kind].Groups))
	}
	return errors.Join(errs...)
}
