package crypt

import (
	"fmt"
	"io"
	"strings"

	"filippo.io/age"
)

// HandOver writes the key file to w, encrypted for the holders of escrow keys: whoever has one of them can open all that the key file
// opens. age itself opens it, too.
func (k *Keyring) HandOver(w io.Writer, escrow []string) error {
	var content strings.Builder
	content.WriteString("# MyDB's key, as it was handed over with a backup of MyDB's own database.\n")
	for _, id := range k.now.Load().identities {
		_, secret, err := names(id)
		if err != nil {
			return err
		}
		fmt.Fprintln(&content, secret)
	}
	var to []age.Recipient
	for _, key := range escrow {
		r, err := age.ParseX25519Recipient(key)
		if err != nil {
			return fmt.Errorf("escrow key %q: %w", key, err)
		}
		to = append(to, r)
	}
	sealed, err := age.Encrypt(w, to...)
	if err != nil {
		return fmt.Errorf("encrypt the key file: %w", err)
	}
	if _, err := io.WriteString(sealed, content.String()); err != nil {
		return fmt.Errorf("encrypt the key file: %w", err)
	}
	return sealed.Close()
}

// TakeOver opens what HandOver has written, with the content of an escrow key's identity file, and gives the key file's content.
func TakeOver(r io.Reader, identity string) (string, error) {
	ids, err := age.ParseIdentities(strings.NewReader(identity))
	if err != nil {
		return "", fmt.Errorf("read the identity: %w", err)
	}
	plain, err := age.Decrypt(r, ids...)
	if err != nil {
		return "", fmt.Errorf("open the key that was handed over: %w", err)
	}
	content, err := io.ReadAll(io.LimitReader(plain, 1<<20))
	if err != nil {
		return "", fmt.Errorf("open the key that was handed over: %w", err)
	}
	if _, err := ParseKeyring(string(content)); err != nil {
		return "", err
	}
	return string(content), nil
}
