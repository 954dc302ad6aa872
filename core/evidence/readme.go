package evidence

import (
	"encoding/base64"
	"fmt"
	"strings"
)

// spki is what DER puts before an Ed25519 key (RFC 8410), so that OpenSSL reads it.
var spki = []byte{0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00}

// readme says how a bundle is checked without MyDB.
func readme(m Manifest) string {
	var b strings.Builder
	fmt.Fprintf(&b, "Evidence of the year %d, from MyDB at %s, made on %s.\n\n", m.Year, m.Site, m.MadeAt.Format("2 January 2006, 15:04 UTC"))
	for _, f := range m.Files {
		fmt.Fprintf(&b, "%-20s %s\n", f.Name, f.About)
	}
	if m.AuditIntact {
		fmt.Fprintf(&b, "\nThe audit trail was read whole: %d rows are as they were sealed, and %d anchors in the store of backups fit.\n", m.AuditProof.Rows, m.AuditProof.Anchors)
	} else {
		fmt.Fprintf(&b, "\nTHE AUDIT TRAIL IS NOT AS IT WAS SEALED:\n  %s\n", strings.Join(m.AuditProof.Problems, "\n  "))
	}
	der := append([]byte{}, spki...)
	if raw, err := base64.StdEncoding.DecodeString(m.PublicKey); err == nil {
		der = append(der, raw...)
	}
	fmt.Fprintf(&b, `
To check this bundle with MyDB: mydb evidence verify FILE
To check it without, compare the key below with the one that the site's operator has told you ("mydb evidence key"), save it as site.pem, and:

  base64 -d manifest.sig > manifest.sig.raw
  openssl pkeyutl -verify -pubin -inkey site.pem -rawin -in manifest.json -sigfile manifest.sig.raw
  jq -r '.files[] | .sha256 + "  " + .name' manifest.json | sha256sum --check

-----BEGIN PUBLIC KEY-----
%s
-----END PUBLIC KEY-----
`, base64.StdEncoding.EncodeToString(der))
	return b.String()
}
