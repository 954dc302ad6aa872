package core

import (
	"context"
	"encoding/json"

	"github.com/jackc/pgx/v5"
)

// DownloadBackup asks for a link by which a backup is taken away, decrypted, as the engine's own tools wrote it. What holds health data
// about persons leaves only with an approval. Asking again gives the link that waits already.
type DownloadBackup struct {
	On
	Backup string `json:"-" path:"id"`
	Reason string `json:"reason,omitempty" description:"What for; those who approve read it"`

	approved bool // by somebody else
}

func (DownloadBackup) action() string { return "download" }

// Item says which backup is meant.
func (c *DownloadBackup) Item(backup string) { c.Backup = backup }

func (c DownloadBackup) subject() string { return c.Database + "/" + c.Backup }

// DownloadArgs is what an approval keeps of the command.
type DownloadArgs struct {
	BackupID string `json:"backup_id"`
}

func approvedDownload(on On, args []byte) (Command, error) {
	var a DownloadArgs
	err := json.Unmarshal(args, &a)
	return DownloadBackup{On: on, Backup: a.BackupID, approved: true}, err
}

func (c DownloadBackup) prepare(s *Service, actor Actor) (decision, error) {
	if err := actor.needs(ScopeOperate); err != nil {
		return nil, err
	}
	if err := checkText("reason", c.Reason, 1000); err != nil {
		return nil, err
	}
	_, err := s.store()
	return c, err
}

func (c DownloadBackup) decide(ctx context.Context, s *Service, tx pgx.Tx, req Request) (Receipt, error) {
	i, err := s.target(ctx, tx, req.Actor, c.Database)
	if err != nil {
		return Receipt{}, err
	}
	if err := (change{on: c.Database, states: everyState}).check(req.Actor, i); err != nil {
		return Receipt{}, err
	}
	b, m, err := s.chooseBackup(ctx, tx, i, c.Backup)
	if err != nil {
		return Receipt{}, err
	}
	private := i.PHI || m.Instance.PHI
	if l, found, err := s.waitingDownload(ctx, tx, req.Actor, b, private); err != nil || found {
		return Receipt{Database: i, Link: &l}, err
	}
	if private && !c.approved {
		return request{
			on: c.Database, action: c.action(), about: b.ID + " for " + req.Actor.Login, args: DownloadArgs{b.ID}, reason: c.Reason, states: everyState,
		}.decide(ctx, s, tx, req)
	}
	l, err := s.makeLink(ctx, tx, req, Link{Kind: LinkDownload, InstanceID: i.ID, Database: i.Name, Backup: &b.ID, Approved: private})
	return Receipt{Database: i, Link: &l}, err
}

func (c DownloadBackup) explain(ctx context.Context, s *Service, err error) error {
	return change{on: c.Database}.explain(ctx, s, err)
}

// waitingDownload finds the actor's newest link to a backup that still works.
func (s *Service) waitingDownload(ctx context.Context, tx pgx.Tx, actor Actor, b Backup, private bool) (Link, bool, error) {
	list, err := many[Link](ctx, tx, selectLink+"where l.person_id = $1 and l.backup_id = $2 and (l.approved or not $3) order by l.id desc limit 1",
		actor.ID, b.ID, private)
	if err != nil || len(list) == 0 || list[0].live(s.now()) != nil {
		return Link{}, false, err
	}
	return list[0], true, nil
}

// mayDownload looks once more, because a link outlives the moment that it was made in. Errors: CodeNotFound, CodeForbidden, CodeGone.
func (s *Service) mayDownload(ctx context.Context, actor Actor, l Link) (Backup, error) {
	i, err := s.Instance(ctx, actor, l.InstanceID)
	if err != nil {
		return Backup{}, err
	}
	if err := ownerOrAdmin(actor, i); err != nil {
		return Backup{}, err
	}
	if i.PHI && !l.Approved {
		return Backup{}, Errorf(CodeForbidden, "%s was marked as holding health data about persons since, so its backups are downloaded only with an approval. Ask for the download again.", i.Name)
	}
	b, err := s.backupOf(ctx, s.db, i, value(l.Backup))
	if err != nil {
		return b, err
	}
	return b, b.usable()
}
