package core

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/mydb-project/mydb/core/crypt"
)

// The parts of the certificate authority in the table site. While it is rotated there is a next one, which clients trust already and which
// issues nothing yet; then an old one, which clients still trust and which issues nothing any more.
const (
	caCert, caKey         = "ca.crt", "ca.key"
	caNextCert, caNextKey = "ca.next.crt", "ca.next.key"
	caNextAt              = "ca.next.at" // when the next one takes over, RFC 3339
	caOldCert             = "ca.old.crt"
	caHurry               = "ca.hurry" // servers are renewed at any time of the day
)

// Authority gives the site's certificate authority, with those that are trusted beside it, and makes it on the first call ever.
func (s *Service) Authority(ctx context.Context) (*crypt.Authority, error) {
	parts, err := readAuthority(ctx, s.db)
	if err == nil && parts[caCert] == nil {
		if err := s.makeAuthority(ctx); err != nil {
			return nil, err
		}
		parts, err = readAuthority(ctx, s.db)
	}
	if err != nil {
		return nil, err
	}
	plain, err := s.open(parts[caKey])
	if err != nil {
		return nil, fmt.Errorf("open the certificate authority's key: %w", err)
	}
	a, err := crypt.ParseAuthority(parts[caCert], plain)
	if err != nil {
		return nil, err
	}
	for _, other := range []string{caNextCert, caOldCert} {
		if parts[other] == nil {
			continue
		}
		if err := a.Trust(parts[other]); err != nil {
			return nil, fmt.Errorf("read the authority %s: %w", other, err)
		}
	}
	return a, nil
}

// AuthorityBundle gives the certificates that clients verify databases with, in PEM.
func (s *Service) AuthorityBundle(ctx context.Context) ([]byte, error) {
	a, err := s.Authority(ctx)
	if err != nil {
		return nil, err
	}
	return a.Certificate(), nil
}

func readAuthority(ctx context.Context, db DB) (map[string][]byte, error) {
	type part struct {
		Key   string
		Value []byte
	}
	list, err := many[part](ctx, db, "select key, value from site where key like 'ca.%'")
	if err != nil {
		return nil, fmt.Errorf("read the certificate authority: %w", err)
	}
	out := map[string][]byte{}
	for _, p := range list {
		out[p.Key] = p.Value
	}
	return out, nil
}

// inAuthority does something to the authority while nobody else does.
func (s *Service) inAuthority(ctx context.Context, do func(tx pgx.Tx, parts map[string][]byte) error) error {
	return pgx.BeginFunc(ctx, s.db, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "select pg_advisory_xact_lock(hashtext('mydb authority'))"); err != nil {
			return fmt.Errorf("lock the authority: %w", err)
		}
		parts, err := readAuthority(ctx, tx)
		if err != nil {
			return err
		}
		return do(tx, parts)
	})
}

// makeAuthority stores a new authority, unless another process was first.
func (s *Service) makeAuthority(ctx context.Context) error {
	cert, key, err := crypt.NewAuthority(s.now())
	if err != nil {
		return err
	}
	sealed, err := s.keys.Seal(key)
	if err != nil {
		return err
	}
	return s.inAuthority(ctx, func(tx pgx.Tx, parts map[string][]byte) error {
		if parts[caCert] != nil {
			return nil
		}
		_, err := tx.Exec(ctx, "insert into site (key, value, sealed) values ($1, $2, false), ($3, $4, true)", caCert, cert, caKey, sealed)
		return err
	})
}

// DefaultOverlap is how long people have to fetch the certificate of a new authority before servers show certificates of it.
const DefaultOverlap = 30 * 24 * time.Hour

// RotateAuthority makes a new certificate authority, which from now on is in the bundle that people download, beside the one that there is.
// After the overlap it takes over, the servers are renewed one after another, and then the old one goes out of the bundle. Hurry is
// for a key that may be known to others: the new one takes over at once, and servers are renewed at any time of the day. by is who says
// so. Errors: CodeBusy while another rotation is under way, CodeInvalid.
func (s *Service) RotateAuthority(ctx context.Context, by string, overlap time.Duration, hurry bool) error {
	if overlap < 0 || overlap > 366*24*time.Hour {
		return invalid("overlap", "The overlap is from 0 to 366 days.")
	}
	if hurry {
		overlap = 0
	}
	if _, err := s.Authority(ctx); err != nil { // there is one to be rotated
		return err
	}
	cert, key, err := crypt.NewAuthority(s.now())
	if err != nil {
		return err
	}
	sealed, err := s.keys.Seal(key)
	if err != nil {
		return err
	}
	at := s.now().UTC().Add(overlap).Truncate(time.Second)
	return s.inAuthority(ctx, func(tx pgx.Tx, parts map[string][]byte) error {
		if parts[caNextCert] != nil || parts[caOldCert] != nil {
			return Errorf(CodeBusy, "The authority is being rotated already. `mydb ca status` tells what it waits for.")
		}
		var rows together
		_, _ = rows.Exec(ctx, "insert into site (key, value, sealed) values ($1, $2, false), ($3, $4, true), ($5, $6, false)",
			caNextCert, cert, caNextKey, sealed, caNextAt, []byte(at.Format(time.RFC3339)))
		if hurry {
			_, _ = rows.Exec(ctx, "insert into site (key, value, sealed) values ($1, '', false)", caHurry)
		}
		e := AuditEntry{Actor: by, Door: DoorTerminal, Action: "authority.rotate", Outcome: OutcomeDone, Data: map[string]any{"takes_over": at, "hurry": hurry}}
		if err := writeAudit(ctx, &rows, e); err != nil {
			return err
		}
		if err := rows.send(ctx, tx); err != nil {
			return fmt.Errorf("store the new authority: %w", err)
		}
		return s.tellOfAuthority(ctx, tx, at)
	})
}

