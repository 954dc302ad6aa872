package ldap

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/go-ldap/ldap/v3"
)

// inChain lets an Active Directory follow groups in groups by itself ([MS-ADTS] 3.1.1.3.4.4.3, LDAP_MATCHING_RULE_TRANSITIVE_EVAL).
const inChain = "1.2.840.113556.1.4.1941"

const (
	groupPage = 500
	// maxGroups is how many groups of a person are read; MyDB needs the names for shares and limits.
	maxGroups = 2000
	// maxDepth is how deep groups are followed where the directory does not do it.
	maxDepth = 20
)

// group is a group as far as MyDB cares.
type group struct{ dn, name string }

// groupsOf lists the groups that a person is in, also through other groups.
func (d *Directory) groupsOf(ctx context.Context, k kind, e entry) ([]group, error) {
	if k.ad {
		return d.searchGroups(ctx, "(&(objectClass=group)(member:"+inChain+":="+ldap.EscapeFilter(e.dn)+"))")
	}
	seen := map[string]bool{}
	var out []group
	members := []string{e.dn}
	for depth := 0; len(members) > 0 && depth < maxDepth && len(out) < maxGroups; depth++ {
		var clauses strings.Builder
		for _, dn := range members {
			fmt.Fprintf(&clauses, "(member=%[1]s)(uniqueMember=%[1]s)", ldap.EscapeFilter(dn))
		}
		if depth == 0 {
			fmt.Fprintf(&clauses, "(memberUid=%s)", ldap.EscapeFilter(e.account.Login))
		}
		found, err := d.searchGroups(ctx, "(|"+clauses.String()+")")
		if err != nil {
			return nil, err
		}
		members = nil
		for _, g := range found {
			if key := strings.ToLower(g.dn); !seen[key] { // a group may be in itself, by a detour
				seen[key] = true
				out, members = append(out, g), append(members, g.dn)
			}
		}
	}
	return out, nil
}

func (d *Directory) searchGroups(ctx context.Context, filter string) (out []group, err error) {
	err = d.conns.do(ctx, func(conn *ldap.Conn) error {
		out = nil
		request := ldap.NewSearchRequest(d.BaseDN, ldap.ScopeWholeSubtree, ldap.NeverDerefAliases, 0, int(callLimit.Seconds()), false, filter, []string{"cn"}, nil)
		paging := ldap.NewControlPaging(groupPage)
		request.Controls = append(request.Controls, paging)
		for {
			r, err := conn.Search(request)
			if err != nil {
				return err
			}
			for _, e := range r.Entries {
				out = append(out, group{e.DN, e.GetAttributeValue("cn")})
			}
			more, ok := ldap.FindControl(r.Controls, ldap.ControlTypePaging).(*ldap.ControlPaging)
			if !ok || len(more.Cookie) == 0 || len(out) >= maxGroups {
				return nil
			}
			paging.SetCookie(more.Cookie)
		}
	})
	if err != nil {
		return nil, fmt.Errorf("look for groups: %w", err)
	}
	return out, nil
}

// in reports whether a group is one of those, by its DN or its name.
func in(groups []group, wanted string) bool {
	return slices.ContainsFunc(groups, func(g group) bool { return sameDN(g.dn, wanted) || strings.EqualFold(g.name, wanted) })
}

func sameDN(a, b string) bool {
	x, errX := ldap.ParseDN(a)
	y, errY := ldap.ParseDN(b)
	return errX == nil && errY == nil && x.EqualFold(y)
}

// member reports whether a person is in a group. Of somebody who is in more groups than are read, the group itself is asked; only an Active
// Directory then knows of groups in it.
func (d *Directory) member(ctx context.Context, k kind, e entry, groups []group, wanted string) (bool, error) {
	if in(groups, wanted) || len(groups) < maxGroups {
		return in(groups, wanted), nil
	}
	target := "(cn=" + ldap.EscapeFilter(wanted) + ")"
	if _, err := ldap.ParseDN(wanted); err == nil && strings.Contains(wanted, "=") {
		target = "(distinguishedName=" + ldap.EscapeFilter(wanted) + ")"
	}
	filter := "(&(objectClass=group)" + target + "(member:" + inChain + ":=" + ldap.EscapeFilter(e.dn) + "))"
	if !k.ad {
		target = strings.Replace(target, "distinguishedName", "entryDN", 1)
		filter = fmt.Sprintf("(&%s(|(member=%[2]s)(uniqueMember=%[2]s)(memberUid=%[3]s)))", target, ldap.EscapeFilter(e.dn), ldap.EscapeFilter(e.account.Login))
	}
	found, err := d.searchGroups(ctx, filter)
	return len(found) > 0, err
}
