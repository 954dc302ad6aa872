package ldap

import (
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/go-ldap/ldap/v3"
)

// Options say which directory it is. URLs, BaseDN and Log are needed.
type Options struct {
	// URLs are the servers, in the order in which they are tried: ldap:// or ldaps://.
	URLs     []string
	StartTLS bool   // for ldap://
	CAFile   string // PEM; empty: the system's authorities
	BaseDN   string
	// BindDN and BindPassword are the account that looks for people; empty: anonymously.
	BindDN, BindPassword string
	// UserFilter finds people; {login} stands for what they typed. Empty: by the kind of the directory.
	UserFilter string
	// AdminGroup and UserGroup are groups, by name or DN. Who is in the first is an administrator; where the second is set, nobody else
	// may log in.
	AdminGroup, UserGroup string
	Attributes            Attributes
	Log                   *slog.Logger
	Now                   func() time.Time // default: time.Now
}

// Attributes are the names of what is read of people. Empty ones follow the kind of the directory.
type Attributes struct {
	Login string // sAMAccountName or uid
	Mail  string // mail
	Name  string // displayName or cn
}

// ReadAttributes reads what MYDB_LDAP_ATTRIBUTES says, such as login=uid,mail=rfc822Mailbox,name=cn.
func ReadAttributes(text string) (a Attributes, err error) {
	for part := range strings.SplitSeq(text, ",") {
		key, value, ok := strings.Cut(strings.TrimSpace(part), "=")
		if part == "" {
			continue
		}
		target, known := map[string]*string{"login": &a.Login, "mail": &a.Mail, "name": &a.Name}[key]
		if !ok || !known || value == "" {
			return a, errors.New("write attributes such as login=uid,mail=mail,name=cn")
		}
		*target = value
	}
	return a, nil
}

func (o Options) check() error {
	if len(o.URLs) == 0 {
		return errors.New("there is no server")
	}
	for _, address := range o.URLs {
		u, err := url.Parse(address)
		if err != nil || u.Host == "" || u.Scheme != "ldap" && u.Scheme != "ldaps" {
			return fmt.Errorf("%q is no address such as ldaps://dc1.example.org", address)
		}
		if u.Scheme == "ldaps" && o.StartTLS {
			return fmt.Errorf("%s is protected from its beginning, so StartTLS is not for it", address)
		}
	}
	if _, err := ldap.ParseDN(o.BaseDN); err != nil || o.BaseDN == "" {
		return fmt.Errorf("the base %q is no DN such as dc=example,dc=org", o.BaseDN)
	}
	if o.UserFilter != "" {
		if !strings.Contains(o.UserFilter, "{login}") {
			return errors.New("the user filter has no {login}, so it would find everybody")
		}
		if _, err := ldap.CompileFilter(strings.ReplaceAll(o.UserFilter, "{login}", "x")); err != nil {
			return fmt.Errorf("the user filter: %w", err)
		}
	}
	return nil
}

func (o Options) authorities() (*x509.CertPool, error) {
	if o.CAFile == "" {
		return nil, nil //nolint:nilnil // the system's
	}
	pem, err := os.ReadFile(o.CAFile)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s holds no certificate", o.CAFile)
	}
	return pool, nil
}
