package discord

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/bwmarrin/discordgo"

	"github.com/mydb-project/mydb/core"
)

// Limits of a message: https://discord.com/developers/docs/resources/message.
const (
	contentLimit = 2000
	titleLimit   = 256
	textLimit    = 4096
	nameLimit    = 256
	valueLimit   = 1024
	fieldsLimit  = 25
	footerLimit  = 2048
	totalLimit   = 6000
	factsLimit   = 2500 // of all facts together, so that the text has room
	rowsLimit    = 5
	inRow        = 5
	labelLimit   = 80
	idLimit      = 100
	linkLimit    = 512
)

// message is one as Discord takes it. Each change says everything, so that what was there before goes.
type message struct {
	Content         string                           `json:"content"`
	Embeds          []*discordgo.MessageEmbed        `json:"embeds"`
	Components      []discordgo.MessageComponent     `json:"components"`
	AllowedMentions discordgo.MessageAllowedMentions `json:"allowed_mentions"` // nobody, always
	Attachments     []attachment                     `json:"attachments"`
	Flags           discordgo.MessageFlags           `json:"flags,omitempty"`
	Nonce           string                           `json:"nonce,omitempty"`
	EnforceNonce    bool                             `json:"enforce_nonce,omitempty"`

	png []byte // the picture that goes with it
}

// pictureName is what the picture of a message is called in it.
const pictureName = "chart.png"

type attachment struct {
	ID          string `json:"id"`
	Filename    string `json:"filename"`
	Description string `json:"description"`
}

// colours are how cards of each tone are marked.
var colours = map[core.Tone]int{core.ToneGood: 0x2e7d32, core.ToneBad: 0xc62828, core.ToneWaiting: 0x1565c0, "": 0x607d8b}

// saying is a message that only says something.
func saying(text string) message {
	m := empty()
	m.Content = cutEscaped(escape(text, true), contentLimit)
	return m
}

func empty() message {
	return message{
		Embeds: []*discordgo.MessageEmbed{}, Components: []discordgo.MessageComponent{}, Attachments: []attachment{},
		AllowedMentions: discordgo.MessageAllowedMentions{Parse: []discordgo.AllowedMentionType{}},
	}
}

// render makes a message of a card. The tag, if there is one, is written below it: the message can be found by it, and people can name it.
func render(c core.Card, tag string) message {
	m := empty()
	e := &discordgo.MessageEmbed{Color: colours[c.Tone], Title: cutEscaped(escape(c.Title, false), titleLimit)}
	text := c.Text
	if wide := escape(c.Text, true); strings.Contains(text, fence) && utf8.RuneCountInString(wide) <= contentLimit {
		m.Content, text = wide, "" // outside of an embed, there is more room for columns
	}
	if len(c.Steps) > 0 {
		text = strings.TrimLeft(text+"\n\n", "\n") + progress(c.Steps)
	}
	e.Fields = facts(c.Facts)
	if footer := strings.Trim(cut(c.Footer, footerLimit/2)+" · "+tag, " ·"); footer != "" {
		e.Footer = &discordgo.MessageEmbedFooter{Text: footer}
	}
	if len(c.Image) > 0 {
		m.png = c.Image
		m.Attachments = []attachment{{ID: "0", Filename: pictureName, Description: cut("Chart: "+strings.TrimSpace(c.Title+" "+oneLine(c.Text)), valueLimit)}}
		e.Image = &discordgo.MessageEmbedImage{URL: "attachment://" + pictureName}
	}
	e.Description = cutEscaped(escape(text, false), min(textLimit, totalLimit-size(e)))
	if size(e) > 0 || e.Image != nil {
		m.Embeds = append(m.Embeds, e)
	}
	m.Components = buttons(c.Buttons)
	if m.Content == "" && len(m.Embeds) == 0 {
		m.Content = "Done." // an empty message is refused
	}
	return m
}

// size is how many characters of an embed count.
func size(e *discordgo.MessageEmbed) int {
	n := utf8.RuneCountInString(e.Title + e.Description)
	if e.Footer != nil {
		n += utf8.RuneCountInString(e.Footer.Text)
	}
	for _, f := range e.Fields {
		n += utf8.RuneCountInString(f.Name + f.Value)
	}
	return n
}

func facts(list []core.Fact) (fields []*discordgo.MessageEmbedField) {
	total := 0
	for _, f := range list[:min(len(list), fieldsLimit)] {
		field := &discordgo.MessageEmbedField{
			Name: cutEscaped(escape(f.Name, false), nameLimit), Value: cutEscaped(escape(f.Value, false), valueLimit), Inline: utf8.RuneCountInString(f.Value) <= 40,
		}
		if field.Name == "" {
			field.Name = "\u200b"
		}
		if field.Value == "" {
			field.Value = "–"
		}
		if total += utf8.RuneCountInString(field.Name + field.Value); total > factsLimit {
			break
		}
		fields = append(fields, field)
	}
	return fields
}

// progress draws how far an operation is: a mark for each step that has begun, and the name of the last one.
func progress(steps []core.Step) string {
	var bar strings.Builder
	done := 0
	for _, s := range steps {
		switch s.State {
		case "done":
			done++
			bar.WriteString("🟩")
		case "failed":
			bar.WriteString("🟥")
		default:
			bar.WriteString("🟦")
		}
	}
	last := steps[len(steps)-1]
	if last.State == "done" {
		return fmt.Sprintf("%s %d steps done", bar.String(), done)
	}
	return fmt.Sprintf("%s step %d: %s", bar.String(), len(steps), oneLine(last.Name))
}

// buttons puts buttons into rows. One that Discord would refuse is left out: the portal has everything.
func buttons(list []core.Button) []discordgo.MessageComponent {
	rows := []discordgo.MessageComponent{}
	var all []discordgo.MessageComponent
	var taken []string
	for _, b := range list {
		one := discordgo.Button{Label: cut(b.Label, labelLimit), Style: styles[b.Tone]}
		if b.URL != "" {
			one.Style, one.URL = discordgo.LinkButton, b.URL
		} else {
			one.CustomID = customID(b.Action, b.Value)
		}
		id := one.CustomID + one.URL
		if one.Label == "" || len(one.CustomID) > idLimit || b.URL != "" && !linkable(b.URL) || slices.Contains(taken, id) {
			continue
		}
		taken, all = append(taken, id), append(all, one)
	}
	for row := range slices.Chunk(all[:min(len(all), rowsLimit*inRow)], inRow) {
		rows = append(rows, discordgo.ActionsRow{Components: row})
	}
	return rows
}

var styles = map[core.Tone]discordgo.ButtonStyle{
	core.ToneGood: discordgo.SuccessButton, core.ToneBad: discordgo.DangerButton, core.ToneWaiting: discordgo.PrimaryButton, "": discordgo.SecondaryButton,
}

func linkable(address string) bool {
	u, err := url.Parse(address)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != "" && len(address) <= linkLimit
}

// customID is what comes back when a button is pressed or a form is sent.
func customID(action, value string) string { return action + ":" + value }

// readID is the reverse of customID.
func readID(id string) (action, value string) {
	action, value, _ = strings.Cut(id, ":")
	return action, value
}

func oneLine(s string) string {
	return strings.Join(strings.Fields(strings.ReplaceAll(s, fence, "'''")), " ")
}
