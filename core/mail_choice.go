package core

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
)

// MailChoice is a topic, and whether a person is told of it by mail.
type MailChoice struct {
	Topic  Topic  `json:"topic"`
	About  string `json:"about"`
	Wanted bool   `json:"wanted"`
}

// MailChoices lists what the actor can be told of by mail, and what they have chosen. Errors: CodeUnauthenticated.
func (s *Service) MailChoices(ctx context.Context, actor Actor) ([]MailChoice, error) {
	if err := actor.covers(ScopeRead); err != nil {
		return nil, err
	}
	return mailChoices(ctx, s.db, actor)
}

func mailChoices(ctx context.Context, db DB, actor Actor) ([]MailChoice, error) {
	off, err := many[struct{ Topic Topic }](ctx, db, "select topic from mail_preferences where person_id = $1 and not wanted", actor.ID)
	if err != nil {
		return nil, fmt.Errorf("read what somebody is told of: %w", err)
	}
	var out []MailChoice
	for _, t := range topics {
		if t.admins && !actor.Admin {
			continue
		}
		out = append(out, MailChoice{Topic: t.Topic, About: t.about, Wanted: !slices.Contains(off, struct{ Topic Topic }{t.Topic})})
	}
	return out, nil
}

// ChooseMail changes what the actor is told of by mail; topics that are not named stay as they are. It gives all of them.
// Errors: CodeForbidden, CodeInvalid.
func (s *Service) ChooseMail(ctx context.Context, req Request, wanted map[Topic]bool) (list []MailChoice, err error) {
	defer s.refusing(ctx, req, "mail.choose", req.Actor.Login, &err)
	if err := req.Actor.covers(ScopeOperate); err != nil {
		return nil, err
	}
	err = pgx.BeginFunc(ctx, s.db, func(tx pgx.Tx) error {
		was, err := mailChoices(ctx, tx, req.Actor)
		if err != nil {
			return err
		}
		if err := checkTopics(was, wanted); err != nil {
			return err
		}
		var rows together
		before, after := map[Topic]bool{}, map[Topic]bool{}
		for _, c := range was {
			now, said := wanted[c.Topic]
			if !said || now == c.Wanted {
				continue
			}
			before[c.Topic], after[c.Topic] = c.Wanted, now
			_, _ = rows.Exec(ctx, `insert into mail_preferences (person_id, topic, wanted, changed_at) values ($1, $2, $3, $4)
				on conflict (person_id, topic) do update set wanted = excluded.wanted, changed_at = excluded.changed_at`, req.Actor.ID, c.Topic, now, s.now())
		}
		if len(after) > 0 {
			e := req.audit(OutcomeDone)
			e.Action, e.Subject, e.Data = "mail.choose", req.Actor.Login, map[string]any{"before": before, "after": after}
			if err := writeAudit(ctx, &rows, e); err != nil {
				return err
			}
		}
		if err := rows.send(ctx, tx); err != nil {
			return fmt.Errorf("keep what somebody is told of: %w", err)
		}
		list, err = mailChoices(ctx, tx, req.Actor)
		return err
	})
	return list, err
}

// checkTopics refuses topics that the person does not have.
func checkTopics(has []MailChoice, wanted map[Topic]bool) error {
	var words []string
	for _, c := range has {
		words = append(words, string(c.Topic))
	}
	for t := range wanted {
		if !slices.Contains(words, string(t)) {
			return invalid("topic", "There is no topic %q to choose; there is: %s. %s", clip(string(t)), strings.Join(words, ", "), AlwaysTold)
		}
	}
	return nil
}

// switchedOff finds the addresses of those who have switched a topic off. An address that the site's settings name is its owner's, when a
// person has it.
func switchedOff(ctx context.Context, tx pgx.Tx, topic Topic, to []recipient) (map[string]bool, error) {
	if topic == alwaysTold {
		return nil, nil //nolint:nilnil // nobody
	}
	var ids, addresses []string
	for _, r := range to {
		ids, addresses = append(ids, value(r.PersonID)), append(addresses, r.Address)
	}
	list, err := many[struct{ ID, Email string }](ctx, tx, `select p.id, coalesce(p.email, '') as email from mail_preferences m join people p on p.id = m.person_id
		where m.topic = $1 and not m.wanted and (p.id = any($2) or p.email = any($3))`, topic, ids, addresses)
	if err != nil {
		return nil, fmt.Errorf("look who does not want to be told: %w", err)
	}
	off := map[string]bool{}
	for _, r := range to {
		for _, p := range list {
			if value(r.PersonID) == p.ID || r.Address == p.Email {
				off[r.Address] = true
			}
		}
	}
	return off, nil
}
