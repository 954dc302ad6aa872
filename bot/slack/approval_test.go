package slack_test

import (
	"strings"
	"testing"

	"github.com/mydb-project/mydb/bot/chattest"
	"github.com/mydb-project/mydb/bot/slack/slackfake"
	"github.com/mydb-project/mydb/core"
	"github.com/mydb-project/mydb/core/coretest"
)

// asks makes somebody ask for the deletion of a database, and gives the message that asks the administrators.
func (r *rig) asks(u, admin *slackfake.User, name string) slackfake.Message {
	r.Helper()
	r.types(u, r.lab, "delete "+name+` "the *paper* is out <!channel>"`)
	r.sees(u, r.lab, "waits for the approval")
	return r.sees(admin, r.office, name, "Owner", "Size", "Last verified backup", "Age", "In use", "the *paper* is out @channel", "delete "+name)
}

// settled waits until the message about an approval can be decided no more, and wants texts in it.
func (r *rig) settled(u *slackfake.User, m slackfake.Message, texts ...string) slackfake.Message {
	r.Helper()
	r.until("the approval's message is settled: "+texts[0], func() bool {
		now, _ := u.Message(r.office, m.TS)
		_, approve := now.Button("approve")
		_, deny := now.Button("deny")
		m = now
		return !approve && !deny && holds(now, texts...)
	})
	return m
}

func TestApprove(t *testing.T) {
	r := everything(t)
	ada, cleo := r.person("ada", true), r.person("cleo", true)
	r.ready(ada, "genomes")
	m := r.asks(ada, cleo, "genomes")
	bob, eve := r.person("bob", false), r.stranger(slackfake.Profile{Name: "eve"})
	r.office.Join(bob)
	r.office.Join(eve)
	for _, c := range []struct {
		who  *slackfake.User
		says string
	}{{ada, "asked for this yourself"}, {bob, "There is no approval"}, {eve, "does not know who you are"}} {
		r.press(c.who, m, "approve")
		if refusal := r.sees(c.who, r.office, c.says); refusal.EphemeralTo != c.who.ID() {
			t.Error("a refusal is shown to all")
		}
	}
	// Somebody who is an administrator no more.
	dora := r.person("dora", true)
	r.press(dora, m, "deny")
	r.Exec("update people set admin = false where login = 'dora'")
	r.submits(dora, r.modal(dora, "Deny"), map[string]string{"reason": "mine"})
	r.sees(dora, r.office, "There is no approval")

	r.press(cleo, m, "approve")
	decided := r.settled(cleo, m, "Approved by cleo")
	if len(ada.Sees(r.office)) == 0 || decided.Edits == 0 {
		t.Error("it was posted anew")
	}
	r.press(cleo, m, "approve") // a click that was on its way when the buttons went
	r.sees(cleo, r.office, "approved already, by cleo")
	if n := chattest.One[int](r.MyDB, "select count(*) from operations where kind = 'delete'"); n != 1 {
		t.Errorf("%d deletions", n)
	}
	if door := chattest.One[string](r.MyDB, "select door from audit where action = 'approve' and actor = 'cleo' and outcome <> 'denied' order by id limit 1"); door != "slack" {
		t.Errorf("the audit trail says %q", door)
	}
	r.sees(ada, ada.Direct(), "delete genomes", "Approved by cleo")
	r.kept()
}

func TestDenyNeedsAReason(t *testing.T) {
	r := everything(t)
	ada, cleo := r.person("ada", false), r.person("cleo", true)
	r.ready(ada, "genomes")
	m := r.asks(ada, cleo, "genomes")
	r.press(cleo, m, "deny")
	form := r.modal(cleo, "Deny")
	if asked := inputs(form); asked != "reason" {
		t.Fatalf("the form asks for %s", asked)
	}
	if _, err := cleo.Submit(form, nil).Wait(r.Patient()); err == nil {
		t.Error("a denial without a reason was sent")
	}
	r.submits(cleo, form, map[string]string{"reason": "_still_ used by the course"})
	r.settled(cleo, m, "Denied by cleo", "_still_ used by the course")
	if state := chattest.One[string](r.MyDB, "select state from instances"); state != "ready" {
		t.Errorf("the database is %s", state)
	}
	r.sees(ada, ada.Direct(), "Denied by cleo", "_still_ used by the course")
	r.kept()
}

