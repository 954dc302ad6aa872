package ldap_test

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	goldap "github.com/go-ldap/ldap/v3"

	"github.com/mydb-project/mydb/core"
	"github.com/mydb-project/mydb/core/coretest"
	"github.com/mydb-project/mydb/core/directory/directorytest"
	"github.com/mydb-project/mydb/core/directory/ldap"
)

// TestDirectory is what every directory must do. Grace's mail address is hers alone.
func TestDirectory(t *testing.T) {
	each(t, func(t *testing.T, o ldap.Options, _ bool) {
		d, s := open(t, o)
		directorytest.Test(t, directorytest.Directory{Directory: d, Service: s, Login: "grace", Mail: "grace@lab.test", Password: password(), Gone: "expired"})
	})
}

// A lock passes, and anybody can lock another's account: it keeps a person from logging in, and is no reason to take anything from them.
func TestLockedAccount(t *testing.T) {
	d, _ := open(t, options(t, "MYDB_TEST_AD_"))
	_, _ = d.Authenticate(t.Context(), "locked", "wrong")
	if _, err := d.Authenticate(t.Context(), "locked", password()); core.CodeOf(err) != core.CodeForbidden || !strings.Contains(err.Error(), "is locked") {
		t.Errorf("a locked account: %v", err)
	}
	if _, err := d.Lookup(t.Context(), "locked"); err != nil {
		t.Errorf("a locked account, looked up: %v", err)
	}
}

// admin is a connection that may write to the OpenLDAP server.
func admin(t *testing.T) (*goldap.Conn, ldap.Options) {
	t.Helper()
	o := options(t, "MYDB_TEST_LDAP_")
	pemText, err := os.ReadFile(o.CAFile)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pemText)
	conn, err := goldap.DialURL(o.URLs[0])
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if err := conn.StartTLS(&tls.Config{RootCAs: roots, ServerName: "127.0.0.1"}); err != nil {
		t.Fatal(err)
	}
	if err := conn.Bind(o.BindDN, o.BindPassword); err != nil {
		t.Fatal(err)
	}
	return conn, o
}

// add makes an entry that is gone after the test.
func add(t *testing.T, conn *goldap.Conn, dn string, attributes map[string][]string) {
	t.Helper()
	a := goldap.NewAddRequest(dn, nil)
	for name, values := range attributes {
		a.Attribute(name, values)
	}
	if err := conn.Add(a); err != nil {
		t.Fatalf("add %s: %v", dn, err)
	}
	t.Cleanup(func() {
		r := goldap.NewDelRequest(dn, []goldap.Control{goldap.NewControlManageDsaIT(true)})
		_ = conn.Del(r) // the test may have done it
	})
}

func addPerson(t *testing.T, conn *goldap.Conn, uid string) (dn string) {
	t.Helper()
	dn = "uid=" + uid + ",dc=lab,dc=test"
	add(t, conn, dn, map[string][]string{
		"objectClass": {"inetOrgPerson"}, "uid": {uid}, "cn": {uid + " Lab"}, "sn": {"Lab"}, "mail": {uid + "@lab.test"}, "userPassword": {password()},
	})
	return dn
}

func unique(word string) string { return word + "-" + strings.ToLower(rand.Text()[:8]) }

// TestSomebodyLeavesARealDirectory goes the whole way: a login, a group, another mail address, and an entry that is gone.
func TestSomebodyLeavesARealDirectory(t *testing.T) {
	conn, o := admin(t)
	o.UserGroup = ""
	o.UserFilter = "(&(objectClass=inetOrgPerson)(mail={login}))" // on this site, people type their address
	uid := unique("lise")
	dn := addPerson(t, conn, uid)
	group := unique("isotopes")
	add(t, conn, "cn="+group+",dc=lab,dc=test", map[string][]string{"objectClass": {"groupOfNames"}, "cn": {group}, "member": {dn}})

	var d *ldap.Directory
	now := time.Now()
	s, pool := coretest.NewWith(t, core.Options{
		Now:    func() time.Time { return now },
		Lookup: func(ctx context.Context, login string) (core.Account, error) { return d.Lookup(ctx, login) },
	})
	d, err := ldap.New(o, s)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.Close)
	p, err := d.Authenticate(t.Context(), uid+"@lab.test", password())
	if err != nil || p.Login != uid || !slices.Contains(p.Groups, group) {
		t.Fatalf("%+v, %v", p, err)
	}
	refresh := func(want core.Refreshed) {
		t.Helper()
		now = now.Add(2 * time.Hour)
		if got, err := s.Refresh(t.Context(), core.RefreshOptions{}); err != nil || got != want {
			t.Fatalf("refreshed %+v, %v; want %+v", got, err, want)
		}
	}
	change := goldap.NewModifyRequest(dn, nil)
	change.Replace("mail", []string{"meitner@lab.test"})
	if err := conn.Modify(change); err != nil {
		t.Fatal(err)
	}
	if err := conn.Del(goldap.NewDelRequest("cn="+group+",dc=lab,dc=test", nil)); err != nil {
		t.Fatal(err)
	}
	refresh(core.Refreshed{Asked: 1})
	if p, err = s.Person(t.Context(), p.ID); err != nil || *p.Email != "meitner@lab.test" || len(p.Groups) != 0 {
		t.Errorf("%+v, %v", p, err)
	}
	if err := conn.Del(goldap.NewDelRequest(dn, nil)); err != nil {
		t.Fatal(err)
	}
	refresh(core.Refreshed{Asked: 1, Missing: 1})
	refresh(core.Refreshed{Asked: 1, Missing: 1, Left: 1})
	var why string
	if err := pool.QueryRow(t.Context(), "select gone_why from people where id = $1", p.ID).Scan(&why); err != nil || why != "left" {
		t.Errorf("%q, %v", why, err)
	}
}

