package config

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net/netip"
	"strings"
)

// Networks are networks and single addresses.
type Networks []netip.Prefix

// UnmarshalText reads "10.0.0.0/8,192.0.2.7".
func (n *Networks) UnmarshalText(text []byte) error {
	*n = nil
	for part := range strings.SplitSeq(string(text), ",") {
		part = strings.TrimSpace(part)
		if part == "" {
			continue
		}
		p, err := netip.ParsePrefix(part)
		if a, addrErr := netip.ParseAddr(part); err != nil && addrErr == nil {
			p, err = a.Unmap().Prefix(a.Unmap().BitLen())
		}
		if err != nil {
			return errors.New("write networks and addresses with commas, such as 10.20.0.0/16,192.0.2.7")
		}
		if p.Bits() == 0 {
			return errors.New("a network of all addresses would let anybody say where they come from: name the proxies' own")
		}
		*n = append(*n, p.Masked())
	}
	return nil
}

// TLSOn reports whether the portal serves TLS itself.
func (c Config) TLSOn() bool { return c.TLSCertFile != "" || c.TLSKeyFile != "" }

// checkTLS looks at all that is said about how people reach the portal.
func (c Config) checkTLS() []error {
	if !c.TLSOn() {
		return nil
	}
	if c.TLSCertFile == "" || c.TLSKeyFile == "" {
		return []error{errors.New("MYDB_TLS_CERT_FILE and MYDB_TLS_KEY_FILE go together: set both, or none")}
	}
	var errs []error
	if _, err := tls.LoadX509KeyPair(c.TLSCertFile, c.TLSKeyFile); err != nil {
		errs = append(errs, fmt.Errorf("MYDB_TLS_CERT_FILE is %q and MYDB_TLS_KEY_FILE is %q: %w", c.TLSCertFile, c.TLSKeyFile, err))
	}
	if !strings.HasPrefix(c.PublicURL, "https:") {
		errs = append(errs, wrong("MYDB_PUBLIC_URL", c.PublicURL, "with MYDB_TLS_CERT_FILE, the address that people use begins with https://"))
	}
	return errs
}
