package policy_test

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/mydb-project/mydb/core/policy"
)

func TestImportAllows(t *testing.T) {
	for _, c := range []struct {
		networks []string
		address  string
		want     bool
	}{
		{nil, "10.1.2.3", false},
		{[]string{"10.20.0.0/16"}, "10.20.3.4", true},
		{[]string{"10.20.0.0/16"}, "::ffff:10.20.3.4", true},
		{[]string{"10.20.0.0/16"}, "10.21.3.4", false},
		{[]string{"0.0.0.0/0", "::/0"}, "127.0.0.1", false},
		{[]string{"0.0.0.0/0", "::/0"}, "::1", false},
		{[]string{"0.0.0.0/0", "::/0"}, "169.254.169.254", false},
		{[]string{"0.0.0.0/0", "::/0"}, "fe80::1", false},
		{[]string{"0.0.0.0/0", "::/0"}, "0.0.0.0", false},
		{[]string{"0.0.0.0/0", "::/0"}, "::", false},
		{[]string{"0.0.0.0/0", "::/0"}, "224.0.0.1", false},
		{[]string{"0.0.0.0/0"}, "192.0.2.1", true},
		{[]string{"0.0.0.0/0"}, "2001:db8::1", false},
		{[]string{"127.0.0.0/8"}, "127.0.0.1", true},
		{[]string{"127.0.0.0/8"}, "::1", false},
		{[]string{"127.0.0.0/8"}, "::ffff:127.0.0.1", true},
		{[]string{"169.254.0.0/16"}, "169.254.1.1", true},
		{[]string{"2001:db8::/32"}, "2001:db8::5", true},
	} {
		if got := (policy.Import{Networks: c.networks}).Allows(netip.MustParseAddr(c.address)); got != c.want {
			t.Errorf("%v allows %s: %v", c.networks, c.address, got)
		}
	}
}

func TestReadImport(t *testing.T) {
	s, err := policy.Read(strings.NewReader("policy: { import: { networks: [10.20.0.0/16], max_upload: 2GiB } }"))
	if err != nil || s.Policy.Import.MaxUpload != 2<<30 || len(s.Policy.Import.Networks) != 1 {
		t.Errorf("%+v, %v", s.Policy.Import, err)
	}
	if s, err := policy.Read(strings.NewReader("")); err != nil || s.Policy.Import.MaxUpload != 10<<30 {
		t.Errorf("%+v, %v", s.Policy.Import, err)
	}
	for _, bad := range []string{"networks: [10.20.0.0]", "networks: [10.20.3.4/16]", "networks: [lan]", "max_upload: -1", "max_upload: much"} {
		if _, err := policy.Read(strings.NewReader("policy: { import: { " + bad + " } }")); err == nil {
			t.Errorf("%s is read", bad)
		}
	}
}