// Referrals that lead in a circle are not followed, and people who are in more groups than MyDB reads keep the roles that matter.
func TestStrangeDirectory(t *testing.T) {
	conn, o := admin(t)
	circle := unique("circle")
	add(t, conn, "ou="+circle+",dc=lab,dc=test", map[string][]string{
		"objectClass": {"referral", "extensibleObject"}, "ou": {circle}, "ref": {o.URLs[0] + "/dc=lab,dc=test", o.URLs[0] + "/ou=" + circle + ",dc=lab,dc=test"},
	})
	d, _ := open(t, o)
	if p, err := d.Authenticate(t.Context(), "ada", password()); err != nil || p.Login != "ada" {
		t.Errorf("with referrals in a circle: %+v, %v", p, err)
	}
	inCircle := o
	inCircle.BaseDN = "ou=" + circle + ",dc=lab,dc=test"
	d, _ = open(t, inCircle)
	if _, err := d.Authenticate(t.Context(), "ada", password()); core.CodeOf(err) != core.CodeUnavailable {
		t.Errorf("a base that is a referral: %v", err)
	}
	if _, err := d.Lookup(t.Context(), "ada"); core.CodeOf(err) != core.CodeUnavailable {
		t.Errorf("a base that is a referral, looked up: %v", err)
	}
}

// TestManyGroups is about somebody who is in more groups than are read, in a directory of many.
func TestManyGroups(t *testing.T) {
	conn, o := admin(t)
	uid, ou := unique("max"), unique("many")
	dn := addPerson(t, conn, uid)
	add(t, conn, "ou="+ou+",dc=lab,dc=test", map[string][]string{"objectClass": {"organizationalUnit"}, "ou": {ou}})
	for n := range 2100 {
		name := fmt.Sprintf("%s-%04d", ou, n)
		add(t, conn, "cn="+name+",ou="+ou+",dc=lab,dc=test", map[string][]string{"objectClass": {"groupOfNames"}, "cn": {name}, "member": {dn}})
	}
	admins := unique("zz-admins")
	add(t, conn, "cn="+admins+",dc=lab,dc=test", map[string][]string{"objectClass": {"groupOfNames"}, "cn": {admins}, "member": {dn}})
	for _, name := range []string{admins, "cn=" + admins + ",dc=lab,dc=test"} {
		o.UserGroup, o.AdminGroup = "", name
		d, _ := open(t, o)
		p, err := d.Authenticate(t.Context(), uid, password())
		if err != nil || !p.Admin || len(p.Groups) < 2000 {
			t.Errorf("%s: administrator %t, %d groups, %v", name, p.Admin, len(p.Groups), err)
		}
	}
}

// TestExpiredCertificate trusts the authority, and not the certificate whose time is over.
func TestExpiredCertificate(t *testing.T) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "dc1"}, NotBefore: time.Now().AddDate(-2, 0, 0), NotAfter: time.Now().AddDate(-1, 0, 0),
		IsCA: true, BasicConstraintsValid: true, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	var heard atomic.Int64
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				b := make([]byte, 100)
				n, _ := conn.Read(b)
				heard.Add(int64(n))
			}()
		}
	}()
	ca := filepath.Join(t.TempDir(), "ca.crt")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	d, _ := open(t, ldap.Options{URLs: []string{"ldaps://" + l.Addr().String()}, CAFile: ca, BaseDN: "dc=lab,dc=test", BindDN: "cn=mydb", BindPassword: "secret", Log: discard()})
	if _, err := d.Authenticate(t.Context(), "ada", "secret"); core.CodeOf(err) != core.CodeUnavailable {
		t.Errorf("login: %v", err)
	}
	if _, err := d.Check(t.Context()); err == nil || !strings.Contains(err.Error(), "its certificate has expired") {
		t.Errorf("check: %v", err)
	}
	if n := heard.Load(); n != 0 {
		t.Errorf("%d bytes were sent to it", n)
	}
}