// tellOfAuthority tells everybody who owns a database that lives, once, and administrators.
func (s *Service) tellOfAuthority(ctx context.Context, tx pgx.Tx, at time.Time) error {
	type owner struct {
		ID        string
		Databases []string
	}
	list, err := many[owner](ctx, tx, `select owner_id as id, array_agg(name order by name) as databases from instances
		where ended_at is null and owner_id <> $1 and state <> 'trashed' group by owner_id`, systemPerson)
	if err != nil {
		return fmt.Errorf("look whom a new authority concerns: %w", err)
	}
	when := at.Format(time.RFC3339)
	for _, o := range list {
		n := Notification{News: NewsAuthority{At: at, Databases: o.Databases}, Key: o.ID + " " + when, To: []Audience{ToPerson}, People: []string{o.ID}}
		if err := s.notify(ctx, tx, n); err != nil {
			return err
		}
	}
	return s.notify(ctx, tx, Notification{News: NewsAuthority{At: at}, Key: when, To: []Audience{ToAdmins}})
}

// advanceAuthority does the next step of a rotation when its time has come.
func (s *Service) advanceAuthority(ctx context.Context) error {
	return s.inAuthority(ctx, func(tx pgx.Tx, parts map[string][]byte) error {
		switch {
		case parts[caNextCert] != nil:
			at, err := time.Parse(time.RFC3339, string(parts[caNextAt]))
			if err != nil {
				return fmt.Errorf("read when the next authority takes over: %w", err)
			}
			if at.After(s.now()) {
				return nil
			}
			return s.swapAuthority(ctx, tx)
		case parts[caOldCert] != nil:
			return s.dropAuthority(ctx, tx, parts)
		}
		return nil
	})
}

// swapAuthority lets the next authority take over. Spares are made anew rather than renewed: nobody uses them.
func (s *Service) swapAuthority(ctx context.Context, tx pgx.Tx) error {
	var rows together
	_, _ = rows.Exec(ctx, "delete from site where key in ($1, $2)", caKey, caNextAt)
	for _, move := range [][2]string{{caCert, caOldCert}, {caNextCert, caCert}, {caNextKey, caKey}} {
		_, _ = rows.Exec(ctx, "update site set key = $2 where key = $1", move[0], move[1])
	}
	_, _ = rows.Exec(ctx, "update instances set certificate_until = $1 where state = 'spare'", s.now())
	if err := writeAudit(ctx, &rows, AuditEntry{Actor: systemPerson, Door: DoorSystem, Action: "authority.take_over", Outcome: OutcomeDone}); err != nil {
		return err
	}
	if err := rows.send(ctx, tx); err != nil {
		return fmt.Errorf("let the next authority take over: %w", err)
	}
	return nil
}

// dropAuthority takes the old authority out of the bundle when no server shows a certificate of it any more, also none in the trash.
func (s *Service) dropAuthority(ctx context.Context, tx pgx.Tx, parts map[string][]byte) error {
	old, err := crypt.ParseCertificate(parts[caOldCert])
	if err != nil {
		return err
	}
	var left int
	if err := tx.QueryRow(ctx, "select count(*) from instances where ended_at is null and coalesce(certificate_of, $1) = $1", crypt.KeyOf(old)).Scan(&left); err != nil {
		return fmt.Errorf("count the certificates of the old authority: %w", err)
	}
	if left > 0 {
		return nil
	}
	var rows together
	_, _ = rows.Exec(ctx, "delete from site where key in ($1, $2)", caOldCert, caHurry)
	if err := writeAudit(ctx, &rows, AuditEntry{Actor: systemPerson, Door: DoorSystem, Action: "authority.drop", Outcome: OutcomeDone}); err != nil {
		return err
	}
	if err := rows.send(ctx, tx); err != nil {
		return fmt.Errorf("drop the old authority: %w", err)
	}
	return nil
}

// NewsAuthority says that the certificate authority changes.
type NewsAuthority struct {
	At        time.Time `json:"at"` // when servers begin to show certificates of the new one
	Databases []string  `json:"databases,omitempty"`
}

func (NewsAuthority) kind() string { return "authority" }

func (n NewsAuthority) tell(string) Text {
	t := Text{
		Subject: "Fetch the certificate of the databases again",
		Lines: []string{
			fmt.Sprintf("The authority that vouches for the servers of the databases changes on %s. Whoever connects needs its new certificate before then.", moment(n.At)),
			"Download it again from the portal, or run `mydb connect --save` again, on each machine from which you or your programs connect. The file holds the certificates of both " +
				"authorities, so that it works before and after. Connections that do not verify the server go on as before; they should verify it.",
		},
		Page: "/ca.crt", Link: "Download the certificate",
	}
	if len(n.Databases) > 0 {
		t.Facts = []Fact{{"Databases", strings.Join(n.Databases, ", ")}}
	}
	return t
}
