package core

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/mydb-project/mydb/core/crypt"
	"github.com/mydb-project/mydb/core/engine"
	"github.com/mydb-project/mydb/core/policy"
)

// When certificates of servers are renewed before their end.
const (
	renewBefore  = 60 * 24 * time.Hour // in the hours that are meant for maintenance
	renewUrgent  = 14 * 24 * time.Hour // at any time of the day
	renewPause   = 6 * time.Hour       // after a renewal that failed
	authorityEnd = 400 * 24 * time.Hour
)

// Findings about certificates.
const (
	AlarmCertificate = "certificate_expires" // of a server, and it was not renewed
	AlarmAuthority   = "authority_expires"   // time to rotate it
	NoticeAuthority  = "authority_rotation"  // it is being rotated
)

// secretServerNext is what a server gets with its next certificate.
const secretServerNext = "server_next"

// Renew gives a server a new certificate, for which it is restarted.
type Renew struct{ On }

func (Renew) action() string { return "renew" }

func (c Renew) prepare(*Service, Actor) (decision, error) {
	return change{on: c.Database, kind: "renew", states: []State{StateReady, StateStopped}}, nil
}

// NextServerSecrets gives the secrets that a server has after a renewal. fresh makes them of those it has, once.
func (s *Service) NextServerSecrets(ctx context.Context, instanceID string, fresh func() (engine.Secrets, error)) (engine.Secrets, error) {
	return s.serverSecrets(ctx, instanceID, secretServerNext, fresh)
}

// FinishRenew records the end of a renewal, inside the transaction that completes its job.
func (s *Service) FinishRenew(ctx context.Context, tx pgx.Tx, operationID string, i Instance, failure *Explanation) error {
	var rows together
	if failure == nil {
		_, _ = rows.Exec(ctx, "delete from secrets where instance_id = $1 and kind = $2", i.ID, secretServer)
		_, _ = rows.Exec(ctx, "update secrets set kind = $2 where instance_id = $1 and kind = $3", i.ID, secretServer, secretServerNext)
		_, _ = rows.Exec(ctx, "update instances set certificate_until = null, certificate_of = null where id = $1", i.ID)
	} else {
		_, _ = rows.Exec(ctx, "delete from secrets where instance_id = $1 and kind = $2", i.ID, secretServerNext)
	}
	if err := rows.send(ctx, tx); err != nil {
		return fmt.Errorf("exchange the certificate: %w", err)
	}
	return s.finishOperation(ctx, tx, operationID, i, failure)
}

// TendCertificates looks when the servers' certificates end, does the next step of a rotation of the authority, and begins at most one
// renewal, so that servers are renewed one after another. It gives whether it began one. Periodic.
func (s *Service) TendCertificates(ctx context.Context) (began bool, err error) {
	if still, err := standsStill(ctx, s.db); err != nil || still {
		return false, err
	}
	if err := errors.Join(s.noteCertificates(ctx), s.advanceAuthority(ctx)); err != nil {
		return false, err
	}
	began, err = s.renewNext(ctx)
	return began, errors.Join(err, s.warnOfCertificates(ctx))
}

// noteCertificates looks up in the sealed secrets what is not known of certificates.
func (s *Service) noteCertificates(ctx context.Context) error {
	list, err := many[struct{ ID string }](ctx, s.db, `select i.id from instances i join secrets x on x.instance_id = i.id and x.kind = $1
		where i.ended_at is null and i.certificate_of is null order by i.id limit 500`, secretServer)
	if err != nil {
		return fmt.Errorf("look for certificates that are not known: %w", err)
	}
	for _, i := range list {
		plain, err := s.readSecret(ctx, i.ID, secretServer)
		if errors.Is(err, crypt.ErrOtherKey) {
			continue // the findings about keys tell of it
		}
		var secrets engine.Secrets
		if err == nil {
			err = json.Unmarshal(plain, &secrets)
		}
		if err != nil {
			return fmt.Errorf("read the secrets of %s: %w", i.ID, err)
		}
		cert, err := crypt.ParseCertificate(secrets.Certificate)
		if err != nil {
			s.log.Warn("the certificate of a server cannot be read", "instance", i.ID, "error", err)
			continue
		}
		if _, err := s.db.Exec(ctx, "update instances set certificate_until = $2, certificate_of = $3 where id = $1", i.ID, cert.NotAfter, crypt.IssuerOf(cert)); err != nil {
			return fmt.Errorf("note the certificate of %s: %w", i.ID, err)
		}
	}
	return nil
}

