package core

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/rs/xid"
)

// Approval is a request that somebody else has to decide. Times are UTC.
type Approval struct {
	ID          string     `json:"id"`
	Action      string     `json:"action"`
	About       string     `json:"about,omitempty"` // beside the database, such as a backup's id
	InstanceID  string     `json:"database_id"`
	Database    string     `json:"database"`
	Owner       string     `json:"owner"` // login of the database's owner
	RequestedBy string     `json:"requested_by"`
	Reason      string     `json:"reason"`
	State       string     `json:"state"` // pending, approved, denied, expired or withdrawn
	CreatedAt   time.Time  `json:"created_at"`
	ExpiresAt   time.Time  `json:"expires"`
	ApprovedBy  []string   `json:"approved_by,omitempty"` // those who have approved it where two have to
	DecidedBy   *string    `json:"decided_by"`
	DecidedAt   *time.Time `json:"decided_at"`
	Decision    string     `json:"decision"` // the reason that the decider gave
	OperationID *string    `json:"operation_id"`
}

// ActionWords writes an action, such as restore_in_place, for people.
func ActionWords(action string) string { return strings.ReplaceAll(action, "_", " ") }

// approvalLife is how long an approval waits for a decision.
const approvalLife = 7 * 24 * time.Hour

const selectApproval = `select a.id, a.action, a.about, a.instance_id, i.name as database, o.login as owner, r.login as requested_by, a.reason,
	case when a.state = 'pending' and a.expires_at <= now() then 'expired' else a.state end as state,
	(select coalesce(array_agg(vp.login order by v.at), '{}') from approval_votes v join people vp on vp.id = v.person_id where v.approval_id = a.id) as approved_by,
	a.created_at, a.expires_at, d.login as decided_by, a.decided_at, a.decision, a.operation_id
	from approvals a join instances i on i.id = a.instance_id join people o on o.id = i.owner_id
	join people r on r.id = a.requested_by left join people d on d.id = a.decided_by `

// Approvals lists what waits for a decision or was decided, newest first: everything for administrators and auditors, for others what they
// asked for and what is about their own databases, or those of members of the groups that they lead. pending leaves out what was decided.
func (s *Service) Approvals(ctx context.Context, actor Actor, pending bool) ([]Approval, error) {
	if err := actor.needs(ScopeRead); err != nil {
		return nil, err
	}
	list, err := many[Approval](ctx, s.db, selectApproval+`where ($1 or a.requested_by = $2 or i.owner_id = $2 or `+ledBy("$4")+` or `+mandated(5)+`)
		and (not $3 or a.state = 'pending' and a.expires_at > now()) order by a.id desc limit 200`,
		append([]any{actor.Oversees(), actor.ID, pending, actor.Leads}, s.mandate(actor).args()...)...)
	if err != nil {
		return nil, fmt.Errorf("list approvals: %w", err)
	}
	return list, nil
}

// Pending is the approval that an instance waits for; nil when there is none.
func (s *Service) Pending(ctx context.Context, instanceID string) (*Approval, error) {
	return pendingApproval(ctx, s.db, instanceID, "", "")
}

// pendingApproval looks for one of any action when action is empty.
func pendingApproval(ctx context.Context, db DB, instanceID, action, about string) (*Approval, error) {
	a, err := one[Approval](ctx, db, selectApproval+`where a.instance_id = $1 and ($2 = '' or a.action = $2 and a.about = $3)
		and a.state = 'pending' and a.expires_at > now() order by a.id desc limit 1`, instanceID, action, about)
	if notFound(err) {
		return nil, nil //nolint:nilnil // none is an ordinary answer
	}
	if err != nil {
		return nil, fmt.Errorf("look for an approval: %w", err)
	}
	return &a, nil
}

// request is a decision that only asks: somebody else has to approve before anything is done. approvable says what that is then.
type request struct {
	on     string
	action string // what is asked for, a key of approvables
	about  string // what it is about beside the instance, such as a backup; the same thing is asked for once
	args   any    // what makes the command again; never a secret. May be nil
	reason string
	states []State

	// allow refuses what the actor may not ask for. Nil: the owner and administrators may.
	allow func(actor Actor, i Instance) error
}

// decide makes the approval. A repeated request gives the one that waits already.
func (q request) decide(ctx context.Context, s *Service, tx pgx.Tx, req Request) (Receipt, error) {
	i, err := s.target(ctx, tx, req.Actor, q.on)
	if err != nil {
		return Receipt{}, err
	}
	if err := (change{on: q.on, states: q.states, allow: q.allow}).check(req.Actor, i); err != nil {
		return Receipt{}, err
	}
	if _, err := s.expireApprovals(ctx, tx, i.ID); err != nil {
		return Receipt{}, err
	}
	waiting, err := pendingApproval(ctx, tx, i.ID, q.action, q.about)
	if err != nil || waiting != nil {
		return Receipt{Database: i, Approval: waiting}, err
	}
	return q.ask(ctx, s, tx, req, i)
}

func (q request) ask(ctx context.Context, s *Service, tx pgx.Tx, req Request, i Instance) (Receipt, error) {
	id, expires := xid.New().String(), s.now().Add(approvalLife)
	args, err := json.Marshal(q.args)
	if err != nil {
		return Receipt{}, fmt.Errorf("encode what is asked for: %w", err)
	}
	var rows together
	_, _ = rows.Exec(ctx, `insert into approvals (id, instance_id, action, about, args, basis, requested_by, door, reason, created_at, expires_at)
		values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)`,
		id, i.ID, q.action, q.about, string(args), basisOf(i), req.Actor.ID, req.Door, q.reason, s.now(), expires)
	e := req.audit(OutcomeAccepted)
	e.InstanceID, e.Subject, e.Data = i.ID, i.Name, map[string]any{"approval": id, "reason": q.reason}
	if err := writeAudit(ctx, &rows, e); err != nil {
		return Receipt{}, err
	}
	if err := rows.send(ctx, tx); err != nil {
		return Receipt{}, fmt.Errorf("ask for an approval: %w", err)
	}
	if err := s.askDeciders(ctx, tx, i, NewsApprovalAsked{Approval: id, Action: q.action, By: req.Actor.Login, Reason: q.reason, ExpiresAt: expires}); err != nil {
		return Receipt{}, err
	}
	if err := s.announceApproval(ctx, tx, id); err != nil {
		return Receipt{}, err
	}
	made, err := pendingApproval(ctx, tx, i.ID, q.action, q.about)
	return Receipt{Database: i, Approval: made}, err
}

func (q request) explain(ctx context.Context, s *Service, err error) error {
	return change{on: q.on}.explain(ctx, s, err)
}
