package core

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/rs/xid"
)

// Approval is a request that somebody else has to decide. Times are UTC.
type Approval struct {
	ID          string     `json:"id"`
	Action      string     `json:"action"`
	InstanceID  string     `json:"database_id"`
	Database    string     `json:"database"`
	Owner       string     `json:"owner"` // login of the database's owner
	RequestedBy string     `json:"requested_by"`
	Reason      string     `json:"reason"`
	State       string     `json:"state"` // pending, approved, denied, expired or withdrawn
	CreatedAt   time.Time  `json:"created_at"`
	ExpiresAt   time.Time  `json:"expires"`
	DecidedBy   *string    `json:"decided_by"`
	DecidedAt   *time.Time `json:"decided_at"`
	Decision    string     `json:"decision"` // the reason that the decider gave
	OperationID *string    `json:"operation_id"`
}

// approvalLife is how long an approval waits for a decision.
const approvalLife = 7 * 24 * time.Hour

const selectApproval = `select a.id, a.action, a.instance_id, i.name as database, o.login as owner, r.login as requested_by, a.reason,
	case when a.state = 'pending' and a.expires_at <= now() then 'expired' else a.state end as state,
	a.created_at, a.expires_at, d.login as decided_by, a.decided_at, a.decision, a.operation_id
	from approvals a join instances i on i.id = a.instance_id join people o on o.id = i.owner_id
	join people r on r.id = a.requested_by left join people d on d.id = a.decided_by `

// Approvals lists what waits for a decision or was decided, newest first: everything for administrators, for others what they asked
// for and what is about their own databases. pending leaves out what was decided.
func (s *Service) Approvals(ctx context.Context, actor Actor, pending bool) ([]Approval, error) {
	if err := actor.needs(ScopeRead); err != nil {
		return nil, err
	}
	list, err := many[Approval](ctx, s.db, selectApproval+`where ($1 or a.requested_by = $2 or i.owner_id = $2)
		and (not $3 or a.state = 'pending' and a.expires_at > now()) order by a.id desc limit 200`, actor.IsAdmin(), actor.ID, pending)
	if err != nil {
		return nil, fmt.Errorf("list approvals: %w", err)
	}
	return list, nil
}

// Pending is the approval that an instance waits for; nil when there is none.
func (s *Service) Pending(ctx context.Context, instanceID string) (*Approval, error) {
	return pendingApproval(ctx, s.db, instanceID)
}

func pendingApproval(ctx context.Context, db DB, instanceID string) (*Approval, error) {
	a, err := one[Approval](ctx, db, selectApproval+"where a.instance_id = $1 and a.state = 'pending' and a.expires_at > now()", instanceID)
	if notFound(err) {
		return nil, nil //nolint:nilnil // none is an ordinary answer
	}
	if err != nil {
		return nil, fmt.Errorf("look for an approval: %w", err)
	}
	return &a, nil
}

// request is a decision that only asks: somebody else has to approve before the work begins.
type request struct {
	on     string
	action string // also the kind of the operation that follows
	reason string
	states []State
}

// decide makes the approval. A repeated request gives the one that waits already.
func (q request) decide(ctx context.Context, s *Service, tx pgx.Tx, req Request) (Receipt, error) {
	i, err := s.target(ctx, tx, req.Actor, q.on)
	if err != nil {
		return Receipt{}, err
	}
	if err := (change{on: q.on, states: q.states}).check(req.Actor, i); err != nil {
		return Receipt{}, err
	}
	_, err = tx.Exec(ctx, "update approvals set state = 'expired' where instance_id = $1 and state = 'pending' and expires_at <= now()", i.ID)
	if err != nil {
		return Receipt{}, fmt.Errorf("end old approvals: %w", err)
	}
	waiting, err := pendingApproval(ctx, tx, i.ID)
	if err != nil || waiting != nil {
		return Receipt{Database: i, Approval: waiting}, err
	}
	return q.ask(ctx, s, tx, req, i)
}

