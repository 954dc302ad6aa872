package policy

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/mydb-project/mydb/core/engine"
)

// Allowance lets some people create databases of some engines and sizes. What it leaves out is not narrowed down. Where there is none,
// everybody creates everything; where there are some, each person what one of theirs allows. Administrators are not bound by them.
type Allowance struct {
	Groups  []string `yaml:"groups"` // of the directory
	Roles   []string `yaml:"roles"`  // words of CreatingRoles
	Engines []string `yaml:"engines"`
	Sizes   []string `yaml:"sizes"`
}

// CreatingRoles are the roles that an Allowance may name.
var CreatingRoles = []string{"user", "lead"}

// Allowances lists what somebody in these groups, and of this role, may create. bound is false where the site says nothing about it.
func (p Policy) Allowances(groups []string, role string) (mine []Allowance, bound bool) {
	for _, a := range p.Create {
		if (len(a.Groups) == 0 || anyOf(a.Groups, groups)) && (len(a.Roles) == 0 || slices.Contains(a.Roles, role)) {
			mine = append(mine, a)
		}
	}
	return mine, len(p.Create) > 0
}

// Allows reports whether it covers an engine in a size.
func (a Allowance) Allows(engine, size string) bool {
	return (len(a.Engines) == 0 || slices.Contains(a.Engines, engine)) && (len(a.Sizes) == 0 || slices.Contains(a.Sizes, size))
}

// String says it in words, such as: postgres or mariadb in the sizes small, medium.
func (a Allowance) String() string {
	engines, sizes := "any engine", "any size"
	if len(a.Engines) > 0 {
		engines = strings.Join(a.Engines, " or ")
	}
	if len(a.Sizes) > 0 {
		sizes = "the size " + strings.Join(a.Sizes, " or ")
	}
	return engines + " in " + sizes
}

func checkAllowances(list []Allowance, c engine.Catalogue) error {
	var errs []error
	for n, a := range list {
		where := fmt.Sprintf("policy.create, rule %d", n+1)
		errs = append(errs, checkGroups(where, a.Groups))
		for _, x := range []struct {
			what         string
			said, exists []string
		}{{"role", a.Roles, CreatingRoles}, {"engine", a.Engines, engineWords(c)}, {"size", a.Sizes, c.SizeNames()}} {
			for _, word := range x.said {
				if !slices.Contains(x.exists, word) {
					errs = append(errs, fmt.Errorf("%s: there is no %s %q; there is: %s", where, x.what, word, strings.Join(x.exists, ", ")))
				}
			}
		}
	}
	return errors.Join(errs...)
}

func engineWords(c engine.Catalogue) []string {
	out := make([]string, len(c.Engines))
	for n, o := range c.Engines {
		out[n] = o.Engine
	}
	return out
}
