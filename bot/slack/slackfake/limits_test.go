package slackfake_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/slack-go/slack"

	"github.com/mydb-project/mydb/bot/slack/slackfake"
)

func long(n int) string { return strings.Repeat("ü", n) }

func button(more string) string {
	return `{"type":"actions","elements":[{"type":"button","text":{"type":"plain_text","text":"Go"}` + more + `}]}`
}

func optionsOf(n int) string {
	var all []string
	for i := range n {
		all = append(all, fmt.Sprintf(`{"text":{"type":"plain_text","text":"o%d"},"value":"v%d"}`, i, i))
	}
	return "[" + strings.Join(all, ",") + "]"
}

func repeat(block string, n int) string {
	return "[" + strings.TrimSuffix(strings.Repeat(block+",", n), ",") + "]"
}

// TestBlockLimits takes what is just allowed and refuses one more, with the words of Slack.
func TestBlockLimits(t *testing.T) {
	w := newTown(t, slackfake.Options{})
	section := func(text string) string {
		return `[{"type":"section","text":{"type":"mrkdwn","text":"` + text + `"}}]`
	}
	header := func(text string) string {
		return `[{"type":"header","text":{"type":"plain_text","text":"` + text + `"}}]`
	}
	selectOf := func(n int) string {
		return `[{"type":"actions","elements":[{"type":"static_select","options":` + optionsOf(n) + `}]}]`
	}
	for _, c := range []struct {
		name, fits, not, says string
	}{
		{"blocks", repeat(`{"type":"divider"}`, 50), repeat(`{"type":"divider"}`, 51), "no more than 50 items allowed [json-pointer:/blocks]"},
		{"section", section(long(3000)), section(long(3001)), "must be less than 3001 characters [json-pointer:/blocks/0/text/text]"},
		{"empty section", section("x"), section(""), "must be more than 0 characters"},
		{"section of nothing", section("x"), `[{"type":"section"}]`, "missing required field: text or fields"},
		{"header", header(long(150)), header(long(151)), "must be less than 151 characters [json-pointer:/blocks/0/text/text]"},
		{"header in mrkdwn", header("x"), `[{"type":"header","text":{"type":"mrkdwn","text":"x"}}]`, "must be plain_text"},
		{"button text", `[{"type":"actions","elements":[{"type":"button","text":{"type":"plain_text","text":"` + long(75) + `"}}]}]`, `[{"type":"actions","elements":[{"type":"button","text":{"type":"plain_text","text":"` + long(76) + `"}}]}]`, "must be less than 76 characters"},
		{"action_id", "[" + button(`,"action_id":"`+long(255)+`"`) + "]", "[" + button(`,"action_id":"`+long(256)+`"`) + "]", "must be less than 256 characters"},
		{"value", "[" + button(`,"value":"`+long(2000)+`"`) + "]", "[" + button(`,"value":"`+long(2001)+`"`) + "]", "must be less than 2001 characters"},
		{"style", "[" + button(`,"style":"danger"`) + "]", "[" + button(`,"style":"red"`) + "]", "must be one of primary, danger"},
		{"unknown field", "[" + button("") + "]", "[" + button(`,"colour":"red"`) + "]", "invalid additional property: colour"},
		{"options", selectOf(100), selectOf(101), "no more than 100 items allowed"},
		{"option text", selectOf(1), strings.Replace(selectOf(1), "o0", long(76), 1), "must be less than 76 characters"},
		{"option value", selectOf(1), strings.Replace(selectOf(1), "v0", long(151), 1), "must be less than 151 characters"},
		{"actions", `[{"type":"actions","elements":` + repeat(`{"type":"button","text":{"type":"plain_text","text":"x"}}`, 25) + `}]`, `[{"type":"actions","elements":` + repeat(`{"type":"button","text":{"type":"plain_text","text":"x"}}`, 26) + `}]`, "no more than 25 items allowed"},
		{"context", `[{"type":"context","elements":` + repeat(`{"type":"mrkdwn","text":"x"}`, 10) + `}]`, `[{"type":"context","elements":` + repeat(`{"type":"mrkdwn","text":"x"}`, 11) + `}]`, "no more than 10 items allowed"},
		{"fields", `[{"type":"section","fields":[{"type":"mrkdwn","text":"` + long(2000) + `"}]}]`, `[{"type":"section","fields":[{"type":"mrkdwn","text":"` + long(2001) + `"}]}]`, "must be less than 2001 characters [json-pointer:/blocks/0/fields/0/text]"},
		{"same block twice", `[{"type":"divider","block_id":"a"}]`, `[{"type":"divider","block_id":"a"},{"type":"divider","block_id":"a"}]`, "block_id `a` already exists"},
		{"same action twice", "[" + button(`,"action_id":"a"`) + "]", `[{"type":"actions","elements":` + repeat(`{"type":"button","action_id":"a","text":{"type":"plain_text","text":"x"}}`, 2) + `}]`, "action_id `a` already exists"},
		{"unknown block", `[{"type":"divider"}]`, `[{"type":"divide"}]`, "unsupported type: divide"},
		{"element in the wrong place", "[" + button("") + "]", `[{"type":"actions","elements":[{"type":"plain_text_input"}]}]`, "unsupported type: plain_text_input"},
		{"confirm", "[" + button(`,"confirm":{"title":{"type":"plain_text","text":"Sure?"},"text":{"type":"plain_text","text":"It goes."},"confirm":{"type":"plain_text","text":"Yes"},"deny":{"type":"plain_text","text":"No"}}`) + "]", "[" + button(`,"confirm":{"title":{"type":"plain_text","text":"Sure?"}}`) + "]", "missing required field: deny"},
		{"image", `[{"type":"image","image_url":"https://example.com/a.png","alt_text":"a"}]`, `[{"type":"image","alt_text":"a"}]`, "exactly one of image_url and slack_file"},
		{"no list", `[]`, `{"type":"divider"}`, "must be a list of objects"},
	} {
		fits := call(t, w.Fake, "chat.postMessage", map[string]any{"channel": w.lab.ID(), "text": "x", "blocks": c.fits})
		if !fits.OK {
			t.Errorf("%s: what fits is refused: %s", c.name, fits.raw)
		}
		not := call(t, w.Fake, "chat.postMessage", map[string]any{"channel": w.lab.ID(), "text": "x", "blocks": c.not})
		if not.Error != "invalid_blocks" || !strings.Contains(strings.Join(not.Metadata.Messages, "\n"), c.says) {
			t.Errorf("%s: %s; want %q", c.name, not.raw, c.says)
		}
	}
	five := repeat(`{"type":"section","text":{"type":"mrkdwn","text":"`+long(2500)+`"}}`, 5)
	if got := call(t, w.Fake, "chat.postMessage", map[string]any{"channel": w.lab.ID(), "text": "x", "blocks": five}); got.Error != "msg_blocks_too_long" {
		t.Errorf("12,500 characters in blocks: %s", got.raw)
	}
}

