package bot

import (
	"context"
	"fmt"
	"log/slog"
	"strings"

	"github.com/mydb-project/mydb/core"
	"github.com/mydb-project/mydb/core/engine"
)

// Bot carries out what people write. It is safe for concurrent use.
type Bot struct {
	service   *core.Service
	publicURL string
	log       *slog.Logger
	grammar   Grammar
}

// Options are what a Bot is made of. All are needed.
type Options struct {
	Service   *core.Service
	PublicURL string // of the portal, where passwords are collected
	Log       *slog.Logger
}

// New makes a Bot for what the service's catalogue offers.
func New(o Options) *Bot {
	return &Bot{
		service: o.Service, publicURL: strings.TrimRight(o.PublicURL, "/"), log: o.Log, grammar: NewGrammar(o.Service.Catalogue()),
	}
}

// Grammar is what the bot understands.
func (b *Bot) Grammar() Grammar { return b.grammar }

// In is a message and who wrote it. Address and Key are as in core.Request.
type In struct {
	Actor   core.Actor
	Door    core.Door
	Address string
	Key     string
	Text    string
	// Reference is by which the door knows the request.
	Reference string
	Chat      *core.Inbound // what came in, when it is from a chat service
}

// Answer is what to say. Text is plain, but for fences of three backticks around what must stay aligned, and at most MaxAnswer
// characters long. It never holds a secret.
type Answer struct {
	Text        string `json:"text"`
	OperationID string `json:"operation_id,omitempty"` // work to follow: it ends in what was asked for
	Name        string `json:"name,omitempty"`         // of the database that it is about

	Title   string        `json:"-"`
	Buttons []core.Button `json:"-"` // where there are buttons
	Image   []byte        `json:"-"` // a PNG, where there are pictures
}

// conversation is one message on its way to an answer.
type conversation struct {
	*Bot
	In
	values map[string]string
}

// handlers carry out the commands of the grammar.
var handlers = map[string]func(conversation, context.Context) (Answer, error){
	"create": conversation.create,
	"list":   conversation.list,
	"status": conversation.status, "connect": conversation.connect,
	"whoami": conversation.whoami, "help": conversation.help,
	"restart": conversation.restart, "stop": conversation.stop, "start": conversation.start,
	"delete": conversation.delete, "undelete": conversation.undelete,
	"approvals": conversation.approvals, "approve": conversation.approve, "deny": conversation.deny,
	"stats": conversation.stats, "report": conversation.report, "logs": conversation.logs,
	"backup": conversation.backup, "backups": conversation.backups, "restore": conversation.restore, "undo": conversation.undo,
	"history": conversation.history, "audit": conversation.audit,
	"class": conversation.class, "import": conversation.bringIn, "withdraw": conversation.withdraw,
	"share": conversation.share, "unshare": conversation.unshare, "transfer": conversation.transfer,
	"site": conversation.site, "announce": conversation.announce,
	"notify": conversation.notify,
	"link":   conversation.link, "confirm": conversation.link, "unlink": conversation.unlink,
	"rotate": conversation.rotate, "resize": conversation.resize, "extend": conversation.extend,
}

// Run understands a message and does what it asks for.
//
// Errors: CodeInvalid for what is not understood, and the codes of core.Service. core.Explain has the sentence for the person.
func (b *Bot) Run(ctx context.Context, in In) (Answer, error) {
	p, err := b.grammar.Parse(in.Text)
	if err != nil {
		return Answer{}, err
	}
	b.log.Debug("command", "command", p.Command.Name, "door", in.Door, "person", in.Actor.ID)
	answer, err := handlers[p.Command.Name](conversation{Bot: b, In: in, values: p.Values}, ctx)
	if err != nil {
		return Answer{}, err
	}
	if a, err := b.service.Announced(ctx); err == nil && a != nil && in.Chat == nil {
		answer.Text += "\n\nAnnounced by " + a.By + ": " + oneLine(a.Text)
	}
	answer.Text = fit(answer.Text)
	return answer, nil
}

