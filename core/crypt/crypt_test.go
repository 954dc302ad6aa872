package crypt_test

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/mydb-project/mydb/core/crypt"
)

// keyFile writes a new key file, and gives its path and the keyring.
func keyFile(t *testing.T) (string, *crypt.Keyring) {
	t.Helper()
	content, err := crypt.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path, read(t, path)
}

func read(t *testing.T, path string) *crypt.Keyring {
	t.Helper()
	k, err := crypt.ReadKeyring(path)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func seal(t *testing.T, k *crypt.Keyring, plain string) []byte {
	t.Helper()
	sealed, err := k.Seal([]byte(plain))
	if err != nil {
		t.Fatal(err)
	}
	return sealed
}

// TestRotate seals with the new key, opens with both, and recognises digests of both.
func TestRotate(t *testing.T) {
	t.Parallel()
	path, before := keyFile(t)
	old, sum := seal(t, before, "old"), before.Digest([]byte("a request"))
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(path, link); err != nil {
		t.Fatal(err)
	}
	public, err := crypt.RotateKeyFile(link)
	if err != nil || len(public) != 2 || public[1] != before.Public()[0] {
		t.Fatalf("%v, %v", public, err)
	}
	after := read(t, path)
	if !slices.Equal(after.Public(), public) {
		t.Errorf("the file has %v, want %v", after.Public(), public)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
	if files, err := os.ReadDir(filepath.Dir(path)); err != nil || len(files) != 1 {
		t.Errorf("beside the key file lie %v, %v", files, err)
	}
	if got, err := after.Open(old); err != nil || string(got) != "old" {
		t.Errorf("%s, %v", got, err)
	}
	if !after.IsDigest(sum, []byte("a request")) || after.IsDigest(sum, []byte("another")) || bytes.Equal(after.Digest([]byte("a request")), sum) {
		t.Error("digests are not as they should be")
	}
	for n, want := range []bool{false, true} {
		only, err := after.Only(public[n])
		if err != nil {
			t.Fatal(err)
		}
		if _, err := only.Open(old); (err == nil) != want || err != nil && !errors.Is(err, crypt.ErrOtherKey) {
			t.Errorf("the key %d alone: %v", n, err)
		}
	}
}

// TestReload opens what another process has sealed with a key that came into the file later, and goes on with the new file.
func TestReload(t *testing.T) {
	t.Parallel()
	path, running := keyFile(t)
	if _, err := crypt.RotateKeyFile(path); err != nil {
		t.Fatal(err)
	}
	other := read(t, path)
	if got, err := running.Open(seal(t, other, "new")); err != nil || string(got) != "new" {
		t.Errorf("%s, %v", got, err)
	}
	if !slices.Equal(running.Public(), other.Public()) {
		t.Error("it seals with the old key")
	}
	if _, err := crypt.RotateKeyFile(path); err != nil {
		t.Fatal(err)
	}
	var archive bytes.Buffer
	r, err := read(t, path).Recipients(nil)
	if err != nil {
		t.Fatal(err)
	}
	w, err := r.Archive(&archive)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(w, strings.NewReader(strings.Repeat("rows ", 1<<20))); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	plain, err := running.OpenArchive(&archive)
	if err != nil {
		t.Fatal(err)
	}
	if n, err := io.Copy(io.Discard, plain); n != 5<<20 || err != nil {
		t.Errorf("%d bytes, %v", n, err)
	}
}

// TestOtherKey says that a key is missing, also when the file is not there any more.
func TestOtherKey(t *testing.T) {
	t.Parallel()
	path, k := keyFile(t)
	_, other := keyFile(t)
	for range 2 {
		if _, err := k.Open(seal(t, other, "x")); !errors.Is(err, crypt.ErrOtherKey) || !strings.Contains(err.Error(), "MYDB_KEY_FILE") {
			t.Errorf("%v", err)
		}
		if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
			t.Fatal(err)
		}
	}
	if _, err := k.Open([]byte("nonsense")); err == nil || errors.Is(err, crypt.ErrOtherKey) {
		t.Errorf("nonsense: %v", err)
	}
}

func TestRotateRefuses(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	nonsense := filepath.Join(dir, "nonsense")
	if err := os.WriteFile(nonsense, []byte("AGE-SECRET-KEY-1NONSENSE"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{filepath.Join(dir, "nowhere"), nonsense, dir} {
		if _, err := crypt.RotateKeyFile(path); err == nil || strings.Contains(err.Error(), "NONSENSE") {
			t.Errorf("%s: %v", path, err)
		}
	}
	if b, err := os.ReadFile(nonsense); err != nil || string(b) != "AGE-SECRET-KEY-1NONSENSE" {
		t.Errorf("what is no key file was changed: %s, %v", b, err)
	}
}
