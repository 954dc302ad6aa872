package core

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/mydb-project/mydb/core/crypt"
)

// Who may log in after a volume was exchanged: those who may now, with the passwords that they have now, whatever was on that volume.

// Admitted are the further accounts of an instance, as the catalogue has them.
type Admitted struct {
	Live  []AccessWork // that may log in now
	Ended []string     // user names of accounts that were taken back, and that nobody has now
}

// Admitted gives the further accounts of an instance.
func (s *Service) Admitted(ctx context.Context, instanceID string) (a Admitted, err error) {
	a.Live, err = many[AccessWork](ctx, s.db, "select "+workColumns+" from accounts a where a.instance_id = $1 and "+liveAccess+" order by a.username", instanceID)
	if err != nil {
		return a, fmt.Errorf("list the accounts: %w", err)
	}
	rows, err := s.db.Query(ctx, `select distinct username from accounts a where instance_id = $1 and revoked_at is not null
		and not exists (select from accounts b where b.instance_id = $1 and b.username = a.username and b.revoked_at is null) order by username`, instanceID)
	if err != nil {
		return a, fmt.Errorf("list the accounts that were taken back: %w", err)
	}
	if a.Ended, err = pgx.CollectRows(rows, pgx.RowTo[string]); err != nil {
		return a, fmt.Errorf("list the accounts that were taken back: %w", err)
	}
	return a, nil
}

// PasswordsChanged reports whether anybody got a new password through MyDB since a moment: one from before must then not come back.
func (s *Service) PasswordsChanged(ctx context.Context, instanceID string, since time.Time) (yes bool, err error) {
	err = s.db.QueryRow(ctx, "select exists (select from operations where instance_id = $1 and kind in ('rotate', 'transfer', 'account') and finished_at > $2)", instanceID, since).Scan(&yes)
	if err != nil {
		return false, fmt.Errorf("look whether passwords were changed: %w", err)
	}
	return yes, nil
}

// FreshPasswords makes new passwords for accounts whose own cannot be taken along, until the end of the operation. A second call gives the
// same ones.
func (s *Service) FreshPasswords(ctx context.Context, instanceID string, usernames []string) (map[string]string, error) {
	out := map[string]string{}
	if len(usernames) == 0 {
		return out, nil
	}
	plain, err := s.readSecret(ctx, instanceID, secretNext)
	if err != nil {
		return nil, err
	}
	if plain != nil {
		if err := json.Unmarshal(plain, &out); err != nil {
			return nil, fmt.Errorf("decode the new passwords: %w", err)
		}
	}
	for _, name := range usernames {
		if out[name] == "" {
			out[name] = crypt.NewPassword()
		}
	}
	if plain, err = json.Marshal(out); err != nil {
		return nil, fmt.Errorf("encode the new passwords: %w", err)
	}
	sealed, err := s.keys.Seal(plain)
	if err != nil {
		return nil, err
	}
	return out, keepSecret(ctx, s.db, instanceID, secretNext, sealed)
}

// keepSecret stores a secret in the place of the one that was there; it was not collected yet.
func keepSecret(ctx context.Context, db execer, instanceID, kind string, sealed []byte) error {
	_, err := db.Exec(ctx, `insert into secrets (instance_id, kind, sealed) values ($1, $2, $3)
		on conflict (instance_id, kind) do update set sealed = excluded.sealed, collected_at = null, created_at = now()`, instanceID, kind, sealed)
	if err != nil {
		return fmt.Errorf("store a secret: %w", err)
	}
	return nil
}

// passwordsAfter lets people collect the new passwords after an exchange, tells colleagues of theirs, and forgets those that no longer fit.
func (s *Service) passwordsAfter(ctx context.Context, tx pgx.Tx, operationID string, i Instance, args InPlaceArgs) error {
	kinds, err := s.secretKinds(ctx, i)
	if err != nil {
		return err
	}
	for _, name := range args.Filled.Left {
		_, err := tx.Exec(ctx, "delete from secrets where instance_id = $1 and kind = $2 and created_at >= $3", i.ID, kinds[name].kind, args.KeptAt)
		if err != nil {
			return fmt.Errorf("forget a password: %w", err)
		}
	}
	if len(args.Filled.Renewed) > 0 {
		if err := s.renewed(ctx, tx, operationID, i, args.Filled.Renewed, kinds); err != nil {
			return err
		}
	}
	if _, err := tx.Exec(ctx, "delete from secrets where instance_id = $1 and kind = $2", i.ID, secretNext); err != nil {
		return fmt.Errorf("forget the new passwords: %w", err)
	}
	return nil
}

func (s *Service) renewed(ctx context.Context, tx pgx.Tx, operationID string, i Instance, names []string, kinds map[string]holder) error {
	fresh, err := s.FreshPasswords(ctx, i.ID, slices.Clone(names))
	if err != nil {
		return err
	}
	for _, name := range names {
		h, known := kinds[name]
		if !known {
			continue // it was taken back meanwhile
		}
		sealed, err := s.keys.Seal([]byte(fresh[name]))
		if err != nil {
			return err
		}
		if err := keepSecret(ctx, tx, i.ID, h.kind, sealed); err != nil {
			return err
		}
		if h.person == nil {
			continue
		}
		err = s.notify(ctx, tx, Notification{
			News: NewsPassword{Username: name, By: i.Owner}, InstanceID: i.ID, OperationID: operationID, Key: operationID + " " + name,
			To: []Audience{ToPerson}, People: []string{*h.person},
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// holder is where an account's password waits, and for which colleague.
type holder struct {
	kind   string
	person *string
}

func (s *Service) secretKinds(ctx context.Context, i Instance) (map[string]holder, error) {
	list, err := accesses(ctx, s.db, i.ID)
	if err != nil {
		return nil, err
	}
	out := map[string]holder{i.Username: {kind: secretOwner}}
	for _, a := range list {
		out[a.Username] = holder{secretOfAccount(a.ID), a.PersonID}
	}
	return out, nil
}
