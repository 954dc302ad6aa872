package core_test

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/mydb-project/mydb/core"
	"github.com/mydb-project/mydb/core/coretest"
)

// told lists what was written into the outbox, in the order of writing, as "kind address", with a minus before what is not sent.
func told(t *testing.T, pool *pgxpool.Pool) (out []string) {
	t.Helper()
	rows, err := pool.Query(t.Context(), `select case state when 'cancelled' then '-' else '' end || kind || ' ' || split_part(address, '@', 1)
		from notifications order by id`)
	if err == nil {
		out, err = pgx.CollectRows(rows, pgx.RowTo[string])
	}
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// TestPeopleChooseWhatTheyAreToldOf switches topics off and on, and finds in the outbox who is told, and who would have been.
func TestPeopleChooseWhatTheyAreToldOf(t *testing.T) {
	s, pool, queue := outbox(t, core.Options{MailAdmins: []string{"Root <root@example.com>", "desk@example.org"}})
	ada, root := coretest.Actor(t, s, "ada", false), coretest.Actor(t, s, "root", true)
	choose := func(a core.Actor, wanted map[core.Topic]bool) []core.MailChoice {
		t.Helper()
		list, err := s.ChooseMail(t.Context(), request(a, "", nil), wanted)
		if err != nil {
			t.Fatal(err)
		}
		return list
	}
	list, err := s.MailChoices(t.Context(), ada)
	if err != nil || len(list) != len(core.Topics())-1 || slices.ContainsFunc(list, func(c core.MailChoice) bool { return !c.Wanted || c.Topic == core.TopicDigest }) {
		t.Errorf("at first: %+v, %v; want all but the administrators' topics, and all on", list, err)
	}
	list = choose(ada, map[core.Topic]bool{core.TopicReady: false, core.TopicExpiring: false, core.TopicShared: true})
	off := slices.DeleteFunc(list, func(c core.MailChoice) bool { return c.Wanted })
	if len(off) != 2 || off[0].Topic != core.TopicReady || off[1].Topic != core.TopicExpiring {
		t.Errorf("off: %+v", off)
	}
	choose(root, map[core.Topic]bool{core.TopicFailed: false}) // of an address that the site's settings name

	lost := &core.Explanation{Code: core.CodeUnavailable, Message: "No machine has room."}
	made(t, s, pool, ada, create("genomes"), nil)
	made(t, s, pool, ada, create("variants"), lost)
	choose(ada, map[core.Topic]bool{core.TopicReady: true})
	made(t, s, pool, ada, create("proteins"), nil)
	want := []string{"-ready ada", "failed ada", "-failed root", "failed desk", "ready ada"}
	if got := told(t, pool); !slices.Equal(got, want) {
		t.Errorf("the outbox is %q; want %q", got, want)
	}
	if len(queue.notifications) != 3 {
		t.Errorf("%d jobs for 3 mails", len(queue.notifications))
	}
	letters := all(t, s, root)
	if l := letters[len(letters)-1]; l.LastError != "not sent: they have switched off mail of the topic ready" {
		t.Errorf("the letter says %q", l.LastError)
	}
	if l := letters[0]; l.Choice() != "/account#mail" {
		t.Errorf("the letter leads to %q", l.Choice())
	}

	for wanted, says := range map[core.Topic]string{"digest": "There is no topic", "rotated": "always told", "": "There is no topic", "a\r\nBcc: x": "There is no topic"} {
		_, err := s.ChooseMail(t.Context(), request(ada, "", nil), map[core.Topic]bool{wanted: false, core.TopicFailed: false})
		if core.CodeOf(err) != core.CodeInvalid || !strings.Contains(err.Error(), says) {
			t.Errorf("%q: %v", wanted, err)
		}
	}
	reading := ada
	reading.Scope = core.ScopeRead
	if _, err := s.ChooseMail(t.Context(), request(reading, "", nil), map[core.Topic]bool{core.TopicFailed: false}); core.CodeOf(err) != core.CodeForbidden {
		t.Errorf("with a token that may read: %v", err)
	}
	if n := count(t, pool, "select count(*) from mail_preferences where topic = 'failed' and not wanted"); n != 1 {
		t.Errorf("%d have switched failures off; what was refused changed something", n)
	}
	if n := count(t, pool, "select count(*) from audit where action = 'mail.choose' and outcome = 'done' and data ? 'before'"); n != 3 {
		t.Errorf("%d audit entries; want 3", n)
	}
}

// TestSecurityIsAlwaysTold switches everything off, and lets passwords and identities change hands.
func TestSecurityIsAlwaysTold(t *testing.T) {
	s, pool, ada, grace := owned(t)
	root := coretest.Actor(t, s, "root", true)
	for _, a := range []core.Actor{ada, grace, root} {
		everything := map[core.Topic]bool{}
		for _, topic := range core.Topics() {
			if topic != string(core.TopicDigest) {
				everything[core.Topic(topic)] = false
			}
		}
		if _, err := s.ChooseMail(t.Context(), request(a, "", nil), everything); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := pool.Exec(t.Context(), "delete from notifications"); err != nil {
		t.Fatal(err)
	}
	rotated := func(by core.Actor, failure *core.Explanation) {
		t.Helper()
		r := must(t, s, by, core.Rotate{On: genomes, Password: "canary-canary-canary"})
		err := pgx.BeginFunc(t.Context(), pool, func(tx pgx.Tx) error {
			return s.FinishRotate(t.Context(), tx, r.Operation.ID, r.Database, failure == nil, failure)
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	rotated(root, nil)
	rotated(ada, nil)
	rotated(root, &core.Explanation{Code: core.CodeUnavailable, Message: "No answer."}) // nothing has changed, and that may be switched off
	shared(t, s, pool, must(t, s, ada, core.Share{On: genomes, With: "grace", Right: core.RightRead}), nil)
	list, err := s.Accesses(t.Context(), ada, "genomes")
	if err != nil || len(list) != 1 {
		t.Fatalf("%+v, %v", list, err)
	}
	shared(t, s, pool, must(t, s, ada, core.RotateAccount{On: genomes, Account: list[0].Username}), nil)
	shared(t, s, pool, must(t, s, ada, core.AddAccount{On: genomes, Account: "pipe", Right: "write"}), nil)
	shared(t, s, pool, must(t, s, root, core.RotateAccount{On: genomes, Account: "pipe", Overlap: "24h"}), nil)
	bot := core.ChatUser{Platform: core.Slack, Team: "T1", ID: "U1", Name: "ada"}
	ask := func(_ context.Context, _ core.ChatUser) (core.ChatProfile, error) {
		return core.ChatProfile{Email: "ADA@example.com", Confirmed: true}, nil
	}
	for range 2 { // who is known is told of once
		if _, err := s.ChatActor(t.Context(), bot, ask); err != nil {
			t.Fatal(err)
		}
	}
	want := []string{"rotated ada", "rotated ada", "-failed ada", "-failed root", "-shared grace", "rotated grace", "rotated ada", "identity ada"}
	if got := told(t, pool); !slices.Equal(got, want) {
		t.Errorf("the outbox is %q; want %q", got, want)
	}
	for _, l := range all(t, s, root) {
		text, err := l.Text()
		if err != nil || strings.Contains(strings.Join(text.Lines, " ")+text.Subject+string(l.Data), "canary") {
			t.Errorf("%s: %+v, %v; want no secret", l.Kind, text, err)
		}
		if l.Kind != "rotated" && l.Kind != "identity" {
			continue
		}
		if l.Choice() != "" {
			t.Errorf("%s can be switched off at %s, it says", l.Kind, l.Choice())
		}
	}
}
