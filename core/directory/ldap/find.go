package ldap

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/go-ldap/ldap/v3"

	"github.com/mydb-project/mydb/core"
)

// activeDirectory is what the root of an Active Directory says it can ([MS-ADTS] 3.1.1.3.4.3, LDAP_CAP_ACTIVE_DIRECTORY_OID).
const activeDirectory = "1.2.840.113556.1.4.800"

// Filters that find people. What was typed takes the place of {login}.
const (
	filterAD    = "(&(objectCategory=person)(objectClass=user)(|(sAMAccountName={login})(userPrincipalName={login})(mail={login})))"
	filterPlain = "(&(objectClass=person)(|(uid={login})(mail={login})))"
)

// Bits of userAccountControl, and the values of accountExpires that mean never ([MS-ADTS] 2.2.16 and 3.1.1.4).
const (
	accountDisabled = 0x2
	neverExpires    = 0x7FFFFFFFFFFFFFFF
	// windowsEpoch is 1970 in Windows' count: hundreds of nanoseconds since 1601.
	windowsEpoch = 116444736000000000
)

// kind is what is particular to the directory, once it was asked.
type kind struct {
	ad    bool
	names Attributes
}

// entry is a person as the directory has them.
type entry struct {
	dn       string
	account  core.Account
	standing error // why they may not log in; nil: they may
}

// ask asks the directory what it is, once.
func (d *Directory) ask(ctx context.Context) (kind, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.kind != nil {
		return *d.kind, nil
	}
	k := kind{names: d.Attributes}
	err := d.conns.do(ctx, func(conn *ldap.Conn) error {
		r, err := conn.Search(ldap.NewSearchRequest("", ldap.ScopeBaseObject, ldap.NeverDerefAliases, 1, int(callLimit.Seconds()), false, "(objectClass=*)", []string{"supportedCapabilities"}, nil))
		if err == nil && len(r.Entries) > 0 {
			for _, c := range r.Entries[0].GetAttributeValues("supportedCapabilities") {
				k.ad = k.ad || c == activeDirectory
			}
		}
		return err
	})
	if err != nil {
		return k, fmt.Errorf("ask the directory what it is: %w", err)
	}
	k.names.fill(k.ad)
	d.kind = &k
	return k, nil
}

func (a *Attributes) fill(ad bool) {
	usual := Attributes{Login: "uid", Mail: "mail", Name: "cn"}
	if ad {
		usual = Attributes{Login: "sAMAccountName", Mail: "mail", Name: "displayName"}
	}
	for _, x := range []struct {
		of    *string
		usual string
	}{{&a.Login, usual.Login}, {&a.Mail, usual.Mail}, {&a.Name, usual.Name}} {
		if *x.of == "" {
			*x.of = x.usual
		}
	}
}

// typed refuses what no login is: what a person cannot type, and what is longer than any login or mail address.
func typed(login string) bool {
	return login != "" && len(login) <= 254 && !strings.ContainsFunc(login, func(r rune) bool { return r < ' ' || r == 0x7f })
}

func (d *Directory) filter(k kind) string {
	switch {
	case d.UserFilter != "":
		return d.UserFilter
	case k.ad:
		return filterAD
	}
	return filterPlain
}

// typedFilter finds people by what they typed.
func (d *Directory) typedFilter(k kind, login string) string {
	return strings.ReplaceAll(d.filter(k), "{login}", ldap.EscapeFilter(login))
}

// loginFilter finds people by their login name alone, whatever they type on this site.
func (d *Directory) loginFilter(k kind, login string) string {
	return "(&(" + k.names.Login + "=" + ldap.EscapeFilter(login) + ")" + strings.ReplaceAll(d.filter(k), "{login}", "*") + ")"
}

