package core

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/mydb-project/mydb/core/crypt"
)

// sealed is a secret as it lies in the catalogue. Key and Kind say which one it is.
type sealed struct {
	Key, Kind string
	Sealed    []byte
}

// sealedColumns are all places of the catalogue that hold something sealed. A new one belongs here; a test looks for it.
var sealedColumns = []struct{ name, list, update string }{
	{
		name:   "secrets.sealed",
		list:   "select instance_id as key, kind, sealed from secrets order by 1, 2",
		update: "update secrets set sealed = $3 where instance_id = $1 and kind = $2 and sealed = $4",
	}, {
		name:   "site.value",
		list:   "select key, '' as kind, value as sealed from site where sealed order by 1",
		update: "update site set value = $3 where key = $1 and $2 = '' and sealed and value = $4",
	}, {
		name:   "inbox.sealed",
		list:   "select key, '' as kind, sealed from inbox where sealed is not null order by 1",
		update: "update inbox set sealed = $3 where key = $1 and $2 = '' and sealed = $4",
	}, {
		name:   "chat_messages.reply",
		list:   "select id as key, '' as kind, reply as sealed from chat_messages where reply is not null order by 1",
		update: "update chat_messages set reply = $3 where id = $1 and $2 = '' and reply = $4",
	},
}

// Resealed is what came of sealing the stored secrets anew.
type Resealed struct {
	Before int // were sealed with the first key already
	Now    int // are so since this call
	Lost   int // no key of the file opens
}

// Reseal seals every stored secret with the first key of the key file that is not yet. All goes on meanwhile, and it can be broken off
// and begun again at any time. by is who says so.
func (s *Service) Reseal(ctx context.Context, by string) (r Resealed, err error) {
	first, err := s.keys.Only(s.keys.Public()[0])
	if err != nil {
		return r, err
	}
	for _, column := range sealedColumns {
		list, err := many[sealed](ctx, s.db, column.list)
		if err != nil {
			return r, fmt.Errorf("read %s: %w", column.name, err)
		}
		for _, x := range list {
			if err := s.reseal(ctx, first, column.update, x, &r); err != nil {
				return r, fmt.Errorf("seal %s of %s anew: %w", column.name, x.Key, err)
			}
		}
	}
	return r, writeAudit(ctx, s.db, AuditEntry{
		Actor: by, Door: DoorTerminal, Action: "key.reseal", Subject: first.Public()[0], Outcome: OutcomeDone,
		Data: map[string]any{"sealed_anew": r.Now, "lost": r.Lost},
	})
}

func (s *Service) reseal(ctx context.Context, first *crypt.Keyring, update string, x sealed, r *Resealed) error {
	if _, err := first.Open(x.Sealed); err == nil {
		r.Before++
		return nil
	}
	plain, err := s.keys.Open(x.Sealed)
	if errors.Is(err, crypt.ErrOtherKey) {
		r.Lost++
		return nil
	}
	if err != nil {
		return err
	}
	fresh, err := first.Seal(plain)
	if err != nil {
		return err
	}
	// Unless it was exchanged or burned in the meantime: then it is somebody else's, who seals with the first key.
	tag, err := s.db.Exec(ctx, update, x.Key, x.Kind, fresh, x.Sealed)
	r.Now += int(tag.RowsAffected())
	return err
}

// KeyStatus tells what the keys of the key file are needed for.
type KeyStatus struct {
	Keys []KeyUse // in the order of the file; the first one seals
	// Without is what no key of the file opens.
	Without KeyUse
}

// KeyUse is what one key is needed for, because no key before it in the file opens it.
type KeyUse struct {
	Public  string
	Secrets int
	Backups []KeyBackup // good ones, oldest first
}

// KeyBackup is a good backup, with the public keys of those who can open it.
type KeyBackup struct {
	ID        string
	Database  string
	CreatedAt time.Time
	Pinned    bool
	Keys      []string
}

// KeyStatus looks at every stored secret, every good backup, and further ones of which the caller knows.
func (s *Service) KeyStatus(ctx context.Context, further ...KeyBackup) (out KeyStatus, err error) {
	var rings []*crypt.Keyring
	place := map[string]int{}
	for n, public := range s.keys.Public() {
		one, err := s.keys.Only(public)
		if err != nil {
			return out, err
		}
		rings, place[public] = append(rings, one), n
		out.Keys = append(out.Keys, KeyUse{Public: public})
	}
	for _, column := range sealedColumns {
		list, err := many[sealed](ctx, s.db, column.list)
		if err != nil {
			return out, fmt.Errorf("read %s: %w", column.name, err)
		}
		for _, x := range list {
			out.use(opener(rings, x.Sealed)).Secrets++
		}
	}
	backups, err := many[KeyBackup](ctx, s.db, `select b.id, i.name as database, b.created_at, b.pinned_at is not null as pinned, coalesce(b.manifest->'keys', '[]') as keys
		from backups b join instances i on i.id = b.instance_id where b.state in ('done', 'verified') order by b.id`)
	if err != nil {
		return out, fmt.Errorf("read the keys of the backups: %w", err)
	}
	for _, b := range slices.Concat(further, backups) {
		n := -1
		for _, public := range b.Keys {
			if at, known := place[public]; known && (n < 0 || at < n) {
				n = at
			}
		}
		use := out.use(n)
		use.Backups = append(use.Backups, b)
	}
	return out, nil
}

// use is that of the key at a place of the file; of none for a negative one.
func (k *KeyStatus) use(n int) *KeyUse {
	if n < 0 {
		return &k.Without
	}
	return &k.Keys[n]
}

// opener is the place of the first key that opens something; -1 when none does.
func opener(rings []*crypt.Keyring, sealed []byte) int {
	for n, ring := range rings {
		if _, err := ring.Open(sealed); err == nil {
			return n
		}
	}
	return -1
}
