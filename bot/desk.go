package bot

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/mydb-project/mydb/core"
)

// Desk is what the adapters of chat services and the workers share: it takes events in, knows the forms, carries out what people ask
// for, and shows what became of it. An adapter only translates. It is safe for concurrent use.
//
// The way of an event: the adapter calls Opens, and opens the form if there is one; else Accept, which keeps the event and its job, and
// acknowledges. A worker calls Answer, later Card, and sends what they give through the adapter's other half.
type Desk struct {
	bot     *Bot
	service *core.Service
	ask     map[core.Platform]core.AskChat
	log     *slog.Logger
}

// NewDesk makes a Desk. ask tells, for each chat service that shows mail addresses, how it is asked about a user.
func NewDesk(b *Bot, ask map[core.Platform]core.AskChat) *Desk {
	return &Desk{bot: b, service: b.service, ask: ask, log: b.log}
}

// Grammar is what the bot understands.
func (d *Desk) Grammar() Grammar { return d.bot.grammar }

// acceptLimit is within what time an event is in the inbox, or was not accepted: the services wait for three seconds.
const acceptLimit = 900 * time.Millisecond

// NotAccepted is said when an event could not be kept.
const NotAccepted = "MyDB did not accept this, because its own database does not answer in time. Nothing was done. Try again in a minute."

// Accept takes an event into the inbox, within a second. After an error nothing was accepted, and the person is to be told NotAccepted.
func (d *Desk) Accept(ctx context.Context, in core.Inbound) (core.Received, error) {
	ctx, cancel := context.WithTimeout(ctx, acceptLimit)
	defer cancel()
	r, err := d.service.ReceiveChat(ctx, in)
	if err != nil {
		d.log.Warn("an event was not accepted", "platform", in.User.Platform, "error", err)
	}
	return r, err
}

// understood is a command, however it was given.
type understood struct {
	command Command
	values  map[string]string
}

// understand reads the command out of what was written, pressed or filled in.
func (d *Desk) understand(in core.Inbound) (understood, error) {
	if in.Kind == core.InboundCommand {
		p, err := d.bot.grammar.Parse(in.Text)
		return understood{p.Command, p.Values}, err
	}
	c, known := d.bot.grammar.Command(in.Action)
	if !known || c.Later {
		return understood{}, core.Errorf(core.CodeInvalid, "This button or form is none of MyDB's, or of another version. Write the command instead; help lists them.")
	}
	values := map[string]string{}
	for _, p := range c.Params {
		text := strings.TrimSpace(in.Fields[p.Name])
		if text == "" {
			continue
		}
		value, err := Parsed{Command: c}.fold(p, text)
		if err != nil {
			return understood{}, err
		}
		if err := readable(text); err != nil {
			return understood{}, err
		}
		values[p.Name] = value
	}
	if i := slices.IndexFunc(c.Params, func(p Param) bool { return p.Required }); in.Value != "" && i >= 0 {
		values[c.Params[i].Name] = in.Value
	}
	return understood{c, values}, Parsed{Command: c, Values: values}.complete()
}

// Answer carries out what came in. Only what another attempt may mend is an error; what people did wrong is part of the reply.
func (d *Desk) Answer(ctx context.Context, in core.Inbound) (core.Reply, string, error) {
	u, err := d.understand(in)
	if err != nil {
		return d.refusal(ctx, err)
	}
	if u.command.Anybody {
		return d.forAnybody(ctx, in, u)
	}
	answer, actor, err := d.carryOut(ctx, in, u)
	if err != nil {
		reply, _, err := d.refusal(ctx, err)
		return reply, actor.ID, err
	}
	reply, err := d.reply(ctx, in, answer)
	// The message whose button was pressed shows the decision itself.
	reply.Nothing = in.Kind != core.InboundCommand && (u.command.Name == "approve" || u.command.Name == "deny")
	return reply, actor.ID, err
}

