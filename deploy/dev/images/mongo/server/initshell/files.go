package main

import (
	"fmt"
	"os"
)

// fileSystem is the part of Node's fs that init scripts use. Descriptors are numbers of its own.
func fileSystem() map[string]any {
	open := map[int]*os.File{}
	with := func(number int, do func(*os.File) error) error {
		f, ok := open[number]
		if !ok {
			return fmt.Errorf("the file %d is not open", number)
		}
		return do(f)
	}
	return map[string]any{
		"readFileSync": func(path string) (string, error) {
			content, err := os.ReadFile(path)
			return string(content), err
		},
		"openSync": func(path, flags string) (int, error) {
			how, ok := map[string]int{"r": os.O_RDONLY, "w": os.O_WRONLY | os.O_CREATE | os.O_TRUNC}[flags]
			if !ok {
				return 0, fmt.Errorf("this shell opens files with r or w, not %q", flags)
			}
			f, err := os.OpenFile(path, how, 0o644)
			if err != nil {
				return 0, err
			}
			number := len(open) + 3
			open[number] = f
			return number, nil
		},
		"writeSync": func(number int, text string) error {
			return with(number, func(f *os.File) error { _, err := f.WriteString(text); return err })
		},
		"fsyncSync": func(number int) error { return with(number, (*os.File).Sync) },
		"closeSync": func(number int) error { return with(number, (*os.File).Close) },
	}
}
