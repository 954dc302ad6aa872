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
	"slices"
	"strings"
	"sync/atomic"

	"filippo.io/age"
)

// Keyring seals and opens secrets with the age identities of one key file. The first identity seals; all open, so that keys can
// be rotated by adding a new first line. It is safe for concurrent use.
type Keyring struct {
	path string // of the file, which is read again when it does not open something; empty: never
	now  atomic.Pointer[ring]
}

// ring is what a key file held when it was read.
type ring struct {
	identities []age.Identity
	public     []string // their public keys
	recipient  age.Recipient
	digestKeys [][]byte
}

// ErrOtherKey says that something was sealed with a key that the keyring does not have.
var ErrOtherKey = errors.New("it was sealed with a key that is not in MYDB_KEY_FILE")

// ReadKeyring reads an age identity file. When it meets something that the keyring does not open, it reads the file again: another
// process may have rotated the key.
func ReadKeyring(path string) (*Keyring, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read the key file: %w", err)
	}
	k, err := ParseKeyring(string(b))
	if err != nil {
		return nil, err
	}
	k.path = path
	return k, nil
}

// ParseKeyring reads the content of an age identity file whose first identity is an X25519 one.
func ParseKeyring(content string) (*Keyring, error) {
	r, err := parseRing(content)
	if err != nil {
		return nil, err
	}
	k := &Keyring{}
	k.now.Store(r)
	return k, nil
}

func parseRing(content string) (*ring, error) {
	ids, err := age.ParseIdentities(strings.NewReader(content))
	if err != nil {
		return nil, fmt.Errorf("read the key file: %w", err)
	}
	first, ok := ids[0].(*age.X25519Identity)
	if !ok {
		return nil, errors.New("the key file must start with an X25519 identity (AGE-SECRET-KEY-1...)")
	}
	r := &ring{identities: ids, recipient: first.Recipient()}
	for _, id := range ids {
		public, secret, err := names(id)
		if err != nil {
			return nil, err
		}
		digestKey, err := hkdf.Key(sha256.New, []byte(secret), nil, "mydb digest", sha256.Size)
		if err != nil {
			return nil, fmt.Errorf("derive the digest key: %w", err)
		}
		r.public, r.digestKeys = append(r.public, public), append(r.digestKeys, digestKey)
	}
	return r, nil
}

// names are an identity's public and secret form.
func names(id age.Identity) (public, secret string, err error) {
	switch id := id.(type) {
	case *age.X25519Identity:
		return id.Recipient().String(), id.String(), nil
	case *age.HybridIdentity:
		return id.Recipient().String(), id.String(), nil
	}
	return "", "", fmt.Errorf("the key file holds an identity of a kind that MyDB does not know (%T)", id)
}

// Public lists the public keys of the keyring's identities; the first is the one that seals.
func (k *Keyring) Public() []string { return slices.Clone(k.now.Load().public) }

// Only is the keyring of a single identity of this one, by its public key.
func (k *Keyring) Only(public string) (*Keyring, error) {
	r := k.now.Load()
	n := slices.Index(r.public, public)
	if n < 0 {
		return nil, fmt.Errorf("the key file has no identity %s", public)
	}
	one := &Keyring{}
	one.now.Store(&ring{
		identities: r.identities[n : n+1], public: r.public[n : n+1], recipient: recipientOf(r.identities[n]), digestKeys: r.digestKeys[n : n+1],
	})
	return one, nil
}

func recipientOf(id age.Identity) age.Recipient {
	if hybrid, ok := id.(*age.HybridIdentity); ok {
		return hybrid.Recipient()
	}
	return id.(*age.X25519Identity).Recipient() //nolint:forcetypeassert // parseRing lets no other kind in
}

// Seal encrypts a secret for the catalogue.
func (k *Keyring) Seal(plain []byte) ([]byte, error) {
	var out bytes.Buffer
	w, err := age.Encrypt(&out, k.now.Load().recipient)
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

// Open decrypts what Seal made with any identity of the file. Errors: ErrOtherKey.
func (k *Keyring) Open(sealed []byte) ([]byte, error) {
	r, err := k.decrypt(bytes.NewReader(sealed))
	if err != nil {
		return nil, fmt.Errorf("open a secret: %w", err)
	}
	plain, err := io.ReadAll(r)
	if err != nil {
		return nil, fmt.Errorf("open a secret: %w", err)
	}
	return plain, nil
}

// decrypt reads with any identity. What was read to find out for whom something was encrypted is kept until then, so that it can be
// tried again with what the key file holds by now.
func (k *Keyring) decrypt(r io.Reader) (io.Reader, error) {
	ring := k.now.Load()
	head := &headReader{r: r}
	plain, err := age.Decrypt(head, ring.identities...)
	var none *age.NoIdentityMatchError
	if !errors.As(err, &none) {
		head.forget()
		return plain, err
	}
	if again := k.reload(ring); again != nil {
		plain, err = age.Decrypt(io.MultiReader(&head.kept, r), again.identities...)
		if !errors.As(err, &none) {
			return plain, err
		}
	}
	return nil, fmt.Errorf("%w: %w", ErrOtherKey, err)
}

// headReader keeps what was read, until it is told to forget it.
type headReader struct {
	r    io.Reader
	kept bytes.Buffer
	past bool
}

func (h *headReader) Read(p []byte) (int, error) {
	n, err := h.r.Read(p)
	if !h.past {
		h.kept.Write(p[:n])
	}
	return n, err
}

func (h *headReader) forget() { h.past, h.kept = true, bytes.Buffer{} }

// reload reads the file again; nil when that brings nothing new.
func (k *Keyring) reload(old *ring) *ring {
	if k.path == "" {
		return nil
	}
	b, err := os.ReadFile(k.path)
	if err != nil {
		return nil
	}
	r, err := parseRing(string(b))
	if err != nil || slices.Equal(r.public, old.public) {
		return nil
	}
	k.now.Store(r)
	return r
}

// Digest is a keyed hash: equal input can be recognised, and nobody without the key can test a guess.
func (k *Keyring) Digest(b []byte) []byte { return digest(k.now.Load().digestKeys[0], b) }

// IsDigest reports whether a hash is Digest's of b, also by a key that has been rotated since.
func (k *Keyring) IsDigest(sum, b []byte) bool {
	return slices.ContainsFunc(k.now.Load().digestKeys, func(key []byte) bool { return hmac.Equal(sum, digest(key, b)) })
}

func digest(key, b []byte) []byte {
	h := hmac.New(sha256.New, key)
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
