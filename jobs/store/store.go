package store

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"

	"github.com/mydb-project/mydb/core/config"
	"github.com/mydb-project/mydb/jobs"
)

// Open opens the store that the configuration names. It reaches nothing yet.
func Open(ctx context.Context, c config.Store) (jobs.Store, error) {
	if c.Folder != "" {
		return &folder{root: c.Folder}, nil
	}
	return newS3(ctx, c)
}

// checkKey refuses keys that could lead out of the store.
func checkKey(key string) error {
	if key == "" || path.Clean("/"+key) != "/"+key || strings.Contains(key, "\\") {
		return fmt.Errorf("%q is no key of an object", key)
	}
	return nil
}

// roundTrip writes a small object, reads it back and removes it.
func roundTrip(ctx context.Context, s jobs.Store) error {
	key, content := ".mydb-check-"+rand.Text(), []byte(rand.Text())
	if err := s.Put(ctx, key, bytes.NewReader(content), int64(len(content))); err != nil {
		return fmt.Errorf("write: %w", err)
	}
	r, err := s.Get(ctx, key)
	if err != nil {
		return fmt.Errorf("read back: %w", err)
	}
	read, err := io.ReadAll(r)
	if err = errors.Join(err, r.Close()); err != nil {
		return fmt.Errorf("read back: %w", err)
	}
	if !bytes.Equal(read, content) {
		return errors.New("what was read back is not what was written")
	}
	if err := s.Remove(ctx, key); err != nil {
		return fmt.Errorf("remove: %w", err)
	}
	return nil
}
