package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/mydb-project/mydb/bot/slack/slackfake"
)

// slack is a workspace of Slack, in Socket Mode.
type slack struct {
	fake        *slackfake.Fake
	lab, office *slackfake.Channel
	people      []*slackfake.User
	admin       *slackfake.User
}

func newSlack() (workspace, error) {
	fake, err := slackfake.New(slackfake.Options{Rates: slackfake.Rates{Off: true}})
	if err != nil {
		return nil, err
	}
	return &slack{fake: fake, lab: fake.AddChannel(slackfake.Room{Name: "lab"}), office: fake.AddChannel(slackfake.Room{Name: "office", Private: true})}, nil
}

func (s *slack) name() string { return "Slack" }

func (s *slack) settings() []string {
	return []string{
		"MYDB_SLACK_BOT_TOKEN=" + s.fake.BotToken(), "MYDB_SLACK_APP_TOKEN=" + s.fake.AppToken(), "MYDB_SLACK_TEAM_ID=" + s.fake.Team(),
		"MYDB_SLACK_ADMIN_CHANNEL=" + s.office.ID(), "MYDB_SLACK_API_URL=" + s.fake.APIURL(),
	}
}

// enter needs to tell MyDB of nobody: it knows people by their mail addresses.
func (s *slack) enter(ctx context.Context, l *lab) error {
	if err := l.saveAdmin(ctx); err != nil {
		return err
	}
	in := func(login string) *slackfake.User {
		u := s.fake.AddUser(slackfake.Profile{Name: login, Email: login + "@example.com", EmailConfirmed: true})
		s.lab.Join(u)
		return u
	}
	for i := range people {
		s.people = append(s.people, in(fmt.Sprintf("person%d", i)))
	}
	s.admin = in(chatAdmin)
	s.office.Join(s.admin)
	return nil
}

func (s *slack) connected(ctx context.Context) error {
	return s.fake.Await(ctx, func() bool { return s.fake.Connections() > 0 })
}

// command is a mention where it has to be brought again: of a slash command that nobody hears, Slack only tells its person that it failed.
func (s *slack) command(person int, again bool) acknowledgement {
	const text = "status bench-0"
	if again {
		return delivered(s.people[person].Mention(s.lab, "", text))
	}
	return delivered(s.people[person].Command(s.lab, "/mydb", text))
}

func (s *slack) askDeletion(person int, database string) acknowledgement {
	return delivered(s.people[person].Command(s.lab, "/mydb", "delete "+database))
}

func delivered(d *slackfake.Delivery) acknowledgement {
	return func(ctx context.Context) error {
		r, err := d.Wait(ctx)
		if err == nil && !r.Acked {
			err = errors.New("not acknowledged: " + r.Failure)
		}
		return err
	}
}

func (s *slack) asked(ctx context.Context) (func(context.Context) error, error) {
	const approve = "approve"
	m, err := s.admin.AwaitMessage(ctx, s.office, func(m slackfake.Message) bool {
		_, open := m.Button(approve)
		return open
	})
	return func(ctx context.Context) error {
		s.admin.Click(m, approve)
		return s.fake.Await(ctx, func() bool {
			now, there := s.admin.Message(s.office, m.TS)
			_, open := now.Button(approve)
			return there && !open
		})
	}, err
}

func (s *slack) duplicate(share float64) { s.fake.Duplicate(share) }

func (s *slack) drop() { s.fake.Drop() }

func (s *slack) acknowledged() (durations, int) {
	r := s.fake.Report()
	return r.Took[slackfake.Command], r.Late + r.Missing
}

func (s *slack) pending() (n int) {
	for _, d := range s.fake.Deliveries() {
		select {
		case <-d.Done():
		default:
			n++
		}
	}
	return n
}

// refused counts no doubles: their answers are thrown away.
func (s *slack) refused() (n int) {
	told := map[string]bool{}
	for _, d := range s.fake.Deliveries() {
		if r, err := d.Wait(context.Background()); err == nil && strings.Contains(string(r.Answer), notAccepted) {
			told[string(d.Payload)] = true
		}
	}
	return len(told)
}

func (s *slack) close() error { return s.fake.Close() }
