package core

import (
	"context"
	"crypto/rand"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/rs/xid"
)

// LinkKind is what a link is for.
type LinkKind string

// The kinds of links.
const (
	LinkDownload LinkKind = "download" // a backup, to take away
	LinkSecret   LinkKind = "secret"   // a password, to be shown
)

// Link lets one person do one thing once, from a message or a program. Its address holds a token, of which only a hash is stored, and
// which is worth nothing without that person's login. Times are UTC.
type Link struct {
	ID          string     `json:"id"`
	Kind        LinkKind   `json:"kind"`
	InstanceID  string     `json:"database_id"`
	Database    string     `json:"database"`
	Backup      *string    `json:"backup,omitempty" db:"backup_id"`
	PersonID    string     `json:"-"`
	Person      string     `json:"person"` // login of the one that it is for
	Approved    bool       `json:"approved"`
	Attempts    int        `json:"attempts"`
	CreatedAt   time.Time  `json:"created_at"`
	ExpiresAt   time.Time  `json:"expires"`
	UsedAt      *time.Time `json:"used_at,omitempty"`
	UsedAddress string     `json:"-"`
	DoneAt      *time.Time `json:"done_at,omitempty"`
	RevokedAt   *time.Time `json:"revoked_at,omitempty"`
	URL         string     `json:"url,omitempty" db:"-"` // set by the door that hands it out
}

// linkTries is how often a download may be begun: connections break. A password is shown once; its own page repeats it.
var linkTries = map[LinkKind]int{LinkDownload: 3, LinkSecret: 1}

const selectLink = `select l.id, l.kind, l.instance_id, i.name as database, l.backup_id, l.person_id, p.login as person, l.approved, l.attempts, l.created_at,
	l.expires_at, l.used_at, l.used_address, l.done_at, l.revoked_at from links l join instances i on i.id = l.instance_id join people p on p.id = l.person_id `

// live tells why a link does not work any more. Errors: CodeGone.
func (l Link) live(now time.Time) error {
	switch {
	case l.RevokedAt != nil:
		return Errorf(CodeGone, "This link was taken back on %s. Ask for a new one.", moment(*l.RevokedAt))
	case l.DoneAt != nil:
		return Errorf(CodeGone, "This link works once, and it was used on %s. Ask for a new one.", moment(*l.DoneAt))
	case l.Attempts >= linkTries[l.Kind]:
		return Errorf(CodeGone, "This link was tried %s, which is all that it allows. Ask for a new one.", count(l.Attempts, "time"))
	case !l.ExpiresAt.After(now):
		return Errorf(CodeGone, "This link expired on %s. Ask for a new one.", moment(l.ExpiresAt))
	}
	return nil
}

// noLink says the same of a token that was never given and of one whose link has another by now.
func noLink() error {
	return Errorf(CodeGone, "There is no such link, or it was replaced by a newer one. Copy the address in full, or ask for a new one.")
}

func (s *Service) linkLife(kind LinkKind) time.Duration {
	if kind == LinkSecret {
		return s.policy.Links.Secret
	}
	return s.policy.Links.Download
}

// audit starts an entry about a link. Its token is in none.
func (l Link) audit(req Request, action string, outcome Outcome) AuditEntry {
	e := req.audit(outcome)
	e.Action, e.InstanceID, e.Subject = action, l.InstanceID, l.Database
	e.Data = map[string]any{"link": l.ID, "kind": l.Kind, "for": l.Person}
	if l.Backup != nil {
		e.Data["backup"] = *l.Backup
	}
	return e
}

// makeLink makes a link for the one who asks. It has no address yet: IssueLink gives it.
func (s *Service) makeLink(ctx context.Context, tx pgx.Tx, req Request, l Link) (Link, error) {
	l.ID, l.PersonID, l.Person, l.CreatedAt = xid.New().String(), req.Actor.ID, req.Actor.Login, s.now()
	l.ExpiresAt = l.CreatedAt.Add(s.linkLife(l.Kind)).UTC().Truncate(time.Second)
	var rows together
	_, _ = rows.Exec(ctx, `insert into links (id, kind, instance_id, backup_id, person_id, approved, created_at, expires_at)
		values ($1, $2, $3, $4, $5, $6, $7, $8)`, l.ID, l.Kind, l.InstanceID, l.Backup, l.PersonID, l.Approved, l.CreatedAt, l.ExpiresAt)
	if err := writeAudit(ctx, &rows, l.audit(req, "link.make", OutcomeDone)); err != nil {
		return l, err
	}
	if err := rows.send(ctx, tx); err != nil {
		return l, fmt.Errorf("make a link: %w", err)
	}
	return l, nil
}

