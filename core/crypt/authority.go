package crypt

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"slices"
	"time"
)

// Authority is MyDB's certificate authority, whose certificate people give their clients to know their server by.
type Authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pem  []byte
	also []*x509.Certificate // of other authorities that are trusted, too
}

// Lifetimes. Some clients, such as those on macOS, take no server certificate that is good for more than 825 days.
const (
	authorityLife = 10 * 365 * 24 * time.Hour
	serverLife    = 800 * 24 * time.Hour
)

// NewAuthority makes a new authority. keyPEM must be sealed before it is stored.
func NewAuthority(now time.Time) (certPEM, keyPEM []byte, err error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, fmt.Errorf("make the authority's key: %w", err)
	}
	t, err := template(now, authorityLife, "")
	if err != nil {
		return nil, nil, err
	}
	// One name for each: some clients look for the issuer by its name alone.
	t.Subject.CommonName = fmt.Sprintf("MyDB certificate authority %s %04x", now.UTC().Format(time.DateOnly), t.SerialNumber.Uint64()&0xffff)
	t.IsCA, t.BasicConstraintsValid, t.MaxPathLenZero = true, true, true
	t.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageCRLSign
	return encode(t, t, key, key)
}

// ParseAuthority reads what NewAuthority made.
func ParseAuthority(certPEM, keyPEM []byte) (*Authority, error) {
	certBlock, _ := pem.Decode(certPEM)
	keyBlock, _ := pem.Decode(keyPEM)
	if certBlock == nil || keyBlock == nil {
		return nil, errors.New("the certificate authority is not in PEM form")
	}
	cert, err := x509.ParseCertificate(certBlock.Bytes)
	if err != nil {
		return nil, fmt.Errorf("read the authority's certificate: %w", err)
	}
	key, err := x509.ParsePKCS8PrivateKey(keyBlock.Bytes)
	if err != nil {
		return nil, fmt.Errorf("read the authority's key: %w", err)
	}
	ec, ok := key.(*ecdsa.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("the authority's key is a %T, not ECDSA", key)
	}
	return &Authority{cert: cert, key: ec, pem: certPEM}, nil
}

// Trust adds the certificates of other authorities, in PEM: of the one before, or of the one to come. Clients trust them, too.
func (a *Authority) Trust(certPEM []byte) error {
	cert, err := ParseCertificate(certPEM)
	if err != nil {
		return err
	}
	a.also = append(a.also, cert)
	a.pem = slices.Concat(a.pem, certPEM)
	return nil
}

// Certificate is what clients are given, in PEM form, which is public: the authority's certificate, and those of others that are trusted, too.
func (a *Authority) Certificate() []byte { return a.pem }

// Pool is the same, for clients in this process.
func (a *Authority) Pool() *x509.CertPool {
	p := x509.NewCertPool()
	p.AddCert(a.cert)
	for _, c := range a.also {
		p.AddCert(c)
	}
	return p
}

// ID names the authority by its key, as IssuerOf does for a certificate of it.
func (a *Authority) ID() string { return KeyOf(a.cert) }

// Expires is when the authority's certificate ends.
func (a *Authority) Expires() time.Time { return a.cert.NotAfter }

// ParseCertificate reads the first certificate of a text in PEM form.
func ParseCertificate(certPEM []byte) (*x509.Certificate, error) {
	block, _ := pem.Decode(certPEM)
	if block == nil {
		return nil, errors.New("the certificate is not in PEM form")
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("read a certificate: %w", err)
	}
	return cert, nil
}

// KeyOf names the authority that a certificate is of, as ID does.
func KeyOf(cert *x509.Certificate) string { return hex.EncodeToString(cert.SubjectKeyId) }

// IssuerOf is the ID of the authority that has issued a certificate.
func IssuerOf(cert *x509.Certificate) string { return hex.EncodeToString(cert.AuthorityKeyId) }

// Issue makes a server certificate for names, which may be host names and IP addresses.
func (a *Authority) Issue(now time.Time, names ...string) (certPEM, keyPEM []byte, err error) {
	if len(names) == 0 {
		return nil, nil, errors.New("a server certificate needs a name")
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, fmt.Errorf("make a server key: %w", err)
	}
	t, err := template(now, serverLife, names[0])
	if err != nil {
		return nil, nil, err
	}
	t.KeyUsage = x509.KeyUsageDigitalSignature
	t.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	for _, name := range names {
		if ip := net.ParseIP(name); ip != nil {
			t.IPAddresses = append(t.IPAddresses, ip)
		} else {
			t.DNSNames = append(t.DNSNames, name)
		}
	}
	return encode(t, a.cert, key, a.key)
}

func template(now time.Time, life time.Duration, name string) (*x509.Certificate, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, fmt.Errorf("make a serial number: %w", err)
	}
	return &x509.Certificate{
		SerialNumber: serial,
		Subject:      pkix.Name{CommonName: name},
		NotBefore:    now.Add(-time.Hour), // clients' clocks differ
		NotAfter:     now.Add(life),
	}, nil
}

func encode(t, parent *x509.Certificate, key, signer *ecdsa.PrivateKey) (certPEM, keyPEM []byte, err error) {
	cert, err := x509.CreateCertificate(rand.Reader, t, parent, &key.PublicKey, signer)
	if err != nil {
		return nil, nil, fmt.Errorf("sign a certificate: %w", err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, nil, fmt.Errorf("encode a key: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert}),
		pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER}), nil
}
