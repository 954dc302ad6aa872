package core_test

import (
	"slices"
	"testing"
	"time"

	"github.com/mydb-project/mydb/core"
	"github.com/mydb-project/mydb/core/coretest"
	"github.com/mydb-project/mydb/core/engine"
	"github.com/mydb-project/mydb/core/engine/mariadb"
	"github.com/mydb-project/mydb/core/engine/postgres"
	"github.com/mydb-project/mydb/core/policy"
)

// TestWhoMayCreateWhat lets people create what a rule for their groups or their role allows, whichever way they do it.
func TestWhoMayCreateWhat(t *testing.T) {
	l := newLaboratory(t, func(o *core.Options) {
		o.Engines = []engine.Engine{postgres.Engine{}, mariadb.Engine{}}
		o.Quotas = policy.Quotas{Person: policy.Limit{Databases: 2}, Roles: map[string]policy.Limit{"lead": {Databases: 3}}}
		o.Policy.Create = []policy.Allowance{
			{Groups: []string{"Genomics"}, Engines: []string{"postgres"}, Sizes: []string{"small"}},
			{Roles: []string{"lead"}, Sizes: []string{"small", "medium"}},
		}
	})
	sam, eve, ada := l.person("sam", false, "genomics"), l.person("eve", false), l.person("ada", true)
	lea := l.person("lea", false, "genomics-leads")

	l.must(sam, core.Create{Name: "one", Engine: "postgres"})
	_, err := l.do(sam, core.Create{Name: "two", Engine: "postgres", Size: "medium"})
	l.refused(core.CodeForbidden, "On this site, you may have: postgres in the size small. For postgres in the size medium, ask an administrator.", err)
	_, err = l.do(sam, core.Create{Name: "two", Engine: "mariadb"})
	l.refused(core.CodeForbidden, "For mariadb in the size small", err)
	_, err = l.do(sam, core.Class{Create: core.Create{Name: "course", Engine: "mariadb"}, Count: 2})
	l.refused(core.CodeForbidden, "For mariadb in the size small", err)
	_, err = l.do(eve, core.Create{Name: "two", Engine: "postgres"})
	l.refused(core.CodeForbidden, "On this site, you do not create databases yourself.", err)
	l.must(ada, core.Create{Name: "evas", Engine: "mariadb", Size: "large", Owner: "eve"})
	for _, name := range []string{"three", "four", "five"} {
		l.must(lea, core.Create{Name: name, Engine: "mariadb", Size: "medium"})
	}
	_, err = l.do(lea, core.Create{Name: "six", Engine: "mariadb"})
	l.refused(core.CodeQuota, "The limit of 3 databases", err)

	l.ready()
	_, err = l.do(sam, core.Resize{On: core.On{Database: "one"}, Size: "medium"})
	l.refused(core.CodeForbidden, "For postgres in the size medium", err)
	l.must(ada, core.Resize{On: core.On{Database: "one"}, Size: "medium"})
}

// TestApproversByKind lets a group decide about one kind of requests, and administrators not where only the group does.
func TestApproversByKind(t *testing.T) {
	l := newLaboratory(t, func(o *core.Options) {
		o.Policy.Approvals.Approvers = map[string]policy.Approvers{"delete": {Groups: []string{"stewards"}, Only: true}, "resize": {Groups: []string{"dba"}}}
		o.Policy.Approvals.Sizes = []string{"large"}
	})
	sam, ada, dan := l.person("sam", false), l.person("ada", true), l.person("dan", false, "dba")
	stu := l.person("stu", false, "stewards")
	for _, name := range []string{"one", "two"} {
		l.must(sam, core.Create{Name: name, Engine: "postgres"})
	}
	l.ready()
	deletion := l.must(sam, core.Delete{On: core.On{Database: "one"}}).Approval
	resizing := l.must(sam, core.Resize{On: core.On{Database: "two"}, Size: "large"}).Approval

	var asked string // whoever may decide is told, and nobody else
	err := l.db.QueryRow(t.Context(), "select string_agg(data->>'action' || ' ' || split_part(address, '@', 1), ', ' order by id) from notifications where kind = 'approval_asked'").Scan(&asked)
	if err != nil || asked != "delete stu, resize dan, resize ada" {
		t.Errorf("asked: %s, %v", asked, err)
	}

	_, err = l.do(ada, core.Decide{ID: deletion.ID, Approve: true})
	l.refused(core.CodeForbidden, "On this site, this is decided by: stewards.", err)
	_, err = l.do(dan, core.Decide{ID: deletion.ID, Approve: true})
	l.refused(core.CodeNotFound, "", err)
	_, err = l.do(sam, core.Decide{ID: resizing.ID, Approve: true})
	l.refused(core.CodeForbidden, "On this site, this is decided by administrators and by: dba.", err)
	for who, want := range map[*core.Actor]int{&ada: 1, &dan: 1, &stu: 1, &sam: 0} {
		if n, err := l.s.Waiting(t.Context(), *who); err != nil || n != want {
			t.Errorf("%s sees %d waiting, %v; want %d", who.Login, n, err, want)
		}
	}
	if list, err := l.s.Approvals(t.Context(), stu, true); err != nil || len(list) != 1 || list[0].ID != deletion.ID {
		t.Errorf("a steward lists %+v, %v", list, err)
	}
	if r := l.must(dan, core.Decide{ID: resizing.ID, Approve: true}); r.Operation.Kind != "resize" {
		t.Errorf("approved: %+v", r.Operation)
	}
	stu.Scope = core.ScopeRead
	if _, err := l.do(stu, core.Decide{ID: deletion.ID, Approve: true}); core.CodeOf(err) != core.CodeForbidden {
		t.Errorf("a token that may only read decides: %v", err)
	}
	stu.Scope = core.ScopeOperate
	if r := l.must(stu, core.Decide{ID: deletion.ID, Approve: true}); r.Operation.Kind != "delete" {
		t.Errorf("approved: %+v", r.Operation)
	}
}

