package core

import (
	"errors"
	"fmt"
	"io"

	"github.com/mydb-project/mydb/core/crypt"
)

// Backups is how a site makes backups.
type Backups struct {
	On     bool     // there is a store
	Escrow []string // public keys of age that open backups beside MyDB's own
	// AtOnce is how many may be made at the same moment in the whole site; default: 4.
	AtOnce int
}

// SealArchive compresses and encrypts what is written to the archive. keys are the public keys of those who can open it.
func (s *Service) SealArchive(w io.Writer) (archive *crypt.ArchiveWriter, keys []string, err error) {
	r, err := s.keys.Recipients(s.backups.Escrow)
	if err != nil {
		return nil, nil, fmt.Errorf("encrypt a backup: %w", err)
	}
	archive, err = r.Archive(w)
	return archive, r.IDs(), err
}

// OpenArchive reads what SealArchive has written. Errors: crypt.ErrOtherKey.
func (s *Service) OpenArchive(r io.Reader) (io.ReadCloser, error) { return s.keys.OpenArchive(r) }

// open opens a secret of the catalogue. A process whose key file is older than that of the others says so.
func (s *Service) open(sealed []byte) ([]byte, error) {
	plain, err := s.keys.Open(sealed)
	if errors.Is(err, crypt.ErrOtherKey) {
		return nil, &Error{Code: CodeUnavailable, Cause: err, Message: "This process of MyDB does not have the key that a stored secret was sealed with. " +
			"An administrator must give all processes the same MYDB_KEY_FILE, with all keys of before in it, and restart them; `mydb key status` tells what is missing."}
	}
	return plain, err
}

// HandOverKey writes the key file to w for the holders of the site's escrow keys; there is false when it has none.
func (s *Service) HandOverKey(w io.Writer) (there bool, err error) {
	if len(s.backups.Escrow) == 0 {
		return false, nil
	}
	return true, s.keys.HandOver(w, s.backups.Escrow)
}