// CarryOut carries out what came in of somebody whom MyDB knows, and gives the answer before it becomes a reply. Errors: as of Bot.Run and
// core.Service.ChatActor.
func (d *Desk) CarryOut(ctx context.Context, in core.Inbound) (Answer, error) {
	u, err := d.understand(in)
	if err != nil {
		return Answer{}, err
	}
	answer, _, err := d.carryOut(ctx, in, u)
	return answer, err
}

func (d *Desk) carryOut(ctx context.Context, in core.Inbound, u understood) (Answer, core.Actor, error) {
	actor, err := d.service.ChatActor(ctx, in.User, d.ask[in.User.Platform])
	if err != nil {
		return Answer{}, core.Actor{}, err
	}
	c := conversation{Bot: d.bot, In: In{Actor: actor, Door: in.Door(), Key: in.Key, Text: in.Text, Chat: &in}, values: u.values}
	answer, err := handlers[u.command.Name](c, ctx)
	return answer, actor, err
}

// refusal is the reply to what cannot be done. An error that is nobody's fault is given back.
func (d *Desk) refusal(ctx context.Context, err error) (core.Reply, string, error) {
	var e *core.Error
	if !errors.As(err, &e) || ctx.Err() != nil {
		return core.Reply{}, "", err
	}
	return core.Reply{Private: true, Card: core.Card{Text: core.Explain(d.log, err).Message, Tone: core.ToneBad}}, "", nil
}

// reply settles who sees an answer: what is only looked up is for the person alone, and work that the channel may know of is shown there,
// unless it is about health data, or other organisations read along.
func (d *Desk) reply(ctx context.Context, in core.Inbound, a Answer) (core.Reply, error) {
	r := core.Reply{
		OperationID: a.OperationID, Private: true,
		Card: core.Card{Title: a.Title, Text: fit(a.Text), Buttons: a.Buttons, Image: a.Image, Footer: d.banner(ctx)},
	}
	if a.OperationID == "" || in.Foreign {
		return r, nil
	}
	_, i, err := d.service.OperationOf(ctx, a.OperationID)
	if err != nil {
		return r, err
	}
	r.Private = i.PHI
	return r, nil
}

// banner is what administrators have announced; empty when there is nothing.
func (d *Desk) banner(ctx context.Context) string {
	a, err := d.service.Announced(ctx)
	if err != nil {
		d.log.Warn("what is announced could not be read", "error", err) // an answer without it is better than none
	}
	if a == nil {
		return ""
	}
	return "📣 " + oneLine(a.Text)
}

// Secret is a password that is shown once. It is never stored, logged or sent as a message.
type Secret struct {
	Database string
	Page     string
	core.Credentials
}

// requestOf is what came in as a request to the domain.
func requestOf(actor core.Actor, in core.Inbound) core.Request {
	return core.Request{Actor: actor, Door: in.Door(), Chat: &in.User, Reference: in.Key}
}

// Reveal gives the password that a button of MyDB's offers, to the person whose it is, for the adapter to show to them alone. The button's
// value is the database's id. Errors: as of core.Service.Collect and ChatActor.
func (d *Desk) Reveal(ctx context.Context, in core.Inbound) (Secret, error) {
	actor, err := d.service.ChatActor(ctx, in.User, d.ask[in.User.Platform])
	if err != nil {
		return Secret{}, err
	}
	c, err := d.service.Collect(ctx, requestOf(actor, in), in.Value)
	if err != nil {
		return Secret{}, err
	}
	i, err := d.service.Instance(ctx, actor, in.Value)
	return Secret{Database: i.Name, Page: d.bot.page(i), Credentials: c}, err
}

