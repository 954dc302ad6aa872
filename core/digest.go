package core

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/mydb-project/mydb/core/policy"
)

const digestKey = "digest" // in the table site: until when the last one told

// digestNeeds is how many things of one kind a daily mail names; of the rest it tells how many there are.
const digestNeeds = 10

// Digest tells the administrators once a day, at the site's time, what has happened since the last time, and what needs them. However many
// workers ask for it, each day has one; what days without a worker have missed is in the next. A site's first day has none: there is
// nothing to tell of the time before. It gives whether it was due.
func (s *Service) Digest(ctx context.Context) (due bool, err error) {
	if _, sent := s.policy.Mail.DigestAt(); !sent {
		return false, nil
	}
	err = pgx.BeginFunc(ctx, s.db, func(tx pgx.Tx) error {
		now := s.now().UTC()
		since, err := s.lastDigest(ctx, tx, now)
		if err != nil {
			return err
		}
		at := nextDigest(s.policy, since)
		if due = !at.After(now); !due {
			return nil
		}
		news, err := s.digest(ctx, tx, since, now)
		if err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, "update site set value = $2 where key = $1", digestKey, []byte(now.Format(time.RFC3339Nano))); err != nil {
			return fmt.Errorf("note until when the daily mail tells: %w", err)
		}
		return s.notify(ctx, tx, Notification{News: news, To: []Audience{ToAdmins}, Key: now.Format(time.RFC3339Nano)})
	})
	return due, err
}

// lastDigest is until when the last daily mail told. The row is locked, so that one worker at a time looks and tells. A moment far ahead is
// of a clock that was wrong, and starts anew.
func (s *Service) lastDigest(ctx context.Context, tx pgx.Tx, now time.Time) (time.Time, error) {
	first := []byte(now.Format(time.RFC3339Nano))
	if _, err := tx.Exec(ctx, "insert into site (key, value, sealed) values ($1, $2, false) on conflict do nothing", digestKey, first); err != nil {
		return now, fmt.Errorf("note the first day: %w", err)
	}
	var text []byte
	if err := tx.QueryRow(ctx, "select value from site where key = $1 for update", digestKey).Scan(&text); err != nil {
		return now, fmt.Errorf("read until when the last daily mail told: %w", err)
	}
	since, err := time.Parse(time.RFC3339Nano, string(text))
	if err == nil && since.Sub(now) < 24*time.Hour {
		return since, nil
	}
	if _, err := tx.Exec(ctx, "update site set value = $2 where key = $1", digestKey, first); err != nil {
		return now, fmt.Errorf("begin the days anew: %w", err)
	}
	return now, nil
}

// nextDigest is the first time of the daily mail after a moment, by the site's clock. In the nights in which the clocks change it is what
// schedules of backups make of it.
func nextDigest(p policy.Policy, after time.Time) time.Time {
	offset, _ := p.Mail.DigestAt()
	loc := p.Backup.Location()
	today := after.In(loc)
	for n := 0; ; n++ {
		date := time.Date(today.Year(), today.Month(), today.Day()+n, 0, 0, 0, 0, time.UTC)
		if at := inZone(date.Add(offset), loc); at.After(after) {
			return at
		}
	}
}

// digest looks what there is to tell.
func (s *Service) digest(ctx context.Context, tx pgx.Tx, since, until time.Time) (NewsDigest, error) {
	n := NewsDigest{Since: since, Until: until, Zone: s.policy.Backup.Location().String()}
	var err error
	if n.Done, err = happened(ctx, tx, since); err != nil {
		return n, fmt.Errorf("count what has happened: %w", err)
	}
	for _, look := range []func(context.Context, pgx.Tx, time.Time) ([]string, error){
		s.needRecovery, s.needFindings, s.needApprovals, s.needFailures, s.needLetters,
	} {
		needs, err := look(ctx, tx, since)
		if err != nil {
			return n, fmt.Errorf("look what needs attention: %w", err)
		}
		if more := len(needs) - digestNeeds; more > 0 {
			needs = append(needs[:digestNeeds], fmt.Sprintf("And %d more of the kind.", more))
		}
		n.Needs = append(n.Needs, needs...)
	}
	return n, nil
}

// digestWork are the operations that a daily mail counts, in its order.
var digestWork = []struct{ kind, words string }{
	{"create", "Databases made"},
	{"import", "Databases imported"},
	{"restore", "Databases made of backups"},
	{"backup", "Backups made"},
	{"verify", "Backups verified"},
	{"restore_in_place", "Restores in place"},
	{"undo", "Restores undone"},
	{"rotate", "New passwords"},
	{"share", "Shares"},
	{"transfer", "Changes of owner"},
	{"resize", "Changes of size"},
	{"heal", "Databases healed"},
	{"expire", "Databases stopped at the end of their time"},
	{"delete", "Databases deleted"},
	{"purge", "Databases removed for good"},
}

