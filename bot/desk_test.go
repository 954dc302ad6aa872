package bot_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/mydb-project/mydb/bot"
	"github.com/mydb-project/mydb/core"
	"github.com/mydb-project/mydb/core/coretest"
)

// counter is a desk over a talk's service. profiles is what Slack says of its users; Discord shows no mail addresses.
type counter struct {
	*talk
	desk     *bot.Desk
	profiles map[string]core.ChatProfile
	events   int
}

func newCounter(t *testing.T) *counter {
	k := &counter{talk: newTalk(t), profiles: map[string]core.ChatProfile{}}
	k.desk = bot.NewDesk(k.bot, map[core.Platform]core.AskChat{core.Slack: func(_ context.Context, u core.ChatUser) (core.ChatProfile, error) {
		p, known := k.profiles[u.ID]
		if !known {
			return p, errors.New("slack is away")
		}
		return p, nil
	}})
	return k
}

func onSlack(id string) core.ChatUser {
	return core.ChatUser{Platform: core.Slack, Team: "T1", ID: id, Name: id}
}

func onDiscord(id string) core.ChatUser {
	return core.ChatUser{Platform: core.Discord, Team: "G1", ID: id, Name: id}
}

// event takes an event in, and answers it as a worker does.
func (k *counter) event(in core.Inbound) core.Reply {
	k.Helper()
	k.events++
	if in.Key == "" {
		in.Key = strings.Repeat("k", k.events)
	}
	if _, err := k.desk.Accept(k.Context(), in); err != nil {
		k.Fatal(err)
	}
	kept, err := k.service.BeginChat(k.Context(), in.Key)
	if err != nil {
		k.Fatal(err)
	}
	r, person, err := k.desk.Answer(k.Context(), kept)
	if err != nil {
		k.Fatal(err)
	}
	err = pgx.BeginFunc(k.Context(), k.db, func(tx pgx.Tx) error { return k.service.AnswerChat(k.Context(), tx, kept, person, r) })
	if err != nil {
		k.Fatal(err)
	}
	return r
}

func (k *counter) write(who core.ChatUser, text string) core.Reply {
	k.Helper()
	return k.event(core.Inbound{User: who, Channel: "C1", Kind: core.InboundCommand, Text: text})
}

func (k *counter) press(who core.ChatUser, action, value string) core.Reply {
	k.Helper()
	return k.event(core.Inbound{User: who, Channel: "C1", Kind: core.InboundClick, Action: action, Value: value})
}

func (k *counter) wants(r core.Reply, texts ...string) {
	k.Helper()
	for _, w := range texts {
		if !strings.Contains(r.Card.Text, w) {
			k.Errorf("%q is missing in %q", w, r.Card.Text)
		}
	}
}

// knows makes a person whom Slack knows by mail.
func (k *counter) knows(login string, admin bool) core.ChatUser {
	coretest.Actor(k.T, k.service, login, admin)
	k.profiles[login] = core.ChatProfile{Email: login + "@example.com", Confirmed: true}
	return onSlack(login)
}

func TestEventIsTakenOnce(t *testing.T) {
	k := newCounter(t)
	ada := k.knows("ada", false)
	in := core.Inbound{Key: "slack/1", User: ada, Channel: "C1", Kind: core.InboundCommand, Text: "create postgres genomes"}
	first := k.event(in)
	again, err := k.desk.Accept(t.Context(), in)
	if err != nil || !again.Repeated || again.Answer == nil || again.Answer.Text != first.Card.Text {
		t.Errorf("the same event again: %+v, %v", again, err)
	}
	if _, err := k.service.BeginChat(t.Context(), in.Key); !errors.Is(err, core.ErrFinished) {
		t.Errorf("it is to be answered again: %v", err)
	}
	var n int
	var sealed *string
	err = k.db.QueryRow(t.Context(), "select (select count(*) from instances), (select sealed::text from inbox)").Scan(&n, &sealed)
	if err != nil || n != 1 || sealed != nil {
		t.Errorf("%d databases, what was written is kept: %v, %v", n, sealed, err)
	}
}

