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

// PartError says that a part of a backup could not be read. Message is for people, Err says what was found. Spoilt means that it is not
// what was written; otherwise nobody knows, because this process has no key for it, or the store does not answer.
type PartError struct {
	Message string
	Spoilt  bool
	Err     error
}

func (e *PartError) Error() string { return fmt.Sprintf("%s (%v)", e.Message, e.Err) }

// Unwrap gives what was found.
func (e *PartError) Unwrap() error { return e.Err }

// ReadPart opens an object of a backup, gives what it holds to use, and compares its size and hash with those that were written. Nothing
// that use did counts before ReadPart returns. Errors: *PartError, ErrStoreAway, and those of use.
func ReadPart(open func(io.Reader) (io.ReadCloser, error), object io.Reader, p ManifestPart, use func(io.Reader) error) error {
	sealed := &counted{r: object, hash: sha256.New()}
	err := readOpened(open, sealed, p, use)
	if sealed.err != nil { // whatever else seems to be wrong comes from that
		return fmt.Errorf("%w: read %s: %w", ErrStoreAway, p.Object, sealed.err)
	}
	return err
}

// ErrStoreAway says that an object could not be read to its end. It may be as it was written.
var ErrStoreAway = errors.New("the store could not be read")

func readOpened(open func(io.Reader) (io.ReadCloser, error), sealed *counted, p ManifestPart, use func(io.Reader) error) error {
	plain, err := open(sealed)
	if err != nil {
		return unopened(sealed, p, err)
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
	return sealed.compare(p)
}

// unopened says why an object cannot be opened: it is not what was written, or there is no key for it.
func unopened(sealed *counted, p ManifestPart, err error) error {
	if changed := sealed.compare(p); changed != nil {
		return changed
	}
	if errors.Is(err, crypt.ErrOtherKey) {
		return &PartError{Err: err, Message: p.Object + " was encrypted with a key that this process does not have. The manifest of the backup names those who can open it; " +
			"an administrator must put one of them back into MYDB_KEY_FILE, after the first, and restart MyDB."}
	}
	return &PartError{Message: p.Object + " cannot be opened.", Err: err}
}

// spoilt says that what is in the store is not what was written.
func spoilt(object string, err error) error {
	return &PartError{Spoilt: true, Message: object + " in the store is not what was written: it was changed or cut off.", Err: err}
}

// LostPart says that a part is not in the store any more.
func LostPart(object string, err error) *PartError {
	return &PartError{Spoilt: true, Message: "A part of the backup is not in the store any more: " + object + ". Choose another backup.", Err: err}
}

// counted counts and hashes what is read.
type counted struct {
	r    io.Reader
	hash hash.Hash
	n    int64
	err  error // of the reader
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	c.hash.Write(p[:n])
	if err != nil && !errors.Is(err, io.EOF) {
		c.err = err
	}
	return n, err
}

// compare reads on to the end, and compares size and hash with those that were written.
func (c *counted) compare(p ManifestPart) error {
	if _, err := io.Copy(io.Discard, c); err != nil {
		return err
	}
	if c.n != p.Size || c.sum() != p.SHA256 {
		return spoilt(p.Object, fmt.Errorf("%d bytes with the hash %s, and not %d with %s", c.n, c.sum(), p.Size, p.SHA256))
	}
	return nil
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