// TestHealthDataNeedsTwoApprovals lets nothing be done with health data before two different people have approved.
func TestHealthDataNeedsTwoApprovals(t *testing.T) {
	l := newLaboratory(t, func(o *core.Options) {
		o.Policy.PHI.SecondApprover = true
		o.Policy.Approvals.BreakGlass = true
	})
	sam, ada, bob, cleo := l.person("sam", false), l.person("ada", true), l.person("bob", true), l.person("cleo", true)
	l.must(sam, core.Create{Name: "patients", Engine: "postgres", PHI: true})
	l.must(sam, core.Create{Name: "genomes", Engine: "postgres"})
	l.ready()
	plain := l.must(sam, core.Delete{On: core.On{Database: "genomes"}}).Approval
	if r := l.must(ada, core.Decide{ID: plain.ID, Approve: true}); r.Operation.Kind != "delete" {
		t.Errorf("without health data one is enough: %+v", r)
	}
	asked := l.must(sam, core.Delete{On: core.On{Database: "patients"}}).Approval
	first := l.must(ada, core.Decide{ID: asked.ID, Approve: true, Reason: "the study is over"})
	if first.Operation.ID != "" || first.Approval.State != "pending" || len(first.Approval.ApprovedBy) != 1 || first.Approval.ApprovedBy[0] != "ada" {
		t.Errorf("the first approval: %+v", first.Approval)
	}
	_, err := l.do(ada, core.Decide{ID: asked.ID, Approve: true})
	l.refused(core.CodeBusy, "You have approved this already.", err)
	if n, err := l.s.Waiting(t.Context(), ada); err != nil || n != 0 {
		t.Errorf("it waits for ada: %d, %v", n, err)
	}
	if n, err := l.s.Waiting(t.Context(), bob); err != nil || n != 1 {
		t.Errorf("it waits for bob: %d, %v", n, err)
	}

	// The first has no say any more: the next one is the first.
	l.person("ada", false)
	if r := l.must(bob, core.Decide{ID: asked.ID, Approve: true}); r.Approval.State != "pending" {
		t.Errorf("with a first who may not approve any more: %+v", r.Approval)
	}
	second := l.must(cleo, core.Decide{ID: asked.ID, Approve: true})
	if second.Operation.Kind != "delete" || second.Approval.State != "approved" || *second.Approval.DecidedBy != "cleo" {
		t.Errorf("the second approval: %+v", second.Approval)
	}
	var trail int
	err = l.db.QueryRow(t.Context(), "select count(*) from audit where action = 'approve' and data->>'approval' = $1 and outcome in ('accepted', 'done')", asked.ID).Scan(&trail)
	if err != nil || trail != 3 {
		t.Errorf("%d approvals are in the trail, %v", trail, err)
	}

	own := l.must(cleo, core.Create{Name: "cleos", Engine: "postgres", PHI: true})
	l.ready()
	mine := l.must(cleo, core.Delete{On: core.On{Database: own.Database.ID}}).Approval
	_, err = l.do(cleo, core.Decide{ID: mine.ID, Approve: true, Reason: "alone"})
	l.refused(core.CodeForbidden, "two others have to approve it", err)
	l.must(bob, core.Decide{ID: mine.ID, Approve: true})
	ada = l.person("ada", true)
	if r := l.must(ada, core.Decide{ID: mine.ID, Reason: "not yet"}); r.Approval.State != "denied" {
		t.Errorf("one is enough to deny: %+v", r.Approval)
	}
}

// ready ends all that is under way.
func (l laboratory) ready() {
	l.Helper()
	_, err := l.db.Exec(l.Context(), `update operations set state = 'done', finished_at = now() where finished_at is null;
		update instances set state = 'ready', node_id = 'n1', host = 'db.example.com' where state = 'creating'`)
	if err != nil {
		l.Fatal(err)
	}
}

// TestLivesOfTokens bounds what tokens are made for.
func TestLivesOfTokens(t *testing.T) {
	l := newLaboratory(t, func(o *core.Options) { o.Policy.Tokens = policy.Tokens{Default: days(7), Maximum: days(30)} })
	sam := l.person("sam", false)
	req := core.Request{Actor: sam, Door: core.DoorPortal}
	token, _, err := l.s.MakeToken(t.Context(), req, core.NewToken{Name: "nightly"})
	if err != nil || time.Until(token.ExpiresAt) > 7*24*time.Hour || time.Until(token.ExpiresAt) < 6*24*time.Hour {
		t.Errorf("%+v, %v", token, err)
	}
	_, _, err = l.s.MakeToken(t.Context(), req, core.NewToken{Name: "nightly", Expires: time.Now().AddDate(0, 0, 31)})
	l.refused(core.CodeInvalid, "A token expires within 30 days from now on this site.", err)
	other := coretest.Service(t, l.db, core.Options{})
	if _, _, err := other.MakeToken(t.Context(), req, core.NewToken{Name: "yearly", Expires: time.Now().AddDate(1, 0, 0)}); err != nil {
		t.Errorf("a year, on a site that says nothing: %v", err)
	}
}

func days(n int) policy.Span { return policy.Span(time.Duration(n) * 24 * time.Hour) }

// TestDecidable keeps the words of the policy equal to what there is to approve.
func TestDecidable(t *testing.T) {
	if got := core.Approvables(); !slices.Equal(got, policy.Decidable) {
		t.Errorf("approved are %v, and policies know %v", got, policy.Decidable)
	}
}
