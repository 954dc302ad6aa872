package core

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

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
	Door          Door
	Args          []byte
	Basis         *basis
}

func (d Decide) decide(ctx context.Context, s *Service, tx pgx.Tx, req Request) (Receipt, error) {
	a, err := d.lock(ctx, s, tx, req.Actor)
	if err != nil {
		return Receipt{}, err
	}
	alone, err := d.mayDecide(ctx, s, tx, a, req.Actor)
	if err != nil {
		return Receipt{}, err
	}
	i, err := s.target(ctx, tx, system(nil).Actor, a.InstanceID) // a deputy sees it through the approval alone
	if err != nil {
		return Receipt{}, err
	}
	receipt := Receipt{Database: i}
	if d.Approve && s.needsTwo(a) {
		first, err := d.vote(ctx, s, tx, req, a)
		if err != nil || first {
			return d.voted(ctx, tx, receipt, a, err)
		}
	}
	var operation *string
	if d.Approve {
		if a.RequesterID == systemPerson { // what MyDB has asked for by itself was reckoned from a catalogue that may be old
			if err := refuseStill(ctx, tx); err != nil {
				return Receipt{}, err
			}
		}
		if receipt, err = d.begin(ctx, s, tx, a, i); err != nil {
			return Receipt{}, err
		}
		if receipt.Operation.ID != "" {
			operation = &receipt.Operation.ID
		}
	}
	if err := d.settle(ctx, s, tx, req, a, operation, alone); err != nil {
		return Receipt{}, err
	}
	decided, err := one[Approval](ctx, tx, selectApproval+"where a.id = $1", a.ID)
	receipt.Approval = &decided
	return receipt, err
}

// lock finds the approval and keeps others from deciding it meanwhile.
func (d Decide) lock(ctx context.Context, s *Service, tx pgx.Tx, actor Actor) (approvalRow, error) {
	if _, err := tx.Exec(ctx, "select from approvals where id = $1 for update", d.ID); err != nil {
		return approvalRow{}, fmt.Errorf("lock the approval: %w", err)
	}
	a, err := one[approvalRow](ctx, tx, strings.Replace(selectApproval, "from approvals a", ", r.id as requester_id, r.disabled_at is not null as requester_gone, i.phi, a.door, a.args, a.basis from approvals a", 1)+
		"where a.id = $1 and ($2 or a.requested_by = $3 or i.owner_id = $3 or "+ledBy("$4")+" or "+mandated(5)+")",
		append([]any{d.ID, actor.Oversees(), actor.ID, actor.Leads}, s.mandate(actor).args()...)...)
	if notFound(err) {
		return a, Errorf(CodeNotFound, "There is no approval %q. The list of approvals shows those that wait.", clip(d.ID))
	}
	return a, err
}

// mayDecide gives whether the actor decides alone about what they have asked for themselves.
func (d Decide) mayDecide(ctx context.Context, s *Service, tx pgx.Tx, a approvalRow, actor Actor) (alone bool, err error) {
	switch {
	case !s.mandate(actor).about(a.Action):
		return false, Errorf(CodeForbidden, "%s", s.deciders(a.Action))
	case a.PHI && !s.seesPHI(actor):
		return false, Errorf(CodeForbidden, "%s holds health data about persons; on this site, decisions about it are for: %s.", a.Database, strings.Join(s.policy.PHI.Admins, ", "))
	case a.State == "expired":
		return false, Errorf(CodeGone, "Nobody decided this before %s, so it has expired. %s can ask again.", a.ExpiresAt.Format(time.DateOnly), a.RequestedBy)
	case a.State != "pending":
		return false, Errorf(CodeBusy, "This was %s already, by %s.", a.State, value(a.DecidedBy))
	case d.Approve && a.RequesterGone && a.RequesterID != systemPerson:
		return false, Errorf(CodeBusy, "%s, who asked for this, may no longer use MyDB. Deny it, or ask for it yourself.", a.RequestedBy)
	case a.RequesterID == actor.ID && s.needsTwo(a):
		return false, Errorf(CodeForbidden, "You asked for this yourself, so two others have to approve it: it is about health data.")
	case a.RequesterID == actor.ID:
		return true, s.mayBreakGlass(ctx, tx, d, a.Action, actor)
	}
	return false, nil
}

