package bot

import (
	"context"
	"fmt"

	"github.com/mydb-project/mydb/core"
)

func (c conversation) delete(ctx context.Context) (Answer, error) {
	receipt, err := c.order(ctx, core.Delete{On: c.on(), Reason: c.values["reason"]})
	if err != nil {
		return Answer{}, c.proposing(ctx, err)
	}
	a := receipt.Approval
	if a == nil { // the policy lets its owner delete it alone
		return Answer{Name: receipt.Database.Name, OperationID: receipt.Operation.ID, Text: fmt.Sprintf("Deleting %s. The trash keeps it for a while.", receipt.Database.Name)}, nil
	}
	return Answer{Name: receipt.Database.Name, Text: fmt.Sprintf(
		"The deletion of %s waits for the approval of an administrator, until %s (approval %s). Nothing happens before.", receipt.Database.Name, moment(a.ExpiresAt), a.ID)}, nil
}

func (c conversation) undelete(ctx context.Context) (Answer, error) {
	return c.give(ctx, core.Undelete{On: c.on()}, "Bringing %s back from the trash.")
}

func (c conversation) approvals(ctx context.Context) (Answer, error) {
	list, err := c.service.Approvals(ctx, c.Actor, true)
	if err != nil {
		return Answer{}, err
	}
	if len(list) == 0 {
		return Answer{Text: "Nothing waits for a decision."}, nil
	}
	return Answer{Text: table(func(row func(...string)) {
		for _, a := range list {
			row(a.ID, core.ActionWords(a.Action)+" "+a.Database, "asked by "+a.RequestedBy, "owner "+a.Owner, a.Reason)
		}
	}) + "\nThose who decide answer with: approve <id>, or deny <id> \"reason\""}, nil
}

func (c conversation) approve(ctx context.Context) (Answer, error) { return c.decide(ctx, true) }
func (c conversation) deny(ctx context.Context) (Answer, error)    { return c.decide(ctx, false) }

func (c conversation) decide(ctx context.Context, approve bool) (Answer, error) {
	if err := c.mayDecideHere(ctx); err != nil {
		return Answer{}, err
	}
	receipt, err := c.order(ctx, core.Decide{ID: c.values["id"], Approve: approve, Reason: c.values["reason"]})
	if err != nil {
		return Answer{}, err
	}
	a := receipt.Approval
	if !approve {
		return Answer{Name: a.Database, Text: fmt.Sprintf("Denied: %s %s. %s is told why.", core.ActionWords(a.Action), a.Database, a.RequestedBy)}, nil
	}
	if a.State == "pending" {
		return Answer{Name: a.Database, Text: fmt.Sprintf("You have approved: %s %s, for %s. It is about health data, so somebody else has to approve it, too.", core.ActionWords(a.Action), a.Database, a.RequestedBy)}, nil
	}
	return Answer{Name: a.Database, OperationID: receipt.Operation.ID, Text: fmt.Sprintf("Approved: %s %s, for %s.", core.ActionWords(a.Action), a.Database, a.RequestedBy)}, nil
}

// mayDecideHere sends those to the portal who decide what needs a fresh login.
func (c conversation) mayDecideHere(ctx context.Context) error {
	if c.Chat == nil || !c.service.Decides(c.Actor) {
		return nil
	}
	list, err := c.service.Approvals(ctx, c.Actor, true)
	if err != nil {
		return err
	}
	for _, a := range list {
		if a.ID != c.values["id"] {
			continue
		}
		st, err := c.service.StakeOf(ctx, a.ID)
		if err == nil && needsPortal(st.Action, st.PHI) {
			err = core.Errorf(core.CodeForbidden, "This is decided in the portal, after a fresh login: %s/approvals/%s", c.publicURL, a.ID)
		}
		return err
	}
	return nil
}

func (c conversation) withdraw(ctx context.Context) (Answer, error) {
	receipt, err := c.order(ctx, core.Withdraw{ID: c.values["id"]})
	if err != nil {
		return Answer{}, err
	}
	return Answer{Text: fmt.Sprintf("Taken back: %s %s. Nothing was done.", core.ActionWords(receipt.Approval.Action), receipt.Approval.Database), Name: receipt.Database.Name}, nil
}
