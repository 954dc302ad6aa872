package bot

import (
	"context"
	"fmt"
	"strings"

	"github.com/mydb-project/mydb/core"
)

// mailCommands are about what people are told of by mail.
var mailCommands = []Command{
	{Name: "notify", Summary: "Shows what mail you get, or switches some on or off.", Example: "notify expiring off", Params: []Param{
		{Name: "topic", Kind: KindChoice, Positional: true, Choices: core.Topics(), Help: "What it is about; default: shows all.", Example: "expiring"},
		{Name: "state", Kind: KindChoice, Positional: true, Choices: []string{"on", "off"}, Help: "Whether to be told of it.", Example: "off"},
	}},
}

func (c conversation) notify(ctx context.Context) (Answer, error) {
	topic, state := c.values["topic"], c.values["state"]
	switch {
	case state == "" && topic != "":
		return Answer{}, core.Errorf(core.CodeInvalid, "Say also on or off: notify %s off", topic)
	case topic == "" && state != "":
		return Answer{}, core.Errorf(core.CodeInvalid, "Say also of what: notify expiring %s. The topics are %s.", state, strings.Join(core.Topics(), ", "))
	case topic == "":
		list, err := c.service.MailChoices(ctx, c.Actor)
		return Answer{Text: renderMailChoices(c.Actor, list)}, err
	}
	list, err := c.service.ChooseMail(ctx, c.request(), map[core.Topic]bool{core.Topic(topic): state == "on"})
	return Answer{Text: renderMailChoices(c.Actor, list)}, err
}

func renderMailChoices(actor core.Actor, list []core.MailChoice) string {
	var b strings.Builder
	if actor.Email == nil {
		b.WriteString("MyDB knows no mail address of yours, so administrators are told what is for you.")
	} else {
		fmt.Fprintf(&b, "Mail goes to %s.", *actor.Email)
	}
	for _, m := range list {
		state := "on "
		if !m.Wanted {
			state = "off"
		}
		fmt.Fprintf(&b, "\n%s  %s: %s", state, m.Topic, strings.ToLower(m.About[:1])+m.About[1:])
	}
	return b.String() + "\n" + core.AlwaysTold
}
