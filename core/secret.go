package core

import (
	"context"
	"fmt"
	"time"
)

// The kinds of secrets of an instance.
const (
	secretServer  = "server"   // MyDB's own accounts and the server's TLS key, as the engine's secret file
	secretOwner   = "owner"    // the scientist's password, until it was collected
	secretInitSQL = "init_sql" // until it was run: it may hold passwords
)

// collectWindow is how long the same person may repeat the first collection of a password, for answers that got lost.
const collectWindow = 10 * time.Minute

func insertSecret(ctx context.Context, rows execer, instanceID, kind string, sealed []byte) error {
	_, err := rows.Exec(ctx, "insert into secrets (instance_id, kind, sealed) values ($1, $2, $3) on conflict do nothing", instanceID, kind, sealed)
	if err != nil {
		return fmt.Errorf("store a secret: %w", err)
	}
	return nil
}

// readSecret opens a secret; nil when there is none.
func (s *Service) readSecret(ctx context.Context, instanceID, kind string) ([]byte, error) {
	var sealed []byte
	err := s.db.QueryRow(ctx, "select sealed from secrets where instance_id = $1 and kind = $2", instanceID, kind).Scan(&sealed)
	if notFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read a secret: %w", err)
	}
	return s.open(sealed)
}

// Credentials are what the owner logs in with.
type Credentials struct {
	Username string `json:"username"`
	Password string `json:"password"`
}

// Collect hands the password of a ready instance to its owner, and that of a colleague's account to the colleague, and to nobody
// else: the first call starts ten minutes in which it may be repeated. Errors: CodeNotFound, CodeForbidden for an administrator who is not the owner, CodeBusy before the instance
// is ready, CodeGone after the ten minutes.
func (s *Service) Collect(ctx context.Context, req Request, name string) (_ Credentials, err error) {
	defer s.refusing(ctx, req, "credentials.collect", name, &err)
	i, err := s.Instance(ctx, req.Actor, name)
	if err != nil {
		return Credentials{}, err
	}
	if err := req.Actor.needs(ScopeOperate); err != nil {
		return Credentials{}, err
	}
	kind, err := s.ownSecret(ctx, req.Actor, i)
	if err != nil {
		return Credentials{}, err
	}
	if kind == "" {
		return Credentials{}, Errorf(CodeForbidden, "Only %s, who owns %s, may collect its password.", i.Owner, i.Name)
	}
	switch i.State {
	case StateCreating:
		return Credentials{}, Errorf(CodeBusy, "%s is not ready yet. Its password can be collected as soon as it is.", i.Name)
	case StateFailed, StateDeleted:
		return Credentials{}, Errorf(CodeGone, "%s is %s, so it has no password.", i.Name, i.State)
	}
	return s.collect(ctx, req, i, kind, i.Username)
}

// collect opens a password for as long as it may be collected, and records that.
func (s *Service) collect(ctx context.Context, req Request, i Instance, kind, username string) (Credentials, error) {
	var sealed []byte
	err := s.db.QueryRow(ctx, `update secrets set collected_at = coalesce(collected_at, $3)
		where instance_id = $1 and kind = $2 and (collected_at is null or collected_at > $4) returning sealed`,
		i.ID, kind, s.now(), s.now().Add(-collectWindow)).Scan(&sealed)
	if notFound(err) {
		return Credentials{}, Errorf(CodeGone, "The password of %s on %s was collected already, and MyDB keeps none. If it is lost, ask for a new one.", username, i.Name)
	}
	if err != nil {
		return Credentials{}, fmt.Errorf("collect the password: %w", err)
	}
	e := req.audit(OutcomeDone)
	e.Action, e.InstanceID, e.Subject, e.Data = "credentials.collect", i.ID, i.Name, map[string]any{"username": username}
	if err := writeAudit(ctx, s.db, e); err != nil {
		return Credentials{}, err
	}
	password, err := s.open(sealed)
	return Credentials{Username: username, Password: string(password)}, err
}

// ownSecret is the kind of the secret that holds an actor's own password on an instance; empty when they have no account there.
func (s *Service) ownSecret(ctx context.Context, actor Actor, i Instance) (string, error) {
	if i.OwnerID == actor.ID {
		return secretOwner, nil
	}
	var id string
	err := s.db.QueryRow(ctx, "select a.id from accounts a where a.instance_id = $1 and a.person_id = $2 and "+liveAccess, i.ID, actor.ID).Scan(&id)
	if notFound(err) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("look for an account of one's own: %w", err)
	}
	return secretOfAccount(id), nil
}

// Collectable reports whether Collect would still give the actor a password.
func (s *Service) Collectable(ctx context.Context, actor Actor, i Instance) (bool, error) {
	kind, err := s.ownSecret(ctx, actor, i)
	if err != nil || kind == "" || !actor.may(ScopeOperate) {
		return false, err
	}
	return s.waiting(ctx, i, kind)
}

func (s *Service) waiting(ctx context.Context, i Instance, kind string) (bool, error) {
	var yes bool
	err := s.db.QueryRow(ctx, "select exists (select from secrets where instance_id = $1 and kind = $2 and (collected_at is null or collected_at > $3))",
		i.ID, kind, s.now().Add(-collectWindow)).Scan(&yes)
	return yes && i.State != StateCreating && i.State != StateFailed, err
}

// Forget removes what has had its time: passwords whose ten minutes are over, sessions that expired, receipts older than a week,
// links that expired a month ago, notifications older than a year, and old samples. Periodic.
func (s *Service) Forget(ctx context.Context) error {
	if _, err := s.db.Exec(ctx, "delete from secrets where (kind = $1 or kind like 'account:%') and collected_at < $2", secretOwner, s.now().Add(-collectWindow)); err != nil {
		return fmt.Errorf("burn collected passwords: %w", err)
	}
	if _, err := s.db.Exec(ctx, "delete from requests where created_at < $1", s.now().AddDate(0, 0, -7)); err != nil {
		return fmt.Errorf("forget old idempotency keys: %w", err)
	}
	if _, err := s.db.Exec(ctx, "delete from sessions where expiry < $1", s.now()); err != nil {
		return fmt.Errorf("forget expired sessions: %w", err)
	}
	if err := s.forgetLogins(ctx); err != nil {
		return err
	}
	if _, err := s.db.Exec(ctx, "delete from links where expires_at < $1", s.now().AddDate(0, -1, 0)); err != nil {
		return fmt.Errorf("forget old links: %w", err)
	}
	if _, err := s.db.Exec(ctx, "delete from notifications where state in ('sent', 'cancelled') and created_at < $1", s.now().AddDate(-1, 0, 0)); err != nil {
		return fmt.Errorf("forget old notifications: %w", err)
	}
	if err := s.forgetChat(ctx); err != nil {
		return err
	}
	return s.thin(ctx, s.db)
}
