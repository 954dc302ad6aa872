package core_test

import (
	"context"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/mydb-project/mydb/core"
	"github.com/mydb-project/mydb/core/coretest"
	"github.com/mydb-project/mydb/core/policy"
)

// asked makes a ready instance of ada's and asks for its deletion.
func asked(t *testing.T) (s *core.Service, db *pgxpool.Pool, ada core.Actor, a core.Approval) {
	t.Helper()
	s, pool := coretest.New(t)
	ada = coretest.Actor(t, s, "ada", false)
	r, err := s.Do(t.Context(), request(ada, "", create("genomes")))
	if err != nil {
		t.Fatal(err)
	}
	ready(t, s, pool, r)
	r, err = s.Do(t.Context(), request(ada, "", core.Delete{On: core.On{Database: "genomes"}, Reason: "the paper is out"}))
	if err != nil || r.Approval == nil || r.Operation.ID != "" {
		t.Fatalf("delete: %+v, %v", r, err)
	}
	return s, pool, ada, *r.Approval
}

func TestDeleteNeedsAnApproval(t *testing.T) {
	s, _, ada, a := asked(t)
	again, err := s.Do(t.Context(), request(ada, "", core.Delete{On: core.On{Database: "genomes"}}))
	if err != nil || again.Approval.ID != a.ID {
		t.Errorf("asked again: %+v, %v; want approval %s", again.Approval, err, a.ID)
	}
	bob := coretest.Actor(t, s, "bob", false)
	cleo := coretest.Actor(t, s, "cleo", true)
	for _, c := range []struct {
		name  string
		actor core.Actor
		d     core.Decide
		code  core.Code
	}{
		{"a stranger", bob, core.Decide{ID: a.ID, Approve: true}, core.CodeNotFound},
		{"the owner", ada, core.Decide{ID: a.ID, Approve: true}, core.CodeForbidden},
		{"no such approval", cleo, core.Decide{ID: "nothing", Approve: true}, core.CodeNotFound},
		{"a denial without a reason", cleo, core.Decide{ID: a.ID}, core.CodeInvalid},
	} {
		if _, err := s.Do(t.Context(), request(c.actor, "", c.d)); core.CodeOf(err) != c.code {
			t.Errorf("%s: %v, want %s", c.name, err, c.code)
		}
	}
	ada.Admin, ada.Scope = true, core.ScopeAdmin
	if _, err := s.Do(t.Context(), request(ada, "", core.Decide{ID: a.ID, Approve: true})); core.CodeOf(err) != core.CodeForbidden || !strings.Contains(err.Error(), "yourself") {
		t.Errorf("one's own request: %v", err)
	}
	r, err := s.Do(t.Context(), request(cleo, "", core.Decide{ID: a.ID, Approve: true}))
	if err != nil || r.Operation.Kind != "delete" || r.Approval.State != "approved" || *r.Approval.DecidedBy != "cleo" {
		t.Fatalf("approve: %+v, %v", r, err)
	}
	if _, err := s.Do(t.Context(), request(cleo, "", core.Decide{ID: a.ID, Reason: "no"})); core.CodeOf(err) != core.CodeBusy || !strings.Contains(err.Error(), "approved already, by cleo") {
		t.Errorf("decided again: %v", err)
	}
}

// Of two who decide at once, one does, and the other reads who did.
func TestApprovalIsDecidedOnce(t *testing.T) {
	s, _, _, a := asked(t)
	var wg sync.WaitGroup
	errs := make([]error, 6)
	for n, login := range []string{"cleo", "dan", "eva", "fred", "gus", "hal"} {
		actor := coretest.Actor(t, s, login, true)
		wg.Go(func() {
			_, errs[n] = s.Do(context.Background(), request(actor, "", core.Decide{ID: a.ID, Approve: n%2 == 0, Reason: "because"}))
		})
	}
	wg.Wait()
	won := 0
	for _, err := range errs {
		if err == nil {
			won++
		} else if core.CodeOf(err) != core.CodeBusy || !strings.Contains(err.Error(), "already, by") {
			t.Errorf("a loser reads %v", err)
		}
	}
	if won != 1 {
		t.Errorf("%d have decided, want 1", won)
	}
}

