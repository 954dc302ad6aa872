package policy

import (
	"errors"
	"fmt"
	"net/netip"

	"github.com/mydb-project/mydb/core/engine"
)

// Import is from where databases may be brought in.
type Import struct {
	// Networks lists where sources may be, such as 10.20.0.0/16; none: databases are brought in by upload only.
	Networks []string `yaml:"networks"`
	// MaxUpload is how large a file may be, as it is sent.
	MaxUpload engine.Bytes `yaml:"max_upload"`
}

// DefaultMaxUpload is how large a file may be on a site that says nothing.
const DefaultMaxUpload = 10 << 30

func (i *Import) fill() {
	if i.MaxUpload == 0 {
		i.MaxUpload = DefaultMaxUpload
	}
}

func (i Import) check() error {
	var errs []error
	for _, network := range i.Networks {
		if p, err := netip.ParsePrefix(network); err != nil || p != p.Masked() {
			errs = append(errs, fmt.Errorf("policy.import.networks: %q is no network such as 10.20.0.0/16, or 10.1.2.3/32 for a single host", network))
		}
	}
	if i.MaxUpload < 0 {
		errs = append(errs, errors.New("policy.import.max_upload: write a size such as 10GiB"))
	}
	return errors.Join(errs...)
}

// Allows reports whether a source may be at an address. What is this machine itself (loopback), or speaks to what runs it (link-local,
// where clouds hand out keys), is allowed only by a network that is of that kind itself, and not by one that happens to hold it.
func (i Import) Allows(a netip.Addr) bool {
	a = a.Unmap()
	if !a.IsValid() || a.IsUnspecified() || a.IsMulticast() || a.Zone() != "" {
		return false
	}
	for _, network := range i.Networks {
		p, err := netip.ParsePrefix(network)
		if err == nil && p.Contains(a) && a.IsLoopback() == p.Addr().IsLoopback() && a.IsLinkLocalUnicast() == p.Addr().IsLinkLocalUnicast() {
			return true
		}
	}
	return false
}
