package core

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"path"

	"github.com/mydb-project/mydb/core/crypt"
)

// The names of what lies in the folder of a backup.
const (
	ManifestObject = "manifest.json"
	PartSuffix     = ".zst.age" // behind the name of a part
)

// MaxManifest is how long a manifest may be, in bytes: a million tables fit.
const MaxManifest = 256 << 20

// ErrNoObject says that a store has nothing under a key.
var ErrNoObject = errors.New("there is no such object in the store")

// BackupFolder is the folder of a backup in the store.
func BackupFolder(instanceID, backupID string) string { return path.Join(instanceID, backupID) }

// PartError says that a part of a backup is not what was written. Message is for people, Err says what was found.
type PartError struct {
	Message string
	Err     error
}

func (e *PartError) Error() string { return fmt.Sprintf("%s (%v)", e.Message, e.Err) }

// Unwrap gives what was found.
func (e *PartError) Unwrap() error { return e.Err }

// ReadPart opens an object of a backup, gives what it holds to use, and compares its size and hash with those that were written. Nothing
// that use did counts before ReadPart returns. Errors: *PartError, and those of use.
func ReadPart(open func(io.Reader) (io.ReadCloser, error), object io.Reader, p ManifestPart, use func(io.Reader) error) error {
	sealed := &counted{r: object, hash: sha256.New()}
	plain, err := open(sealed)
	if errors.Is(err, crypt.ErrOtherKey) {
		return &PartError{Err: err, Message: p.Object + " was encrypted with a key that this process does not have. The manifest of the backup names those who can open it; " +
			"an administrator must put one of them back into MYDB_KEY_FILE, after the first, and restart MyDB."}
	}
	if err != nil {
		return &PartError{Message: p.Object + " cannot be opened.", Err: err}
	}
	defer plain.Close()
	whole := &watchedReader{r: plain}
	if err := use(whole); err != nil {
		if whole.err != nil {
			return spoilt(p.Object, whole.err)
		}
		return err
	}
	rest, err := io.Copy(io.Discard, whole)
	if err != nil {
		return spoilt(p.Object, err)
	}
	if rest > 0 {
		return spoilt(p.Object, fmt.Errorf("%d bytes were left unread", rest))
	}
	if _, err := io.Copy(io.Discard, sealed); err != nil {
		return err
	}
	if sealed.n != p.Size || sealed.sum() != p.SHA256 {
		return spoilt(p.Object, fmt.Errorf("%d bytes with the hash %s, and not %d with %s", sealed.n, sealed.sum(), p.Size, p.SHA256))
	}
	return nil
}

// spoilt says that what is in the store is not what was written.
func spoilt(object string, err error) error {
	return &PartError{Message: object + " in the store is not what was written: it was changed or cut off.", Err: err}
}

// counted counts and hashes what is read.
type counted struct {
	r    io.Reader
	hash hash.Hash
	n    int64
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	c.hash.Write(p[:n])
	return n, err
}

func (c *counted) sum() string { return hex.EncodeToString(c.hash.Sum(nil)) }

// watchedReader keeps the error of its reader, which a tool that is fed with it would hide.
type watchedReader struct {
	r   io.Reader
	err error
}

func (w *watchedReader) Read(p []byte) (int, error) {
	n, err := w.r.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		w.err = err
	}
	return n, err
}
