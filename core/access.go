package core

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// Access is a further account on an instance: of a colleague whom it is shared with, or of a pipeline. Times are UTC.
type Access struct {
	ID          string     `json:"id"`
	Kind        string     `json:"kind"`             // share or service
	Person      *string    `json:"person,omitempty"` // login of the colleague
	PersonID    *string    `json:"-"`
	Group       string     `json:"group,omitempty"` // that it was shared with
	Username    string     `json:"username"`
	Writes      bool       `json:"writes"` // else it may only read
	EndsAt      *time.Time `json:"ends_at"`
	CreatedBy   string     `json:"created_by"`
	CreatedAt   time.Time  `json:"created_at"`
	MadeAt      *time.Time `json:"ready_at"`    // null until it was there and proven
	Collectable bool       `json:"collectable"` // its password was not collected yet
}

// The kinds of further accounts.
const (
	AccessShare   = "share"
	AccessService = "service"
)

const selectAccess = `select a.id, a.kind, p.login as person, a.person_id, a.group_name as "group", a.username, a.writes, a.ends_at, c.login as created_by,
	a.created_at, a.made_at, s.kind is not null as collectable
	from accounts a left join people p on p.id = a.person_id join people c on c.id = a.created_by
	left join secrets s on s.instance_id = a.instance_id and s.kind = 'account:' || a.id and s.collected_at is null `

// liveAccess is what lets an account in, in the words of SQL. a is the account.
const liveAccess = "a.made_at is not null and a.revoked_at is null and (a.ends_at is null or a.ends_at > now())"

// sharedWith is true of an instance i that is shared with the person $2.
const sharedWith = "exists (select from accounts a where a.instance_id = i.id and a.person_id = $2 and " + liveAccess + ")"

// secretOfAccount is the kind of the secret that holds an account's password until it was collected.
func secretOfAccount(id string) string { return "account:" + id }

// asSeen puts the actor's own account in the place of the owner's on what others share with them.
func asSeen(ctx context.Context, db DB, actor Actor, list []Instance) error {
	foreign := map[string]*Instance{}
	var ids []string
	for n := range list {
		if list[n].OwnerID != actor.ID {
			foreign[list[n].ID] = &list[n]
			ids = append(ids, list[n].ID)
		}
	}
	if len(ids) == 0 {
		return nil
	}
	type own struct {
		InstanceID, Username string
		Writes               bool
	}
	mine, err := many[own](ctx, db, "select a.instance_id, a.username, a.writes from accounts a where a.person_id = $1 and a.instance_id = any($2) and "+liveAccess, actor.ID, ids)
	if err != nil {
		return fmt.Errorf("look for accounts of one's own: %w", err)
	}
	for _, m := range mine {
		i := foreign[m.InstanceID]
		i.Username, i.Right = m.Username, RightRead
		if m.Writes {
			i.Right = RightWrite
		}
	}
	return nil
}

// Accesses lists the further accounts on an instance, for its owner, for administrators, and for auditors and leads who see it. Errors: CodeNotFound, CodeForbidden.
func (s *Service) Accesses(ctx context.Context, actor Actor, name string) ([]Access, error) {
	i, err := s.Instance(ctx, actor, name)
	if err != nil {
		return nil, err
	}
	may, err := s.Overlooks(ctx, actor, i)
	if err != nil {
		return nil, err
	}
	if !may {
		return nil, Errorf(CodeForbidden, "Only %s, who owns %s, and administrators may see whom it is shared with.", i.Owner, i.Name)
	}
	return accesses(ctx, s.db, i.ID)
}

func accesses(ctx context.Context, db DB, instanceID string) ([]Access, error) {
	list, err := many[Access](ctx, db, selectAccess+"where a.instance_id = $1 and a.revoked_at is null order by a.kind, a.id", instanceID)
	if err != nil {
		return nil, fmt.Errorf("list the accounts: %w", err)
	}
	return list, nil
}

