package policy

import (
	"errors"
	"fmt"
	"time"
)

// Directory is how MyDB keeps up with a directory that it does not keep itself.
type Directory struct {
	Refresh time.Duration `yaml:"refresh"` // how often each person is read anew; default: 1h
	// Confirm is for how long the directory has to say that somebody is gone before anything follows from it; default: 1h.
	Confirm time.Duration `yaml:"confirm"`
}

// DefaultDirectory is what a site has that says nothing.
func DefaultDirectory() Directory {
	var d Directory
	d.fill()
	return d
}

func (d *Directory) fill() {
	if d.Refresh == 0 {
		d.Refresh = time.Hour
	}
	if d.Confirm == 0 {
		d.Confirm = time.Hour
	}
}

func (d Directory) check() error {
	var errs []error
	if d.Refresh < 5*time.Minute || d.Refresh > 24*time.Hour {
		errs = append(errs, fmt.Errorf("policy.directory.refresh: write a time from 5m to 24h, such as 1h"))
	}
	if d.Confirm < 5*time.Minute || d.Confirm > 7*24*time.Hour {
		errs = append(errs, fmt.Errorf("policy.directory.confirm: write a time from 5m to 168h, such as 1h"))
	}
	return errors.Join(errs...)
}
