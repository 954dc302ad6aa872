package crypt_test

import (
	"bytes"
	"strings"
	"testing"

	"filippo.io/age"

	"github.com/mydb-project/mydb/core/crypt"
)

// TestKeyIsHandedOver gives the key file to those who hold an escrow key, and to nobody else.
func TestKeyIsHandedOver(t *testing.T) {
	t.Parallel()
	first, err1 := crypt.NewKey()
	second, err2 := crypt.NewKey()
	escrow, err3 := age.GenerateX25519Identity()
	other, err4 := age.GenerateX25519Identity()
	for _, err := range []error{err1, err2, err3, err4} {
		if err != nil {
			t.Fatal(err)
		}
	}
	keys, err := crypt.ParseKeyring(first + second)
	if err != nil {
		t.Fatal(err)
	}
	older, err := crypt.ParseKeyring(second)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := older.Seal([]byte("sealed before the key was rotated"))
	if err != nil {
		t.Fatal(err)
	}
	var sealed bytes.Buffer
	if err := keys.HandOver(&sealed, []string{escrow.Recipient().String()}); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(sealed.String(), "AGE-SECRET-KEY") {
		t.Fatal("the key is in the clear")
	}
	for _, identity := range []string{other.String(), first, "nonsense"} {
		if _, err := crypt.TakeOver(bytes.NewReader(sealed.Bytes()), identity); err == nil {
			t.Errorf("%.20s... opens it", identity)
		}
	}
	content, err := crypt.TakeOver(bytes.NewReader(sealed.Bytes()), escrow.String())
	if err != nil {
		t.Fatal(err)
	}
	taken, err := crypt.ParseKeyring(content)
	if err != nil {
		t.Fatal(err)
	}
	if plain, err := taken.Open(secret); err != nil || string(plain) != "sealed before the key was rotated" {
		t.Errorf("%q, %v", plain, err)
	}
	if err := keys.HandOver(&sealed, []string{"age1nonsense"}); err == nil {
		t.Error("a wrong escrow key is taken")
	}
}
