package chatsim

import (
	"fmt"
	"strings"

	"github.com/mydb-project/mydb/bot/discord/discordfake"
)

// linkStyle is the style of buttons that lead to a page.
const linkStyle = 5

// styles are how buttons of Discord's styles look here: 1 is primary, 3 success, 4 danger.
var styles = map[int]string{1: "primary", 3: "primary", 4: "danger"}

// pieces are the content, the embeds, the files and the buttons of a message.
func (s *discordSpace) pieces(m discordfake.Message) (all []piece) {
	if m.Content != "" {
		all = append(all, piece{Text: s.markdown(m.Content)})
	}
	shown := map[string]bool{}
	for _, e := range m.Embeds {
		c := s.embed(e)
		if e.Image != nil {
			for _, a := range m.Attachments {
				if e.Image.URL == a.URL || strings.HasSuffix(e.Image.URL, "/"+a.Filename) {
					c.Pieces = append(c.Pieces, piece{Picture: &picture{ID: a.ID, Alt: a.Description}})
					shown[a.ID] = true
				}
			}
		}
		all = append(all, piece{Card: c})
	}
	for _, a := range m.Attachments {
		if !shown[a.ID] {
			all = append(all, piece{Picture: &picture{ID: a.ID, Alt: a.Description}})
		}
	}
	for _, row := range m.Components {
		var controls []control
		for _, c := range row.Components {
			controls = append(controls, s.control(c))
		}
		all = append(all, piece{Controls: controls})
	}
	return all
}

func (s *discordSpace) embed(e discordfake.Embed) *card {
	c := &card{Colour: fmt.Sprintf("#%06x", e.Color), Title: s.markdown(e.Title)}
	if e.Description != "" {
		c.Pieces = append(c.Pieces, piece{Text: s.markdown(e.Description)})
	}
	var facts []fact
	for _, f := range e.Fields {
		facts = append(facts, fact{s.markdown(f.Name), s.markdown(f.Value)})
	}
	if facts != nil {
		c.Pieces = append(c.Pieces, piece{Facts: facts})
	}
	if e.Footer != nil {
		c.Foot = e.Footer.Text
	}
	return c
}

func (s *discordSpace) control(c discordfake.Component) control {
	out := control{Action: c.CustomID, Label: c.Label, Style: styles[c.Style], Off: c.Disabled}
	if c.Emoji != nil {
		out.Label = strings.TrimSpace(c.Emoji.Name + " " + c.Label)
	}
	switch c.Type {
	case discordfake.ButtonComponent:
		if c.Style == linkStyle {
			out.URL = c.URL
		}
		return out
	case discordfake.UserSelect:
		for _, p := range People() {
			out.Options = append(out.Options, option{Value: p.Discord, Label: p.Name})
		}
	}
	out.Label = c.Placeholder
	for _, o := range c.Options {
		out.Options = append(out.Options, option{o.Value, o.Label, o.Default})
	}
	return out
}