func TestTwoApproversAtOnce(t *testing.T) {
	r := everything(t)
	ada, cleo, dora := r.person("ada", false), r.person("cleo", true), r.person("dora", true)
	r.ready(ada, "genomes")
	m := r.asks(ada, cleo, "genomes")
	r.fake.Hold()
	clicks := []*slackfake.Delivery{cleo.Click(m, "approve"), dora.Click(m, "approve")}
	r.fake.Release(false)
	for _, c := range clicks {
		r.acked(c)
	}
	r.settled(cleo, m, "Approved by ")
	r.until("the loser reads who won", func() bool {
		for _, u := range []*slackfake.User{cleo, dora} {
			for _, seen := range u.Sees(r.office) {
				if strings.Contains(seen.Shown(), "approved already, by ") {
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
	ada, cleo := r.person("ada", true), r.person("cleo", true)
	r.ready(ada, "genomes")
	m := r.asks(ada, cleo, "genomes")
	id := chattest.One[string](r.MyDB, "select id from approvals")
	// ada is on Discord, too; four eyes are those of two people, not of two accounts.
	discord := core.ChatUser{Platform: core.Discord, Team: "4711", ID: "42", Name: "adah"}
	r.Exec(`insert into chat_identities (platform, team, user_id, person_id, name, how) select 'discord', '4711', '42', id, 'adah', 'code' from people where login = 'ada'`)
	click := core.Inbound{Key: "discord/1", User: discord, Kind: core.InboundClick, Action: "approve", Value: id, At: r.fake.Clock().Now()}
	if reply, _, err := r.Desk.Answer(t.Context(), click); err != nil || !strings.Contains(reply.Card.Text, "asked for this yourself") {
		t.Errorf("ada's click on Discord is answered with %+v, %v", reply, err)
	}
	dora := coretest.Actor(t, r.Service, "dora", true)
	if _, err := r.Service.Do(t.Context(), core.Request{Actor: dora, Door: core.DoorPortal, Command: core.Decide{ID: id, Reason: "no"}}); err != nil {
		t.Fatal(err)
	}
	r.settled(cleo, m, "Denied by dora")
	r.press(cleo, m, "approve")
	r.sees(cleo, r.office, "denied already, by dora")
}

func TestApprovalExpires(t *testing.T) {
	r := everything(t)
	ada, cleo := r.person("ada", false), r.person("cleo", true)
	r.ready(ada, "genomes")
	m := r.asks(ada, cleo, "genomes")
	r.Exec("update approvals set expires_at = now() - interval '1 minute'")
	if n, err := r.Service.ExpireApprovals(t.Context()); err != nil || n != 1 {
		t.Fatalf("%d expired, %v", n, err)
	}
	r.settled(cleo, m, "Nobody decided")
	r.sees(ada, ada.Direct(), "Nobody decided")
	r.press(cleo, m, "approve")
	r.sees(cleo, r.office, "expired")
}

// TestHealthDataIsDecidedInThePortal is about what needs a fresh login: the channel only shows the way.
func TestHealthDataIsDecidedInThePortal(t *testing.T) {
	r := everything(t)
	ada, cleo := r.person("ada", false), r.person("cleo", true)
	r.types(ada, r.lab, "create postgres patients phi=yes")
	r.sees(ada, ada.Direct(), "Creating patients")
	r.Finish(chattest.One[string](r.MyDB, "select id from operations"))
	r.types(ada, r.lab, "delete patients")
	m := r.sees(cleo, r.office, "patients", "Health data")
	if b := m.Buttons(); len(b) != 1 || !strings.HasPrefix(b[0].URL, "https://mydb.example.org/approvals") {
		t.Errorf("the buttons are %+v", b)
	}
	r.press(cleo, m, m.Buttons()[0].ActionID) // Slack tells of such clicks, too
	id := chattest.One[string](r.MyDB, "select id from approvals")
	r.answered(cleo, r.office, "approvals", id)
	r.kept()
}