// CollectAccount hands the password of a service account to the owner of the instance, in the way of Collect. Errors: as of Collect.
func (s *Service) CollectAccount(ctx context.Context, req Request, name, username string) (_ Credentials, err error) {
	defer s.refusing(ctx, req, "credentials.collect", name, &err)
	i, err := s.Instance(ctx, req.Actor, name)
	if err != nil {
		return Credentials{}, err
	}
	if err := req.Actor.needs(ScopeOperate); err != nil {
		return Credentials{}, err
	}
	if i.OwnerID != req.Actor.ID {
		return Credentials{}, Errorf(CodeForbidden, "Only %s, who owns %s, may collect its passwords.", i.Owner, i.Name)
	}
	a, err := one[Access](ctx, s.db, selectAccess+"where a.instance_id = $1 and a.username = $2 and a.kind = 'service' and "+liveAccess, i.ID, username)
	if notFound(err) {
		return Credentials{}, Errorf(CodeNotFound, "%s has no service account %q that is ready.", i.Name, clip(username))
	}
	if err != nil {
		return Credentials{}, fmt.Errorf("find the account: %w", err)
	}
	return s.collect(ctx, req, i, secretOfAccount(a.ID), a.Username)
}

// AccessWork is what a worker does about one account.
type AccessWork struct {
	ID       string     `json:"id"`
	Username string     `json:"username"`
	Writes   bool       `json:"writes,omitempty"`
	EndsAt   *time.Time `json:"ends_at,omitempty"`
	Group    string     `json:"group,omitempty"`
	Rotates  bool       `json:"rotates,omitempty" db:"-"` // it is about a new password, or a new account in the place of one
}

// AccessArgs are what the worker of a share, or of the end of one, needs to know.
type AccessArgs struct {
	Accounts []AccessWork `json:"accounts"`
	// Retire is the account that those which were made take the place of, after Overlap; empty: none.
	Retire  string        `json:"retire,omitempty"`
	Overlap time.Duration `json:"overlap,omitempty"`
}

const workColumns = `a.id, a.username, a.writes, a.ends_at, a.group_name as "group"`

// AccessPassword is the password of an account for as long as it was not collected; empty afterwards.
func (s *Service) AccessPassword(ctx context.Context, i Instance, accountID string) (string, error) {
	password, err := s.readSecret(ctx, i.ID, secretOfAccount(accountID))
	return string(password), err
}

// FinishShare records that accounts were made or changed. After a failure, those that were never proven end as soon as the server
// lets them be removed; set are the ids of those whose password the server has, which can be collected all the same.
func (s *Service) FinishShare(ctx context.Context, tx pgx.Tx, operationID string, i Instance, args AccessArgs, set []string, failure *Explanation) error {
	for _, w := range args.Accounts {
		if failure != nil {
			if err := failAccess(ctx, tx, i, w, set); err != nil {
				return err
			}
			continue
		}
		if err := s.keepAccess(ctx, tx, operationID, i, w); err != nil {
			return err
		}
	}
	if failure == nil && args.Retire != "" {
		_, err := tx.Exec(ctx, "update accounts set ends_at = least(coalesce(ends_at, 'infinity'), $2) where id = $1", args.Retire, s.now().Add(args.Overlap))
		if err != nil {
			return fmt.Errorf("settle the end of the account before: %w", err)
		}
	}
	return s.finishOperation(ctx, tx, operationID, i, failure)
}

func failAccess(ctx context.Context, tx pgx.Tx, i Instance, w AccessWork, set []string) error {
	var rows together
	_, _ = rows.Exec(ctx, "update accounts set ends_at = now() where id = $1 and made_at is null", w.ID)
	_, _ = rows.Exec(ctx, `delete from secrets where instance_id = $1 and kind = $2 and
		(not $3 = any($4::text[]) or exists (select from accounts where id = $3 and made_at is null))`, i.ID, secretOfAccount(w.ID), w.ID, append([]string{}, set...))
	if err := rows.send(ctx, tx); err != nil {
		return fmt.Errorf("record the failure of the account %s: %w", w.Username, err)
	}
	return nil
}

