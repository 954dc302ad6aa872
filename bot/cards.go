package bot

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/docker/go-units"

	"github.com/mydb-project/mydb/core"
)

// Card shows a message as it is to be seen now: how far an operation is, or what became of an approval.
func (d *Desk) Card(ctx context.Context, m core.ChatMessage) (core.Card, error) {
	switch {
	case m.OperationID != nil:
		return d.operationCard(ctx, *m.OperationID)
	case m.ApprovalID != nil:
		return d.approvalCard(ctx, *m.ApprovalID)
	}
	return core.Card{}, fmt.Errorf("message %s of the kind %s is about nothing", m.ID, m.Kind)
}

func (d *Desk) operationCard(ctx context.Context, id string) (core.Card, error) {
	o, i, err := d.service.OperationOf(ctx, id)
	if err != nil {
		return core.Card{}, err
	}
	c := core.Card{Title: i.Name, Text: Outcome(o), Steps: o.Steps, Tone: core.ToneWaiting, Footer: d.banner(ctx)}
	switch o.State {
	case core.OperationDone:
		c.Tone = core.ToneGood
		c.Buttons = append(c.Buttons, core.Button{Label: "Look at it", URL: d.bot.page(i)})
		if slices.Contains([]string{"create", "restore", "import"}, o.Kind) {
			c.Facts = []core.Fact{{Name: "Address", Value: address(i)}, {Name: "Database", Value: i.Database}, {Name: "User", Value: i.Username}}
		}
	case core.OperationFailed, core.OperationCancelled:
		c.Tone = core.ToneBad
	}
	if o.Finished() {
		var lines []string
		for _, s := range o.Steps {
			lines = append(lines, StepLine(s))
		}
		c.Detail, c.Steps = strings.Join(lines, "\n"), nil
	}
	return c, nil
}

// decidedInPortal are the actions that are approved after a fresh login in the portal, and not by a button in a channel.
var decidedInPortal = map[string]bool{"restore_in_place": true, "purge": true, "download": true}

func needsPortal(action string, phi bool) bool { return phi || decidedInPortal[action] }

func (d *Desk) approvalCard(ctx context.Context, id string) (core.Card, error) {
	st, err := d.service.StakeOf(ctx, id)
	if err != nil {
		return core.Card{}, err
	}
	c := core.Card{
		Title: fmt.Sprintf("%s %s", st.Action, st.Database), Tone: core.ToneWaiting,
		Text:  fmt.Sprintf("%s asks for it. An administrator other than %[1]s decides, before %s.", st.RequestedBy, moment(st.ExpiresAt)),
		Facts: stakes(st),
	}
	switch st.Approval.State {
	case "pending":
		if len(st.ApprovedBy) > 0 {
			c.Text += fmt.Sprintf(" %s has approved it; because it is about health data, somebody else has to, too.", strings.Join(st.ApprovedBy, ", "))
		}
		c.Buttons = []core.Button{
			{Label: "Approve", Action: "approve", Value: st.Approval.ID, Tone: core.ToneGood},
			{Label: "Deny", Action: "deny", Value: st.Approval.ID, Tone: core.ToneBad},
		}
		if needsPortal(st.Action, st.PHI) {
			c.Buttons = []core.Button{{Label: "Decide in the portal", URL: d.bot.publicURL + "/approvals/" + st.Approval.ID}}
		}
		return c, nil
	case "approved":
		c.Tone, c.Text = core.ToneGood, fmt.Sprintf("Approved by %s on %s, for %s.", value(st.DecidedBy), moment(value(st.DecidedAt)), st.RequestedBy)
		if st.Action == "delete" && st.PurgeAt != nil && st.Condition == core.StateTrashed {
			c.Text += fmt.Sprintf(" It is in the trash until %s.", moment(*st.PurgeAt))
			c.Buttons = []core.Button{{Label: "Undo", Action: "undelete", Value: st.InstanceID}}
		}
	case "denied":
		c.Tone, c.Text = core.ToneBad, fmt.Sprintf("Denied by %s on %s. Nothing was done.", value(st.DecidedBy), moment(value(st.DecidedAt)))
	case "withdrawn":
		c.Tone, c.Text = "", fmt.Sprintf("%s has taken it back. Nothing was done.", st.RequestedBy)
	default:
		c.Tone, c.Text = core.ToneBad, fmt.Sprintf("Nobody decided before %s, so nothing was done. %s may ask again.", moment(st.ExpiresAt), st.RequestedBy)
	}
	if st.Decision != "" {
		c.Text += " Reason: " + clip(oneLine(st.Decision), 500)
	}
	return c, nil
}

// stakes is what those who decide have to know.
func stakes(st core.Stake) []core.Fact {
	size := st.Size
	if st.Bytes != nil {
		size += ", " + units.BytesSize(float64(*st.Bytes)) + " on disk"
	}
	verified := "none"
	if st.LastVerified != nil {
		verified = moment(*st.LastVerified)
	}
	use := "not measured"
	if st.Connections != nil {
		use = fmt.Sprintf("%d connections now", *st.Connections)
	}
	out := []core.Fact{
		{Name: "Owner", Value: st.Owner},
		{Name: "Size", Value: size},
		{Name: "Last verified backup", Value: verified},
		{Name: "Age", Value: age(time.Since(st.Made))},
		{Name: "In use", Value: use},
	}
	if st.Reason != "" {
		out = append(out, core.Fact{Name: "Reason given", Value: clip(oneLine(st.Reason), 500)})
	}
	if st.PHI {
		out = append(out, core.Fact{Name: "Health data", Value: "yes"})
	}
	return out
}

func age(d time.Duration) string {
	if d < 48*time.Hour {
		return fmt.Sprintf("%d hours", int(d.Hours()))
	}
	return fmt.Sprintf("%d days", int(d.Hours()/24))
}
