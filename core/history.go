package core

import (
	"context"
	"fmt"
	"slices"
)

// BackupFilter narrows a history down. The zero value is everything of the actor's own.
type BackupFilter struct {
	All   bool        // of everything that the actor sees; for administrators, auditors and leads
	State BackupState // empty: any
	// Database is a name or an id; empty: all.
	Database string
	Span
}

var backupStates = []string{string(BackupRunning), string(BackupDone), string(BackupVerified), string(BackupFailed), string(BackupExpired)}

// BackupStates lists the states of backups.
func BackupStates() []string { return slices.Clone(backupStates) }

// BackupHistory lists the backups of all instances that the actor owns, or of what else they see for those who ask for all, newest
// first, also of instances that are gone. next is the cursor of the next page, or empty.
// Errors: CodeForbidden, CodeInvalid.
func (s *Service) BackupHistory(ctx context.Context, actor Actor, f BackupFilter, page Page) (list []Backup, next string, err error) {
	if err := actor.needs(ScopeRead); err != nil {
		return nil, "", err
	}
	see, err := s.sightOfAll(actor, f.All, "Only administrators see everybody's backups.")
	if err != nil {
		return nil, "", err
	}
	if err := oneOf("state", string(f.State), backupStates); err != nil {
		return nil, "", err
	}
	since, until := f.limits()
	list, err = many[Backup](ctx, s.db, selectBackup+`where (i.owner_id = $1 or $2 and (not i.phi or $3) or `+ledBy("$10")+`) and ($4 = '' or b.state = $4) and ($5 = '' or b.id < $5)
		and ($6 = '' or $6 in (i.name, i.id)) and ($7::timestamptz is null or b.created_at >= $7) and ($8::timestamptz is null or b.created_at < $8)
		order by b.id desc limit $9`, actor.ID, see.all, see.phi, string(f.State), page.Cursor, f.Database, since, until, page.limit()+1, see.led)
	if err != nil {
		return nil, "", fmt.Errorf("list backups: %w", err)
	}
	if len(list) > page.limit() {
		list = list[:page.limit()]
		next = list[len(list)-1].ID
	}
	return list, next, nil
}