// approvables are the actions that somebody may have to approve, each with what makes the command again. It is decided anew, in the
// requester's name: rights, states and limits are those of the moment of the approval.
var approvables = map[string]func(on On, args []byte) (Command, error){
	"delete":      func(on On, _ []byte) (Command, error) { return Delete{On: on, approved: true}, nil },
	"download":    approvedDownload,
	actionInPlace: replaceApproved,
	"create":      approvedCreation,
	"resize":      approvedResize,
}

// basis is what a request was asked about: what was approved for one state of things is not done to another.
type basis struct {
	Owner      string `json:"owner"` // id
	Size       string `json:"size"`
	Version    string `json:"version"`
	Generation int    `json:"generation"`
	PHI        bool   `json:"phi"`
}

func basisOf(i Instance) basis {
	return basis{Owner: i.OwnerID, Size: i.Size, Version: i.Version, Generation: i.Generation, PHI: i.PHI}
}

// begin does what was approved, in the requester's name.
func (d Decide) begin(ctx context.Context, s *Service, tx pgx.Tx, a approvalRow, i Instance) (Receipt, error) {
	if a.Basis != nil && *a.Basis != basisOf(i) {
		return Receipt{}, Errorf(CodeBusy, "%s has changed since this was asked for: its owner, size, version or content is another. Deny it; %s may ask again.", i.Name, a.RequestedBy)
	}
	again, known := approvables[a.Action]
	if !known {
		return Receipt{}, fmt.Errorf("nothing is known of the action %q of approval %s", a.Action, a.ID)
	}
	command, err := again(On{i.ID}, a.Args)
	if err != nil {
		return Receipt{}, fmt.Errorf("read what approval %s is about: %w", a.ID, err)
	}
	requester, err := one[Person](ctx, tx, "select "+personColumns+" from people where id = $1", a.RequesterID)
	if err != nil {
		return Receipt{}, fmt.Errorf("read who asked: %w", err)
	}
	asked := Request{Actor: Actor{Person: requester, Scope: ScopeAdmin}, Door: a.Door, Command: command}
	decided, err := command.prepare(s, asked.Actor)
	if err != nil {
		return Receipt{}, noLonger(err)
	}
	receipt, err := decided.decide(ctx, s, tx, asked)
	return receipt, noLonger(err)
}

// noLonger says that what was asked for cannot be done any more.
func noLonger(err error) error {
	var e *Error
	if !errors.As(err, &e) {
		return err
	}
	return &Error{Code: CodeBusy, Cause: err, Message: "This can no longer be done. " + e.Message + " If that stays so, deny it."}
}

// settle records the decision and tells the requester.
func (d Decide) settle(ctx context.Context, s *Service, tx pgx.Tx, req Request, a approvalRow, operation *string, alone bool) error {
	state := "denied"
	if d.Approve {
		state = "approved"
	}
	var rows together
	_, _ = rows.Exec(ctx, "update approvals set state = $2, decided_by = $3, decided_at = now(), decision = $4, operation_id = $5, alone = $6 where id = $1",
		a.ID, state, req.Actor.ID, d.Reason, operation, alone)
	e := req.audit(OutcomeDone)
	e.InstanceID, e.Subject = a.InstanceID, a.Database
	e.Data = map[string]any{
		"approval": a.ID, "action": a.Action, "requested_by": a.RequestedBy, "reason": d.Reason,
		"before": map[string]any{"state": a.State}, "after": map[string]any{"state": state},
	}
	if len(a.ApprovedBy) > 0 {
		e.Data["approved_by"] = a.ApprovedBy
	}
	if alone {
		e.Action = "approve.break_glass"
	}
	if err := writeAudit(ctx, &rows, e); err != nil {
		return err
	}
	if err := rows.send(ctx, tx); err != nil {
		return fmt.Errorf("record the decision: %w", err)
	}
	if err := s.touchMessages(ctx, tx, "", a.ID); err != nil {
		return err
	}
	if err := s.tellAsker(ctx, tx, a.ID); err != nil {
		return err
	}
	if !d.Approve {
		if err := s.dropUnapproved(ctx, tx, a.Action, a.InstanceID); err != nil {
			return err
		}
	}
	news := NewsApprovalDecided{Action: a.Action, Approved: d.Approve, By: req.Actor.Login, Reason: d.Reason, Alone: alone}
	n := Notification{News: news, InstanceID: a.InstanceID, Key: a.ID, To: []Audience{ToPerson}, People: []string{a.RequesterID}}
	if alone {
		n.To = append(n.To, ToOwner, ToAdmins)
	}
	return s.notify(ctx, tx, n)
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
