package chatsim

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/mydb-project/mydb/bot/slack/slackfake"
)

// slackSpace is the simulated Slack, as the page uses it.
type slackSpace struct{ fake *slackfake.Fake }

// Kind implements space.
func (*slackSpace) Kind() string { return "slack" }

// Title implements space.
func (*slackSpace) Title() string { return "Slack" }

// People implements space.
func (*slackSpace) People() (all []member) {
	for _, p := range People() {
		all = append(all, member{p.Slack, p.Login, p.Name, p.About})
	}
	return all
}

// Rooms implements space.
func (s *slackSpace) Rooms(person string) (all []room) {
	u, ok := s.fake.User(person)
	if !ok {
		return nil
	}
	for _, r := range []room{{ID: slackGeneral, Name: generalName}, {ID: slackAdmins, Name: adminsName, Private: true}} {
		if c, ok := s.fake.Channel(r.ID); ok && u.In(c) {
			all = append(all, r)
		}
	}
	return append(all, room{ID: u.Direct().ID(), Name: "MyDB", Direct: true})
}

// place finds a person and a room of theirs.
func (s *slackSpace) place(person, where string) (*slackfake.User, *slackfake.Channel, error) {
	u, ok1 := s.fake.User(person)
	c, ok2 := s.fake.Channel(where)
	if !ok1 || !ok2 {
		return nil, nil, errNotThere
	}
	return u, c, nil
}

// Messages implements space.
func (s *slackSpace) Messages(person, where, thread string) (all []message) {
	u, c, err := s.place(person, where)
	if err != nil {
		return nil
	}
	seen := u.Sees(c)
	if thread != "" {
		seen = u.Thread(c, thread)
	}
	for _, m := range seen {
		all = append(all, s.message(m))
	}
	return all
}

func (s *slackSpace) message(m slackfake.Message) message {
	out := message{ID: m.TS, Author: s.name(m.User), Bot: m.User == slackfake.BotUserID, At: slackTime(m.TS), Private: m.EphemeralTo != "", Edited: m.Edits > 0, Replies: m.Replies}
	out.Pieces = s.blocks(m.RawBlocks, nil, nil)
	if len(out.Pieces) == 0 && m.Text != "" {
		out.Pieces = []piece{{Text: s.mrkdwn(m.Text)}}
	}
	for _, f := range m.Files {
		out.Pieces = append(out.Pieces, piece{Picture: &picture{ID: f.ID, Alt: f.Alt}})
	}
	return out
}

func slackTime(ts string) time.Time {
	seconds, err := strconv.ParseFloat(ts, 64)
	if err != nil {
		return time.Time{}
	}
	return time.UnixMicro(int64(seconds * 1e6))
}

func (s *slackSpace) name(id string) string {
	if u, ok := s.fake.User(id); ok {
		return u.Profile().RealName
	}
	return id
}

// Window implements space.
func (s *slackSpace) Window(person string) *window {
	u, ok := s.fake.User(person)
	if !ok {
		return nil
	}
	v, ok := u.Modal()
	if !ok {
		return nil
	}
	w := &window{ID: v.ID, Title: v.Title, Submit: v.Submit, Close: v.Close, Trouble: v.Trouble, Version: v.ID + "/" + v.Hash}
	for _, e := range v.Errors {
		w.Version += "/" + e
	}
	w.Pieces = s.blocks(v.RawBlocks, v.State, v.Errors)
	return w
}

// Commands implements space.
func (*slackSpace) Commands(string, string) []string {
	return []string{
		"/mydb help", "/mydb create postgres demo", "/mydb create", "/mydb list", "/mydb status demo", "/mydb connect demo", "/mydb backup demo",
		"/mydb share demo with admin read", "/mydb stats demo", "/mydb delete demo", "/mydb undelete demo", "/mydb approvals", "/mydb whoami", "@mydb status demo",
	}
}

// Say implements space: a command, or a message that may mention people.
func (s *slackSpace) Say(ctx context.Context, person, where, thread, text string) error {
	u, c, err := s.place(person, where)
	if err != nil {
		return err
	}
	if !strings.HasPrefix(text, "/") {
		u.Say(c, thread, s.mentioning(text)) // it stands there, whoever hears it
		return nil
	}
	if thread != "" {
		return errors.New("Slack has no commands in threads. Mention MyDB instead: @mydb " + strings.TrimPrefix(text, "/mydb "))
	}
	command, rest, _ := strings.Cut(text, " ")
	return arrived(ctx, u.Command(c, command, s.mentioning(rest)))
}

// mentioning makes mentions of @name, as Slack's program does.
func (s *slackSpace) mentioning(text string) string {
	words := strings.Split(text, " ")
	for i, w := range words {
		for _, u := range s.fake.Users() {
			if w == "@"+u.Profile().Name {
				words[i] = "<@" + u.ID() + ">"
			}
		}
	}
	return strings.Join(words, " ")
}

// arrived waits until MyDB has acknowledged. What Slack then tells the person, it tells in a message; the rest is said here.
func arrived(ctx context.Context, d *slackfake.Delivery) error {
	r, err := d.Wait(ctx)
	switch {
	case err != nil:
		return err
	case !r.Acked && d.Kind != slackfake.Command:
		return fmt.Errorf("MyDB did not take it (%s). Is it running, and connected to this chat?", r.Failure)
	}
	return nil
}

// Press implements space.
func (s *slackSpace) Press(ctx context.Context, person, where string, p press) error {
	u, c, err := s.place(person, where)
	if err != nil {
		return err
	}
	if p.Window != "" {
		v, ok := u.Modal()
		if !ok || v.ID != p.Window {
			return errNotThere
		}
		return arrived(ctx, u.ClickIn(v, p.Action, p.Value))
	}
	m, ok := u.Message(c, p.Message)
	if !ok {
		return errNotThere
	}
	return arrived(ctx, u.Choose(m, p.Block, p.Action, p.Value))
}

// Submit implements space.
func (s *slackSpace) Submit(ctx context.Context, person, id string, values map[string]string) error {
	u, ok := s.fake.User(person)
	if !ok {
		return errNotThere
	}
	v, ok := u.Modal()
	if !ok || v.ID != id {
		return errNotThere
	}
	return arrived(ctx, u.Submit(v, values))
}

// Dismiss implements space.
func (s *slackSpace) Dismiss(person, id string) {
	if u, ok := s.fake.User(person); ok {
		if v, ok := u.Modal(); ok && v.ID == id {
			u.Dismiss(v)
		}
	}
}

// Picture implements space.
func (s *slackSpace) Picture(person, where, id string) (kind string, data []byte, ok bool) {
	u, c, err := s.place(person, where)
	if err != nil {
		return "", nil, false
	}
	seen := u.Sees(c)
	for _, m := range u.Sees(c) {
		if m.Replies > 0 {
			seen = append(seen, u.Thread(c, m.TS)...)
		}
	}
	for _, m := range seen {
		for _, f := range m.Files {
			if f.ID == id {
				return f.Type, f.Content, true
			}
		}
	}
	return "", nil, false
}

// Seen implements space.
func (s *slackSpace) Seen() uint64 { return s.fake.Version() }

// Next implements space.
func (s *slackSpace) Next(ctx context.Context, seen uint64) uint64 {
	_ = s.fake.Await(ctx, func() bool { return s.fake.Version() != seen }) // or the time is over
	return s.fake.Version()
}
