package core_test

import (
	"errors"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/mydb-project/mydb/core"
	"github.com/mydb-project/mydb/core/coretest"
)

var genomes = core.On{Database: "genomes"}

// owned gives a ready database of ada's, and her colleague grace.
func owned(t *testing.T) (s *core.Service, pool *pgxpool.Pool, ada, grace core.Actor) {
	t.Helper()
	s, pool = coretest.New(t)
	ada, grace = coretest.Actor(t, s, "ada", false), coretest.Actor(t, s, "grace", false)
	settled(t, s, pool, ada, "genomes")
	return s, pool, ada, grace
}

// shared ends the share that was just begun, as its worker does.
func shared(t *testing.T, s *core.Service, pool *pgxpool.Pool, r core.Receipt, failure *core.Explanation) {
	t.Helper()
	var args core.AccessArgs
	if err := s.Args(t.Context(), r.Operation.ID, &args); err != nil {
		t.Fatal(err)
	}
	finish := s.FinishShare
	err := pgx.BeginFunc(t.Context(), pool, func(tx pgx.Tx) error {
		if r.Operation.Kind == "unshare" {
			return s.FinishUnshare(t.Context(), tx, r.Operation.ID, r.Database, args, failure)
		}
		return finish(t.Context(), tx, r.Operation.ID, r.Database, args, nil, failure)
	})
	if err != nil {
		t.Fatal(err)
	}
}

func must(t *testing.T, s *core.Service, actor core.Actor, c core.Command) core.Receipt {
	t.Helper()
	r, err := s.Do(t.Context(), request(actor, "", c))
	if err != nil {
		t.Fatalf("%T: %v", c, err)
	}
	return r
}

// TestWhatAShareLetsOneSee takes a colleague from nothing to a share and back.
func TestWhatAShareLetsOneSee(t *testing.T) {
	s, pool, ada, grace := owned(t)
	unseen := func(when string) {
		t.Helper()
		if _, err := s.Instance(t.Context(), grace, "genomes"); core.CodeOf(err) != core.CodeNotFound {
			t.Errorf("%s: %v, want not found", when, err)
		}
	}
	unseen("before the share")
	r := must(t, s, ada, core.Share{On: genomes, With: "Grace@example.com", Right: "write", Until: "90d"})
	unseen("before the account was proven")
	shared(t, s, pool, r, nil)

	i, err := s.Instance(t.Context(), grace, "genomes")
	if err != nil || i.Username != "grace" || i.Right != core.RightWrite || i.Owner != "ada" {
		t.Fatalf("what grace sees: %+v, %v", i, err)
	}
	if list, _, err := s.Instances(t.Context(), grace, false, core.Page{}); err != nil || len(list) != 1 || list[0].Right != core.RightWrite {
		t.Errorf("what grace lists: %+v, %v", list, err)
	}
	if own, err := s.Instance(t.Context(), ada, "genomes"); err != nil || own.Username != "genomes" || own.Right != "" {
		t.Errorf("what ada sees: %+v, %v", own, err)
	}
	if _, op, err := s.Look(t.Context(), grace, "genomes"); err != nil || op != nil {
		t.Errorf("grace looks at the operation %+v, %v", op, err)
	}
	for _, c := range []core.Command{
		core.Restart{On: genomes},
		core.Stop{On: genomes},
		core.Rotate{On: genomes},
		core.Delete{On: genomes},
		core.Extend{On: genomes, Expires: "never"},
		core.Share{On: genomes, With: "ada"},
		core.Transfer{On: genomes, To: "grace"},
		core.AddAccount{On: genomes, Account: "pipe"},
		core.Unshare{On: genomes, With: "ada"},
	} {
		if _, err := s.Do(t.Context(), request(grace, "", c)); core.CodeOf(err) != core.CodeForbidden || !strings.Contains(err.Error(), "ada") {
			t.Errorf("grace gives %T: %v", c, err)
		}
	}
	if _, err := s.Accesses(t.Context(), grace, "genomes"); core.CodeOf(err) != core.CodeForbidden {
		t.Errorf("grace lists the accounts: %v", err)
	}
	if _, err := s.Logs(t.Context(), request(grace, "", nil), "genomes", 10); core.CodeOf(err) != core.CodeForbidden {
		t.Errorf("grace reads the log: %v", err)
	}
	cred, err := s.Collect(t.Context(), request(grace, "", nil), "genomes")
	if err != nil || cred.Username != "grace" || len(cred.Password) < 12 {
		t.Errorf("grace collects %+v, %v", cred.Username, err)
	}
	if own, err := s.Collect(t.Context(), request(ada, "", nil), "genomes"); err != nil || own.Username != "genomes" || own.Password == cred.Password {
		t.Errorf("ada collects %+v, %v", own.Username, err)
	}
	if r := must(t, s, ada, core.Share{On: genomes, With: "grace", Right: "write", Until: i.CreatedAt.AddDate(0, 0, 200).Format("2006-01-02T15:04:05Z")}); r.Operation.State != core.OperationDone {
		shared(t, s, pool, r, nil) // another end is a change
	}
	r = must(t, s, grace, core.Unshare{On: genomes, With: "grace"}) // one's own may be given up
	shared(t, s, pool, r, nil)
	unseen("after the share")
	if r := must(t, s, ada, core.Unshare{On: genomes, With: "grace"}); r.Operation.State != core.OperationDone {
		t.Errorf("taken back twice: %+v", r.Operation)
	}
	if n := count(t, pool, "select count(*) from secrets where kind like 'account:%'"); n != 0 {
		t.Errorf("%d passwords are left", n)
	}
	if n := count(t, pool, "select count(*) from notifications where kind = 'shared' and address = 'grace@example.com'"); n != 3 {
		t.Errorf("grace was told %d times, want of the share, its new end, and that it is over", n)
	}
}