// SecretLink makes a link by which the actor has their own password on an instance shown once, and gives its token, for a message that
// others may see, too. Errors: as Instance; CodeGone when there is nothing to be shown any more.
func (s *Service) SecretLink(ctx context.Context, req Request, database string) (l Link, token string, err error) {
	defer s.refusing(ctx, req, "link.make", database, &err)
	if err := req.Actor.needs(ScopeOperate); err != nil {
		return l, "", err
	}
	i, err := s.Instance(ctx, req.Actor, database)
	if err != nil {
		return l, "", err
	}
	kind, err := s.ownSecret(ctx, req.Actor, i)
	if err != nil {
		return l, "", err
	}
	if kind == "" {
		return l, "", Errorf(CodeForbidden, "Only %s, who owns %s, may have its password.", i.Owner, i.Name)
	}
	there, err := s.Collectable(ctx, req.Actor, i)
	if err != nil {
		return l, "", err
	}
	if !there {
		return l, "", Errorf(CodeGone, "No password of yours waits on %s: it was collected already, or there is none yet.", i.Name)
	}
	err = pgx.BeginFunc(ctx, s.db, func(tx pgx.Tx) error {
		l, err = s.makeLink(ctx, tx, req, Link{Kind: LinkSecret, InstanceID: i.ID, Database: i.Name})
		return err
	})
	if err != nil {
		return l, "", err
	}
	return s.IssueLink(ctx, req, l.ID)
}

// IssueLink gives a link of the actor's own a token, for its address. An address that it had before stops working.
// Errors: CodeNotFound, CodeGone.
func (s *Service) IssueLink(ctx context.Context, req Request, id string) (_ Link, _ string, err error) {
	defer s.refusing(ctx, req, "link.issue", id, &err)
	if err := req.Actor.needs(ScopeOperate); err != nil {
		return Link{}, "", err
	}
	l, err := one[Link](ctx, s.db, selectLink+"where l.id = $1 and l.person_id = $2", id, req.Actor.ID)
	if notFound(err) {
		return l, "", Errorf(CodeNotFound, "You have no link %q.", clip(id))
	}
	if err != nil {
		return l, "", fmt.Errorf("find the link: %w", err)
	}
	if err := l.live(s.now()); err != nil {
		return l, "", err
	}
	token := strings.ToLower(rand.Text() + rand.Text()[:6])
	if _, err := s.db.Exec(ctx, "update links set hash = $2 where id = $1", l.ID, tokenHash(token)); err != nil {
		return l, "", fmt.Errorf("keep the hash of a link: %w", err)
	}
	return l, token, writeAudit(ctx, s.db, l.audit(req, "link.issue", OutcomeDone))
}

// LookLink tells what a link is for, without using it. A token that somebody else was given stays good, and the attempt is recorded.
// Errors: CodeGone for one that is unknown, used, expired or revoked; CodeForbidden for somebody else's.
func (s *Service) LookLink(ctx context.Context, req Request, token string) (Link, error) {
	if err := req.Actor.needs(ScopeRead); err != nil {
		return Link{}, err
	}
	l, err := one[Link](ctx, s.db, selectLink+"where l.hash = $1", tokenHash(token))
	if notFound(err) {
		return l, noLink()
	}
	if err != nil {
		return l, fmt.Errorf("find the link: %w", err)
	}
	if l.PersonID != req.Actor.ID {
		return Link{}, s.refuseLink(ctx, req, l, Errorf(CodeForbidden, "This link is for somebody else, and works for nobody but them. It was not used up."))
	}
	if err := l.live(s.now()); err != nil {
		return l, s.refuseLink(ctx, req, l, err)
	}
	return l, nil
}

// refuseLink records why a link was refused, and gives the reason.
func (s *Service) refuseLink(ctx context.Context, req Request, l Link, why error) error {
	e := l.audit(req, "link.use", OutcomeRefused)
	e.Data["reason"] = why.Error()
	if err := writeAudit(ctx, s.db, e); err != nil {
		s.log.Error("a refusal could not be recorded", "error", err)
	}
	return why
}

