package core

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// Announcement is a sentence that administrators have put up in all doors, such as for a maintenance. Times are UTC.
type Announcement struct {
	Text  string    `json:"text"`
	By    string    `json:"by"` // login
	At    time.Time `json:"at"`
	Until time.Time `json:"until"`
}

const announcementKey = "announcement" // in the table site

// How long an announcement is, and for how long it is up.
const (
	announcementLength  = 300
	announcementDefault = 24 * time.Hour
	announcementMaximum = 30 * 24 * time.Hour
)

// Announced is what administrators have announced; nil when there is nothing now.
func (s *Service) Announced(ctx context.Context) (*Announcement, error) {
	var text []byte
	err := s.db.QueryRow(ctx, "select value from site where key = $1", announcementKey).Scan(&text)
	if notFound(err) {
		return nil, nil //nolint:nilnil // nothing is an ordinary answer
	}
	if err != nil {
		return nil, fmt.Errorf("read the announcement: %w", err)
	}
	var a Announcement
	if err := json.Unmarshal(text, &a); err != nil {
		return nil, fmt.Errorf("decode the announcement: %w", err)
	}
	if s.now().After(a.Until) {
		return nil, nil //nolint:nilnil // see above
	}
	return &a, nil
}

// Announce puts a sentence up in all doors for a while (zero: a day), or takes it down with an empty text. For administrators.
// Errors: CodeForbidden, CodeInvalid.
func (s *Service) Announce(ctx context.Context, req Request, text string, life time.Duration) (_ *Announcement, err error) {
	defer s.refusing(ctx, req, "site.announce", "", &err)
	if err := s.sure(ctx, &req); err != nil {
		return nil, err
	}
	if !req.Actor.IsAdmin() {
		return nil, Errorf(CodeForbidden, "Only administrators announce something.")
	}
	text = strings.Join(strings.Fields(text), " ")
	if err := checkText("text", text, announcementLength); err != nil {
		return nil, err
	}
	if life == 0 {
		life = announcementDefault
	}
	if life < time.Minute || life > announcementMaximum {
		return nil, invalid("until", "An announcement is up for a minute to 30 days, such as 2h or 3d.")
	}
	a := &Announcement{Text: text, By: req.Actor.Login, At: s.now().UTC(), Until: s.now().Add(life).UTC()}
	value, err := json.Marshal(a)
	if err != nil {
		return nil, fmt.Errorf("encode the announcement: %w", err)
	}
	err = pgx.BeginFunc(ctx, s.db, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "delete from site where key = $1", announcementKey); err != nil {
			return err
		}
		if text != "" {
			if _, err := tx.Exec(ctx, "insert into site (key, value, sealed) values ($1, $2, false)", announcementKey, value); err != nil {
				return err
			}
		}
		e := req.audit(OutcomeDone)
		e.Action, e.Data = "site.announce", map[string]any{"text": text, "until": a.Until}
		return writeAudit(ctx, tx, e)
	})
	if err != nil {
		return nil, fmt.Errorf("announce: %w", err)
	}
	if text == "" {
		return nil, nil //nolint:nilnil // nothing is announced any more
	}
	return a, nil
}