func (q request) ask(ctx context.Context, s *Service, tx pgx.Tx, req Request, i Instance) (Receipt, error) {
	id, expires := xid.New().String(), s.now().Add(approvalLife)
	var rows together
	_, _ = rows.Exec(ctx, `insert into approvals (id, instance_id, action, requested_by, door, reason, created_at, expires_at)
		values ($1, $2, $3, $4, $5, $6, $7, $8)`, id, i.ID, q.action, req.Actor.ID, req.Door, q.reason, s.now(), expires)
	e := req.audit(OutcomeAccepted)
	e.InstanceID, e.Subject, e.Data = i.ID, i.Name, map[string]any{"approval": id, "reason": q.reason}
	if err := writeAudit(ctx, &rows, e); err != nil {
		return Receipt{}, err
	}
	if err := rows.send(ctx, tx); err != nil {
		return Receipt{}, fmt.Errorf("ask for an approval: %w", err)
	}
	news := NewsApprovalAsked{Approval: id, Action: q.action, By: req.Actor.Login, Reason: q.reason, ExpiresAt: expires}
	if err := s.notify(ctx, tx, Notification{News: news, InstanceID: i.ID, Key: id, To: []Audience{ToAdmins}}); err != nil {
		return Receipt{}, err
	}
	made, err := pendingApproval(ctx, tx, i.ID)
	return Receipt{Database: i, Approval: made}, err
}

func (q request) explain(ctx context.Context, s *Service, err error) error {
	return change{on: q.on}.explain(ctx, s, err)
}

// Decide approves or denies what somebody else has asked for.
type Decide struct {
	ID      string `json:"-" path:"id"`
	Approve bool   `json:"-"`
	Reason  string `json:"reason,omitempty" description:"Needed for a denial"`
}

func (d Decide) action() string {
	if d.Approve {
		return "approve"
	}
	return "deny"
}

func (d Decide) subject() string { return d.ID }

func (d Decide) prepare(_ *Service, actor Actor) (decision, error) {
	if err := actor.needs(ScopeOperate); err != nil {
		return nil, err
	}
	if err := checkText("reason", d.Reason, 1000); err != nil {
		return nil, err
	}
	if !d.Approve && strings.TrimSpace(d.Reason) == "" {
		return nil, invalid("reason", "Say why you deny it, so that the requester knows what to do.")
	}
	return d, nil
}

// approvalRow is what a decision looks at, beside what people see.
type approvalRow struct {
	Approval
	RequesterID   string
	RequesterGone bool
	PHI           bool
}

func (d Decide) decide(ctx context.Context, s *Service, tx pgx.Tx, req Request) (Receipt, error) {
	a, err := d.lock(ctx, tx, req.Actor)
	if err != nil {
		return Receipt{}, err
	}
	if err := d.mayDecide(s, a, req.Actor); err != nil {
		return Receipt{}, err
	}
	i, err := s.target(ctx, tx, req.Actor, a.InstanceID)
	if err != nil {
		return Receipt{}, err
	}
	receipt := Receipt{Database: i}
	var operation *string
	if d.Approve {
		if receipt, err = d.begin(ctx, s, tx, req, a, i); err != nil {
			return Receipt{}, err
		}
		operation = &receipt.Operation.ID
	}
	if err := d.settle(ctx, s, tx, req, a, operation); err != nil {
		return Receipt{}, err
	}
	decided, err := one[Approval](ctx, tx, selectApproval+"where a.id = $1", a.ID)
	receipt.Approval = &decided
	return receipt, err
}

// lock finds the approval and keeps others from deciding it meanwhile.
func (d Decide) lock(ctx context.Context, tx pgx.Tx, actor Actor) (approvalRow, error) {
	if _, err := tx.Exec(ctx, "select from approvals where id = $1 for update", d.ID); err != nil {
		return approvalRow{}, fmt.Errorf("lock the approval: %w", err)
	}
	a, err := one[approvalRow](ctx, tx, strings.Replace(selectApproval, "from approvals a", ", r.id as requester_id, r.disabled_at is not null as requester_gone, i.phi from approvals a", 1)+
		"where a.id = $1 and ($2 or a.requested_by = $3 or i.owner_id = $3)", d.ID, actor.IsAdmin(), actor.ID)
	if notFound(err) {
		return a, Errorf(CodeNotFound, "There is no approval %q. The list of approvals shows those that wait.", clip(d.ID))
	}
	return a, err
}