// dueRenewal is an instance whose certificate ends, or is of another authority than the one that issues now.
type dueRenewal struct {
	ID, MaintenanceWindow string
	Until                 time.Time
}

// renewNext begins the renewal that is due most, unless one is under way. Servers keep running until it is their time of the day.
func (s *Service) renewNext(ctx context.Context) (began bool, err error) {
	a, err := s.Authority(ctx)
	if err != nil {
		return false, err
	}
	list, err := many[dueRenewal](ctx, s.db, `select i.id, i.maintenance_window, i.certificate_until as until from instances i
		where i.ended_at is null and i.state in ('ready', 'stopped') and (i.certificate_until < $1 or i.certificate_of <> $2)
			and not exists (select from operations where kind = 'renew' and finished_at is null)
			and not exists (select from operations o where o.instance_id = i.id and (o.finished_at is null and o.kind <> 'verify' or o.kind = 'renew' and o.state = 'failed' and o.finished_at > $3))
		order by i.certificate_until, i.id`, s.now().Add(renewBefore), a.ID(), s.now().Add(-renewPause))
	if err != nil {
		return false, fmt.Errorf("look for certificates to renew: %w", err)
	}
	var hurry bool
	if err := s.db.QueryRow(ctx, "select exists (select from site where key = $1)", caHurry).Scan(&hurry); err != nil {
		return false, fmt.Errorf("look whether renewals are urgent: %w", err)
	}
	for _, d := range list {
		if !hurry && d.Until.Sub(s.now()) > renewUrgent && !inWindow(s.policy.Backup, d.MaintenanceWindow, s.now()) {
			continue
		}
		_, err := s.Do(ctx, system(Renew{On{d.ID}}))
		if CodeOf(err) == CodeBusy {
			continue // somebody was faster
		}
		return err == nil, err
	}
	return false, nil
}

// inWindow reports whether a moment is in an instance's hours for maintenance, or in those for backups where it has none of its own.
func inWindow(b policy.Backup, window string, now time.Time) bool {
	if window == "" {
		window = b.Window
	}
	day := ""
	if word, span, found := strings.Cut(window, " "); found {
		day, window = word, span
	}
	start, length, err := policy.ParseWindow(window)
	if err != nil {
		return true
	}
	at := now.In(b.Location())
	for _, back := range []int{0, -1} { // a window may have begun yesterday
		date := at.AddDate(0, 0, back)
		since := time.Duration(at.Hour())*time.Hour + time.Duration(at.Minute())*time.Minute - time.Duration(back)*24*time.Hour - start
		if (day == "" || day == weekdays[date.Weekday()]) && since >= 0 && since < length {
			return true
		}
	}
	return false
}

// warnOfCertificates opens and resolves the findings about certificates.
func (s *Service) warnOfCertificates(ctx context.Context) error {
	l := look{kinds: []string{AlarmCertificate, AlarmAuthority, NoticeAuthority}, tell: []Audience{ToAdmins}}
	type ending struct {
		ID, Name string
		Until    time.Time
	}
	list, err := many[ending](ctx, s.db, "select id, name, certificate_until as until from instances where ended_at is null and state in ('ready', 'stopped') and certificate_until < $1", s.now().Add(renewUrgent/2))
	if err != nil {
		return fmt.Errorf("look for certificates that end: %w", err)
	}
	for _, e := range list {
		l.found = append(l.found, found{
			kind: AlarmCertificate, subject: e.ID, instanceID: e.ID, severity: SeverityAlarm,
			message: fmt.Sprintf("The certificate of %s ends on %s and could not be renewed. The operations of %[1]s say what stood in the way.", e.Name, moment(e.Until)),
		})
	}
	status, err := s.AuthorityStatus(ctx)
	if err != nil {
		return err
	}
	const subject = "certificate authority"
	if status.Issuing.Until.Sub(s.now()) < authorityEnd && !status.Rotating() {
		l.found = append(l.found, found{
			kind: AlarmAuthority, subject: subject, severity: SeverityWarning,
			message: fmt.Sprintf("The certificate authority of the databases ends on %s. Run `mydb ca rotate`: people have 30 days to fetch the new certificate then.", moment(status.Issuing.Until)),
		})
	}
	if status.Rotating() {
		l.found = append(l.found, found{kind: NoticeAuthority, subject: subject, severity: SeverityInfo, message: status.String()})
	}
	return s.settle(ctx, l)
}

