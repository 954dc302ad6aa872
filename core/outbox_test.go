package core_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/mydb-project/mydb/core"
	"github.com/mydb-project/mydb/core/coretest"
)

// jobsOf is a queue that keeps the notifications which it was asked to deliver.
type jobsOf struct {
	sync.Mutex
	notifications []string
}

func (q *jobsOf) Enqueue(_ context.Context, _ pgx.Tx, job core.Job) error {
	q.Lock()
	defer q.Unlock()
	if job.Kind == "notify" {
		q.notifications = append(q.notifications, job.NotificationID)
	}
	return nil
}

func outbox(t *testing.T, o core.Options) (*core.Service, *pgxpool.Pool, *jobsOf) {
	t.Helper()
	_, appURL := coretest.Database(t)
	pool, queue := coretest.Pool(t, appURL), &jobsOf{}
	o.Queue = queue
	s := coretest.Service(t, pool, o)
	if err := s.PreparePorts(t.Context()); err != nil {
		t.Fatal(err)
	}
	return s, pool, queue
}

func made(t *testing.T, s *core.Service, pool *pgxpool.Pool, a core.Actor, c core.Create, failure *core.Explanation) core.Receipt {
	t.Helper()
	r, err := s.Do(t.Context(), request(a, "", c))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := pool.Exec(t.Context(), "update instances set node_id = 'n', host = 'db.example.com' where id = $1", r.Database.ID); err != nil {
		t.Fatal(err)
	}
	err = pgx.BeginFunc(t.Context(), pool, func(tx pgx.Tx) error {
		return s.FinishCreate(t.Context(), tx, r.Operation.ID, r.Database, failure)
	})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TestWhoIsToldOfACreate looks at the outbox after creates that ended one way or the other.
func TestWhoIsToldOfACreate(t *testing.T) {
	refused := &core.Explanation{Code: core.CodeInvalid, Message: `Your init script failed: syntax error at or near "canary".`}
	lost := &core.Explanation{Code: core.CodeUnavailable, Message: "No machine has room.\nlog: canary", Reference: "ref1"}
	for _, c := range []struct {
		name    string
		admins  []string
		by      string
		owner   string
		failure *core.Explanation
		nobody  bool // nobody has an address
		want    []string
	}{
		{name: "ready", by: "ada", want: []string{"ready owner ada@example.com"}},
		{name: "made for another", by: "root", owner: "ada", want: []string{"ready owner ada@example.com", "ready requester root@example.com"}},
		{name: "failed by the script", by: "ada", failure: refused, want: []string{"failed owner ada@example.com"}},
		{name: "failed by the site", by: "ada", failure: lost, want: []string{"failed admin root@example.com", "failed owner ada@example.com"}},
		{
			name: "to the admins' list", by: "ada", failure: lost, admins: []string{"DBA <dba@example.org>", "ada@example.com"},
			want: []string{"failed admin dba@example.org", "failed owner ada@example.com"},
		},
		{name: "nobody", by: "ada", nobody: true, want: []string{"ready admin "}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, pool, queue := outbox(t, core.Options{MailAdmins: c.admins})
			actors := map[string]core.Actor{"ada": coretest.Actor(t, s, "ada", false), "root": coretest.Actor(t, s, "root", true)}
			if c.nobody {
				if _, err := pool.Exec(t.Context(), "update people set email = null"); err != nil {
					t.Fatal(err)
				}
			}
			r := made(t, s, pool, actors[c.by], core.Create{Engine: "postgres", Name: "genomes", Owner: c.owner, Password: "canary-canary", InitSQL: "select 'canary'"}, c.failure)
			letters := all(t, s, actors["root"])
			var got []string
			pending := 0
			for _, l := range letters {
				got = append(got, strings.Join([]string{l.Kind, string(l.Audience), l.Address}, " "))
				if l.State == core.LetterPending {
					pending++
				}
				if text, err := l.Text(); err != nil || text.Page != "/databases/"+r.Database.ID || strings.Contains(strings.Join(text.Lines, " ")+string(l.Data), "canary") {
					t.Errorf("text = %+v, %v; want no secret, and the page of the database", text, err)
				}
			}
			slices.Sort(got)
			if !slices.Equal(got, c.want) {
				t.Errorf("outbox = %q; want %q", got, c.want)
			}
			if len(queue.notifications) != pending || c.nobody != (pending == 0) {
				t.Errorf("%d jobs for %d pending letters", len(queue.notifications), pending)
			}
		})
	}
}

