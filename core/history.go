package core

import (
	"context"
	"fmt"
)

// BackupFilter narrows a history down. The zero value is everything of the actor's own.
type BackupFilter struct {
	All   bool        // everybody's; administrators only
	State BackupState // empty: any
}

// BackupHistory lists the backups of all instances that the actor owns, or of everybody's for an administrator who asks for all, newest
// first, also of instances that are gone. next is the cursor of the next page, or empty.
// Errors: CodeForbidden, CodeInvalid.
func (s *Service) BackupHistory(ctx context.Context, actor Actor, f BackupFilter, page Page) (list []Backup, next string, err error) {
	if err := actor.needs(ScopeRead); err != nil {
		return nil, "", err
	}
	if f.All && !actor.IsAdmin() {
		return nil, "", Errorf(CodeForbidden, "Only administrators see everybody's backups.")
	}
	switch f.State {
	case "", BackupRunning, BackupDone, BackupVerified, BackupFailed, BackupExpired:
	default:
		return nil, "", invalid("state", "There is no state %q. Choose one of: running, done, verified, failed, expired.", clip(string(f.State)))
	}
	list, err = many[Backup](ctx, s.db, selectBackup+`where (i.owner_id = $1 or $2 and (not i.phi or $3)) and ($4 = '' or b.state = $4) and ($5 = '' or b.id < $5)
		order by b.id desc limit $6`, actor.ID, f.All, s.seesPHI(actor), string(f.State), page.Cursor, page.limit()+1)
	if err != nil {
		return nil, "", fmt.Errorf("list backups: %w", err)
	}
	if len(list) > page.limit() {
		list = list[:page.limit()]
		next = list[len(list)-1].ID
	}
	return list, next, nil
}
