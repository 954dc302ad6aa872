package chatsim

import (
	"encoding/json"
	"html/template"
	"strconv"
	"strings"
)

// object is a part of what Slack's messages consist of: https://docs.slack.dev/reference/block-kit
type object map[string]any

func (o object) text(name string) string {
	switch v := o[name].(type) {
	case string:
		return v
	case map[string]any: // a text object
		s, _ := v["text"].(string)
		return s
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	}
	return ""
}

func (o object) inner(name string) object {
	v, _ := o[name].(map[string]any)
	return v
}

func (o object) list(name string) (all []object) {
	items, _ := o[name].([]any)
	for _, item := range items {
		if v, ok := item.(map[string]any); ok {
			all = append(all, v)
		}
	}
	return all
}

// state is what stands in inputs, by block and action.
type state map[string]map[string]object

// blocks draws the blocks of a message or, with what was filled in and what is wrong with it, of a form.
func (s *slackSpace) blocks(raw, filled json.RawMessage, wrong map[string]string) (all []piece) {
	var blocks []object
	var values state
	if len(raw) > 0 && json.Unmarshal(raw, &blocks) != nil {
		return nil
	}
	if len(filled) > 0 {
		_ = json.Unmarshal(filled, &values) // the fake made it
	}
	for _, b := range blocks {
		all = append(all, s.block(b, values, wrong)...)
	}
	return all
}

func (s *slackSpace) block(b object, values state, wrong map[string]string) []piece {
	id := b.text("block_id")
	switch b.text("type") {
	case "header":
		return []piece{{Head: b.text("text")}}
	case "divider":
		return []piece{{Line: true}}
	case "markdown":
		return []piece{{Text: plainText(b.text("text"))}}
	case "section":
		return s.section(b)
	case "context":
		var parts []template.HTML
		for _, e := range b.list("elements") {
			parts = append(parts, s.textOf(e))
		}
		return []piece{{Small: joined(parts, " · ")}}
	case "actions":
		var controls []control
		for _, e := range b.list("elements") {
			controls = append(controls, s.control(id, e))
		}
		return []piece{{Controls: controls}}
	case "image":
		return []piece{{Picture: &picture{ID: b.inner("slack_file").text("id"), Alt: b.text("alt_text")}}}
	case "rich_text":
		return s.rich(b)
	case "input":
		return []piece{{Input: s.input(b, values, wrong[id])}}
	}
	return []piece{{Small: plainText("(a block of the type " + b.text("type") + ")")}}
}

func (s *slackSpace) section(b object) (all []piece) {
	if t := b.inner("text"); t != nil {
		all = append(all, piece{Text: s.textOf(t)})
	}
	var facts []fact
	for _, f := range b.list("fields") {
		facts = append(facts, fact{Value: s.textOf(f)})
	}
	if facts != nil {
		all = append(all, piece{Facts: facts})
	}
	if a := b.inner("accessory"); a != nil && a.text("type") != "image" {
		all = append(all, piece{Controls: []control{s.control(b.text("block_id"), a)}})
	}
	return all
}

// textOf draws a text object, or the description of a small picture.
func (s *slackSpace) textOf(o object) template.HTML {
	switch o.text("type") {
	case "mrkdwn":
		return s.mrkdwn(o.text("text"))
	case "image":
		return plainText(o.text("alt_text"))
	}
	return plainText(o.text("text"))
}

func (s *slackSpace) control(block string, e object) control {
	c := control{Block: block, Action: e.text("action_id"), Label: e.text("text"), Style: e.text("style"), URL: e.text("url")}
	if e.text("type") == "button" {
		return c
	}
	c.Label = e.text("placeholder")
	c.Options = s.options(e, nil)
	return c
}

// options are what an element offers; those in chosen are chosen.
func (s *slackSpace) options(e object, chosen map[string]bool) (all []option) {
	switch e.text("type") {
	case "users_select", "multi_users_select":
		for _, p := range People() {
			all = append(all, option{p.Slack, p.Name, chosen[p.Slack]})
		}
		return all
	}
	groups := append([]object{e}, e.list("option_groups")...)
	for _, g := range groups {
		for _, o := range g.list("options") {
			all = append(all, option{o.text("value"), o.text("text"), chosen[o.text("value")]})
		}
	}
	return all
}

// kinds of inputs, by Slack's types. Types that are not here offer a choice of one.
var kinds = map[string]string{
	"plain_text_input": "text", "email_text_input": "email", "url_text_input": "url", "number_input": "number", "datepicker": "date", "timepicker": "time",
	"datetimepicker": "number", "radio_buttons": "radio", "checkboxes": "checks", "multi_static_select": "checks", "multi_users_select": "checks",
}

func (s *slackSpace) input(b object, values state, trouble string) *input {
	e := b.inner("element")
	filled := values[b.text("block_id")][e.text("action_id")]
	most, _ := strconv.Atoi(e.text("max_length"))
	in := &input{
		Name: b.text("block_id"), Label: b.text("label"), Hint: b.text("hint"), Example: e.text("placeholder"), Trouble: trouble, Kind: kinds[e.text("type")],
		Needed: b["optional"] != true, Most: most,
	}
	chosen := map[string]bool{}
	for _, name := range []string{"value", "selected_user", "selected_conversation", "selected_date", "selected_time", "selected_date_time"} {
		if v := filled.text(name); v != "" {
			in.Value, chosen[v] = v, true
		}
	}
	for _, o := range append(filled.list("selected_options"), filled.inner("selected_option")) {
		chosen[o.text("value")] = true
	}
	switch {
	case in.Kind == "":
		in.Kind = "select"
	case e["multiline"] == true:
		in.Kind = "long"
	}
	in.Options = s.options(e, chosen)
	return in
}

// rich draws a rich_text block: sections, lists, quotes and preformatted text, which hold elements.
func (s *slackSpace) rich(b object) []piece {
	var out strings.Builder
	for _, part := range b.list("elements") {
		switch part.text("type") {
		case "rich_text_preformatted":
			out.WriteString("<pre>" + s.elements(part) + "</pre>")
		case "rich_text_quote":
			out.WriteString("<blockquote>" + s.elements(part) + "</blockquote>")
		case "rich_text_list":
			out.WriteString("<ul>")
			for _, item := range part.list("elements") {
				out.WriteString("<li>" + s.elements(item) + "</li>")
			}
			out.WriteString("</ul>")
		default:
			out.WriteString("<p>" + s.elements(part) + "</p>")
		}
	}
	return []piece{{Text: template.HTML(out.String())}} // made of escaped text
}

func (s *slackSpace) elements(part object) string {
	var out strings.Builder
	for _, e := range part.list("elements") {
		var text string
		switch e.text("type") {
		case "link":
			label := e.text("text")
			if label == "" {
				label = e.text("url")
			}
			text = anchor(e.text("url"), escaped(label))
		case "user":
			text = `<span class="mention">@` + escaped(s.name(e.text("user_id"))) + "</span>"
		case "emoji":
			text = ":" + escaped(e.text("name")) + ":"
		case "broadcast":
			text = `<span class="mention loud">@` + escaped(e.text("range")) + "</span>"
		default:
			text = breaks(escaped(e.text("text")))
		}
		style := e.inner("style")
		for _, tag := range [][2]string{{"bold", "strong"}, {"italic", "em"}, {"strike", "del"}, {"code", "code"}} {
			if style[tag[0]] == true {
				text = "<" + tag[1] + ">" + text + "</" + tag[1] + ">"
			}
		}
		out.WriteString(text)
	}
	return out.String()
}