func TestShareBadInput(t *testing.T) {
	s, pool, ada, _ := owned(t)
	coretest.Actor(t, s, "gone", false)
	if _, err := pool.Exec(t.Context(), "update people set disabled_at = now() where login = 'gone'"); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name    string
		command core.Command
		field   string
		want    string
	}{
		{"with nobody", core.Share{On: genomes}, "with", "Say with whom"},
		{"with oneself", core.Share{On: genomes, With: "ada"}, "with", "ada owns genomes already"},
		{"with somebody unknown", core.Share{On: genomes, With: "nobody"}, "with", "Nobody here has the login"},
		{"with MyDB", core.Share{On: genomes, With: "mydb"}, "with", "Nobody here has the login"},
		{"with somebody who left", core.Share{On: genomes, With: "gone"}, "with", "gone may no longer use MyDB"},
		{"with an empty group", core.Share{On: genomes, With: "group:none"}, "with", "nobody else in the group"},
		{"other right", core.Share{On: genomes, With: "grace", Right: "own"}, "right", "Choose read or write"},
		{"ended already", core.Share{On: genomes, With: "grace", Until: "2001-01-01T00:00:00Z"}, "until", "not in the future"},
		{"take back from nobody", core.Unshare{On: genomes}, "with", "Say whose share"},
		{"take back from somebody unknown", core.Unshare{On: genomes, With: "nobody"}, "with", "Nobody here"},
		{"transfer to nobody", core.Transfer{On: genomes}, "to", "Say who"},
		{"transfer to somebody who left", core.Transfer{On: genomes, To: "gone"}, "to", "gone may no longer use MyDB"},
		{"account without a name", core.AddAccount{On: genomes}, "account", "user name"},
		{"account of MyDB's", core.AddAccount{On: genomes, Account: "mydb_admin"}, "account", "mydb_admin"},
		{"account of the owner's", core.AddAccount{On: genomes, Account: "genomes"}, "account", "is taken on genomes"},
		{"account that is not there", core.RemoveAccount{On: genomes, Account: "pipe"}, "", `has no account "pipe"`},
		{"rotate what is not there", core.RotateAccount{On: genomes, Account: "pipe"}, "", `has no account "pipe"`},
		{"overlap of a year", core.RotateAccount{On: genomes, Account: "pipe", Overlap: "365d"}, "overlap", "at most 30d"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := s.Do(t.Context(), request(ada, "", c.command))
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("%v, want %q", err, c.want)
			}
			var told *core.Error
			if !errors.As(err, &told) || told.Field != c.field {
				t.Errorf("about the field %+v, want %q", told, c.field)
			}
		})
	}
	if n := count(t, pool, "select count(*) from accounts") + count(t, pool, "select count(*) from operations where finished_at is null"); n != 0 {
		t.Errorf("%d accounts or operations are left", n)
	}
}

