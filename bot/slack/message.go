package slack

import (
	"fmt"
	"net/url"
	"strings"
	"unicode/utf8"

	"github.com/slack-go/slack"

	"github.com/mydb-project/mydb/bot"
	"github.com/mydb-project/mydb/core"
)

// Limits of a message, in characters: https://docs.slack.dev/reference/block-kit/blocks. What all blocks hold together is limited, too.
const (
	titleLimit    = 150
	textLimit     = bot.MaxAnswer
	factsLimit    = 2500
	valueLimit    = 600
	footerLimit   = 500
	detailLimit   = 3500
	fallbackLimit = 1500 // what notifications and screen readers get
	buttonsLimit  = 25
	labelLimit    = 75
	actionLimit   = 255
	payloadLimit  = 2000 // of a button's value
	linkLimit     = 3000
)

// message is one as Slack takes it. Blocks are always all there are, so that what was there before goes.
type message struct {
	text   string
	blocks []slack.Block
}

// marksOf begin cards of each tone.
var marksOf = map[core.Tone]string{core.ToneGood: "✅ ", core.ToneBad: "❌ ", core.ToneWaiting: "⏳ "}

// render makes a message of a card.
func render(c core.Card) message {
	m := message{text: fallback(c)}
	mark := marksOf[c.Tone]
	if title := oneLine(c.Title); title != "" {
		m.add(slack.NewHeaderBlock(words(mark+title, titleLimit)))
		mark = ""
	}
	text := cutFenced(c.Text, textLimit)
	if text != "" {
		text = mark + text
	}
	m.rich(rich(text)...)
	if len(c.Steps) > 0 {
		m.rich(slack.NewRichTextSection(said(progress(c.Steps))))
	}
	if f := facts(c.Facts); len(f) > 0 {
		m.rich(slack.NewRichTextSection(f...))
	}
	m.buttons(c.Buttons)
	if c.Footer != "" {
		m.add(slack.NewContextBlock("", words(c.Footer, footerLimit)))
	}
	if len(m.blocks) == 0 {
		m.rich(slack.NewRichTextSection(said(m.text)))
	}
	return m
}

// saying is a message that only says something.
func saying(text string) message { return render(core.Card{Text: text}) }

// detail is what goes into the thread of a message.
func detail(c core.Card) message {
	m := message{text: cut(c.Title+": the steps in detail", fallbackLimit)}
	m.rich(rich(cutFenced(c.Detail, detailLimit))...)
	return m
}

func (m *message) add(b slack.Block) { m.blocks = append(m.blocks, b) }

func (m *message) rich(parts ...slack.RichTextElement) {
	if len(parts) > 0 {
		m.add(slack.NewRichTextBlock("", parts...))
	}
}

// buttons adds rows of buttons. One that Slack would refuse is left out: the portal has everything. Slack wants each action once in a row.
func (m *message) buttons(list []core.Button) {
	var row []slack.BlockElement
	in := map[string]bool{}
	end := func() {
		if len(row) > 0 {
			m.add(slack.NewActionBlock("", row...))
		}
		row, in = nil, map[string]bool{}
	}
	for n, b := range list[:min(len(list), buttonsLimit)] {
		e := button(n, b)
		if e == nil {
			continue
		}
		if in[e.ActionID] {
			end()
		}
		row, in[e.ActionID] = append(row, e), true
	}
	end()
}

// openPrefix begins the action of buttons that only open an address. Slack tells of their clicks, too.
const openPrefix = "open_"

func button(n int, b core.Button) *slack.ButtonBlockElement {
	e := slack.NewButtonBlockElement(b.Action, b.Value, words(b.Label, labelLimit))
	e.Style = styles[b.Tone]
	if b.URL != "" {
		e.ActionID, e.Value, e.URL = fmt.Sprint(openPrefix, n), "", b.URL
	}
	u, err := url.Parse(b.URL)
	switch {
	case b.Label == "", e.ActionID == "", len(e.ActionID) > actionLimit, len(e.Value) > payloadLimit:
		return nil
	case b.URL != "" && (err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || len(b.URL) > linkLimit):
		return nil
	}
	return e
}

var styles = map[core.Tone]slack.Style{core.ToneGood: slack.StylePrimary, core.ToneBad: slack.StyleDanger}

// facts are lines of a name and a value.
func facts(list []core.Fact) (parts []slack.RichTextSectionElement) {
	total := 0
	for _, f := range list {
		name, value := cut(oneLine(f.Name), labelLimit)+"  ", or(cut(f.Value, valueLimit), "–")
		if total += utf8.RuneCountInString(name + value); total > factsLimit {
			break
		}
		if len(parts) > 0 {
			name = "\n" + name
		}
		parts = append(append(parts, bold(name)), linked(value)...)
	}
	return parts
}

// progress draws how far an operation is: a mark for each step that has begun, and where it is.
func progress(steps []core.Step) string {
	var bar strings.Builder
	for _, s := range steps {
		switch s.State {
		case "done":
			bar.WriteString("🟩")
		case "failed":
			bar.WriteString("🟥")
		default:
			bar.WriteString("🟦")
		}
	}
	last := steps[len(steps)-1]
	return fmt.Sprintf("%s step %d\n%s", bar.String(), len(steps), cut(bot.StepLine(last), valueLimit))
}

// fallback is a card in a few words, for where no blocks are shown.
func fallback(c core.Card) string {
	text := oneLine(strings.ReplaceAll(c.Text, fence, " "))
	if c.Title != "" && text != "" {
		text = oneLine(c.Title) + ": " + text
	}
	return cut(or(or(text, oneLine(c.Title)), "Done."), fallbackLimit)
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

// cutFenced shortens a text without leaving a fence open.
func cutFenced(text string, limit int) string {
	if utf8.RuneCountInString(text) <= limit {
		return text
	}
	text = string([]rune(text)[:limit-len(fence)-1])
	if strings.Count(text, fence)%2 == 1 {
		return text + "…" + fence
	}
	return text + "…"
}
