package slack

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/slack-go/slack"

	"github.com/mydb-project/mydb/bot"
	"github.com/mydb-project/mydb/core"
)

// Limits of a form: https://docs.slack.dev/reference/views/modal-views
const (
	formTitle    = 24
	formLabel    = 2000
	formExample  = 150
	formText     = 3000
	formMetadata = 3000
	formChoices  = 100
)

// origin is where a form was opened from. It travels with the form, which knows nothing of it by itself.
type origin struct {
	Value   string `json:"v,omitempty"`
	Channel string `json:"c,omitempty"`
	Thread  string `json:"t,omitempty"`
	Message string `json:"m,omitempty"`
	Direct  bool   `json:"d,omitempty"`
	Reply   string `json:"r,omitempty"`
}

// modal is a form as Slack shows it.
func modal(f bot.Form, in core.Inbound) (slack.ModalViewRequest, error) {
	metadata, err := json.Marshal(origin{f.Value, in.Channel, in.Thread, in.Message, in.Direct, in.Reply})
	if err != nil || len(metadata) > formMetadata {
		return slack.ModalViewRequest{}, fmt.Errorf("a form cannot take along where it comes from: %d bytes: %w", len(metadata), err)
	}
	v := slack.ModalViewRequest{
		Type: slack.VTModal, Title: words(f.Title, formTitle), Submit: words(f.Submit, formTitle), Close: words("Cancel", formTitle), CallbackID: f.Action,
		PrivateMetadata: string(metadata),
	}
	for _, field := range f.Fields {
		v.Blocks.BlockSet = append(v.Blocks.BlockSet, input(field))
	}
	return v, nil
}

func input(f bot.Field) slack.Block {
	var e slack.BlockElement
	if len(f.Choices) > 0 {
		e = choice(f)
	} else {
		text := slack.NewPlainTextInputBlockElement(nil, f.Name)
		if f.Example != "" {
			text.Placeholder = words(f.Example, formExample)
		}
		text.InitialValue, text.Multiline, text.MaxLength = cut(f.Default, formText), f.Long, formText
		e = text
	}
	b := slack.NewInputBlock(f.Name, words(f.Label, formLabel), nil, e).WithOptional(!f.Required)
	if f.Hint != "" {
		b.Hint = words(f.Hint, formLabel)
	}
	return b
}

func choice(f bot.Field) *slack.SelectBlockElement {
	e := slack.NewOptionsSelectBlockElement(slack.OptTypeStatic, words("Choose", formExample), f.Name)
	for _, c := range f.Choices[:min(len(f.Choices), formChoices)] {
		o := slack.NewOptionBlockObject(c, words(c, labelLimit), nil)
		e.Options = append(e.Options, o)
		if c == f.Default {
			e.InitialOption = o
		}
	}
	return e
}

// form deals with a form that was sent. What is wrong in it stands below its fields; otherwise it closes, and the answer comes as a message.
func (i interaction) form(ctx context.Context, d *bot.Desk) answer {
	var from origin
	if err := json.Unmarshal([]byte(i.View.PrivateMetadata), &from); err != nil {
		return i.wrong(map[string]string{"": "This form is none of MyDB's, or of another version. Close it and open it again."})
	}
	in := core.Inbound{
		Key: keyOf(i.View.ID, i.View.Hash), User: i.person(), Channel: from.Channel, Thread: from.Thread, Message: from.Message, Direct: from.Direct,
		Kind: core.InboundForm, Action: i.View.CallbackID, Value: from.Value, Fields: i.fields(), Reply: from.Reply,
	}
	if wrong := d.Check(in); len(wrong) > 0 {
		return i.wrong(wrong)
	}
	if _, err := i.accepted(ctx, d, in); err != nil {
		return i.wrong(map[string]string{"": bot.NotAccepted})
	}
	return answer{payload: slack.NewClearViewSubmissionResponse()}
}

// fields are what was filled in, by name.
func (i interaction) fields() map[string]string {
	out := map[string]string{}
	if i.View.State == nil {
		return out
	}
	for _, block := range i.View.State.Values {
		for name, f := range block {
			if v := or(f.Value, f.SelectedOption.Value); strings.TrimSpace(v) != "" {
				out[name] = v
			}
		}
	}
	return out
}

// wrong says what is wrong with fields, by their names. Slack takes nothing about the form as a whole: that goes to the first field.
func (i interaction) wrong(sentences map[string]string) answer {
	below := map[string]string{}
	first := ""
	for _, b := range i.View.Blocks.BlockSet {
		if in, ok := b.(*slack.InputBlock); ok {
			first = or(first, in.BlockID)
			if s := sentences[in.BlockID]; s != "" {
				below[in.BlockID] = s
			}
		}
	}
	if first == "" {
		return answer{payload: slack.NewClearViewSubmissionResponse()} // there is no place to say it
	}
	if len(below) == 0 {
		below[first] = sentences[""]
		for _, s := range sentences {
			below[first] = or(below[first], s)
		}
	}
	return answer{payload: slack.NewErrorsViewSubmissionResponse(below)}
}
