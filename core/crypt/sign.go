package crypt

import (
	"crypto/ed25519"
	"crypto/hkdf"
	"crypto/sha256"
	"fmt"
)

// Signer is the key by which the site signs what it hands out, derived from the identity that seals (HKDF, RFC 5869). It changes when the key
// is rotated; Signers has the old ones, too.
func (k *Keyring) Signer() (ed25519.PrivateKey, error) {
	list, err := k.Signers()
	if err != nil {
		return nil, err
	}
	return list[0], nil
}

// Signers are the keys of all identities, the newest first.
func (k *Keyring) Signers() (list []ed25519.PrivateKey, err error) {
	for _, id := range k.now.Load().identities {
		_, secret, err := names(id)
		if err != nil {
			return nil, err
		}
		seed, err := hkdf.Key(sha256.New, []byte(secret), nil, "mydb signature", ed25519.SeedSize)
		if err != nil {
			return nil, fmt.Errorf("derive the key for signatures: %w", err)
		}
		list = append(list, ed25519.NewKeyFromSeed(seed))
	}
	return list, nil
}
