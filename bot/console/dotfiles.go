package console

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// replaceFile writes a file so that it is always whole, the old or the new: a temporary one takes its place. The directory is
// made when it is missing. A link is followed, because people keep such files elsewhere.
func replaceFile(path string, content []byte, mode os.FileMode) (err error) {
	if target, err := filepath.EvalSymlinks(path); err == nil {
		path = target
	}
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("make the directory: %w", err)
	}
	f, err := os.CreateTemp(dir, "."+filepath.Base(path)+"-*") // readable by its owner alone
	if err != nil {
		return fmt.Errorf("make a temporary file: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("write %s: %w", path, err), f.Close(), os.Remove(f.Name()))
		}
	}()
	if _, err := f.Write(content); err != nil {
		return err
	}
	if err := f.Chmod(mode); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return err
	}
	return f.Close()
}

// edit changes a file that may not exist yet, and leaves it readable by its owner alone.
func edit(path string, change func(old string) string) error {
	old, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("read the file that is there: %w", err)
	}
	return replaceFile(path, []byte(change(string(bytes.TrimPrefix(old, []byte("\ufeff"))))), 0o600)
}

// withPassword puts a line into a password file in place of those that start with prefix. A new line comes first, because the
// first that fits counts, and others may have wildcards.
func withPassword(old, prefix, line string) string {
	var kept []string
	at := -1
	for l := range strings.Lines(old) {
		if strings.HasPrefix(l, prefix) {
			if at < 0 {
				at = len(kept)
			}
			continue
		}
		kept = append(kept, ended(l))
	}
	return strings.Join(slices.Insert(kept, max(at, 0), line), "")
}

// hasPassword tells whether a password file has a line that starts with prefix.
func hasPassword(content, prefix string) bool {
	return strings.HasPrefix(content, prefix) || strings.Contains(content, "\n"+prefix)
}

// withSection puts an entry into a service file in place of the one of the same name, or at the end. Comments in front of the next
// section belong to that and stay.
func withSection(old, name, entry string) string {
	var before, own, after []string
	where := &before
	for l := range strings.Lines(old) {
		if title := strings.TrimSpace(l); strings.HasPrefix(title, "[") {
			switch {
			case title == "["+name+"]":
				where = &own
			case where == &own:
				where = &after
			}
		}
		*where = append(*where, ended(l))
	}
	var gap []string
	for n := len(own); n > 0 && !setting(own[n-1]); n = len(own) {
		gap = append([]string{own[n-1]}, gap...)
		own = own[:n-1]
	}
	if own == nil && len(before) > 0 && strings.TrimSpace(before[len(before)-1]) != "" {
		before = append(before, "\n")
	}
	return strings.Join(before, "") + entry + strings.Join(gap, "") + strings.Join(after, "")
}

// setting tells whether a line of a service file is more than a comment or nothing.
func setting(line string) bool {
	line = strings.TrimSpace(line)
	return line != "" && !strings.HasPrefix(line, "#")
}

// ended completes a last line that nobody ended.
func ended(line string) string { return strings.TrimRight(line, "\r\n") + "\n" }
