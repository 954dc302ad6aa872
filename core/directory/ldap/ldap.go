package ldap

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/go-ldap/ldap/v3"

	"github.com/mydb-project/mydb/core"
)

// People is what a Directory needs of core.Service.
type People interface {
	// SavePerson makes or updates the person with the account's login.
	SavePerson(ctx context.Context, a core.Account) (core.Person, error)
}

// Directory is an Active Directory, or any other server that speaks LDAP. It is safe for concurrent use.
type Directory struct {
	Options
	people People
	conns  *conns

	mu   sync.Mutex
	kind *kind // nil until the directory was asked
}

// New makes a Directory. It reaches nothing yet.
func New(o Options, people People) (*Directory, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	roots, err := o.authorities()
	if err != nil {
		return nil, err
	}
	return &Directory{Options: o, people: people, conns: &conns{Options: o, roots: roots, bench: map[string]time.Time{}}}, nil
}

// Close ends the connections.
func (d *Directory) Close() { d.conns.close() }

// maxPassword bounds, in bytes, what is sent to a server at all.
const maxPassword = 1024

func refused() error {
	return core.Errorf(core.CodeUnauthenticated, "This login and password do not fit together. Check both and try again.")
}

// Authenticate implements core.Directory: the person is looked for with the service account, and bound with their password. What the
// directory has against an account is told only to those who know its password.
func (d *Directory) Authenticate(ctx context.Context, login, password string) (core.Person, error) {
	login = strings.TrimSpace(login)
	if !typed(login) || password == "" || len(password) > maxPassword || strings.ContainsRune(password, 0) {
		return core.Person{}, refused()
	}
	k, e, err := d.locate(ctx, login, d.typedFilter)
	switch core.CodeOf(err) {
	case core.CodeNotFound:
		d.decoy(ctx)
		return core.Person{}, refused()
	case core.CodeTaken:
		return core.Person{}, err
	}
	if err != nil {
		return core.Person{}, d.away(err)
	}
	if err := d.prove(ctx, e, password); err != nil {
		return core.Person{}, err
	}
	// Groups are read last: a wrong password shall cost as much as an unknown name, and neither more than it must.
	groups, err := d.roles(ctx, k, &e)
	if err != nil {
		return core.Person{}, d.away(err)
	}
	if e.standing != nil {
		return core.Person{}, e.standing
	}
	if err := d.admit(e, groups); err != nil {
		return core.Person{}, err
	}
	return d.people.SavePerson(ctx, e.account)
}

// Lookup reads an account anew, by its login name and without its password. One that is locked after wrong passwords is well: anybody can
// lock another's. Errors: core.CodeNotFound for somebody who is not there any more, or not in the group of those who may log in;
// core.CodeForbidden for somebody whose account is disabled or has expired; core.CodeUnavailable.
func (d *Directory) Lookup(ctx context.Context, login string) (core.Account, error) {
	if !typed(login) {
		return core.Account{}, core.Errorf(core.CodeNotFound, "The directory has no %q.", login)
	}
	k, e, err := d.locate(ctx, login, d.loginFilter)
	if code := core.CodeOf(err); code == core.CodeNotFound || code == core.CodeTaken {
		return core.Account{}, err
	}
	if err != nil {
		return core.Account{}, d.away(err)
	}
	groups, err := d.roles(ctx, k, &e)
	if err != nil {
		return core.Account{}, d.away(err)
	}
	if err := d.admit(e, groups); err != nil {
		return core.Account{}, core.Errorf(core.CodeNotFound, "%s is not in the group %s any more.", login, d.UserGroup)
	}
	return e.account, e.standing
}

// locate finds a person.
func (d *Directory) locate(ctx context.Context, login string, by func(kind, string) string) (k kind, e entry, err error) {
	if k, err = d.ask(ctx); err != nil {
		return k, e, err
	}
	e, err = d.find(ctx, k, login, by(k, login))
	return k, e, err
}

// roles reads the groups of a person, and notes them and the rights that follow from them.
func (d *Directory) roles(ctx context.Context, k kind, e *entry) (groups []group, err error) {
	if groups, err = d.groupsOf(ctx, k, *e); err != nil {
		return nil, err
	}
	for _, g := range groups {
		e.account.Groups = append(e.account.Groups, strings.ToLower(g.name))
	}
	if d.AdminGroup != "" {
		if e.account.Admin, err = d.member(ctx, k, *e, groups, d.AdminGroup); err != nil {
			return nil, err
		}
	}
	if d.UserGroup != "" && !e.account.Admin && !in(groups, d.UserGroup) {
		is, err := d.member(ctx, k, *e, groups, d.UserGroup)
		if err != nil {
			return nil, err
		}
		if is {
			groups = append(groups, group{name: d.UserGroup})
		}
	}
	return groups, nil
}

