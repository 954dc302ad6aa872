package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"unicode/utf16"

	"github.com/go-ldap/ldap/v3"
)

// directory is the Active Directory that deploy/dev/directory.sh runs.
type directory struct {
	conn   *ldap.Conn
	base   string
	logins []string // of people that were made for the figures: logins of one person wait for each other
	dns    []string
}

func directoryVariable(name string) string { return os.Getenv("MYDB_TEST_AD_" + name) }

// settings are those of a MyDB that uses it.
func (*directory) settings() []string {
	of := directoryVariable
	return []string{
		"MYDB_AUTH=ldap", "MYDB_LDAP_URL=" + of("URL"), "MYDB_LDAP_CA_FILE=" + of("CA_FILE"), "MYDB_LDAP_BASE_DN=" + of("BASE_DN"),
		"MYDB_LDAP_BIND_DN=" + of("BIND_DN"), "MYDB_LDAP_BIND_PASSWORD=" + of("BIND_PASSWORD"), "MYDB_LDAP_ADMIN_GROUP=mydb-admins", "MYDB_LDAP_USER_GROUP=mydb-users",
	}
}

// openDirectory reaches the directory and makes people in it, who are gone when the lab is closed. Nil where there is none.
func (l *lab) openDirectory() (*directory, error) {
	of := directoryVariable
	if of("URL") == "" {
		return nil, nil //nolint:nilnil // it is an ordinary answer
	}
	authority, err := os.ReadFile(of("CA_FILE"))
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(authority)
	d := &directory{base: of("BASE_DN")}
	if d.conn, err = ldap.DialURL(of("URL"), ldap.DialWithTLSConfig(&tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12})); err != nil {
		return nil, fmt.Errorf("reach the directory: %w", err)
	}
	l.later(func(context.Context) error { return d.close() })
	if err := d.conn.Bind(of("BIND_DN"), of("BIND_PASSWORD")); err != nil {
		return nil, fmt.Errorf("bind to the directory: %w", err)
	}
	for n := range loginPeople {
		if err := d.add(fmt.Sprintf("bench%d-%02d", os.Getpid(), n)); err != nil {
			return nil, err
		}
	}
	join := ldap.NewModifyRequest("CN=mydb-users,CN=Users,"+d.base, nil)
	join.Add("member", d.dns)
	return d, d.conn.Modify(join)
}

func (d *directory) add(login string) error {
	dn := "CN=" + login + ",CN=Users," + d.base
	person := ldap.NewAddRequest(dn, nil)
	person.Attribute("objectClass", []string{"user"})
	person.Attribute("sAMAccountName", []string{login})
	person.Attribute("mail", []string{login + "@lab.test"})
	person.Attribute("userAccountControl", []string{"512"})
	person.Attribute("unicodePwd", []string{quoted(os.Getenv("MYDB_TEST_DIRECTORY_PASSWORD"))})
	if err := d.conn.Add(person); err != nil {
		return fmt.Errorf("make %s in the directory: %w", login, err)
	}
	d.logins, d.dns = append(d.logins, login), append(d.dns, dn)
	return nil
}

// quoted is a password as an Active Directory wants to be given it ([MS-ADTS] 3.1.1.3.1.5.1).
func quoted(password string) string {
	var out []byte
	for _, unit := range utf16.Encode([]rune(`"` + password + `"`)) {
		out = binary.LittleEndian.AppendUint16(out, unit)
	}
	return string(out)
}

func (d *directory) close() error {
	var errs []error
	for _, dn := range d.dns {
		errs = append(errs, d.conn.Del(ldap.NewDelRequest(dn, nil)))
	}
	return errors.Join(append(errs, d.conn.Close())...)
}