// find looks for the one person with a login name, principal name or mail address. Errors: core.CodeNotFound; core.CodeTaken when two have
// the same mail address.
func (d *Directory) find(ctx context.Context, k kind, login, filter string) (entry, error) {
	list, err := d.search(ctx, filter, k)
	if err != nil {
		return entry{}, err
	}
	if len(list) > 1 { // a mail address that two have; a login name is one person's
		for _, e := range list {
			if strings.EqualFold(e.GetAttributeValue(k.names.Login), login) || k.ad && strings.EqualFold(e.GetAttributeValue("userPrincipalName"), login) {
				return d.read(k, e)
			}
		}
		return entry{}, core.Errorf(core.CodeTaken, "Two accounts have this mail address. Use your login name instead.")
	}
	if len(list) == 0 {
		return entry{}, core.Errorf(core.CodeNotFound, "The directory has no %q.", login)
	}
	return d.read(k, list[0])
}

// foundAtMost is how many entries are looked at: more than one is ambiguous already.
const foundAtMost = 5

func (d *Directory) search(ctx context.Context, filter string, k kind) (list []*ldap.Entry, err error) {
	names := []string{
		k.names.Login, k.names.Mail, k.names.Name, "cn", "userPrincipalName", "userAccountControl", "accountExpires", "shadowExpire",
	}
	err = d.conns.do(ctx, func(conn *ldap.Conn) error {
		r, err := conn.Search(ldap.NewSearchRequest(d.BaseDN, ldap.ScopeWholeSubtree, ldap.NeverDerefAliases, foundAtMost, int(callLimit.Seconds()), false, filter, names, nil))
		if r != nil {
			list = r.Entries
		}
		if ldap.IsErrorAnyOf(err, ldap.LDAPResultSizeLimitExceeded) && len(list) > 1 {
			return nil
		}
		return err
	})
	if ldap.IsErrorAnyOf(err, ldap.LDAPResultNoSuchObject) {
		return nil, fmt.Errorf("the base %s does not exist: %w", d.BaseDN, err)
	}
	if err != nil {
		return nil, fmt.Errorf("search: %w", err)
	}
	return list, nil
}

func (d *Directory) read(k kind, e *ldap.Entry) (entry, error) {
	out := entry{dn: e.DN, account: core.Account{
		Login: strings.ToLower(e.GetAttributeValue(k.names.Login)), Email: strings.ToLower(e.GetAttributeValue(k.names.Mail)), Name: e.GetAttributeValue(k.names.Name),
	}}
	if out.account.Name == "" {
		out.account.Name = e.GetAttributeValue("cn")
	}
	if out.account.Login == "" {
		return out, fmt.Errorf("%s has no %s", e.DN, k.names.Login)
	}
	out.standing = standing(e, d.Now())
	return out, nil
}

// standing says why an account may not log in, as far as its entry tells. Whether it is locked after wrong passwords is told by a bind alone: the
// entry of an Active Directory says so until the next login, long after the lock is over.
func standing(e *ldap.Entry, now time.Time) error {
	if flags, err := strconv.ParseInt(e.GetAttributeValue("userAccountControl"), 10, 64); err == nil && flags&accountDisabled != 0 {
		return errDisabled()
	}
	if n, err := strconv.ParseInt(e.GetAttributeValue("accountExpires"), 10, 64); err == nil && n > 0 && n < neverExpires && windowsTime(n).Before(now) {
		return errExpired()
	}
	if days, err := strconv.ParseInt(e.GetAttributeValue("shadowExpire"), 10, 64); err == nil && days >= 0 && time.Unix(days*24*60*60, 0).Before(now) {
		return errExpired()
	}
	return nil
}

func windowsTime(n int64) time.Time { return time.Unix(0, (n-windowsEpoch)*100) }

func errDisabled() error {
	return core.Errorf(core.CodeForbidden, "Your account is disabled in the directory. Ask those who keep it.")
}

func errExpired() error {
	return core.Errorf(core.CodeForbidden, "Your account has expired in the directory. Ask those who keep it.")
}

func errLocked() error {
	return core.Errorf(core.CodeForbidden, "Your account is locked in the directory, after too many wrong passwords. Wait, or ask those who keep it.")
}

func errPasswordExpired() error {
	return core.Errorf(core.CodeForbidden, "Your password has expired in the directory. Set a new one there, then log in here.")
}