// TestViewLimits does the same for modals.
func TestViewLimits(t *testing.T) {
	w := newTown(t, slackfake.Options{})
	v := func(title, more, blocks string) string {
		return `{"type":"modal","title":{"type":"plain_text","text":"` + title + `"}` + more + `,"blocks":` + blocks + `}`
	}
	one := `[{"type":"divider"}]`
	input := `[{"type":"input","label":{"type":"plain_text","text":"Name"},"element":{"type":"plain_text_input"}}]`
	submit := `,"submit":{"type":"plain_text","text":"Go"}`
	for _, c := range []struct{ name, fits, not, says string }{
		{"title", v(long(24), "", one), v(long(25), "", one), "must be less than 25 characters [json-pointer:/view/title/text]"},
		{"submit", v("x", submit, one), v("x", `,"submit":{"type":"plain_text","text":"`+long(25)+`"}`, one), "must be less than 25 characters"},
		{"private_metadata", v("x", `,"private_metadata":"`+long(3000)+`"`, one), v("x", `,"private_metadata":"`+long(3001)+`"`, one), "must be less than 3001 characters"},
		{"callback_id", v("x", `,"callback_id":"`+long(255)+`"`, one), v("x", `,"callback_id":"`+long(256)+`"`, one), "must be less than 256 characters"},
		{"blocks", v("x", "", repeat(`{"type":"divider"}`, 100)), v("x", "", repeat(`{"type":"divider"}`, 101)), "no more than 100 items allowed [json-pointer:/view/blocks]"},
		{"inputs need submit", v("x", submit, input), v("x", "", input), "missing required field: submit"},
		{"label", v("x", submit, strings.Replace(input, "Name", long(2000), 1)), v("x", submit, strings.Replace(input, "Name", long(2001), 1)), "must be less than 2001 characters"},
		{"type", v("x", "", one), strings.Replace(v("x", "", one), "modal", "home", 1), "must be one of modal"},
		{"number", v("x", submit, strings.Replace(input, "plain_text_input", `number_input","is_decimal_allowed":false,"action_id":"n`, 1)), v("x", submit, strings.Replace(input, "plain_text_input", "number_input", 1)), "missing required field: is_decimal_allowed"},
		{"length of text", v("x", submit, strings.Replace(input, `"plain_text_input"`, `"plain_text_input","max_length":3000`, 1)), v("x", submit, strings.Replace(input, `"plain_text_input"`, `"plain_text_input","max_length":3001`, 1)), "must be a whole number from 1 to 3000"},
	} {
		for _, fits := range []bool{true, false} {
			trigger := triggerOf(t, w.alice.Command(w.lab, "/mydb", ""))
			raw := c.not
			if fits {
				raw = c.fits
			}
			got := call(t, w.Fake, "views.open", map[string]any{"trigger_id": trigger, "view": json.RawMessage(raw)})
			if fits && !got.OK {
				t.Errorf("%s: what fits is refused: %s", c.name, got.raw)
			}
			if !fits && (got.Error != "invalid_arguments" || !strings.Contains(strings.Join(got.Metadata.Messages, "\n"), c.says)) {
				t.Errorf("%s: %s; want %q", c.name, got.raw, c.says)
			}
		}
	}
	big := v("x", "", repeat(`{"type":"section","text":{"type":"mrkdwn","text":"`+long(2900)+`"}}`, 50))
	if got := call(t, w.Fake, "views.open", map[string]any{"trigger_id": triggerOf(t, w.alice.Command(w.lab, "/mydb", "")), "view": json.RawMessage(big)}); got.Error != "view_too_large" {
		t.Errorf("a view of %d bytes: %s", len(big), got.Error)
	}
}