// AuthorityStatus is what there is of certificate authorities, and what a rotation waits for.
type AuthorityStatus struct {
	Issuing   AuthorityPart
	Next, Old *AuthorityPart
	NextAt    time.Time // when Next takes over
	Hurry     bool
	// Left are the databases whose server shows a certificate of Old, or of an authority that is not known; the trash counts.
	Left []string
	// Ends is when the first certificate of a server ends; nil: there is none.
	Ends *time.Time
}

// AuthorityPart is one authority.
type AuthorityPart struct {
	Name  string
	ID    string
	Until time.Time
}

// Rotating reports whether a rotation is under way.
func (a AuthorityStatus) Rotating() bool { return a.Next != nil || a.Old != nil }

// String says, for people to read, what a rotation waits for.
func (a AuthorityStatus) String() string {
	switch {
	case a.Next != nil:
		return fmt.Sprintf("A new certificate authority is in the bundle that people download. It takes over on %s; by then everybody who verifies servers has to fetch the bundle.", moment(a.NextAt))
	case a.Old != nil && len(a.Left) > 0:
		return fmt.Sprintf("The new certificate authority has taken over. %s still to be renewed, one after another: %s. The old one stays in the bundle until then.",
			count(len(a.Left), "server"), strings.Join(a.Left[:min(10, len(a.Left))], ", "))
	case a.Old != nil:
		return "All servers have certificates of the new authority. The old one goes out of the bundle within minutes."
	}
	return "No rotation is under way."
}

// AuthorityStatus tells how the certificate authority is.
func (s *Service) AuthorityStatus(ctx context.Context) (out AuthorityStatus, err error) {
	if _, err := s.Authority(ctx); err != nil {
		return out, err
	}
	parts, err := readAuthority(ctx, s.db)
	if err != nil {
		return out, err
	}
	part := func(key string) (*AuthorityPart, error) {
		if parts[key] == nil {
			return nil, nil //nolint:nilnil // most of the time there is none
		}
		cert, err := crypt.ParseCertificate(parts[key])
		if err != nil {
			return nil, fmt.Errorf("read the authority %s: %w", key, err)
		}
		return &AuthorityPart{Name: cert.Subject.CommonName, ID: crypt.KeyOf(cert), Until: cert.NotAfter}, nil
	}
	issuing, err1 := part(caCert)
	var err2, err3 error
	out.Next, err2 = part(caNextCert)
	out.Old, err3 = part(caOldCert)
	if err := errors.Join(err1, err2, err3); err != nil {
		return out, err
	}
	out.Issuing, out.Hurry = *issuing, parts[caHurry] != nil
	out.NextAt, _ = time.Parse(time.RFC3339, string(parts[caNextAt])) // zero when there is none
	type shown struct {
		Name  string
		Until *time.Time
		Of    string
	}
	list, err := many[shown](ctx, s.db, "select name, certificate_until as until, coalesce(certificate_of, '') as of from instances where ended_at is null and state <> 'creating' order by name")
	if err != nil {
		return out, fmt.Errorf("read the certificates: %w", err)
	}
	for _, x := range list {
		if x.Of != issuing.ID {
			out.Left = append(out.Left, x.Name)
		}
		if x.Until != nil && (out.Ends == nil || x.Until.Before(*out.Ends)) {
			out.Ends = x.Until
		}
	}
	slices.Sort(out.Left)
	return out, nil
}
