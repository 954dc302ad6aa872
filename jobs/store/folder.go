package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/mydb-project/mydb/jobs"
)

// folder is a store in a folder of this machine, or of a file server that all machines mount at the same place.
type folder struct{ root string }

// unfinished begins the names of files that are being written.
const unfinished = ".mydb-upload-"

func (f *folder) path(key string) (string, error) {
	return filepath.Join(f.root, filepath.FromSlash(key)), checkKey(key)
}

// Put implements jobs.Store: the file gets its name after all of it is on the disk.
func (f *folder) Put(ctx context.Context, key string, r io.Reader, _ int64) (err error) {
	target, err := f.path(key)
	if err != nil {
		return err
	}
	dir := filepath.Dir(target)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("make the folder: %w", err)
	}
	file, err := os.CreateTemp(dir, unfinished)
	if err != nil {
		return fmt.Errorf("make the file: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(file.Name()))
		}
	}()
	_, err = io.CopyBuffer(onlyWriter{file}, reader{ctx, r}, make([]byte, 1<<20))
	if err == nil {
		err = file.Sync()
	}
	if err = errors.Join(err, file.Close()); err != nil {
		return fmt.Errorf("write %s: %w", key, err)
	}
	if err := os.Rename(file.Name(), target); err != nil {
		return fmt.Errorf("name the file: %w", err)
	}
	return syncFolder(dir)
}

// onlyWriter hides that a file could read for itself, in small pieces.
type onlyWriter struct{ io.Writer }

// reader ends with its context.
type reader struct {
	ctx context.Context
	r   io.Reader
}

func (r reader) Read(p []byte) (int, error) {
	if err := context.Cause(r.ctx); err != nil {
		return 0, err
	}
	return r.r.Read(p)
}

// syncFolder makes sure that a file's new name outlives a power failure.
func syncFolder(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// Get implements jobs.Store.
func (f *folder) Get(ctx context.Context, key string) (io.ReadCloser, error) {
	path, err := f.path(key)
	if err != nil {
		return nil, err
	}
	file, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s: %w", key, jobs.ErrNoObject)
	}
	if err != nil {
		return nil, err
	}
	return struct {
		io.Reader
		io.Closer
	}{reader{ctx, file}, file}, nil
}

// Head implements jobs.Store.
func (f *folder) Head(_ context.Context, key string) (jobs.Object, error) {
	path, err := f.path(key)
	if err != nil {
		return jobs.Object{}, err
	}
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) || err == nil && info.IsDir() {
		return jobs.Object{}, fmt.Errorf("%s: %w", key, jobs.ErrNoObject)
	}
	if err != nil {
		return jobs.Object{}, err
	}
	return jobs.Object{Key: key, Size: info.Size(), At: info.ModTime()}, nil
}

// List implements jobs.Store. A folder that is not there has nothing in it.
func (f *folder) List(ctx context.Context, below string) iter.Seq2[jobs.Object, error] {
	return func(yield func(jobs.Object, error) bool) {
		stop := errors.New("the caller has seen enough")
		err := f.walk(ctx, below, func(key string, info fs.FileInfo) error {
			if !yield(jobs.Object{Key: key, Size: info.Size(), At: info.ModTime()}, nil) {
				return stop
			}
			return nil
		})
		if err != nil && !errors.Is(err, stop) {
			yield(jobs.Object{}, err)
		}
	}
}

func (f *folder) walk(ctx context.Context, below string, each func(key string, info fs.FileInfo) error) error {
	start := filepath.Join(f.root, filepath.FromSlash(below))
	err := filepath.WalkDir(start, func(path string, d fs.DirEntry, err error) error {
		if err == nil {
			err = ctx.Err()
		}
		if err != nil || d.IsDir() || strings.HasPrefix(d.Name(), unfinished) {
			return err
		}
		info, err := d.Info()
		if errors.Is(err, fs.ErrNotExist) {
			return nil // it went in the meantime
		}
		if err != nil {
			return err
		}
		key, err := filepath.Rel(f.root, path)
		if err != nil {
			return err
		}
		return each(filepath.ToSlash(key), info)
	})
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// Remove implements jobs.Store. Folders that are empty then go too.
func (f *folder) Remove(_ context.Context, key string) error {
	path, err := f.path(key)
	if err != nil {
		return err
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for dir := filepath.Dir(path); dir != f.root; dir = filepath.Dir(dir) {
		if os.Remove(dir) != nil {
			break
		}
	}
	return nil
}

// Sweep implements jobs.Store.
func (f *folder) Sweep(ctx context.Context, below string, before time.Time) (swept int, err error) {
	err = filepath.WalkDir(filepath.Join(f.root, filepath.FromSlash(below)), func(path string, d fs.DirEntry, err error) error {
		if err == nil {
			err = ctx.Err()
		}
		if err != nil || d.IsDir() || !strings.HasPrefix(d.Name(), unfinished) {
			return err
		}
		info, err := d.Info()
		if err != nil || !info.ModTime().Before(before) {
			return nil //nolint:nilerr // it went in the meantime
		}
		swept++
		return os.Remove(path)
	})
	if errors.Is(err, fs.ErrNotExist) {
		return swept, nil
	}
	return swept, err
}

// Check implements jobs.Store.
func (f *folder) Check(ctx context.Context) error { return roundTrip(ctx, f) }

// Location implements jobs.Store.
func (f *folder) Location(key string) string {
	return "file://" + filepath.Join(f.root, filepath.FromSlash(key))
}
