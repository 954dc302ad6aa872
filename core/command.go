package core

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/rs/xid"
)

// On is the part that all commands on an existing instance share: which one.
type On struct {
	Database string `json:"-" path:"name" description:"A database's name, or its id"`
}

// Name says which instance is meant, by name or id.
func (o *On) Name(database string) { o.Database = database }

// subject is what the digest of an idempotency key holds besides the command's body.
func (o On) subject() string { return o.Database }

// change is a decision about an existing instance that starts work, or is done at once.
type change struct {
	on     string
	kind   string             // of the operation
	states []State            // in which it may begin
	args   func(Instance) any // for the worker; never a secret. May be nil

	// allow refuses what the actor may not do, or what makes no sense now. Nil: the owner and administrators may.
	allow func(actor Actor, i Instance) error
	// done reports that there is nothing to do, because the instance is as it is wanted already. May be nil.
	done func(i Instance) bool
	// write changes rows beside the operation, before it is inserted. May be nil.
	write func(ctx context.Context, s *Service, tx pgx.Tx, req Request, i Instance, operationID string) error
	// nothing reports, after write, that there is nothing to do. May be nil.
	nothing func() bool
	// immediate says that write does it all: the operation is done as soon as it is recorded.
	immediate bool
	audit     map[string]any // what the audit trail tells beside the operation
	// before is what changes, as it was, by the keys of audit that say what it becomes. May be nil.
	before func(i Instance) map[string]any
}

func (c change) decide(ctx context.Context, s *Service, tx pgx.Tx, req Request) (Receipt, error) {
	i, err := s.target(ctx, tx, req.Actor, c.on)
	if err != nil {
		return Receipt{}, err
	}
	if err := c.check(req.Actor, i); err != nil {
		return Receipt{}, err
	}
	opID := xid.New().String()
	noop := c.done != nil && c.done(i)
	if c.write != nil && !noop {
		if err := c.write(ctx, s, tx, req, i, opID); err != nil {
			return Receipt{}, err
		}
	}
	noop = noop || c.nothing != nil && c.nothing()
	if err := c.record(ctx, tx, req, i, opID, noop || c.immediate); err != nil {
		return Receipt{}, err
	}
	if !noop && !c.immediate {
		if err := s.queue.Enqueue(ctx, tx, Job{Kind: c.kind, OperationID: opID, InstanceID: i.ID, NodeID: value(i.NodeID)}); err != nil {
			return Receipt{}, fmt.Errorf("enqueue the %s job: %w", c.kind, err)
		}
	}
	return receiptOf(ctx, tx, opID)
}

func (c change) check(actor Actor, i Instance) error {
	allow := c.allow
	if allow == nil {
		allow = ownerOrAdmin
	}
	if err := allow(actor, i); err != nil {
		return err
	}
	if slices.Contains(c.states, i.State) {
		return nil
	}
	if i.State == StateDeleted || i.State == StateFailed {
		return Errorf(CodeGone, "%s is %s: nothing can be done with it any more.", i.Name, i.State)
	}
	allowed := make([]string, len(c.states))
	for n, st := range c.states {
		allowed[n] = string(st)
	}
	return Errorf(CodeBusy, "%s is %s. This can be done when it is %s.", i.Name, i.State, strings.Join(allowed, " or "))
}

// ownerOrAdmin lets those manage an instance who own it, and administrators.
func ownerOrAdmin(actor Actor, i Instance) error {
	if err := actor.needs(ScopeOperate); err != nil {
		return err
	}
	if i.OwnerID != actor.ID && !actor.IsAdmin() {
		return Errorf(CodeForbidden, "Only %s, who owns %s, and administrators may do this.", i.Owner, i.Name)
	}
	return nil
}

// record inserts the operation and the audit entry.
func (c change) record(ctx context.Context, tx pgx.Tx, req Request, i Instance, opID string, done bool) error {
	var rows together
	state := OperationQueued
	if done {
		state = OperationDone
	}
	args := []byte("{}")
	if c.args != nil {
		var err error
		if args, err = json.Marshal(c.args(i)); err != nil {
			return fmt.Errorf("encode the operation's arguments: %w", err)
		}
	}
	_, _ = rows.Exec(ctx, `insert into operations (id, instance_id, kind, requested_by, door, args, state, started_at, finished_at)
		values ($1, $2, $3, $4, $5, $6, $7::text, case when $7 = 'done' then now() end, case when $7 = 'done' then now() end)`,
		opID, i.ID, c.kind, req.Actor.ID, req.Door, string(args), state)
	e := req.audit(OutcomeAccepted)
	if done {
		e.Outcome = OutcomeDone
	}
	e.InstanceID, e.Subject = i.ID, i.Name
	e.Data = map[string]any{"operation": opID}
	for k, v := range c.audit {
		e.Data[k] = v
	}
	if c.before != nil {
		was, becomes := c.before(i), map[string]any{}
		for k := range was {
			becomes[k] = c.audit[k]
		}
		e.Data["before"], e.Data["after"] = was, becomes
	}
	if err := writeAudit(ctx, &rows, e); err != nil {
		return err
	}
	if err := rows.send(ctx, tx); err != nil {
		return fmt.Errorf("record the operation: %w", err)
	}
	return nil
}

// stateOf is what changes, of a command after which the instance has another state.
func stateOf(i Instance) map[string]any { return map[string]any{"state": i.State} }

// explain says who holds an instance that is busy.
func (c change) explain(ctx context.Context, s *Service, err error) error {
	if !strings.HasPrefix(violates(err), "operations_") {
		return err
	}
	return s.busy(ctx, c.on, err)
}

// busy says what is under way on an instance.
func (s *Service) busy(ctx context.Context, name string, cause error) error {
	type holder struct {
		Kind, Login, ID, Since string
	}
	h, err := one[holder](ctx, s.db, `select o.kind, p.login, o.id, to_char(o.created_at at time zone 'utc', 'HH24:MI') || ' UTC' as since
		from operations o join instances i on i.id = o.instance_id join people p on p.id = o.requested_by
		where (i.name = $1 and i.ended_at is null or i.id = $1) and o.finished_at is null`, name)
	if err != nil {
		return &Error{Code: CodeBusy, Message: fmt.Sprintf("Something else was just done with %s. Try again.", clip(name)), Cause: errors.Join(cause, err)}
	}
	return &Error{Code: CodeBusy, Cause: cause, Message: fmt.Sprintf(
		"%s is busy: %s asked for %s at %s, and it is still under way (operation %s). Wait until it has ended, then try again.",
		clip(name), h.Login, h.Kind, h.Since, h.ID)}
}

// target finds the instance that a command names and locks its row: what is decided holds until the commit.
func (s *Service) target(ctx context.Context, tx pgx.Tx, actor Actor, name string) (Instance, error) {
	i, err := s.findInstance(ctx, tx, actor, name)
	if err != nil {
		return i, err
	}
	if _, err := tx.Exec(ctx, "select from instances where id = $1 for no key update", i.ID); err != nil {
		return i, fmt.Errorf("lock the instance: %w", err)
	}
	return s.findInstance(ctx, tx, actor, i.ID)
}
