package jobs_test

import (
	"fmt"
	"testing"

	"github.com/mydb-project/mydb/core"
	"github.com/mydb-project/mydb/core/coretest"
)

// TestShare gives a colleague rights on a real server, changes them, and takes them back while she is connected.
func TestShare(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.worker("")
	i, _ := s.made("genomes")
	on := core.On{Database: "genomes"}
	grace := coretest.Actor(t, s.service, "grace", false)

	s.must(core.Share{On: on, With: "grace"})
	cred, err := s.service.Collect(t.Context(), core.Request{Actor: grace, Door: core.DoorAPI}, "genomes")
	if err != nil {
		t.Fatal(err)
	}
	conn, err := s.login(i, cred)
	if err != nil {
		t.Fatalf("grace logs in: %v", err)
	}
	defer conn.Close(t.Context())
	allowed := func(sql string, want bool) {
		t.Helper()
		if _, err := conn.Exec(t.Context(), sql); (err == nil) != want {
			t.Errorf("%s: %v, want allowed %v", sql, err, want)
		}
	}
	allowed("select count(*) from genes", true)
	allowed("insert into genes values (3)", false)
	allowed("select * from pg_authid", false)

	s.must(core.Share{On: on, With: "grace", Right: core.RightWrite}) // her password stays
	allowed("insert into genes values (3)", true)
	again, err := s.login(i, cred)
	if err != nil {
		t.Fatalf("grace logs in after her rights were changed: %v", err)
	}
	_ = again.Close(t.Context())

	s.must(core.Unshare{On: on, With: "grace"})
	allowed("select 1", false) // her session has ended
	if _, err := s.login(i, cred); err == nil {
		t.Error("grace gets in after it was taken back")
	}

	s.must(core.AddAccount{On: on, Account: "pipe", Right: core.RightWrite})
	s.must(core.RotateAccount{On: on, Account: "pipe", Overlap: "1h"})
	for _, account := range []string{"pipe", "pipe_2"} {
		cred, err := s.service.CollectAccount(t.Context(), core.Request{Actor: s.actor, Door: core.DoorAPI}, "genomes", account)
		if err != nil {
			t.Fatal(err)
		}
		c, err := s.login(i, cred)
		if err != nil {
			t.Fatalf("%s during the overlap: %v", account, err)
		}
		_ = c.Close(t.Context())
	}
	s.must(core.RemoveAccount{On: on, Account: "pipe"})

	s.inGroup("lise", "isotopes")
	s.must(core.Share{On: on, With: "group:isotopes"})
	emmy := s.inGroup("emmy", "isotopes") // joins later
	s.followed(2)
	cred, err = s.service.Collect(t.Context(), core.Request{Actor: emmy, Door: core.DoorAPI}, "genomes")
	if err != nil {
		t.Fatal(err)
	}
	if n := s.rows(i, cred); n != 3 {
		t.Errorf("emmy sees %d rows, want 3", n)
	}
	s.inGroup("emmy")
	s.followed(1)
	if _, err := s.login(i, cred); err == nil {
		t.Error("emmy gets in after she has left the group")
	}
}

// inGroup is a person of whom the directory has just said in which groups they are.
func (s *site) inGroup(login string, groups ...string) core.Actor {
	s.t.Helper()
	p, err := s.service.SavePerson(s.t.Context(), core.Account{Login: login, Name: login, Groups: groups})
	if err != nil {
		s.t.Fatal(err)
	}
	return core.Actor{Person: p, Scope: core.ScopeOperate}
}

// followed waits until so many people have an account by a group, and nothing is under way.
func (s *site) followed(want int) {
	s.t.Helper()
	s.eventually("shares have followed their groups", func() error {
		if _, err := s.service.FollowGroups(s.t.Context()); err != nil { // a worker does so each minute
			return err
		}
		var people, busy int
		err := s.pool.QueryRow(s.t.Context(), `select (select count(*) from accounts where group_name <> '' and made_at is not null and revoked_at is null),
			(select count(*) from operations where finished_at is null)`).Scan(&people, &busy)
		if err == nil && (people != want || busy > 0) {
			err = fmt.Errorf("%d people have an account, and %d operations are under way", people, busy)
		}
		return err
	})
}

// TestTransferOnAServer keeps the data and the shares, and locks the owner before out.
func TestTransferOnAServer(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.worker("")
	i, before := s.made("genomes")
	grace := coretest.Actor(t, s.service, "grace", false)
	open, err := s.login(i, before)
	if err != nil {
		t.Fatal(err)
	}
	defer open.Close(t.Context())
	r, err := s.service.Do(t.Context(), core.Request{Actor: s.actor, Door: core.DoorAPI, Command: core.Transfer{On: core.On{Database: "genomes"}, To: "grace"}})
	if err != nil {
		t.Fatal(err)
	}
	if o := s.await(r.Operation.ID); o.State != core.OperationDone {
		t.Fatalf("transfer ended as %+v: %+v", o, o.Error)
	}
	if _, err := open.Exec(t.Context(), "select 1"); err == nil {
		t.Error("the session of the owner before goes on")
	}
	if _, err := s.login(i, before); err == nil {
		t.Error("the password of the owner before works")
	}
	cred, err := s.service.Collect(t.Context(), core.Request{Actor: grace, Door: core.DoorAPI}, "genomes")
	if err != nil {
		t.Fatal(err)
	}
	if n := s.rows(i, cred); n != 2 {
		t.Errorf("%d rows, want 2", n)
	}
}
