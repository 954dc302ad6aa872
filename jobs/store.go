package jobs

import (
	"context"
	"io"
	"iter"
	"time"

	"github.com/mydb-project/mydb/core"
)

// Store keeps the objects of backups. jobs/store has the implementations. Keys are relative: folders with slashes between them. All
// methods may be repeated.
type Store interface {
	// Put writes an object whole or not at all: when r ends with an error other than io.EOF, or ctx ends, nothing is left under the
	// key. expected is about how many bytes will come, 0 when nobody knows. It uses the same memory whatever the size.
	Put(ctx context.Context, key string, r io.Reader, expected int64) error
	// Get reads an object from its start. Errors: ErrNoObject. A connection that is cut is taken up again where it was.
	Get(ctx context.Context, key string) (io.ReadCloser, error)
	// Head tells of an object, also until when it is locked. Errors: ErrNoObject.
	Head(ctx context.Context, key string) (Object, error)
	// List lists the objects below a folder, in the order of their keys.
	List(ctx context.Context, folder string) iter.Seq2[Object, error]
	// Remove removes an object. Absent is success. Errors: *LockedError.
	Remove(ctx context.Context, key string) error
	// Sweep ends uploads into a folder, or anywhere for "", that began before a moment and were never finished, and gives how many.
	Sweep(ctx context.Context, folder string, before time.Time) (int, error)
	// Check writes an object, reads it back and removes it. The error is a sentence for the operator.
	Check(ctx context.Context) error
	// Location is where an object or folder is, for people to read. It holds no secret.
	Location(key string) string
}

// Object is something in a store. Size is in bytes.
type Object struct {
	Key  string
	Size int64
	At   time.Time // last written
	// Lock is until when the store lets nobody remove it, as far as it tells; zero: it does. Only Head knows it.
	Lock time.Time
}

// LockedError says that the store does not let go of an object yet.
type LockedError struct {
	Until time.Time // zero: nobody knows
	Err   error
}

func (e *LockedError) Error() string {
	if e.Until.IsZero() {
		return "the store keeps it locked"
	}
	return "the store keeps it locked until " + e.Until.UTC().Format(time.RFC3339)
}

// Unwrap gives what the store said.
func (e *LockedError) Unwrap() error { return e.Err }

// ErrNoObject says that a store has nothing under a key.
var ErrNoObject = core.ErrNoObject
