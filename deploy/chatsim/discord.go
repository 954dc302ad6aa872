package chatsim

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/mydb-project/mydb/bot/discord/discordfake"
)

// discordSpace is the simulated Discord, as the page uses it.
type discordSpace struct{ fake *discordfake.Fake }

// Kind implements space.
func (*discordSpace) Kind() string { return "discord" }

// Title implements space.
func (*discordSpace) Title() string { return "Discord" }

// People implements space.
func (*discordSpace) People() (all []member) {
	for _, p := range People() {
		all = append(all, member{p.Discord, p.Login, p.Name, p.About})
	}
	return all
}

func (s *discordSpace) user(id string) *discordfake.User {
	users := s.fake.Users()
	if i := slices.IndexFunc(users, func(u *discordfake.User) bool { return u.ID == id }); i >= 0 {
		return users[i]
	}
	return nil
}

func (s *discordSpace) name(id string) string {
	if id == s.fake.AppID {
		return s.fake.Bot.DisplayName()
	}
	if u := s.user(id); u != nil {
		return u.DisplayName()
	}
	return id
}

// Rooms implements space.
func (s *discordSpace) Rooms(person string) (all []room) {
	u := s.user(person)
	if u == nil {
		return nil
	}
	direct := u.DM()
	for _, c := range u.Channels() {
		if c != direct {
			all = append(all, room{ID: c.ID, Name: c.Name, Private: c.ID == discordAdmins})
		}
	}
	return append(all, room{ID: direct.ID, Name: "MyDB", Direct: true})
}

// place finds a person and a room that they see.
func (s *discordSpace) place(person, where string) (*discordfake.User, *discordfake.Channel, error) {
	u := s.user(person)
	if u == nil {
		return nil, nil, errNotThere
	}
	seen := u.Channels()
	i := slices.IndexFunc(seen, func(c *discordfake.Channel) bool { return c.ID == where })
	if i < 0 {
		return nil, nil, errNotThere
	}
	return u, seen[i], nil
}

// Messages implements space. There are no threads here.
func (s *discordSpace) Messages(person, where, thread string) (all []message) {
	u, c, err := s.place(person, where)
	if err != nil || thread != "" {
		return nil
	}
	for _, m := range u.Sees(c) {
		all = append(all, message{
			ID: m.ID, Author: s.name(m.Author.ID), Bot: m.Author.ID == s.fake.AppID, At: m.Timestamp, Private: m.Ephemeral(), Edited: m.EditedTimestamp != nil,
			Thinking: m.Thinking(), Pieces: s.pieces(m),
		})
	}
	return all
}

// Window implements space.
func (s *discordSpace) Window(person string) *window {
	u := s.user(person)
	if u == nil {
		return nil
	}
	m := u.Modal()
	if m == nil {
		return nil
	}
	w := &window{ID: m.CustomID, Title: m.Title, Submit: "Submit", Close: "Cancel", Version: fmt.Sprintf("%s/%p", m.CustomID, m)}
	for _, c := range m.Inputs {
		in := &input{
			Name: c.CustomID, Label: c.Label, Example: c.Placeholder, Value: c.Value, Kind: "text", Needed: c.Required == nil || *c.Required, Most: c.MaxLength,
		}
		if c.Style == 2 {
			in.Kind = "long"
		}
		w.Pieces = append(w.Pieces, piece{Input: in})
	}
	return w
}

// Commands implements space: what the bot has registered, with the options that are needed.
func (s *discordSpace) Commands(person, where string) (all []string) {
	u, c, err := s.place(person, where)
	if err != nil {
		return nil
	}
	for _, command := range u.Commands(c) {
		for _, sub := range command.Options {
			line := "/" + command.Name + " " + sub.Name
			for _, o := range sub.Options {
				if o.Required {
					line += " " + o.Name + ":"
				}
			}
			all = append(all, line)
		}
	}
	return all
}

// Say implements space: a command as people type it, or a message that may mention people.
func (s *discordSpace) Say(ctx context.Context, person, where, _, text string) error {
	u, c, err := s.place(person, where)
	if err != nil {
		return err
	}
	if !strings.HasPrefix(text, "/") {
		words := strings.Split(text, " ")
		for i, w := range words {
			for _, known := range append(s.fake.Users(), s.fake.Bot) {
				if w == "@"+known.Name {
					words[i] = "<@" + known.ID + ">"
				}
			}
		}
		text = strings.Join(words, " ")
	}
	if strings.HasPrefix(text, "/") && len(u.Commands(c)) == 0 {
		return errors.New("no commands are offered here yet. Is MyDB running, and connected to this chat?")
	}
	i, err := u.Type(c, text)
	if err != nil {
		return fmt.Errorf("%w. Here, options have names: /mydb create engine:postgres name:demo", err)
	}
	return s.acknowledged(ctx, i)
}

// acknowledged waits until MyDB has acknowledged what somebody did. That it did not is what Discord's program tells the person.
func (s *discordSpace) acknowledged(ctx context.Context, i *discordfake.Interaction) error {
	if i == nil {
		return nil
	}
	if err := i.Err(); err != nil {
		return err
	}
	if _, err := i.WaitAck(ctx); err != nil {
		return fmt.Errorf("the application did not respond. Is MyDB running, and connected to this chat? (%w)", err)
	}
	return nil
}

// Press implements space.
func (s *discordSpace) Press(ctx context.Context, person, where string, p press) error {
	u, c, err := s.place(person, where)
	if err != nil {
		return err
	}
	seen := u.Sees(c)
	i := slices.IndexFunc(seen, func(m discordfake.Message) bool { return m.ID == p.Message })
	if i < 0 {
		return errNotThere
	}
	if p.Value != "" {
		return s.acknowledged(ctx, u.Select(seen[i], p.Action, p.Value))
	}
	return s.acknowledged(ctx, u.Click(seen[i], p.Action))
}

// Submit implements space.
func (s *discordSpace) Submit(ctx context.Context, person, id string, values map[string]string) error {
	u := s.user(person)
	if u == nil {
		return errNotThere
	}
	m := u.Modal()
	if m == nil || m.CustomID != id {
		return errNotThere
	}
	return s.acknowledged(ctx, u.Submit(m, values))
}

// Dismiss implements space.
func (s *discordSpace) Dismiss(person, id string) {
	if u := s.user(person); u != nil {
		if m := u.Modal(); m != nil && m.CustomID == id {
			u.Dismiss()
		}
	}
}

// Picture implements space.
func (s *discordSpace) Picture(person, where, id string) (kind string, data []byte, ok bool) {
	u, c, err := s.place(person, where)
	if err != nil {
		return "", nil, false
	}
	for _, m := range u.Sees(c) {
		for _, a := range m.Attachments {
			if a.ID == id {
				return a.ContentType, a.Data, true
			}
		}
	}
	return "", nil, false
}

// Seen implements space.
func (s *discordSpace) Seen() uint64 { return s.fake.Version() }

// Next implements space.
func (s *discordSpace) Next(ctx context.Context, seen uint64) uint64 {
	_ = s.fake.Wait(ctx, "news", func() bool { return s.fake.Version() != seen }) // or the time is over
	return s.fake.Version()
}