// TestLibraryBlocks takes everything that slack-go makes of the blocks that MyDB may use.
func TestLibraryBlocks(t *testing.T) {
	w := newTown(t, slackfake.Options{})
	option := slack.NewOptionBlockObject("17", plain("PostgreSQL 17"), plain("the newest"))
	style := slack.NewButtonBlockElement("delete", "x", plain("Delete")).WithStyle(slack.StyleDanger).
		WithConfirm(slack.NewConfirmationBlockObject(plain("Sure?"), text("It goes."), plain("Yes"), plain("No")))
	menu := slack.NewOptionsSelectBlockElement(slack.OptTypeStatic, plain("Choose"), "version", option)
	menu.InitialOption = option
	_, _, err := w.api.PostMessage(w.lab.ID(), slack.MsgOptionText("x", false), slack.MsgOptionBlocks(
		slack.NewHeaderBlock(plain("Genomes")),
		slack.NewSectionBlock(text("*size*"), []*slack.TextBlockObject{text("a"), text("b")}, slack.NewAccessory(style)),
		slack.NewDividerBlock(),
		slack.NewContextBlock("", text("a minute ago"), slack.NewImageBlockElement("https://example.com/a.png", "a")),
		slack.NewActionBlock("", menu, slack.NewOverflowBlockElement("more", option), slack.NewOptionsSelectBlockElement(slack.OptTypeUser, plain("Who"), "who")),
		slack.NewImageBlock("https://example.com/a.png", "a chart", "", plain("Chart")),
		slack.NewMarkdownBlock("", "**bold**"),
		slack.NewRichTextBlock("", slack.NewRichTextSection(slack.NewRichTextSectionTextElement("psql", &slack.RichTextSectionTextStyle{Code: true}))),
	))
	if err != nil {
		t.Fatalf("PostMessage: %v; %v", err, w.Report().Violations)
	}
	m := w.alice.Sees(w.lab)[0]
	same(t, "buttons", ids(m.Buttons()), []string{"delete", "version", "more", "who"})
	if len(m.Blocks().BlockSet) != 8 {
		t.Errorf("blocks: %s", m.RawBlocks)
	}
}

func ids(buttons []slackfake.Button) (all []string) {
	for _, b := range buttons {
		all = append(all, b.ActionID)
	}
	return all
}

// triggerOf is the trigger_id of a delivery.
func triggerOf(t *testing.T, d *slackfake.Delivery) string {
	t.Helper()
	var p struct {
		TriggerID string `json:"trigger_id"`
	}
	if err := json.Unmarshal(d.Payload, &p); err != nil {
		t.Fatal(err)
	}
	return p.TriggerID
}