// UseLink uses a link, once for all who try at the same moment. A password's is used up with it, a download's when FinishLink says that
// all of it was sent. Errors: as LookLink; CodeForbidden also for a token that may only read.
func (s *Service) UseLink(ctx context.Context, req Request, token string) (Link, error) {
	if err := req.Actor.needs(ScopeOperate); err != nil {
		s.noteRefusal(ctx, req, "link.use", "", err)
		return Link{}, err
	}
	l, err := s.LookLink(ctx, req, token)
	if err != nil {
		return l, err
	}
	tag, err := s.db.Exec(ctx, `update links set attempts = attempts + 1, used_at = coalesce(used_at, $2), used_address = $3,
			done_at = case when kind = 'secret' then $2::timestamptz end
		where hash = $1 and done_at is null and revoked_at is null and expires_at > $2 and attempts < $4`,
		tokenHash(token), s.now(), req.Address, linkTries[l.Kind])
	if err != nil {
		return l, fmt.Errorf("use a link: %w", err)
	}
	if tag.RowsAffected() == 0 {
		return l, s.refuseLink(ctx, req, l, Errorf(CodeGone, "This link works once, and it was used just now. Ask for a new one."))
	}
	l.Attempts++
	e := l.audit(req, "link.use", OutcomeAccepted)
	e.Data["attempt"] = l.Attempts
	return l, writeAudit(ctx, s.db, e)
}

// FinishLink records how the use of a link ended. more is kept in the audit trail. A failure leaves the link for another attempt, if it
// has one.
func (s *Service) FinishLink(ctx context.Context, req Request, l Link, more map[string]any, failure error) error {
	outcome := OutcomeDone
	if failure != nil {
		outcome = OutcomeFailed
	}
	e := l.audit(req, "link.use", outcome)
	for k, v := range more {
		e.Data[k] = v
	}
	if failure != nil {
		e.Data["error"] = failure.Error()
		return writeAudit(ctx, s.db, e)
	}
	if _, err := s.db.Exec(ctx, "update links set done_at = coalesce(done_at, $2) where id = $1", l.ID, s.now()); err != nil {
		return fmt.Errorf("record the end of a link: %w", err)
	}
	return writeAudit(ctx, s.db, e)
}

// RevokeLink takes a link back, for the person that it is for and for administrators. Doing it twice is success. Errors: CodeNotFound.
func (s *Service) RevokeLink(ctx context.Context, req Request, id string) (err error) {
	defer s.refusing(ctx, req, "link.revoke", id, &err)
	if err := req.Actor.needs(ScopeOperate); err != nil {
		return err
	}
	if req, err = s.privileged(ctx, req); err != nil {
		return err
	}
	l, err := one[Link](ctx, s.db, selectLink+"where l.id = $1 and (l.person_id = $2 or $3 and (not i.phi or $4))",
		id, req.Actor.ID, req.Actor.IsAdmin(), s.seesPHI(req.Actor))
	if notFound(err) {
		return unsure(req, Errorf(CodeNotFound, "You have no link %q.", clip(id)))
	}
	if err != nil {
		return fmt.Errorf("find the link: %w", err)
	}
	if l.RevokedAt != nil {
		return nil
	}
	if _, err := s.db.Exec(ctx, "update links set revoked_at = $2 where id = $1 and revoked_at is null", l.ID, s.now()); err != nil {
		return fmt.Errorf("take a link back: %w", err)
	}
	return writeAudit(ctx, s.db, l.audit(req, "link.revoke", OutcomeDone))
}

// Links lists the actor's own links that still work, newest first; instanceID (empty: any) narrows it down.
func (s *Service) Links(ctx context.Context, actor Actor, instanceID string) ([]Link, error) {
	if err := actor.needs(ScopeRead); err != nil {
		return nil, err
	}
	list, err := many[Link](ctx, s.db, selectLink+`where l.person_id = $1 and ($2 = '' or l.instance_id = $2) and l.done_at is null and l.revoked_at is null
		and l.expires_at > $3 and l.attempts < case when l.kind = 'secret' then $4::int else $5::int end order by l.id desc limit 200`,
		actor.ID, instanceID, s.now(), linkTries[LinkSecret], linkTries[LinkDownload])
	if err != nil {
		return nil, fmt.Errorf("list links: %w", err)
	}
	return list, nil
}