func (d Decide) mayDecide(s *Service, a approvalRow, actor Actor) error {
	switch {
	case !actor.IsAdmin():
		return Errorf(CodeForbidden, "Only administrators approve and deny.")
	case a.PHI && !s.seesPHI(actor):
		return Errorf(CodeForbidden, "%s holds health data about persons; on this site, decisions about it are for: %s.", a.Database, strings.Join(s.policy.PHI.Admins, ", "))
	case a.RequesterID == actor.ID:
		return Errorf(CodeForbidden, "You asked for this yourself, so another administrator has to decide.")
	case a.State == "expired":
		return Errorf(CodeGone, "Nobody decided this before %s, so it has expired. %s can ask again.", a.ExpiresAt.Format(time.DateOnly), a.RequestedBy)
	case a.State != "pending":
		return Errorf(CodeBusy, "This was %s already, by %s.", a.State, value(a.DecidedBy))
	case d.Approve && a.RequesterGone && a.RequesterID != systemPerson:
		return Errorf(CodeBusy, "%s, who asked for this, may no longer use MyDB. Deny it, or ask for it yourself.", a.RequestedBy)
	}
	return nil
}

// approvedStates are those in which what was asked for still makes sense.
var approvedStates = map[string][]State{"delete": {StateReady, StateStopped}}

// begin starts what was approved, in the requester's name.
func (d Decide) begin(ctx context.Context, s *Service, tx pgx.Tx, req Request, a approvalRow, i Instance) (Receipt, error) {
	if !slices.Contains(approvedStates[a.Action], i.State) {
		return Receipt{}, Errorf(CodeBusy, "%s is %s by now, so this can no longer be done. Deny it.", i.Name, i.State)
	}
	opID := xid.New().String()
	asked := req
	asked.Actor.Person.ID = a.RequesterID
	if err := insertOperation(ctx, tx, opID, i.ID, a.Action, asked); err != nil {
		return Receipt{}, err
	}
	if err := s.queue.Enqueue(ctx, tx, Job{Kind: a.Action, OperationID: opID, InstanceID: i.ID}); err != nil {
		return Receipt{}, fmt.Errorf("enqueue the %s job: %w", a.Action, err)
	}
	return receiptOf(ctx, tx, opID)
}

// settle records the decision and tells the requester.
func (d Decide) settle(ctx context.Context, s *Service, tx pgx.Tx, req Request, a approvalRow, operation *string) error {
	state := "denied"
	if d.Approve {
		state = "approved"
	}
	var rows together
	_, _ = rows.Exec(ctx, "update approvals set state = $2, decided_by = $3, decided_at = now(), decision = $4, operation_id = $5 where id = $1",
		a.ID, state, req.Actor.ID, d.Reason, operation)
	e := req.audit(OutcomeDone)
	e.InstanceID, e.Subject = a.InstanceID, a.Database
	e.Data = map[string]any{"approval": a.ID, "action": a.Action, "requested_by": a.RequestedBy, "reason": d.Reason}
	if err := writeAudit(ctx, &rows, e); err != nil {
		return err
	}
	if err := rows.send(ctx, tx); err != nil {
		return fmt.Errorf("record the decision: %w", err)
	}
	news := NewsApprovalDecided{Action: a.Action, Approved: d.Approve, By: req.Actor.Login, Reason: d.Reason}
	return s.notify(ctx, tx, Notification{News: news, InstanceID: a.InstanceID, Key: a.ID, To: []Audience{ToPerson}, People: []string{a.RequesterID}})
}

func (d Decide) explain(ctx context.Context, s *Service, err error) error {
	if !strings.HasPrefix(violates(err), "operations_") {
		return err
	}
	var instance string
	if s.db.QueryRow(ctx, "select instance_id from approvals where id = $1", d.ID).Scan(&instance) != nil {
		return err
	}
	return s.busy(ctx, instance, err)
}