// TestShareWithAGroup makes an account for each member, and ends them together.
func TestShareWithAGroup(t *testing.T) {
	s, pool, ada, _ := owned(t)
	coretest.Actor(t, s, "Grace.Hopper", false)
	coretest.Actor(t, s, "postgres", false) // a login that cannot be a user name
	if _, err := pool.Exec(t.Context(), "update people set groups = '{genomics}' where login in ('ada', 'grace', 'grace.hopper', 'postgres')"); err != nil {
		t.Fatal(err)
	}
	shared(t, s, pool, must(t, s, ada, core.Share{On: genomes, With: "group:genomics"}), nil)
	list, err := s.Accesses(t.Context(), ada, "genomes")
	var names []string
	for _, a := range list {
		names = append(names, a.Username)
	}
	if got := strings.Join(names, " "); err != nil || got != "grace grace_hopper u_postgres" {
		t.Errorf("accounts %q, %v", got, err)
	}
	if r := must(t, s, ada, core.Share{On: genomes, With: "group:genomics"}); r.Operation.State != core.OperationDone {
		t.Errorf("again: %+v", r.Operation)
	}
	shared(t, s, pool, must(t, s, ada, core.Unshare{On: genomes, With: "group:genomics"}), nil)
	if list, _ := s.Accesses(t.Context(), ada, "genomes"); len(list) != 0 {
		t.Errorf("left: %+v", list)
	}
}

// TestShareFails leaves nothing that lets anybody in, and can be done again.
func TestShareFails(t *testing.T) {
	s, pool, ada, grace := owned(t)
	shared(t, s, pool, must(t, s, ada, core.Share{On: genomes, With: "grace"}), &core.Explanation{Code: core.CodeUnavailable, Message: "x"})
	if _, err := s.Instance(t.Context(), grace, "genomes"); core.CodeOf(err) != core.CodeNotFound {
		t.Errorf("grace sees it: %v", err)
	}
	if n := count(t, pool, "select count(*) from secrets where kind like 'account:%'"); n != 0 {
		t.Errorf("%d passwords are left", n)
	}
	shared(t, s, pool, must(t, s, ada, core.Share{On: genomes, With: "grace"}), nil)
	if _, err := s.Collect(t.Context(), request(grace, "", nil), "genomes"); err != nil {
		t.Errorf("after the second share: %v", err)
	}
}