func (c conversation) create(ctx context.Context) (Answer, error) {
	command := core.Create{
		Engine: c.values["engine"], Name: c.values["name"], Version: c.values["version"], Size: c.values["size"], Username: c.values["user"],
		Backup: c.values["backup"], Expires: c.values["expires"], Description: c.values["description"], PHI: c.values["phi"] == "yes",
		Template: c.values["template"],
	}
	if list := c.values["ext"]; list != "" {
		command.Extensions = strings.Split(list, ",")
	}
	receipt, err := c.order(ctx, command)
	if err != nil {
		return Answer{}, err
	}
	if a := receipt.Approval; a != nil {
		return Answer{Name: receipt.Database.Name, Text: fmt.Sprintf("%s waits for the approval of an administrator, until %s (approval %s). Its name is kept for you.",
			receipt.Database.Name, moment(a.ExpiresAt), a.ID)}, nil
	}
	return Answer{
		Text:        renderCreate(receipt.Database, c.title(receipt.Database.Engine), c.page(receipt.Database)),
		OperationID: receipt.Operation.ID, Name: receipt.Database.Name,
	}, nil
}

func (c conversation) list(ctx context.Context) (Answer, error) {
	all, text := c.values["all"] == "all", c.values["find"]
	instances, next, err := c.service.Search(ctx, c.Actor, core.Filter{All: all, Text: text}, core.Page{Limit: listLimit})
	if err == nil && text != "" && len(instances) == 0 {
		return Answer{Text: fmt.Sprintf("No database that you may see has %q in its name or in what is said about it.", clip(text, 60))}, nil
	}
	if err != nil {
		return Answer{}, err
	}
	return Answer{Text: renderList(instances, c.title, all, next != "", c.publicURL)}, nil
}

func (c conversation) status(ctx context.Context) (Answer, error) {
	i, op, err := c.find(ctx)
	if err != nil {
		return Answer{}, err
	}
	usage, err := c.service.Usage(ctx, i)
	if err != nil {
		return Answer{}, err
	}
	return Answer{Text: renderStatus(i, op, usage, c.title(i.Engine)), Name: i.Name}, nil
}

func (c conversation) connect(ctx context.Context) (Answer, error) {
	i, op, err := c.find(ctx)
	if err != nil {
		return Answer{}, err
	}
	card := card{instance: i, page: c.page(i), owns: i.OwnerID == c.Actor.ID || i.Right != ""}
	if i.State != core.StateReady && i.State != core.StateStopped {
		answer := Answer{Text: renderNotReady(i, op), Name: i.Name}
		if op != nil && !op.Finished() {
			answer.OperationID = op.ID
		}
		return answer, nil
	}
	if card.snippets, err = c.service.Snippets(i); err != nil {
		return Answer{}, err
	}
	if card.collectable, err = c.service.Collectable(ctx, c.Actor, i); err != nil {
		return Answer{}, err
	}
	return Answer{Text: renderCard(card), Name: i.Name}, nil
}

func (c conversation) whoami(ctx context.Context) (Answer, error) {
	if c.Actor.ID == "" {
		return Answer{}, core.Errorf(core.CodeUnauthenticated, "Log in first.")
	}
	quotas, err := c.service.Quotas(ctx, c.Actor)
	if err != nil {
		return Answer{}, err
	}
	return Answer{Text: renderActor(c.Actor) + renderQuotas(quotas)}, nil
}

func (c conversation) help(context.Context) (Answer, error) {
	topic, asked := c.values["command"]
	if !asked {
		return Answer{Text: renderHelp(c.grammar, c.publicURL)}, nil
	}
	command, _ := c.grammar.Command(topic) // the parser let only commands through
	return Answer{Text: renderCommandHelp(command)}, nil
}

// find looks up the database that the message names, and the latest operation on it. When there is none, the person's nearest name is proposed.
func (c conversation) find(ctx context.Context) (core.Instance, *core.Operation, error) {
	name := c.values["name"]
	i, op, err := c.service.Look(ctx, c.Actor, name)
	if core.CodeOf(err) != core.CodeNotFound {
		return i, op, err
	}
	mine, _, listErr := c.service.Instances(ctx, c.Actor, false, core.Page{Limit: core.MaxPage})
	if listErr != nil {
		return i, op, err // not knowing a proposal is no reason to fail otherwise
	}
	names := make([]string, len(mine))
	for n, m := range mine {
		names[n] = m.Name
	}
	if near := nearest(name, names); near != "" {
		return i, nil, core.Errorf(core.CodeNotFound, "You have no database %q. Did you mean %s?", clip(name, 60), near)
	}
	return i, op, err
}

// title is an engine's name as its makers write it, or the word when this binary does not know the engine.
func (b *Bot) title(name string) string {
	var e engine.Engine
	e, err := b.service.Engine(name)
	if err != nil {
		return name
	}
	return e.Title()
}

// page is the address of a database's page in the portal.
func (b *Bot) page(i core.Instance) string { return b.publicURL + "/databases/" + i.Name }
