package core_test

import (
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mydb-project/mydb/core"
	"github.com/mydb-project/mydb/core/coretest"
	"github.com/mydb-project/mydb/core/policy"
)

// TestDigest lets days go by at a site in Tokyo, whose administrators hear each morning what has happened and what needs them: once, from
// however many workers, and after days without any in one mail.
func TestDigest(t *testing.T) {
	rules := policy.Default().Policy
	rules.Backup.Timezone, rules.PHI.Admins = "Asia/Tokyo", []string{"root"}
	now := time.Now().UTC().Truncate(time.Minute)
	s, pool, _ := outbox(t, core.Options{Policy: rules, Now: func() time.Time { return now }})
	ada, root := coretest.Actor(t, s, "ada", false), coretest.Actor(t, s, "root", true)
	quiet := coretest.Actor(t, s, "quiet", true)
	if _, err := s.ChooseMail(t.Context(), request(quiet, "", nil), map[core.Topic]bool{core.TopicDigest: false}); err != nil {
		t.Fatal(err)
	}
	digest := func(want bool) {
		t.Helper()
		if due, err := s.Digest(t.Context()); err != nil || due != want {
			t.Fatalf("at %s: due is %t, %v; want %t", now, due, err, want)
		}
	}
	digest(false) // the first day has none

	settled(t, s, pool, ada, "genomes")
	made(t, s, pool, ada, create("variants"), &core.Explanation{Code: core.CodeInvalid, Message: `Your init script failed: password "canary"`})
	secret := create("patients")
	secret.PHI = true
	made(t, s, pool, ada, secret, nil)
	must(t, s, ada, core.Delete{On: genomes, Reason: "done"})
	for _, sql := range []string{
		"update operations set finished_at = now() where finished_at is not null",
		`insert into findings (id, kind, instance_id, subject, message, severity, first_at, last_at) select 'f' || name, 'backup_late', id, id,
			name || ' has no backup of today.' || chr(10) || 'Bcc: x', case name when 'genomes' then 'alarm' else 'warning' end, now(), now() from instances where state = 'ready'`,
		"update notifications set state = 'failed' where kind = 'ready'",
		`insert into audit (actor_id, actor, door, action, subject, outcome) select 'mydb', 'mydb', 'system', 'notification.send', id, 'failed' from notifications where kind = 'ready'`,
	} {
		if _, err := pool.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	tokyo := rules.Backup.Location()
	seven := func(days int) time.Time {
		day := now.In(tokyo)
		at := time.Date(day.Year(), day.Month(), day.Day()+days, 7, 0, 0, 0, tokyo)
		if days == 0 && !at.After(now) {
			at = at.AddDate(0, 0, 1)
		}
		return at
	}
	morning := seven(0)
	now = morning.Add(-time.Minute)
	digest(false)
	now = morning
	var workers sync.WaitGroup
	for range 4 {
		workers.Go(func() {
			if _, err := s.Digest(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	workers.Wait()
	digest(false)
	letters := digests(t, s, root)
	if len(letters) != 1 || letters[0].Address != "root@example.com" {
		t.Fatalf("%d letters: %+v", len(letters), letters)
	}
	text, err := letters[0].Text()
	if err != nil {
		t.Fatal(err)
	}
	said := text.Subject + "\n" + strings.Join(text.Lines, "\n")
	for _, f := range text.Facts {
		said += "\n" + f.Name + ": " + f.Value
	}
	for _, want := range []string{
		"MyDB on " + morning.Format("2 January 2006") + ": 5 things need attention",
		"genomes: backup late. genomes has no backup of today. Bcc: x\na database with health data: backup late.\nada waits for a decision until ",
		": delete genomes.", "Failed: create of variants. Its page tells why.", "2 mails could not be delivered. The page",
		"What has happened from ", " to " + morning.Format("2 January 2006, 15:04 JST") + ".",
		"Databases made: 2, and 1 failed", "Databases now: 2",
	} {
		if !strings.Contains(said, want) {
			t.Errorf("the digest lacks %q:\n%s", want, said)
		}
	}
	if strings.Contains(said+string(letters[0].Data), "patients") || strings.Contains(said+string(letters[0].Data), "canary") {
		t.Errorf("the digest tells too much:\n%s", said)
	}

	now = seven(4).Add(3 * time.Hour) // days without a worker
	digest(true)
	now = seven(1)
	digest(true)
	now = now.AddDate(1, 0, 0)
	digest(true)
	now = now.AddDate(-1, 0, 0) // the clock was wrong
	digest(false)
	now = seven(1)
	digest(true)
	if n := len(digests(t, s, root)); n != 5 {
		t.Errorf("%d letters; want 5", n)
	}
}

func digests(t *testing.T, s *core.Service, root core.Actor) (out []core.Letter) {
	t.Helper()
	for _, l := range all(t, s, root) {
		if l.Kind == "digest" {
			out = append(out, l)
		}
	}
	return out
}

// TestNoDigest is of a site that wants none.
func TestNoDigest(t *testing.T) {
	rules := policy.Default().Policy
	rules.Mail.Digest = policy.DigestNever
	now := time.Now()
	s, _, _ := outbox(t, core.Options{Policy: rules, Now: func() time.Time { return now }})
	for range 3 {
		if due, err := s.Digest(t.Context()); due || err != nil {
			t.Errorf("due is %t, %v", due, err)
		}
		now = now.AddDate(0, 0, 1)
	}
}