// TestEndAccounts ends what has had its time, and what belongs to people who left.
func TestEndAccounts(t *testing.T) {
	s, pool, ada, grace := owned(t)
	shared(t, s, pool, must(t, s, ada, core.Share{On: genomes, With: "grace", Until: "1d"}), nil)
	if n, err := s.EndAccounts(t.Context()); n != 0 || err != nil {
		t.Errorf("ended %d, %v", n, err)
	}
	if _, err := pool.Exec(t.Context(), "update accounts set ends_at = now()"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Instance(t.Context(), grace, "genomes"); core.CodeOf(err) != core.CodeNotFound {
		t.Errorf("grace sees it after the end: %v", err)
	}
	for want := range 2 {
		if n, err := s.EndAccounts(t.Context()); n != 1-want || err != nil {
			t.Errorf("ended %d, %v; want %d", n, err, 1-want)
		}
	}
	if n := count(t, pool, "select count(*) from operations where kind = 'unshare' and requested_by = 'mydb'"); n != 1 {
		t.Errorf("%d operations", n)
	}
}

// TestServiceAccount rotates with an overlap: the successor has the rights, and the first one an end.
func TestServiceAccount(t *testing.T) {
	s, pool, ada, grace := owned(t)
	shared(t, s, pool, must(t, s, ada, core.AddAccount{On: genomes, Account: "pipe", Right: "write"}), nil)
	if cred, err := s.CollectAccount(t.Context(), request(ada, "", nil), "genomes", "pipe"); err != nil || cred.Username != "pipe" {
		t.Errorf("collected %+v, %v", cred.Username, err)
	}
	if _, err := s.CollectAccount(t.Context(), request(grace, "", nil), "genomes", "pipe"); core.CodeOf(err) != core.CodeNotFound {
		t.Errorf("grace collects: %v", err)
	}
	shared(t, s, pool, must(t, s, ada, core.RotateAccount{On: genomes, Account: "pipe", Overlap: "24h"}), nil)
	list, err := s.Accesses(t.Context(), ada, "genomes")
	if err != nil || len(list) != 2 || list[0].EndsAt == nil || list[1].Username != "pipe_2" || !list[1].Writes || list[1].EndsAt != nil {
		t.Fatalf("after the rotation: %+v, %v", list, err)
	}
	shared(t, s, pool, must(t, s, ada, core.RotateAccount{On: genomes, Account: "pipe_2"}), nil)
	if _, err := s.CollectAccount(t.Context(), request(ada, "", nil), "genomes", "pipe_2"); err != nil {
		t.Errorf("collect after a rotation: %v", err)
	}
}

func TestTransfer(t *testing.T) {
	s, pool, ada, grace := owned(t)
	if r := must(t, s, ada, core.Transfer{On: genomes, To: "ada"}); r.Operation.State != core.OperationDone {
		t.Errorf("to oneself: %+v", r.Operation)
	}
	shared(t, s, pool, must(t, s, ada, core.Share{On: genomes, With: "grace"}), nil)
	r := must(t, s, ada, core.Transfer{On: genomes, To: "grace"})
	var args core.TransferArgs
	if err := s.Args(t.Context(), r.Operation.ID, &args); err != nil || len(args.Drop) != 1 {
		t.Fatalf("args %+v, %v", args, err)
	}
	err := pgx.BeginFunc(t.Context(), pool, func(tx pgx.Tx) error {
		return s.FinishTransfer(t.Context(), tx, r.Operation.ID, r.Database, args, true, nil)
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Instance(t.Context(), ada, "genomes"); core.CodeOf(err) != core.CodeNotFound {
		t.Errorf("ada still sees it: %v", err)
	}
	if cred, err := s.Collect(t.Context(), request(grace, "", nil), "genomes"); err != nil || cred.Username != "genomes" {
		t.Errorf("grace collects %+v, %v", cred.Username, err)
	}
	if n := count(t, pool, "select count(*) from notifications where kind = 'transferred'"); n != 2 {
		t.Errorf("%d were told", n)
	}
}

// TestSharesAtOnce lets one of two win; the other is told that it is busy.
func TestSharesAtOnce(t *testing.T) {
	s, _, ada, _ := owned(t)
	coretest.Actor(t, s, "hal", false)
	var group sync.WaitGroup
	errs := make([]error, 2)
	for n, who := range []string{"grace", "hal"} {
		group.Go(func() {
			_, errs[n] = s.Do(t.Context(), request(ada, "", core.Share{On: genomes, With: who}))
		})
	}
	group.Wait()
	if (errs[0] == nil) == (errs[1] == nil) || core.CodeOf(errs[0]) != core.CodeBusy && core.CodeOf(errs[1]) != core.CodeBusy {
		t.Errorf("two at once: %v, %v", errs[0], errs[1])
	}
}