// admit refuses those who are in no group that may log in.
func (d *Directory) admit(e entry, groups []group) error {
	if d.UserGroup == "" || e.account.Admin || in(groups, d.UserGroup) {
		return nil
	}
	return core.Errorf(core.CodeForbidden, "Your account may not use MyDB: it is not in the group %s. Ask an administrator.", d.UserGroup)
}

// prove binds as the person.
func (d *Directory) prove(ctx context.Context, e entry, password string) error {
	err := d.conns.try(ctx, e.dn, password)
	if err == nil {
		return nil
	}
	if ldap.IsErrorAnyOf(err, ldap.LDAPResultInvalidCredentials) {
		return reason(err)
	}
	if ldap.IsErrorAnyOf(err, ldap.LDAPResultUnwillingToPerform, ldap.LDAPResultConstraintViolation, ldap.LDAPResultInsufficientAccessRights) {
		d.Log.Info("the directory refuses a login", "dn", e.dn, "error", err)
		return refused()
	}
	return d.away(err)
}

// reasons are what an Active Directory adds to a refused bind whose password was right ([MS-ERREF] 2.2, in hexadecimal digits).
var reasons = map[string]func() error{
	"data 533": errDisabled, "data 701": errExpired, "data 775": errLocked, "data 532": errPasswordExpired, "data 773": errPasswordExpired,
}

func reason(err error) error {
	for mark, say := range reasons {
		if strings.Contains(strings.ToLower(err.Error()), mark+",") {
			return say()
		}
	}
	return refused()
}

// decoy takes as long as a wrong password takes, so that nobody learns who has an account.
func (d *Directory) decoy(ctx context.Context) {
	_ = d.conns.try(ctx, "cn="+rand.Text()+","+d.BaseDN, rand.Text())
}

// away logs what is wrong with the directory, and says that it does not answer.
func (d *Directory) away(err error) error {
	d.Log.Warn("the directory does not answer as it should", "error", err)
	return &core.Error{Code: core.CodeUnavailable, Message: "The directory that knows your password does not answer right now. Try again in a minute.", Cause: err}
}

// Check reaches the directory and looks at what is configured, for `mydb check`.
func (d *Directory) Check(ctx context.Context) (string, error) {
	k, err := d.ask(ctx)
	if err != nil {
		return "", fmt.Errorf("%w (%s)", err, d.hint(err))
	}
	for _, name := range []string{d.AdminGroup, d.UserGroup} {
		if name == "" {
			continue
		}
		clause := "(cn=" + ldap.EscapeFilter(name) + ")"
		base := d.BaseDN
		if dn, err := ldap.ParseDN(name); err == nil && len(dn.RDNs) > 1 {
			clause, base = "(objectClass=*)", name
		}
		if err := d.exists(ctx, base, clause); err != nil {
			return "", fmt.Errorf("the group %q was not found: %w", name, err)
		}
	}
	word := "LDAP"
	if k.ad {
		word = "Active Directory"
	}
	return fmt.Sprintf("%s answers at %s", word, strings.Join(d.URLs, ", ")), nil
}

func (d *Directory) exists(ctx context.Context, base, filter string) error {
	return d.conns.do(ctx, func(conn *ldap.Conn) error {
		r, err := conn.Search(ldap.NewSearchRequest(base, ldap.ScopeWholeSubtree, ldap.NeverDerefAliases, 1, int(callLimit.Seconds()), false, filter, []string{"1.1"}, nil))
		if r != nil && len(r.Entries) > 0 {
			return nil
		}
		if err == nil {
			err = errors.New("nothing has that name")
		}
		return err
	})
}

// hint says what an operator can do about an error.
func (d *Directory) hint(err error) string {
	switch {
	case ldap.IsErrorAnyOf(err, ldap.LDAPResultInvalidCredentials):
		return "MYDB_LDAP_BIND_DN and MYDB_LDAP_BIND_PASSWORD are refused"
	case ldap.IsErrorAnyOf(err, ldap.LDAPResultStrongAuthRequired, ldap.LDAPResultConfidentialityRequired):
		return "the server wants TLS: write ldaps://, or MYDB_LDAP_STARTTLS=true"
	case strings.Contains(err.Error(), "certificate has expired"):
		return "its certificate has expired: those who keep the directory have to renew it"
	case strings.Contains(err.Error(), "x509:") || strings.Contains(err.Error(), "certificate"):
		return "its certificate is not trusted: name the authority's file in MYDB_LDAP_CA_FILE, and use the name that the certificate is for"
	case ldap.IsErrorAnyOf(err, ldap.LDAPResultOperationsError, ldap.LDAPResultInsufficientAccessRights):
		return "searching needs an account: set MYDB_LDAP_BIND_DN and MYDB_LDAP_BIND_PASSWORD"
	}
	return "is MYDB_LDAP_URL right?"
}
