package discord_test

import (
	"strings"
	"sync"
	"testing"

	"github.com/mydb-project/mydb/bot/chattest"
	"github.com/mydb-project/mydb/bot/discord/discordfake"
	"github.com/mydb-project/mydb/core"
	"github.com/mydb-project/mydb/core/coretest"
)

// asks makes somebody ask for the deletion of a database, and gives the message that asks the administrators.
func (r *rig) asks(u, admin *discordfake.User, name string) discordfake.Message {
	r.Helper()
	r.answer(r.slash(u, r.lab, "delete", map[string]any{"name": name, "reason": "the *paper* is out @everyone"}), "waits for the approval")
	m := r.sees(admin, r.office, name)
	return r.wants(m, "Owner: ", "Size: ", "Last verified backup: ", "Age: ", "In use: ", `the \*paper\* is out`, "[Approve]", "[Deny]")
}

// settled waits until the message about an approval has no buttons but undo, and wants texts in it.
func (r *rig) settled(u *discordfake.User, m discordfake.Message, texts ...string) {
	r.Helper()
	r.until("the approval's message is settled", func() bool {
		for _, seen := range u.Sees(r.office) {
			if seen.ID == m.ID && seen.Button("Approve").CustomID == "" && seen.Button("Deny").CustomID == "" {
				m = seen
				return strings.Contains(seen.Text(), texts[0])
			}
		}
		return false
	})
	r.wants(m, texts...)
}

func TestApprove(t *testing.T) {
	r := everything(t)
	ada, cleo := r.linked("ada", true), r.linked("cleo", true)
	r.ready(ada, "genomes")
	m := r.asks(ada, cleo, "genomes")
	if len(m.Pinged) > 0 {
		t.Errorf("%v were pinged", m.Pinged)
	}
	own := r.answer(r.press(ada, m, "Approve"), "asked for this yourself")
	if !own.Ephemeral() {
		t.Error("a refusal is shown to all")
	}
	r.answer(r.press(r.linked("bob", false), m, "Approve"), "There is no approval")
	r.answer(r.press(r.fake.AddUser("eve"), m, "Approve"), "does not know who you are")
	i := r.press(cleo, m, "Approve")
	if kind, err := i.WaitAck(r.Patient()); err != nil || kind != 6 {
		t.Errorf("acknowledged with %d, %v", kind, err)
	}
	r.settled(cleo, m, "Approved by cleo")
	// A click that was on its way when the buttons went.
	r.answer(r.press(cleo, m, "Approve"), "approved already, by cleo")
	if n := chattest.One[int](r.MyDB, "select count(*) from operations where kind = 'delete'"); n != 1 {
		t.Errorf("%d deletions", n)
	}
	if door := chattest.One[string](r.MyDB, "select door from audit where action = 'approve' and actor = 'cleo' and outcome <> 'denied' order by id limit 1"); door != "discord" {
		t.Errorf("the audit trail says %q", door)
	}
}

func TestDenyNeedsAReason(t *testing.T) {
	r := everything(t)
	ada, cleo := r.linked("ada", false), r.linked("cleo", true)
	r.ready(ada, "genomes")
	m := r.asks(ada, cleo, "genomes")
	form := r.opens(r.press(cleo, m, "Deny"))
	if len(form.Inputs) != 1 || form.Inputs[0].CustomID != "reason" {
		t.Fatalf("the form asks %+v", form.Inputs)
	}
	if err := cleo.Submit(form, nil).Err(); err == nil {
		t.Error("a denial without a reason was sent")
	}
	if ack, err := cleo.Submit(form, map[string]string{"reason": "_still_ used by the course"}).WaitAck(r.Patient()); err != nil || ack != 6 {
		t.Errorf("acknowledged with %d, %v", ack, err)
	}
	r.settled(cleo, m, "Denied by cleo", `\_still\_ used by the course`)
	if state := chattest.One[string](r.MyDB, "select state from instances"); state != "ready" {
		t.Errorf("the database is %s", state)
	}
}

func TestTwoApproversAtOnce(t *testing.T) {
	r := everything(t)
	ada, cleo, dora := r.linked("ada", false), r.linked("cleo", true), r.linked("dora", true)
	r.ready(ada, "genomes")
	m := r.asks(ada, cleo, "genomes")
	var both sync.WaitGroup
	for _, u := range []*discordfake.User{cleo, dora} {
		both.Go(func() { u.Click(m, m.Button("Approve").CustomID) })
	}
	both.Wait()
	r.settled(cleo, m, "Approved by ")
	r.until("the loser reads who won", func() bool {
		for _, u := range []*discordfake.User{cleo, dora} {
			for _, seen := range u.Sees(r.office) {
				if strings.Contains(seen.Text(), "approved already, by ") {
					return true
				}
			}
		}
		return false
	})
	if n := chattest.One[int](r.MyDB, "select count(*) from operations where kind = 'delete'"); n != 1 {
		t.Errorf("%d deletions", n)
	}
}

func TestDecidedElsewhere(t *testing.T) {
	r := everything(t)
	ada, cleo := r.linked("ada", false), r.linked("cleo", true)
	r.ready(ada, "genomes")
	m := r.asks(ada, cleo, "genomes")
	dora := coretest.Actor(t, r.Service, "dora", true)
	id := chattest.One[string](r.MyDB, "select id from approvals")
	// ada is on Slack, too; four eyes are those of two people, not of two accounts.
	asker := core.Actor{Person: coretest.Actor(t, r.Service, "ada", false).Person, Scope: core.ScopeAdmin}
	if _, err := r.Service.Do(t.Context(), core.Request{Actor: asker, Door: core.DoorSlack, Command: core.Decide{ID: id, Approve: true}}); core.CodeOf(err) != core.CodeForbidden {
		t.Errorf("ada approved it from Slack: %v", err)
	}
	if _, err := r.Service.Do(t.Context(), core.Request{Actor: dora, Door: core.DoorPortal, Command: core.Decide{ID: id, Reason: "no"}}); err != nil {
		t.Fatal(err)
	}
	r.settled(cleo, m, "Denied by dora")
	r.answer(r.press(cleo, m, "Approve"), "denied already, by dora")
}

func TestApprovalExpires(t *testing.T) {
	r := everything(t)
	ada, cleo := r.linked("ada", false), r.linked("cleo", true)
	r.ready(ada, "genomes")
	m := r.asks(ada, cleo, "genomes")
	r.Exec("update approvals set expires_at = now() - interval '1 minute'")
	if n, err := r.Service.ExpireApprovals(t.Context()); err != nil || n != 1 {
		t.Fatalf("%d expired, %v", n, err)
	}
	r.settled(cleo, m, "Nobody decided")
	r.answer(r.press(cleo, m, "Approve"), "expired")
}

func TestApprovalByCommand(t *testing.T) {
	r := everything(t)
	ada, cleo := r.linked("ada", false), r.linked("cleo", true)
	r.ready(ada, "genomes")
	m := r.asks(ada, cleo, "genomes")
	id := chattest.One[string](r.MyDB, "select id from approvals")
	r.answer(cleo.Slash(r.office, "mydb-admin", "approvals", nil), id)
	r.answer(cleo.Slash(r.office, "mydb-admin", "deny", map[string]any{"id": id, "reason": "not yet"}), "Denied")
	r.settled(cleo, m, "Denied by cleo")
}