func TestSlowCatalogueAcceptsNothing(t *testing.T) {
	k := newCounter(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := k.desk.Accept(ctx, core.Inbound{Key: "x", User: onSlack("ada"), Kind: core.InboundCommand, Text: "list"}); err == nil {
		t.Error("it was accepted")
	}
}

func TestWhoSomebodyIsOnSlack(t *testing.T) {
	k := newCounter(t)
	coretest.Actor(t, k.service, "ada", false)
	known := core.ChatProfile{Email: "ADA@example.com", Confirmed: true}
	for name, c := range map[string]struct {
		change func(*core.ChatProfile)
		says   string
	}{
		"known":        {func(*core.ChatProfile) {}, "You are ada"},
		"unconfirmed":  {func(p *core.ChatProfile) { p.Confirmed = false }, "does not know who you are here yet"},
		"no address":   {func(p *core.ChatProfile) { p.Email = "" }, "does not know who you are here yet"},
		"somebody":     {func(p *core.ChatProfile) { p.Email = "who@example.com" }, "No single person here has the mail address who@example.com"},
		"a bot":        {func(p *core.ChatProfile) { p.Bot = true }, "does not work for bots"},
		"a guest":      {func(p *core.ChatProfile) { p.Guest = true }, "Guests cannot use MyDB"},
		"a stranger":   {func(p *core.ChatProfile) { p.Stranger = true }, "its own organisation only"},
		"who has left": {func(p *core.ChatProfile) { p.Deleted = true }, "was deactivated"},
	} {
		p := known
		c.change(&p)
		k.profiles[name] = p
		k.wants(k.write(onSlack(name), "whoami"), c.says)
	}
	k.wants(k.write(onSlack("unasked"), "whoami"), "could not ask who you are")
}

func TestLinkByCode(t *testing.T) {
	k := newCounter(t)
	ada := coretest.Actor(t, k.service, "ada", false)
	ada.Scope = core.ScopeAdmin // logged in to the portal
	k.wants(k.write(onDiscord("7"), "list"), "write: link <code>")
	k.wants(k.write(onDiscord("7"), "link"), "https://mydb.example.org/account")
	old, err := k.service.MakeLinkCode(t.Context(), request(ada))
	if err != nil {
		t.Fatal(err)
	}
	code, err := k.service.MakeLinkCode(t.Context(), request(ada))
	if err != nil {
		t.Fatal(err)
	}
	k.wants(k.write(onDiscord("7"), "link "+old.Code), "wrong, used or older")
	offer := k.write(onDiscord("7"), "link "+strings.ToLower(strings.ReplaceAll(code.Code, "-", "")))
	k.wants(offer, "You are 7 on Discord", "ada (ada)")
	if len(offer.Card.Buttons) != 1 || !offer.Private {
		t.Fatalf("offer %+v", offer)
	}
	k.wants(k.write(onDiscord("7"), "list"), "write: link <code>") // not before it is confirmed
	k.wants(k.press(onDiscord("8"), "confirm", offer.Card.Buttons[0].Value), "confirmed already")
	k.wants(k.write(onDiscord("8"), "link "+code.Code), "wrong, used or older")
	k.wants(k.press(onDiscord("7"), "confirm", offer.Card.Buttons[0].Value), "done as ada (ada)")
	k.wants(k.write(onDiscord("7"), "whoami"), "You are ada")
	k.wants(k.press(onDiscord("7"), "confirm", offer.Card.Buttons[0].Value), "confirmed already")
	var mails int
	if err := k.db.QueryRow(t.Context(), "select count(*) from notifications where kind = 'identity' and address = 'ada@example.com'").Scan(&mails); err != nil || mails != 1 {
		t.Errorf("%d mails, %v", mails, err)
	}
	k.wants(k.write(onDiscord("7"), "unlink"), "does not take what you write here as yours any more")
	k.wants(k.write(onDiscord("7"), "whoami"), "write: link <code>")
}

func request(a core.Actor) core.Request { return core.Request{Actor: a, Door: core.DoorPortal} }

func TestGuessedCodes(t *testing.T) {
	k := newCounter(t)
	for range 5 {
		k.wants(k.write(onDiscord("7"), "link ABCD-2345"), "wrong, used or older")
	}
	k.wants(k.write(onDiscord("7"), "link ABCD-2345"), "too many wrong codes")
	k.wants(k.write(onDiscord("8"), "link ABCD-2345"), "wrong, used or older")
}

func TestFormOfCreate(t *testing.T) {
	k := newCounter(t)
	ada := k.knows("ada", false)
	for _, text := range []string{"", "create", "/mydb create"} {
		f, opens := k.desk.Opens(core.Inbound{Kind: core.InboundCommand, Text: text})
		if !opens || f.Action != "create" {
			t.Errorf("%q opens %+v, %v", text, f, opens)
		}
		main := 0
		for _, field := range f.Fields {
			if field.First {
				main++
			}
			if len(field.Label) > 45 || len(field.Hint) > 100 {
				t.Errorf("field %+v is too long", field)
			}
		}
		if main != 5 || len(f.Title) > 24 {
			t.Errorf("%d main fields, title %q", main, f.Title)
		}
	}
	in := core.Inbound{User: ada, Channel: "C1", Kind: core.InboundForm, Action: "create", Fields: map[string]string{"engine": "pg", "name": "1bad", "size": "tiny"}}
	wrong := k.desk.Check(in)
	if wrong["name"] == "" || wrong["size"] == "" || wrong["engine"] != "" {
		t.Errorf("wrong: %v", wrong)
	}
	in.Fields = map[string]string{"engine": "postgres", "name": "genomes", "size": "small", "phi": "no", "description": "the *best* @everyone"}
	if wrong := k.desk.Check(in); len(wrong) != 0 {
		t.Errorf("wrong: %v", wrong)
	}
	r := k.event(in)
	if r.OperationID == "" || r.Private {
		t.Errorf("reply %+v", r)
	}
	card, err := k.desk.Card(t.Context(), core.ChatMessage{Kind: core.MessageStatus, OperationID: &r.OperationID})
	if err != nil || card.Title != "genomes" || !strings.Contains(card.Text, "Creating genomes is about to begin") {
		t.Errorf("card %+v, %v", card, err)
	}
	in.Fields["name"], in.Fields["phi"], in.Key = "cohort", "yes", ""
	if r := k.event(in); !r.Private {
		t.Error("what holds health data is shown to all")
	}
	in.Fields["name"], in.Fields["phi"], in.Foreign = "abroad", "no", true
	if r := k.event(in); !r.Private {
		t.Error("other organisations read along")
	}
}

// asked makes a database of ada's and asks in chat for its deletion. It gives the approval's id.
func (k *counter) asked(ada core.ChatUser, phi bool) (id string) {
	k.Helper()
	k.write(ada, "create postgres genomes")
	if _, err := k.db.Exec(k.Context(), "update instances set state = 'ready', ready_at = now(), node_id = 'n', host = 'h', phi = $1", phi); err != nil {
		k.Fatal(err)
	}
	if _, err := k.db.Exec(k.Context(), "update operations set state = 'done', finished_at = now()"); err != nil {
		k.Fatal(err)
	}
	k.wants(k.write(ada, `delete genomes "the paper is out"`), "waits for the approval")
	if err := k.db.QueryRow(k.Context(), "select id from approvals where state = 'pending'").Scan(&id); err != nil {
		k.Fatal(err)
	}
	return id
}

func TestApproveInChat(t *testing.T) {
	k := newCounter(t)
	ada, cleo := k.knows("ada", true), k.knows("cleo", true)
	bob := k.knows("bob", false)
	id := k.asked(ada, false)
	card, err := k.desk.Card(t.Context(), core.ChatMessage{Kind: core.MessageApproval, ApprovalID: &id})
	if err != nil || len(card.Buttons) != 2 || len(card.Facts) < 5 {
		t.Fatalf("card %+v, %v", card, err)
	}
	if f, opens := k.desk.Opens(core.Inbound{Kind: core.InboundClick, Action: "deny", Value: id}); !opens || f.Value != id || len(f.Fields) != 1 {
		t.Errorf("deny opens %+v", f)
	}
	k.wants(k.press(bob, "approve", id), "no approval")
	k.wants(k.press(ada, "approve", id), "You asked for this yourself")
	// The same person on the other platform is the same person.
	if _, err := k.db.Exec(t.Context(), "insert into chat_identities (platform, team, user_id, person_id, how) select 'discord', 'G1', '7', id, 'code' from people where login = 'ada'"); err != nil {
		t.Fatal(err)
	}
	k.wants(k.press(onDiscord("7"), "approve", id), "You asked for this yourself")
	if r := k.press(cleo, "approve", id); !r.Nothing {
		t.Errorf("approve: %+v", r)
	}
	k.wants(k.press(cleo, "approve", id), "approved already, by cleo")
	card, err = k.desk.Card(t.Context(), core.ChatMessage{Kind: core.MessageApproval, ApprovalID: &id})
	if err != nil || len(card.Buttons) != 0 || !strings.Contains(card.Text, "Approved by cleo") {
		t.Errorf("card %+v, %v", card, err)
	}
}

func TestHealthDataIsDecidedInThePortal(t *testing.T) {
	k := newCounter(t)
	ada, cleo := k.knows("ada", false), k.knows("cleo", true)
	id := k.asked(ada, true)
	card, err := k.desk.Card(t.Context(), core.ChatMessage{Kind: core.MessageApproval, ApprovalID: &id})
	if err != nil || len(card.Buttons) != 1 || !strings.Contains(card.Buttons[0].URL, "/approvals/"+id) {
		t.Errorf("card %+v, %v", card, err)
	}
	k.wants(k.press(cleo, "approve", id), "decided in the portal")
	k.wants(k.write(cleo, "approve "+id), "decided in the portal")
}

func TestApprovalExpiresInChat(t *testing.T) {
	k := newCounter(t)
	id := k.asked(k.knows("ada", false), false)
	if _, err := k.db.Exec(t.Context(), "update approvals set expires_at = now() - interval '1 minute'"); err != nil {
		t.Fatal(err)
	}
	n, err := k.service.ExpireApprovals(t.Context())
	if err != nil || n != 1 {
		t.Fatalf("%d expired, %v", n, err)
	}
	card, err := k.desk.Card(t.Context(), core.ChatMessage{Kind: core.MessageApproval, ApprovalID: &id})
	if err != nil || len(card.Buttons) != 0 || !strings.Contains(card.Text, "Nobody decided") {
		t.Errorf("card %+v, %v", card, err)
	}
}

func TestRevealInChat(t *testing.T) {
	k := newCounter(t)
	ada, bob := k.knows("ada", false), k.knows("bob", true)
	k.write(ada, "create postgres genomes")
	var id string
	if err := k.db.QueryRow(t.Context(), "update instances set state = 'ready', ready_at = now(), node_id = 'n', host = 'h' returning id").Scan(&id); err != nil {
		t.Fatal(err)
	}
	in := core.Inbound{User: ada, Kind: core.InboundClick, Action: "reveal", Value: id}
	secret, err := k.desk.Reveal(t.Context(), in)
	if err != nil || len(secret.Password) < 12 || secret.Username != "genomes" {
		t.Fatalf("%+v, %v", secret, err)
	}
	in.User = bob
	if _, err := k.desk.Reveal(t.Context(), in); core.CodeOf(err) != core.CodeForbidden {
		t.Errorf("an administrator: %v", err)
	}
	link, err := k.desk.RevealLink(t.Context(), core.Inbound{User: ada, Kind: core.InboundClick, Action: "reveal_link", Value: id})
	if err != nil || !strings.HasPrefix(link, "https://mydb.example.org/links/") || strings.Contains(k.log.String(), link) {
		t.Errorf("link %q, %v", link, err)
	}
	if strings.Contains(k.log.String(), secret.Password) {
		t.Error("the password is in the log")
	}
	if _, err := k.db.Exec(t.Context(), "update secrets set collected_at = $1 where kind = 'owner'", time.Now().Add(-time.Hour)); err != nil {
		t.Fatal(err)
	}
	in.User = ada
	if _, err := k.desk.Reveal(t.Context(), in); core.CodeOf(err) != core.CodeGone {
		t.Errorf("after its time: %v", err)
	}
}

func TestSiteAndAnnouncement(t *testing.T) {
	k := newCounter(t)
	ada, cleo := k.knows("ada", false), k.knows("cleo", true)
	k.write(ada, "create postgres genomes")
	k.wants(k.write(ada, "site"), "Only administrators")
	k.wants(k.write(cleo, "site"), "1 creating", "Backup guard")
	k.wants(k.write(ada, `announce "free beer"`), "Only administrators")
	k.wants(k.write(cleo, `announce "maintenance on Sunday" until=40d`), "a minute to 30 days")
	k.wants(k.write(cleo, `announce "maintenance on Sunday" until=soon`), "no time such as 2h")
	k.wants(k.write(cleo, `announce "maintenance on Sunday" until=2d`), "Announced in all doors until")
	if r := k.write(ada, "list"); r.Card.Footer != "📣 maintenance on Sunday" {
		t.Errorf("footer %q", r.Card.Footer)
	}
	k.hear(coretest.Actor(t, k.service, "bob", false), "list", "Announced by cleo: maintenance on Sunday")
	k.wants(k.write(cleo, "announce off"), "Nothing is announced any more")
	if r := k.write(ada, "list"); r.Card.Footer != "" {
		t.Errorf("footer %q", r.Card.Footer)
	}
}
