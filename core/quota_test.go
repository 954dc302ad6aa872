package core_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/mydb-project/mydb/core"
	"github.com/mydb-project/mydb/core/coretest"
	"github.com/mydb-project/mydb/core/policy"
)

func refusedBy(t *testing.T, s *core.Service, actor core.Actor, c core.Command, want string) {
	t.Helper()
	if _, err := s.Do(t.Context(), request(actor, "", c)); core.CodeOf(err) != core.CodeQuota || !strings.Contains(err.Error(), want) {
		t.Errorf("%T: %v, want %q", c, err, want)
	}
}

func TestQuotas(t *testing.T) {
	s, db, ada := site(t, policy.Policy{}, policy.Quotas{
		Person: policy.Limit{Databases: 2, CPU: 4}, People: map[string]policy.Limit{"rich": {Databases: 10}},
		Groups: map[string]policy.Limit{"genomics": {Memory: 6 << 30}}, Total: policy.Limit{Databases: 4}, Contact: "it@example.org",
	})
	rich, grace := coretest.Actor(t, s, "rich", false), coretest.Actor(t, s, "grace", false)
	ready(t, s, db, must(t, s, ada, create("genomes")))
	second := must(t, s, ada, create("proteins"))
	ready(t, s, db, second)
	refusedBy(t, s, ada, create("third"), "The limit of 2 databases for each person does not allow this: 2 are taken, and this needs 1 more. Delete what nobody needs, choose a smaller size, or ask it@example.org")
	refusedBy(t, s, ada, core.Resize{On: genomes, Size: "large"}, "4 cores for each person")
	must(t, s, ada, core.Resize{On: genomes, Size: "medium"}) // and it counts from now on
	refusedBy(t, s, ada, core.Resize{On: core.On{Database: "proteins"}, Size: "large"}, "3 are taken")

	if _, err := db.Exec(t.Context(), "update people set groups = '{genomics}' where login in ('ada', 'grace')"); err != nil {
		t.Fatal(err)
	}
	medium := create("large-one")
	medium.Size = "medium"
	refusedBy(t, s, grace, medium, "6GiB memory for the group genomics")
	if _, err := db.Exec(t.Context(), "update people set groups = '{}' where login = 'grace'"); err != nil {
		t.Fatal(err)
	}
	must(t, s, ada, core.Transfer{On: core.On{Database: "proteins"}, To: "grace"}) // within the site, whose limit it does not touch
	if q, err := s.Quotas(t.Context(), ada); err != nil || len(q) != 3 || q[0].Used.Databases != 2 || q[1].Used.Memory != 5<<30 || q[2].Of != "this site" {
		t.Errorf("quotas %+v, %v", q, err)
	}
	must(t, s, rich, create("one"))
	must(t, s, rich, create("two"))
	refusedBy(t, s, rich, create("three"), "4 databases for this site")
}

// TestQuotaOfTheTrash does not count what is in the trash, and counts it again when it comes back.
func TestQuotaOfTheTrash(t *testing.T) {
	s, db, ada := site(t, policy.Policy{}, policy.Quotas{Person: policy.Limit{Databases: 1}})
	ready(t, s, db, must(t, s, ada, create("genomes")))
	if _, err := db.Exec(t.Context(), "update instances set state = 'trashed', trashed_at = now(), purge_at = now() + interval '1 day'"); err != nil {
		t.Fatal(err)
	}
	must(t, s, ada, create("other"))
	refusedBy(t, s, ada, core.Undelete{On: genomes}, "1 databases for each person")
}

// TestQuotaAtOnce lets no more through than the limit, however many ask at the same moment.
func TestQuotaAtOnce(t *testing.T) {
	s, db, ada := site(t, policy.Policy{}, policy.Quotas{Person: policy.Limit{Databases: 3}})
	var group sync.WaitGroup
	for n := range 12 {
		group.Go(func() { _, _ = s.Do(t.Context(), request(ada, "", create(fmt.Sprintf("study-%02d", n)))) })
	}
	group.Wait()
	var n int
	if err := db.QueryRow(t.Context(), "select count(*) from instances").Scan(&n); err != nil || n != 3 {
		t.Errorf("%d databases, %v; want 3", n, err)
	}
}
