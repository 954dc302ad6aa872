package config

import (
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Store is where backups are kept, as MYDB_STORE_URL says: a bucket, or a folder when Folder is set.
type Store struct {
	Folder string

	Bucket, Prefix string
	Region         string
	Endpoint       string // empty: Amazon's own
	PathStyle      bool
	SSE            string // AES256 or aws:kms; empty: as the bucket does
	StorageClass   string // empty: as the bucket does
	LockMode       string // GOVERNANCE or COMPLIANCE; empty: objects are not locked
	LockFor        time.Duration
	Patience       time.Duration // after how long without a byte a connection is given up; zero: five minutes
}

const storeForm = "write s3://bucket/prefix?region=eu-central-1&endpoint=https://s3.example.org&path_style=true, or file:///folder"

// StoreOn reports whether there is a place for backups.
func (c Config) StoreOn() bool { return c.StoreURL != "" }

// Store reads MYDB_STORE_URL. Credentials are not part of it: they are found as the AWS SDK finds them.
func (c Config) Store() (Store, error) {
	s, err := parseStore(c.StoreURL)
	if err != nil {
		return s, fmt.Errorf("MYDB_STORE_URL is %q: %w", redact(c.StoreURL), err)
	}
	return s, nil
}

func parseStore(text string) (Store, error) {
	u, err := url.Parse(text)
	if err != nil {
		return Store{}, errors.New(storeForm)
	}
	if u.User != nil {
		return Store{}, errors.New("keys do not belong into the address: put them into AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or a file that the AWS tools read")
	}
	switch u.Scheme {
	case "file":
		if u.Host != "" || !filepath.IsAbs(u.Path) || len(u.Query()) > 0 {
			return Store{}, errors.New("write an absolute folder with three slashes, such as file:///srv/mydb-backups")
		}
		return Store{Folder: filepath.Clean(u.Path)}, nil
	case "s3":
		if u.Host == "" {
			return Store{}, errors.New(storeForm)
		}
		s := Store{Bucket: u.Host, Prefix: strings.Trim(u.Path, "/"), Region: "us-east-1"}
		return s, s.options(u.Query())
	}
	return Store{}, errors.New(storeForm)
}

func (s *Store) options(query url.Values) error {
	for name, values := range query {
		value := values[len(values)-1]
		bad := func(allowed string) error { return fmt.Errorf("%s is %q: %s", name, value, allowed) }
		switch name {
		case "region":
			s.Region = value
		case "endpoint":
			u, err := url.Parse(value)
			if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
				return bad("write an address such as https://s3.example.org")
			}
			s.Endpoint = value
		case "path_style":
			yes, err := strconv.ParseBool(value)
			if err != nil {
				return bad("write true or false")
			}
			s.PathStyle = yes
		case "sse":
			if !slices.Contains([]string{"AES256", "aws:kms"}, value) {
				return bad("write AES256 or aws:kms")
			}
			s.SSE = value
		case "storage_class":
			s.StorageClass = value
		case "lock":
			if !slices.Contains([]string{"GOVERNANCE", "COMPLIANCE"}, value) {
				return bad("write GOVERNANCE or COMPLIANCE")
			}
			s.LockMode = value
		case "lock_for":
			days, isDays := strings.CutSuffix(value, "d")
			n, err := strconv.Atoi(days)
			if !isDays || err != nil || n < 1 || n > 36500 {
				return bad("write a number of days such as 30d")
			}
			s.LockFor = time.Duration(n) * 24 * time.Hour
		case "patience":
			d, err := time.ParseDuration(value)
			if err != nil || d < time.Second || d > time.Hour {
				return bad("write a time from 1s to 1h, such as 5m")
			}
			s.Patience = d
		default:
			return fmt.Errorf("there is no option %q; there is: region, endpoint, path_style, sse, storage_class, lock, lock_for, patience", name)
		}
	}
	if (s.LockMode == "") != (s.LockFor == 0) {
		return errors.New("lock and lock_for belong together, such as lock=GOVERNANCE&lock_for=30d")
	}
	return nil
}

// redact takes keys out of an address that somebody put there.
func redact(text string) string {
	if u, err := url.Parse(text); err == nil {
		return u.Redacted()
	}
	return "(not an address)"
}