func all(t *testing.T, s *core.Service, admin core.Actor) []core.Letter {
	t.Helper()
	list, _, err := s.Letters(t.Context(), admin, "", core.Page{})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// TestNobodyIsToldOfWhatDidNotHappen rolls a create's end back, and ends it twice.
func TestNobodyIsToldOfWhatDidNotHappen(t *testing.T) {
	s, pool, _ := outbox(t, core.Options{})
	root := coretest.Actor(t, s, "root", true)
	r, err := s.Do(t.Context(), request(coretest.Actor(t, s, "ada", false), "", create("genomes")))
	if err != nil {
		t.Fatal(err)
	}
	failure := &core.Explanation{Code: core.CodeInvalid, Message: "No."}
	tx, err := pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := s.FinishCreate(t.Context(), tx, r.Operation.ID, r.Database, failure); err != nil {
		t.Fatal(err)
	}
	if err := tx.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := len(all(t, s, root)); n != 0 {
		t.Errorf("%d letters after a rollback", n)
	}
	for i := range 2 {
		err := pgx.BeginFunc(t.Context(), pool, func(tx pgx.Tx) error {
			return s.FinishCreate(t.Context(), tx, r.Operation.ID, r.Database, failure)
		})
		if i == 1 && !errors.Is(err, core.ErrFinished) || i == 0 && err != nil {
			t.Errorf("end %d: %v", i, err)
		}
	}
	if n := len(all(t, s, root)); n != 1 {
		t.Errorf("%d letters; want 1", n)
	}
}

// TestDeadLetters lets a letter die and sends it again.
func TestDeadLetters(t *testing.T) {
	now := time.Date(2027, 1, 2, 3, 4, 5, 0, time.UTC)
	s, pool, queue := outbox(t, core.Options{Now: func() time.Time { return now }})
	ada, root := coretest.Actor(t, s, "ada", false), coretest.Actor(t, s, "root", true)
	made(t, s, pool, ada, create("genomes"), nil)
	id := all(t, s, root)[0].ID
	if l, err := s.BeginLetter(t.Context(), id); err != nil || l.Attempts != 1 || l.GivesUp(now.Add(47*time.Hour)) || !l.GivesUp(now.Add(49*time.Hour)) {
		t.Fatalf("begin: %+v, %v", l, err)
	}
	end := func(id string, state core.LetterState) error {
		l, err := s.BeginLetter(t.Context(), id)
		if err != nil {
			return err
		}
		return pgx.BeginFunc(t.Context(), pool, func(tx pgx.Tx) error {
			return s.FinishLetter(t.Context(), tx, l, state, "550 5.1.1\r\nno such user", state == core.LetterFailed)
		})
	}
	if err := end(id, core.LetterFailed); err != nil {
		t.Fatal(err)
	}
	dead, _, err := s.Letters(t.Context(), root, core.LetterFailed, core.Page{})
	if err != nil || len(dead) != 1 || dead[0].LastError != "550 5.1.1 no such user" || dead[0].Subject != "genomes is ready" {
		t.Fatalf("dead letters = %+v, %v", dead, err)
	}
	fallback := all(t, s, root)[0]
	if fallback.Kind != "undeliverable" || fallback.FallbackOf == nil || *fallback.FallbackOf != id || fallback.Address != "root@example.com" ||
		fallback.Subject != "Could not be delivered: genomes is ready" {
		t.Errorf("the newest letter is %+v; want the administrators to be told", fallback)
	}
	if err := end(fallback.ID, core.LetterFailed); err != nil { // which has no fallback of its own
		t.Fatal(err)
	}
	if n := len(all(t, s, root)); n != 2 {
		t.Errorf("%d letters; want 2", n)
	}
	var failures int
	err = pool.QueryRow(t.Context(), "select count(*) from audit where action = 'notification.send' and outcome = 'failed'").Scan(&failures)
	if err != nil || failures != 2 {
		t.Errorf("%d audit entries, %v; want 2", failures, err)
	}
	if _, err := s.RetryLetter(t.Context(), request(ada, "", nil), id); core.CodeOf(err) != core.CodeForbidden {
		t.Errorf("retry by a scientist: %v", err)
	}
	jobs := len(queue.notifications)
	for range 2 {
		if l, err := s.RetryLetter(t.Context(), request(root, "", nil), id); err != nil || l.State != core.LetterPending || l.Attempts != 0 {
			t.Errorf("retry: %+v, %v", l, err)
		}
	}
	if n := len(queue.notifications) - jobs; n != 1 {
		t.Errorf("two retries made %d jobs; want 1", n)
	}
	if err := end(id, core.LetterSent); err != nil {
		t.Fatal(err)
	}
	if err := end(id, core.LetterSent); !errors.Is(err, core.ErrFinished) {
		t.Errorf("a letter was sent twice: %v", err)
	}
	if _, err := s.RetryLetter(t.Context(), request(root, "", nil), id); core.CodeOf(err) != core.CodeBusy {
		t.Errorf("retry of what was sent: %v", err)
	}
}

// TestAudiences names everybody who may have to do with a database, some of them twice, and some who are gone.
func TestAudiences(t *testing.T) {
	s, pool, queue := outbox(t, core.Options{})
	ada, root := coretest.Actor(t, s, "ada", false), coretest.Actor(t, s, "root", true)
	for _, login := range []string{"pi", "gone", "guest"} {
		coretest.Actor(t, s, login, false)
	}
	guest := coretest.Actor(t, s, "guest", false)
	if _, err := pool.Exec(t.Context(), "update people set disabled_at = now() where login = 'gone'"); err != nil {
		t.Fatal(err)
	}
	r, err := s.Do(t.Context(), request(ada, "", create("genomes")))
	if err != nil {
		t.Fatal(err)
	}
	everybody := []core.Audience{core.ToOwner, core.ToPI, core.ToContact, core.ToRequester}
	for i, c := range []struct {
		pi, contact string
		to          []core.Audience
		people      []string
		want        string
	}{
		{"pi", "Lab 3 <lab3@example.org>", everybody, nil, "ada@example.com lab3@example.org pi@example.com"},
		{"PI@example.com", "ask at the desk", everybody, nil, "ada@example.com pi@example.com"},
		{"ADA@example.com", "ada", everybody, []string{guest.ID, ada.ID}, "ada@example.com guest@example.com"},
		{"gone", "gone@example.com", everybody, nil, "ada@example.com"},
		{"gone", "a\r\nBcc: everybody@example.com", []core.Audience{core.ToPI, core.ToContact}, nil, "root@example.com"}, // nobody else is left
		{"", "", []core.Audience{core.ToAdmins}, nil, "root@example.com"},
	} {
		if _, err := pool.Exec(t.Context(), "update instances set pi = $1, contact = $2", c.pi, c.contact); err != nil {
			t.Fatal(err)
		}
		key := "case " + string(rune('0'+i))
		for range 2 { // the second time, they have been told
			err := pgx.BeginFunc(t.Context(), pool, func(tx pgx.Tx) error {
				return core.Notify(s, t.Context(), tx, core.Notification{
					News: core.NewsExpiring{Days: 7}, InstanceID: r.Database.ID, OperationID: r.Operation.ID, To: c.to, People: c.people, Key: key,
					NotBefore: time.Now().Add(time.Hour),
				})
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		var got string
		err := pool.QueryRow(t.Context(), `select coalesce(string_agg(address, ' ' order by address), '') from notifications
			where dedupe like '%' || $1 || '%' and not_before > now() + interval '50 minutes'`, key).Scan(&got)
		if err != nil || got != c.want {
			t.Errorf("pi %q, contact %q, %v: told %q, %v; want %q", c.pi, c.contact, c.to, got, err, c.want)
		}
	}
	if n := len(all(t, s, root)); n != len(queue.notifications) {
		t.Errorf("%d letters, %d jobs", n, len(queue.notifications))
	}
}
