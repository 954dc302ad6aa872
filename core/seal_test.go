package core_test

import (
	"context"
	"encoding/hex"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/mydb-project/mydb/core"
	"github.com/mydb-project/mydb/core/coretest"
)

// trail is a service with an audit trail, and the role that owns the schema, which an attacker may have got hold of.
type trail struct {
	*testing.T
	service *core.Service
	owner   *pgxpool.Pool
}

func newTrail(t *testing.T, rows int) *trail {
	ownerURL, appURL := coretest.Database(t)
	k := &trail{t, coretest.Service(t, coretest.Pool(t, appURL), core.Options{}), coretest.Pool(t, ownerURL)}
	for n := range rows {
		k.write(n)
	}
	return k
}

func (k *trail) write(n int) {
	k.Helper()
	req := core.Request{Actor: core.Actor{Person: core.Person{ID: "p", Login: "ada"}}, Door: core.DoorPortal, Address: "192.0.2.1"}
	if err := k.service.RecordLogin(k.Context(), req, fmt.Sprint("ada", n), core.OutcomeDone); err != nil {
		k.Fatal(err)
	}
}

// seal seals everything. That waits for older transactions of the whole server, also for those of other tests.
func (k *trail) seal() (sealed int) {
	k.Helper()
	ctx, cancel := context.WithTimeout(k.Context(), time.Minute)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		n, err := k.service.SealAudit(ctx)
		if err != nil {
			k.Fatal(err)
		}
		sealed += n
		var left int
		if err := k.owner.QueryRow(ctx, "select count(*) from audit a where not exists (select from audit_chain c where c.audit_id = a.id)").Scan(&left); err != nil {
			k.Fatal(err)
		}
		if left == 0 {
			return sealed
		}
		<-tick.C
	}
}

func (k *trail) verify(anchors ...core.Anchor) core.AuditProof {
	k.Helper()
	p, err := k.service.VerifyAudit(k.Context(), anchors)
	if err != nil {
		k.Fatal(err)
	}
	return p
}

func (k *trail) attack(sql string, args ...any) {
	k.Helper()
	if _, err := k.owner.Exec(k.Context(), sql, args...); err != nil {
		k.Fatal(err)
	}
}

func TestAuditChain(t *testing.T) {
	k := newTrail(t, 20)
	if n := k.seal(); n != 20 {
		t.Fatalf("%d sealed", n)
	}
	if n := k.seal(); n != 0 {
		t.Errorf("%d sealed twice", n)
	}
	k.write(20)
	if p := k.verify(); len(p.Problems) > 0 || p.Rows != 20 || p.Unsealed != 1 {
		t.Errorf("%+v", p)
	}
	k.seal()
	if p := k.verify(); len(p.Problems) > 0 || p.Rows != 21 || p.Unsealed != 0 {
		t.Errorf("%+v", p)
	}
}

// Whatever is done to a sealed row is found, and told of once.
func TestAuditAttacks(t *testing.T) {
	for name, c := range map[string]struct{ attack, says string }{
		"changed":       {"update audit set actor = 'bob' where id = (select min(id) + 3 from audit)", "was changed"},
		"changed data":  {`update audit set data = '{"x": 1}' where id = (select min(id) from audit)`, "was changed"},
		"changed time":  {"update audit set at = at - interval '1 microsecond' where id = (select max(id) from audit)", "was changed"},
		"removed":       {"delete from audit where id = (select min(id) + 3 from audit)", "was removed"},
		"removed whole": {"with x as (select min(id) + 3 as id from audit), y as (delete from audit where id = (select id from x)) delete from audit_chain where audit_id = (select id from x)", "of the chain are missing"},
		"added":         {"insert into audit (actor_id, actor, door, action, outcome, at, txid) values ('x', 'x', 'api', 'x', 'done', now() - interval '1 day', '1')", "not sealed"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			k := newTrail(t, 10)
			k.seal()
			k.attack(c.attack)
			if p := k.verify(); len(p.Problems) != 1 || !strings.Contains(p.Problems[0], c.says) {
				t.Errorf("%+v, want %q once", p, c.says)
			}
		})
	}
}

func TestAuditRowsInAnotherOrder(t *testing.T) {
	k := newTrail(t, 10)
	k.seal()
	k.attack(`update audit a set subject = b.subject, at = b.at from audit b where (a.subject, b.subject) in (('ada3', 'ada4'), ('ada4', 'ada3'))`)
	if p := k.verify(); len(p.Problems) != 2 {
		t.Errorf("%+v", p)
	}
}

