package core

import (
	"context"
	"errors"
	"io"
)

// Objects is the store of backups as the doors need it: what people bring is put there, and what they take away is read from there.
// jobs.Store is one. Keys are relative, folders with slashes between them.
type Objects interface {
	// Put writes an object whole or not at all. expected is about how many bytes will come, 0 when nobody knows.
	Put(ctx context.Context, key string, r io.Reader, expected int64) error
	// Get reads an object from its start. Errors: ErrNoObject.
	Get(ctx context.Context, key string) (io.ReadCloser, error)
	// Remove removes an object. Absent is success.
	Remove(ctx context.Context, key string) error
}

// errNoObjects says that this process cannot reach the store, although the site has one.
var errNoObjects = errors.New("this process has no store")

// store gives the store of backups. Errors: CodeUnavailable when the site has none.
func (s *Service) store() (Objects, error) {
	switch {
	case !s.backups.On:
		return nil, noStore()
	case s.objects == nil:
		return nil, errNoObjects
	}
	return s.objects, nil
}