// happened counts the operations that ended since a moment, and how many databases there are.
func happened(ctx context.Context, tx pgx.Tx, since time.Time) (out []Fact, err error) {
	type ended struct {
		Kind         string
		Done, Failed int
	}
	list, err := many[ended](ctx, tx, `select kind, count(*) filter (where state = 'done') as done, count(*) filter (where state = 'failed') as failed
		from operations where finished_at > $1 and not (kind = 'create' and requested_by = $2) group by kind`, since, systemPerson)
	if err != nil {
		return nil, err
	}
	for _, w := range digestWork {
		n := slices.IndexFunc(list, func(e ended) bool { return e.Kind == w.kind })
		if n < 0 || list[n].Done+list[n].Failed == 0 {
			continue
		}
		value := fmt.Sprint(list[n].Done)
		if list[n].Failed > 0 {
			value += fmt.Sprintf(", and %d failed", list[n].Failed)
		}
		out = append(out, Fact{w.words, value})
	}
	var live, ending int
	err = tx.QueryRow(ctx, `select count(*), count(*) filter (where expires_at < $2) from instances
		where state in ('ready', 'stopped', 'restoring') and owner_id <> $1`, systemPerson, since.AddDate(0, 0, 8)).Scan(&live, &ending)
	if err != nil {
		return nil, err
	}
	out = append(out, Fact{"Databases now", fmt.Sprint(live)})
	if ending > 0 {
		out = append(out, Fact{"Of these, with little time left or none", fmt.Sprint(ending)})
	}
	return out, nil
}

// named is a database as a daily mail names it. Where only some administrators deal with health data, the mail is for all and names none.
func (s *Service) named(database string, phi bool) string {
	if phi && len(s.policy.PHI.Admins) > 0 {
		return "a database with health data"
	}
	return database
}

func (s *Service) needRecovery(ctx context.Context, tx pgx.Tx, _ time.Time) ([]string, error) {
	still, err := standsStill(ctx, tx)
	if err != nil || !still {
		return nil, err
	}
	return []string{"MyDB was recovered from a backup, and nobody has accepted it yet: until then nothing is removed, stopped, expired or healed by itself. See the page Recovery."}, nil
}

// needFindings names what is wrong now, overdue backups among it, the gravest in front.
func (s *Service) needFindings(ctx context.Context, tx pgx.Tx, _ time.Time) (out []string, err error) {
	type open struct {
		Kind, Subject, Message, Database string
		PHI                              bool
	}
	list, err := many[open](ctx, tx, `select f.kind, f.subject, f.message, coalesce(i.name, '') as database, coalesce(i.phi, false) as phi
		from findings f left join instances i on i.id = f.instance_id
		where f.resolved_at is null and f.severity <> 'info' order by f.severity = 'alarm' desc, f.id`)
	for _, f := range list {
		what := strings.ReplaceAll(f.Kind, "_", " ")
		switch name := s.named(f.Database, f.PHI); {
		case f.Database == "":
			out = append(out, oneLine(fmt.Sprintf("%s: %s. %s", f.Subject, what, f.Message), 400))
		case name != f.Database:
			out = append(out, fmt.Sprintf("%s: %s.", name, what))
		default:
			out = append(out, oneLine(fmt.Sprintf("%s: %s. %s", name, what, f.Message), 400))
		}
	}
	return out, err
}

func (s *Service) needApprovals(ctx context.Context, tx pgx.Tx, _ time.Time) (out []string, err error) {
	type waiting struct {
		Action, Database, By string
		PHI                  bool
		ExpiresAt            time.Time
	}
	list, err := many[waiting](ctx, tx, `select a.action, i.name as database, i.phi, p.login as by, a.expires_at from approvals a
		join instances i on i.id = a.instance_id join people p on p.id = a.requested_by
		where a.state = 'pending' and a.expires_at > $1 order by a.expires_at, a.id`, s.now())
	for _, w := range list {
		out = append(out, fmt.Sprintf("%s waits for a decision until %s: %s %s.", w.By, localMoment(w.ExpiresAt, s.policy.Backup.Location()), ActionWords(w.Action), s.named(w.Database, w.PHI)))
	}
	return out, err
}

// needFailures names what has failed, without the reasons: these may quote what somebody sent, and are on the pages.
func (s *Service) needFailures(ctx context.Context, tx pgx.Tx, since time.Time) (out []string, err error) {
	type failed struct {
		Kind, Database string
		PHI            bool
		N              int
	}
	list, err := many[failed](ctx, tx, `select o.kind, i.name as database, i.phi, count(*) as n from operations o join instances i on i.id = o.instance_id
		where o.state = 'failed' and o.finished_at > $1 and i.owner_id <> $2 group by o.kind, i.id order by max(o.finished_at) desc`, since, systemPerson)
	for _, f := range list {
		times := ""
		if f.N > 1 {
			times = fmt.Sprintf(", %d times", f.N)
		}
		out = append(out, fmt.Sprintf("Failed%s: %s of %s. Its page tells why.", times, ActionWords(f.Kind), s.named(f.Database, f.PHI)))
	}
	return out, err
}

// needLetters counts the mail that was given up, so that the word of something grave is not lost without anybody noticing.
func (s *Service) needLetters(ctx context.Context, tx pgx.Tx, since time.Time) ([]string, error) {
	var n int
	err := tx.QueryRow(ctx, `select count(*) from notifications n where n.state = 'failed' and exists (select from audit a
		where a.action = 'notification.send' and a.outcome = 'failed' and a.subject = n.id and a.at > $1)`, since).Scan(&n)
	if err != nil || n == 0 {
		return nil, err
	}
	return []string{fmt.Sprintf("%s could not be delivered. The page Notifications lists what people do not know because of that, and sends it again.", count(n, "mail"))}, nil
}