// keepAccess records one account as it is now, and tells the colleague.
func (s *Service) keepAccess(ctx context.Context, tx pgx.Tx, operationID string, i Instance, w AccessWork) error {
	var person *string
	err := tx.QueryRow(ctx, `update accounts set made_at = coalesce(made_at, now()), writes = $2, ends_at = $3, group_name = $4 where id = $1
		returning person_id`, w.ID, w.Writes, w.EndsAt, w.Group).Scan(&person)
	if err != nil {
		return fmt.Errorf("record the account %s: %w", w.Username, err)
	}
	if w.Rotates {
		return s.tellOfRotation(ctx, tx, operationID, i, w.Username, person)
	}
	if person == nil {
		return nil
	}
	news := NewsShared{By: i.Owner, Username: w.Username, Writes: w.Writes, EndsAt: w.EndsAt}
	return s.notify(ctx, tx, Notification{News: news, InstanceID: i.ID, OperationID: operationID, Key: operationID + " " + w.ID, To: []Audience{ToPerson}, People: []string{*person}})
}

// FinishUnshare records that accounts are gone, and tells the colleagues.
func (s *Service) FinishUnshare(ctx context.Context, tx pgx.Tx, operationID string, i Instance, args AccessArgs, failure *Explanation) error {
	if failure == nil {
		for _, w := range args.Accounts {
			if err := s.endAccess(ctx, tx, operationID, i, w); err != nil {
				return err
			}
		}
	}
	return s.finishOperation(ctx, tx, operationID, i, failure)
}

func (s *Service) endAccess(ctx context.Context, tx pgx.Tx, operationID string, i Instance, w AccessWork) error {
	if _, err := tx.Exec(ctx, "delete from secrets where instance_id = $1 and kind = $2", i.ID, secretOfAccount(w.ID)); err != nil {
		return fmt.Errorf("forget the password of %s: %w", w.Username, err)
	}
	var (
		person *string
		made   bool
	)
	err := tx.QueryRow(ctx, "update accounts set revoked_at = coalesce(revoked_at, now()) where id = $1 returning person_id, made_at is not null", w.ID).Scan(&person, &made)
	if err != nil {
		return fmt.Errorf("record the end of the account %s: %w", w.Username, err)
	}
	if person == nil || !made {
		return nil
	}
	news := NewsShared{By: i.Owner, Username: w.Username, Ended: true}
	return s.notify(ctx, tx, Notification{News: news, InstanceID: i.ID, OperationID: operationID, Key: operationID + " " + w.ID, To: []Audience{ToPerson}, People: []string{*person}})
}

// endAccounts removes accounts whose time is over. Only MyDB asks for it.
type endAccounts struct {
	On
	Accounts []AccessWork
}

func (endAccounts) action() string { return "unshare" }

func (c endAccounts) prepare(*Service, Actor) (decision, error) {
	return change{
		on: c.Database, kind: "unshare", states: []State{StateReady},
		allow: func(Actor, Instance) error { return nil },
		args:  func(Instance) any { return AccessArgs{Accounts: c.Accounts} },
	}, nil
}

// endPause is how long the end of an account is not tried again on an instance where it did not work.
const endPause = "1 hour"

// EndAccounts starts the removal of accounts whose time is over, that could not be made, or whose person may no longer use MyDB. It
// gives on how many instances. Periodic; what is stopped or busy gets its turn later, and lets nobody see it meanwhile.
func (s *Service) EndAccounts(ctx context.Context) (started int, err error) {
	type due struct {
		InstanceID string
		AccessWork
	}
	if still, err := s.StandsStill(ctx); err != nil || still {
		return 0, err
	}
	list, err := many[due](ctx, s.db, `select a.instance_id, `+workColumns+` from accounts a join instances i on i.id = a.instance_id left join people p on p.id = a.person_id
		where a.revoked_at is null and (a.ends_at <= now() or p.disabled_at is not null) and i.state = 'ready'
		and not exists (select from operations o where o.instance_id = i.id and (o.finished_at is null
			or o.kind = 'unshare' and o.state = 'failed' and o.finished_at > now() - interval '`+endPause+`')) order by a.instance_id, a.id limit 500`)
	if err != nil {
		return 0, fmt.Errorf("look for accounts whose time is over: %w", err)
	}
	byInstance := map[string][]AccessWork{}
	for _, d := range list {
		byInstance[d.InstanceID] = append(byInstance[d.InstanceID], d.AccessWork)
	}
	for id, accounts := range byInstance {
		_, err := s.Do(ctx, system(endAccounts{On{id}, accounts}))
		if CodeOf(err) == CodeBusy {
			continue
		}
		if err != nil {
			return started, err
		}
		started++
	}
	return started, nil
}
