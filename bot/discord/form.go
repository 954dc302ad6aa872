package discord

import (
	"cmp"
	"context"
	"crypto/rand"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/bwmarrin/discordgo"

	"github.com/mydb-project/mydb/bot"
	"github.com/mydb-project/mydb/core"
)

// Limits of a form: https://discord.com/developers/docs/interactions/receiving-and-responding.
const (
	inputsLimit = 5
	formTitle   = 45
	inputLabel  = 45
	inputHint   = 100
	inputLimit  = 4000
)

// modal is a form as Discord takes it.
type modal struct {
	CustomID   string                       `json:"custom_id"`
	Title      string                       `json:"title"`
	Components []discordgo.MessageComponent `json:"components"`
}

// open shows a form: the five things that matter, because Discord takes no more. filled is what was filled in before.
func (e event) open(ctx context.Context, f bot.Form, filled map[string]string) {
	m := modal{CustomID: customID(f.Action, f.Value), Title: cut(f.Title, formTitle)}
	for _, field := range f.Fields {
		if field.First && len(m.Components) < inputsLimit {
			m.Components = append(m.Components, discordgo.ActionsRow{Components: []discordgo.MessageComponent{input(field, filled)}})
		}
	}
	e.send(ctx, response{discordgo.InteractionResponseModal, m}, nil)
}

// input is one line or block of a form. The library's forms have no lists to choose from, so what can be chosen stands in the empty line.
func input(f bot.Field, filled map[string]string) discordgo.TextInput {
	hint := f.Hint
	if len(f.Choices) > 0 {
		hint = strings.Join(f.Choices, ", ")
	}
	in := discordgo.TextInput{
		CustomID: f.Name, Label: cut(f.Label, inputLabel), Style: discordgo.TextInputShort, Placeholder: cut(hint, inputHint), Required: f.Required,
		Value: cut(cmp.Or(filled[f.Name], f.Default), inputLimit), MaxLength: inputLimit,
	}
	if f.Long {
		in.Style = discordgo.TextInputParagraph
	}
	return in
}

// form is one that somebody has sent. What is wrong is said at once, with a way back to the form as it was.
func (e event) form(ctx context.Context) {
	data := e.ModalSubmitData()
	in := e.inbound(core.InboundForm)
	in.Action, in.Value = readID(data.CustomID)
	in.Fields = fields(data)
	wrong := e.desk.Check(in)
	if len(wrong) == 0 {
		e.accept(ctx, in)
		return
	}
	id := e.forms.keep(draft{user: e.user.ID, action: in.Action, value: in.Value, fields: in.Fields, at: e.o.Now()})
	c := core.Card{Title: "This cannot be done yet", Tone: core.ToneBad, Buttons: []core.Button{{Label: "Fill it in again", Action: actionAgain, Value: id, Tone: core.ToneWaiting}}}
	for _, name := range slices.Sorted(maps.Keys(wrong)) {
		if name == "" {
			c.Text = wrong[name]
			continue
		}
		c.Facts = append(c.Facts, core.Fact{Name: strings.ToUpper(name[:1]) + name[1:], Value: wrong[name]})
	}
	e.show(ctx, render(c, ""))
}

func fields(data discordgo.ModalSubmitInteractionData) map[string]string {
	out := map[string]string{}
	for _, row := range data.Components {
		r, isRow := row.(*discordgo.ActionsRow)
		if !isRow {
			continue
		}
		for _, c := range r.Components {
			if in, isInput := c.(*discordgo.TextInput); isInput {
				out[in.CustomID] = in.Value
			}
		}
	}
	return out
}

// actionAgain opens a form again that was filled in wrongly.
const actionAgain = "again"

// again does so. What was filled in is forgotten after a while, and when MyDB is started anew.
func (e event) again(ctx context.Context, id string) {
	kept, known := e.forms.find(id, e.user.ID, e.o.Now())
	if !known {
		e.say(ctx, "MyDB has forgotten what was filled in. Give the command again.")
		return
	}
	f, _ := e.desk.Form(kept.action, kept.value)
	e.open(ctx, f, kept.fields)
}

// draft is what somebody has filled in.
type draft struct {
	user, action, value string
	fields              map[string]string
	at                  time.Time
}

// How many drafts are kept, and for how long: as long as Discord keeps the message with the button alive.
const (
	draftsKept = 500
	draftLife  = 15 * time.Minute
)

// drafts keeps forms that were filled in wrongly, in memory alone.
type drafts struct {
	mu    sync.Mutex
	byID  map[string]draft
	order []string
}

func (d *drafts) keep(one draft) string {
	one.fields = maps.Clone(one.fields)
	maps.DeleteFunc(one.fields, func(_, text string) bool { return bot.HoldsPassword(text) })
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.byID == nil {
		d.byID = map[string]draft{}
	}
	id := rand.Text()
	d.byID[id], d.order = one, append(d.order, id)
	for len(d.order) > draftsKept {
		delete(d.byID, d.order[0])
		d.order = d.order[1:]
	}
	return id
}

func (d *drafts) find(id, user string, now time.Time) (draft, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	one, known := d.byID[id]
	return one, known && one.user == user && now.Sub(one.at) < draftLife
}