func TestApprovalAfterItsTime(t *testing.T) {
	s, db, ada, a := asked(t)
	cleo := coretest.Actor(t, s, "cleo", true)
	if _, err := db.Exec(t.Context(), "update approvals set expires_at = now() - interval '1 second'"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Do(t.Context(), request(cleo, "", core.Decide{ID: a.ID, Approve: true})); core.CodeOf(err) != core.CodeGone {
		t.Errorf("after its time: %v, want %s", err, core.CodeGone)
	}
	again, err := s.Do(t.Context(), request(ada, "", core.Delete{On: core.On{Database: "genomes"}}))
	if err != nil || again.Approval.ID == a.ID {
		t.Errorf("asked again: %+v, %v; want another approval", again.Approval, err)
	}
}

// What was asked for must still make sense when it is approved.
func TestApprovalOfWhatHasChanged(t *testing.T) {
	s, db, _, a := asked(t)
	cleo := coretest.Actor(t, s, "cleo", true)
	for _, c := range []struct{ name, sql, say string }{
		{"in the trash already", "update instances set state = 'trashed'", "is trashed"},
		{"the requester has left", "update people set disabled_at = now() where login = 'ada'", "may no longer use MyDB"},
	} {
		if _, err := db.Exec(t.Context(), c.sql); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Do(t.Context(), request(cleo, "", core.Decide{ID: a.ID, Approve: true})); err == nil || !strings.Contains(err.Error(), c.say) {
			t.Errorf("%s: %v, want it to say %q", c.name, err, c.say)
		}
	}
}

// TestWithdraw takes a request back, once and for all.
func TestWithdraw(t *testing.T) {
	s, _, ada, a := asked(t)
	cleo := coretest.Actor(t, s, "cleo", true)
	if n, err := s.Waiting(t.Context(), cleo); n != 1 || err != nil {
		t.Errorf("%d wait, %v", n, err)
	}
	if _, err := s.Do(t.Context(), request(cleo, "", core.Withdraw{ID: a.ID})); core.CodeOf(err) != core.CodeForbidden {
		t.Errorf("somebody else takes it back: %v", err)
	}
	for range 2 {
		r, err := s.Do(t.Context(), request(ada, "", core.Withdraw{ID: a.ID}))
		if err != nil || r.Approval == nil || r.Approval.State != "withdrawn" {
			t.Fatalf("withdraw: %+v, %v", r.Approval, err)
		}
	}
	if _, err := s.Do(t.Context(), request(cleo, "", core.Decide{ID: a.ID, Approve: true})); core.CodeOf(err) != core.CodeBusy {
		t.Errorf("approved after it was taken back: %v", err)
	}
	again, err := s.Do(t.Context(), request(ada, "", core.Delete{On: core.On{Database: "genomes"}}))
	if err != nil || again.Approval == nil || again.Approval.ID == a.ID {
		t.Errorf("asked again: %+v, %v", again.Approval, err)
	}
	if n, err := s.Waiting(t.Context(), ada); n != 0 || err != nil {
		t.Errorf("%d wait for a scientist, %v", n, err)
	}
}

// A deputy decides like an administrator, and sees what it is about.
func TestDeputyDecides(t *testing.T) {
	_, pool, _, a := asked(t)
	s := coretest.Service(t, pool, core.Options{Policy: policy.Policy{Approvals: policy.Approvals{Deputies: []string{"Dora"}}}})
	dora, bob := coretest.Actor(t, s, "dora", false), coretest.Actor(t, s, "bob", false)
	list, err := s.Approvals(t.Context(), dora, true)
	if err != nil || len(list) != 1 {
		t.Errorf("a deputy sees %v, %v", list, err)
	}
	if _, err := s.Do(t.Context(), request(bob, "", core.Decide{ID: a.ID, Approve: true})); core.CodeOf(err) != core.CodeNotFound {
		t.Errorf("a stranger: %v", err)
	}
	r, err := s.Do(t.Context(), request(dora, "", core.Decide{ID: a.ID, Approve: true}))
	if err != nil || r.Operation.Kind != "delete" {
		t.Errorf("a deputy: %+v, %v", r, err)
	}
}

// Where nobody else could, the only administrator may approve their own request: if the policy says so, with a reason.
func TestBreakGlass(t *testing.T) {
	_, pool, _, a := asked(t)
	if _, err := pool.Exec(t.Context(), "update people set admin = true where login = 'ada'"); err != nil {
		t.Fatal(err)
	}
	closed := coretest.Service(t, pool, core.Options{})
	s := coretest.Service(t, pool, core.Options{Policy: policy.Policy{Approvals: policy.Approvals{BreakGlass: true}}})
	ada := coretest.Actor(t, s, "ada", true)
	approve := core.Decide{ID: a.ID, Approve: true}
	if _, err := closed.Do(t.Context(), request(ada, "", approve)); core.CodeOf(err) != core.CodeForbidden {
		t.Errorf("without the policy: %v", err)
	}
	coretest.Actor(t, s, "cleo", true)
	if _, err := s.Do(t.Context(), request(ada, "", approve)); core.CodeOf(err) != core.CodeForbidden {
		t.Errorf("while there is another: %v", err)
	}
	if _, err := pool.Exec(t.Context(), "update people set disabled_at = now() where login = 'cleo'"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Do(t.Context(), request(ada, "", approve)); core.CodeOf(err) != core.CodeInvalid {
		t.Errorf("without a reason: %v", err)
	}
	approve.Reason = "the disk is full tonight"
	if _, err := s.Do(t.Context(), request(ada, "", approve)); err != nil {
		t.Errorf("alone: %v", err)
	}
	var n int
	if err := pool.QueryRow(t.Context(), "select count(*) from audit where action = 'approve.break_glass' and outcome = 'done'").Scan(&n); err != nil || n != 1 {
		t.Errorf("%d audit entries, %v", n, err)
	}
}

// A size that the policy lists, and health data, need an approval. What is not approved leaves nothing.
func TestCreateNeedsAnApproval(t *testing.T) {
	_, pool := coretest.New(t)
	rules := policy.Policy{Approve: []string{"phi"}, Approvals: policy.Approvals{Sizes: []string{"large"}}}
	s := coretest.Service(t, pool, core.Options{Policy: rules})
	ada, cleo := coretest.Actor(t, s, "ada", false), coretest.Actor(t, s, "cleo", true)
	large, health := create("large"), create("health")
	large.Size, health.PHI = "large", true
	for _, c := range []core.Create{large, health} {
		r, err := s.Do(t.Context(), request(ada, "", c))
		if err != nil || r.Approval == nil || r.Operation.ID != "" || r.Database.State != core.StateCreating {
			t.Fatalf("%s: %+v, %v", c.Name, r, err)
		}
		if _, err := s.Do(t.Context(), request(cleo, "", create(c.Name))); core.CodeOf(err) != core.CodeTaken {
			t.Errorf("the name of %s meanwhile: %v", c.Name, err)
		}
		if _, err := s.Do(t.Context(), request(cleo, "", core.Decide{ID: r.Approval.ID, Reason: "too much"})); err != nil {
			t.Fatal(err)
		}
		i, err := s.Instance(t.Context(), ada, r.Database.ID)
		if err != nil || i.State != core.StateFailed || i.Port != nil {
			t.Errorf("denied: %+v, %v", i, err)
		}
		if r, err = s.Do(t.Context(), request(ada, "", c)); err != nil {
			t.Fatal(err)
		}
		if r, err = s.Do(t.Context(), request(cleo, "", core.Decide{ID: r.Approval.ID, Approve: true})); err != nil || r.Operation.Kind != "create" {
			t.Errorf("approved: %+v, %v", r, err)
		}
	}
	mine := create("mine")
	mine.Size = "large"
	if r, err := s.Do(t.Context(), request(cleo, "", mine)); err != nil || r.Approval != nil {
		t.Errorf("an administrator: %+v, %v", r, err)
	}
	small, err := s.Do(t.Context(), request(ada, "", create("small")))
	if err != nil {
		t.Fatal(err)
	}
	ready(t, s, pool, small)
	grow := core.Resize{On: core.On{Database: "small"}, Size: "large"}
	r, err := s.Do(t.Context(), request(ada, "", grow))
	if err != nil || r.Approval == nil {
		t.Fatalf("resize: %+v, %v", r, err)
	}
	if r, err = s.Do(t.Context(), request(cleo, "", core.Decide{ID: r.Approval.ID, Approve: true})); err != nil || r.Operation.Kind != "resize" {
		t.Errorf("approved resize: %+v, %v", r, err)
	}
}