// Somebody who makes the whole chain anew, or cuts its end off, is given away by an anchor that is elsewhere.
func TestAuditAnchors(t *testing.T) {
	k := newTrail(t, 10)
	k.seal()
	anchor, due, err := k.service.NextAnchor(t.Context())
	if err != nil || !due || anchor.Seq != 10 || len(anchor.Hash) != hex.EncodedLen(32) {
		t.Fatalf("%+v, %v, %v", anchor, due, err)
	}
	if err := k.service.KeepAnchor(t.Context(), anchor, "s3://x"); err != nil {
		t.Fatal(err)
	}
	if _, due, err := k.service.NextAnchor(t.Context()); err != nil || due {
		t.Errorf("another anchor is due: %v", err)
	}
	if p := k.verify(anchor); len(p.Problems) > 0 || p.Anchors != 1 {
		t.Errorf("%+v", p)
	}
	k.attack("delete from audit_chain where seq > 8; delete from audit where subject in ('ada8', 'ada9')")
	if p := k.verify(anchor); len(p.Problems) != 1 || !strings.Contains(p.Problems[0], "cut off") {
		t.Errorf("cut off: %+v", p)
	}
	k.attack("truncate audit_chain, audit_batches; update audit set actor = 'bob'")
	k.write(8)
	k.write(9)
	k.seal()
	if p := k.verify(); len(p.Problems) > 0 {
		t.Errorf("without an anchor, a chain that was made anew is whole: %+v", p)
	}
	if p := k.verify(anchor); len(p.Problems) != 1 || !strings.Contains(p.Problems[0], "made anew") {
		t.Errorf("made anew: %+v", p)
	}
}

// The application itself can do none of this.
func TestAuditIsAppendOnly(t *testing.T) {
	_, appURL := coretest.Database(t)
	pool := coretest.Pool(t, appURL)
	for _, table := range []string{"audit", "audit_chain", "audit_batches", "audit_anchors", "audit_pruned"} {
		var column string
		if err := pool.QueryRow(t.Context(), "select column_name from information_schema.columns where table_name = $1 and is_identity = 'NO' limit 1", table).Scan(&column); err != nil {
			t.Fatal(err)
		}
		for _, sql := range []string{
			"delete from " + table, "truncate " + table, "update " + table + " set " + column + " = " + column, "drop table " + table,
			"alter table " + table + " add column x int", "create trigger x before insert on " + table + " for each row execute function pg_catalog.suppress_redundant_updates_trigger()",
			"alter table " + table + " owner to current_user",
		} {
			if _, err := pool.Exec(t.Context(), sql); err == nil || !strings.Contains(err.Error(), "permission denied") && !strings.Contains(err.Error(), "must be owner") {
				t.Errorf("%s: %v", sql, err)
			}
		}
	}
}

// While many write at once, some slowly, every row is sealed once, and the chain is whole all the time.
func TestSealingWhileOthersWrite(t *testing.T) {
	k := newTrail(t, 0)
	ctx, cancel := context.WithCancel(t.Context())
	var sealers, writers sync.WaitGroup
	for range 3 {
		sealers.Go(func() {
			for ctx.Err() == nil {
				if _, err := k.service.SealAudit(t.Context()); err != nil {
					t.Error(err)
				}
			}
		})
	}
	slow, err := k.owner.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	const insert = "insert into audit (actor_id, actor, door, action, subject, outcome) values ('p', 'ada', 'api', 'x', $1, 'done')"
	if _, err := slow.Exec(t.Context(), insert, "slow"); err != nil {
		t.Fatal(err)
	}
	for w := range 4 {
		writers.Go(func() {
			for n := range 100 {
				err := pgx.BeginFunc(t.Context(), k.owner, func(tx pgx.Tx) error {
					for range 3 {
						if _, err := tx.Exec(t.Context(), insert, fmt.Sprint(w, n)); err != nil {
							return err
						}
					}
					return nil
				})
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	writers.Wait()
	if err := slow.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	cancel()
	sealers.Wait()
	for deadline := time.Now().Add(time.Minute); ; { // other tests' transactions on the same server may be older
		k.seal()
		p := k.verify()
		if len(p.Problems) > 0 {
			t.Fatalf("%+v", p)
		}
		if p.Rows == 1201 && p.Unsealed == 0 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("%+v", p)
		}
	}
}

// After a recovery onto another server, whose transactions are counted anew, the chain goes on.
func TestChainGoesOnElsewhere(t *testing.T) {
	k := newTrail(t, 5)
	k.seal()
	k.attack("update audit set txid = '9000000000000'; update audit_batches set upto = '9000000000001'")
	k.write(5)
	k.attack("insert into audit (actor_id, actor, door, action, outcome, txid) values ('p', 'ada', 'api', 'restored, and not sealed', 'done', '9000000000002')")
	k.write(6)
	k.seal()
	k.write(7)
	k.seal()
	if p := k.verify(); len(p.Problems) > 0 || p.Rows != 9 || p.Unsealed != 0 {
		t.Errorf("%+v", p)
	}
}

func TestPruneAudit(t *testing.T) {
	k := newTrail(t, 10)
	k.attack("update audit set at = now() - interval '2 years' where subject < 'ada6'")
	k.seal()
	prune := func(want int64) {
		t.Helper()
		err := pgx.BeginFunc(t.Context(), k.owner, func(tx pgx.Tx) error {
			n, err := core.PruneAudit(t.Context(), tx, time.Now().AddDate(-1, 0, 0), "root")
			if n != want {
				t.Errorf("%d pruned, want %d", n, want)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	prune(6)
	prune(0)
	k.write(10)
	k.seal()
	if p := k.verify(); len(p.Problems) > 0 || p.Rows != 5 || p.Pruned != 6 {
		t.Errorf("%+v", p)
	}
	k.attack("delete from audit where subject = 'ada6'")
	if p := k.verify(); len(p.Problems) != 1 {
		t.Errorf("%+v", p)
	}
}
