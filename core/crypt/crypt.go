// Package crypt keeps secrets: it seals what the catalogue stores, makes passwords, and runs MyDB's own certificate authority.
package crypt

import (
	"bytes"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math/big"
	"os"
	"strings"

	"filippo.io/age"
)

// Keyring seals and opens secrets with the age identities of one key file. The first identity seals; all open, so that keys can
// be rotated by adding a new first line.
type Keyring struct {
	identities []age.Identity
	recipient  age.Recipient
	digestKey  []byte
}

// NewKey makes the content of a new key file.
func NewKey() (string, error) {
	id, err := age.GenerateX25519Identity()
	if err != nil {
		return "", fmt.Errorf("make a key: %w", err)
	}
	return fmt.Sprintf("# MyDB's key: it opens stored secrets and backups. Keep a copy off this machine.\n# public key: %s\n%s\n", id.Recipient(), id), nil
}

// ReadKeyring reads an age identity file.
func ReadKeyring(path string) (*Keyring, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read the key file: %w", err)
	}
	return ParseKeyring(string(b))
}

// ParseKeyring reads the content of an age identity file with at least one X25519 identity.
func ParseKeyring(content string) (*Keyring, error) {
	ids, err := age.ParseIdentities(strings.NewReader(content))
	if err != nil {
		return nil, fmt.Errorf("read the key file: %w", err)
	}
	first, ok := ids[0].(*age.X25519Identity)
	if !ok {
		return nil, errors.New("the key file must start with an X25519 identity (AGE-SECRET-KEY-1...)")
	}
	digestKey, err := hkdf.Key(sha256.New, []byte(first.String()), nil, "mydb digest", sha256.Size)
	if err != nil {
		return nil, fmt.Errorf("derive the digest key: %w", err)
	}
	return &Keyring{identities: ids, recipient: first.Recipient(), digestKey: digestKey}, nil
}

// Seal encrypts a secret for the catalogue.
func (k *Keyring) Seal(plain []byte) ([]byte, error) {
	var out bytes.Buffer
	w, err := age.Encrypt(&out, k.recipient)
	if err != nil {
		return nil, fmt.Errorf("seal a secret: %w", err)
	}
	if _, err := w.Write(plain); err != nil {
		return nil, fmt.Errorf("seal a secret: %w", err)
	}
	if err := w.Close(); err != nil {
		return nil, fmt.Errorf("seal a secret: %w", err)
	}
	return out.Bytes(), nil
}

// Open decrypts what Seal made with any identity of the file.
func (k *Keyring) Open(sealed []byte) ([]byte, error) {
	r, err := age.Decrypt(bytes.NewReader(sealed), k.identities...)
	if err != nil {
		return nil, fmt.Errorf("open a secret (is MYDB_KEY_FILE the key it was sealed with?): %w", err)
	}
	plain, err := io.ReadAll(r)
	if err != nil {
		return nil, fmt.Errorf("open a secret: %w", err)
	}
	return plain, nil
}

// Digest is a keyed hash: equal input can be recognised, and nobody without the key can test a guess.
func (k *Keyring) Digest(b []byte) []byte {
	h := hmac.New(sha256.New, k.digestKey)
	h.Write(b)
	return h.Sum(nil)
}

// passwordLetters leaves out what people mistake for another when they read it out: 0 O o 1 l I.
const passwordLetters = "abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789"

// NewPassword makes a random password of 24 letters and digits (139 bits), which needs no quoting anywhere.
func NewPassword() string {
	var b strings.Builder
	n := big.NewInt(int64(len(passwordLetters)))
	for range 24 {
		i, err := rand.Int(rand.Reader, n)
		if err != nil {
			panic("no randomness: " + err.Error()) // crypto/rand never fails on a supported system
		}
		b.WriteByte(passwordLetters[i.Int64()])
	}
	return b.String()
}
