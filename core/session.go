package core

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"
)

// Sessions keeps the portal's sessions in the metadata database, where every process finds them. The tokens it gets are hashes.
// It implements scs.CtxStore, unlike the library's own store for pgx, which waits for a stalled database for ever.
type Sessions struct{ db DB }

// Sessions are those of this service's metadata database. Expired ones are removed with other things whose time is over.
func (s *Service) Sessions() Sessions { return Sessions{s.db} }

// FindCtx reads a session; found is false for one that is unknown or expired.
func (s Sessions) FindCtx(ctx context.Context, token string) (data []byte, found bool, err error) {
	err = s.db.QueryRow(ctx, "select data from sessions where token = $1 and now() < expiry", token).Scan(&data)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, false, nil
	}
	return data, err == nil, err
}

// CommitCtx writes a session.
func (s Sessions) CommitCtx(ctx context.Context, token string, data []byte, expiry time.Time) error {
	_, err := s.db.Exec(ctx, `insert into sessions (token, data, expiry) values ($1, $2, $3)
		on conflict (token) do update set data = excluded.data, expiry = excluded.expiry`, token, data, expiry)
	return err
}

// DeleteCtx removes a session.
func (s Sessions) DeleteCtx(ctx context.Context, token string) error {
	_, err := s.db.Exec(ctx, "delete from sessions where token = $1", token)
	return err
}

var errNoContext = errors.New("sessions are only read and written with a context")

// Find is there for scs.Store, and never called.
func (s Sessions) Find(string) ([]byte, bool, error) { return nil, false, errNoContext }

// Commit is there for scs.Store, and never called.
func (s Sessions) Commit(string, []byte, time.Time) error { return errNoContext }

// Delete is there for scs.Store, and never called.
func (s Sessions) Delete(string) error { return errNoContext }
