package crypt

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"filippo.io/age"
)

// NewKey makes the content of a new key file.
func NewKey() (string, error) {
	id, err := age.GenerateX25519Identity()
	if err != nil {
		return "", fmt.Errorf("make a key: %w", err)
	}
	return fmt.Sprintf("# MyDB's key: it opens stored secrets and backups. Keep a copy off this machine.\n# public key: %s\n%s\n", id.Recipient(), id), nil
}

// RotateKeyFile puts a new identity first into a key file, so that it seals from now on. All others stay and open what they have
// sealed. The file is whole at every moment. It gives the public keys, the new one first.
func RotateKeyFile(path string) ([]string, error) {
	path, err := filepath.EvalSymlinks(path) // the file is replaced, and not a link to it
	if err != nil {
		return nil, err
	}
	old, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	if _, err := parseRing(string(old)); err != nil {
		return nil, err
	}
	fresh, err := NewKey()
	if err != nil {
		return nil, err
	}
	content := fresh + "\n# Before that:\n" + string(old)
	r, err := parseRing(content)
	if err != nil {
		return nil, err
	}
	return r.public, replaceFile(path, content)
}

// replaceFile exchanges a file's content at once, with the owner and the rights that it had.
func replaceFile(path, content string) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".mydb-key-*") // readable by its owner alone
	if err != nil {
		return fmt.Errorf("write beside the key file: %w", err)
	}
	defer os.Remove(f.Name()) // it has got its name by then
	_, err = f.WriteString(content)
	if err = errors.Join(err, keepOwner(f, info), f.Chmod(info.Mode().Perm()), f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("write beside the key file: %w", err)
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return fmt.Errorf("put the new key file into its place (a file that is mounted by itself cannot be replaced: rotate a copy): %w", err)
	}
	return nil
}

// keepOwner gives a file the owner that another has, when this process may.
func keepOwner(f *os.File, like fs.FileInfo) error {
	st, ok := like.Sys().(*syscall.Stat_t)
	if !ok || os.Geteuid() != 0 {
		return nil
	}
	return f.Chown(int(st.Uid), int(st.Gid))
}