// RevealLink gives the address at which the portal shows that password once, after a login, for the adapter to show to the person alone.
// Errors: as of core.Service.SecretLink and ChatActor.
func (d *Desk) RevealLink(ctx context.Context, in core.Inbound) (address string, err error) {
	actor, err := d.service.ChatActor(ctx, in.User, d.ask[in.User.Platform])
	if err != nil {
		return "", err
	}
	_, token, err := d.service.SecretLink(ctx, requestOf(actor, in), in.Value)
	return d.bot.publicURL + "/links/" + token, err
}

// Explain is the sentence for a person of an error.
func (d *Desk) Explain(err error) string { return core.Explain(d.log, err).Message }

// proposals is how many values are proposed at most: what Discord takes.
const maxProposals = 25

// Propose gives values for a parameter that begin with what was typed: choices, or the person's databases. It never fails: nothing is
// proposed to whom MyDB does not know.
func (d *Desk) Propose(ctx context.Context, user core.ChatUser, command, param, typed string) []string {
	c, _ := d.bot.grammar.Command(command)
	p, known := c.Param(param)
	if !known {
		return nil
	}
	all := p.proposals("")
	if p.Kind == KindName && command != "create" && command != "class" {
		if actor, err := d.service.ChatActor(ctx, user, d.ask[user.Platform]); err == nil {
			mine, _, _ := d.service.Instances(ctx, actor, false, core.Page{Limit: core.MaxPage}) // none is a proposal, too
			for _, i := range mine {
				all = append(all, i.Name)
			}
		}
	}
	found := startingWith(strings.ToLower(typed), all)
	return found[:min(len(found), maxProposals)]
}

// forAnybody carries out what people ask for whom MyDB does not know yet.
func (d *Desk) forAnybody(ctx context.Context, in core.Inbound, u understood) (core.Reply, string, error) {
	ask := d.ask[in.User.Platform]
	if u.command.Name == "help" {
		answer, err := conversation{Bot: d.bot, values: u.values}.help(ctx)
		return core.Reply{Private: true, Card: core.Card{Text: fit(answer.Text)}}, "", err
	}
	if u.command.Name == "confirm" {
		p, err := d.service.ConfirmLink(ctx, in.User, u.values["offer"])
		if err != nil {
			return d.refusal(ctx, err)
		}
		return private(core.ToneGood, fmt.Sprintf("From now on, what you write here is done as %s (%s). To end that: unlink", p.Name, p.Login)), p.ID, nil
	}
	if u.values["code"] == "" {
		return private(core.ToneWaiting, "Log in to the portal, get a code on your account page, and write it here: link <code>. "+d.bot.publicURL+"/account"), "", nil
	}
	p, offer, err := d.service.OfferLink(ctx, in.User, u.values["code"], ask)
	if err != nil {
		return d.refusal(ctx, err)
	}
	r := private(core.ToneWaiting, fmt.Sprintf("You are %s on %s. Do you want MyDB to take what you write here as written by %s (%s)? Only say yes if that is you, and if you got the code yourself.",
		in.User.Name, in.User.Platform.Title(), p.Name, p.Login))
	r.Card.Buttons = []core.Button{{Label: "Yes, that is me", Action: "confirm", Value: offer, Tone: core.ToneGood}}
	return r, "", nil
}

func private(tone core.Tone, text string) core.Reply {
	return core.Reply{Private: true, Card: core.Card{Text: text, Tone: tone}}
}

func (c conversation) unlink(ctx context.Context) (Answer, error) {
	if c.Chat == nil {
		return Answer{}, core.Errorf(core.CodeInvalid, "Unlink is for Slack and Discord. Your chat identities are at %s/account", c.publicURL)
	}
	err := c.service.Unlink(ctx, c.request(), c.Chat.User)
	return Answer{Text: "MyDB does not take what you write here as yours any more. Where your mail address is known, it will recognise you again by it."}, err
}

func (c conversation) link(context.Context) (Answer, error) {
	return Answer{}, core.Errorf(core.CodeInvalid, "Link is for Slack and Discord: write it there, with a code of your account page, %s/account", c.publicURL)
}
