package slack

import (
	"context"
	"regexp"

	"github.com/mydb-project/mydb/core"
)

// mentions are people, as Slack's clients write them.
var mentions = regexp.MustCompile(`<@([UW][A-Z0-9]+)(?:\|[^<>]*)?>`)

// peopleLimit is how many people one command may be about: for each, Slack is asked.
const peopleLimit = 3

// people puts mail addresses in the place of people who were mentioned, so that `share genomes with @bob` works. Who has no confirmed address, or
// is of another organisation, stays an id, which nobody has as a name.
func (a *Adapter) people(ctx context.Context, text string) string {
	if !mentions.MatchString(text) {
		return text
	}
	team, err := a.team(ctx)
	if err != nil {
		return text
	}
	ask, asked := a.Ask(), 0
	return mentions.ReplaceAllStringFunc(text, func(mark string) string {
		if asked++; asked > peopleLimit {
			return mark
		}
		ctx, cancel := context.WithTimeout(ctx, infoLimit)
		defer cancel()
		p, err := ask(ctx, core.ChatUser{Platform: core.Slack, Team: team, ID: mentions.FindStringSubmatch(mark)[1]})
		if err != nil || p.Email == "" || !p.Confirmed || p.Bot || p.Deleted || p.Guest || p.Stranger {
			return mark
		}
		return p.Email
	})
}
