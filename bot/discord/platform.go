package discord

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/bwmarrin/discordgo"

	"github.com/mydb-project/mydb/core"
)

// Post implements jobs.Platform. Discord gives the first message again when the same tag comes twice within a few minutes.
func (a *Adapter) Post(ctx context.Context, channel, _, tag string, c core.Card) (string, error) {
	m := render(c, tag)
	m.Nonce, m.EnforceNonce = tag, true
	var posted struct{ ID string }
	err := a.call(ctx, call{
		what: "post a message", method: http.MethodPost, url: discordgo.EndpointChannelMessages(channel), bucket: "post " + channel, body: m, png: m.png,
	}, &posted)
	return posted.ID, err
}

// Where Find stops to look: what is older was not lost in a crash, or the channel is too busy.
const (
	findPage   = 100
	findPages  = 10
	findMargin = time.Minute // clocks differ
)

// Find implements jobs.Platform. Messages carry their tag at the end of their footer until they are changed for the first time.
func (a *Adapter) Find(ctx context.Context, channel, _, tag string, since time.Time) (string, bool, error) {
	after := snowflake(since.Add(-findMargin))
	for range findPages {
		var list []found
		address := discordgo.EndpointChannelMessages(channel) + "?limit=" + strconv.Itoa(findPage) + "&after=" + after
		if err := a.get(ctx, "look for a message", address, &list); err != nil {
			return "", false, err
		}
		for _, m := range list {
			if m.has(tag) {
				return m.ID, true, nil
			}
			if newer(m.ID, after) {
				after = m.ID
			}
		}
		if len(list) < findPage {
			break
		}
	}
	return "", false, nil
}

// found is what matters of a message that was there already.
type found struct {
	ID     string
	Author struct{ Bot bool }
	Embeds []discordgo.MessageEmbed
}

func (m found) has(tag string) bool {
	for _, e := range m.Embeds {
		if m.Author.Bot && e.Footer != nil && strings.HasSuffix(e.Footer.Text, tag) {
			return true
		}
	}
	return false
}

// Update implements jobs.Platform.
func (a *Adapter) Update(ctx context.Context, channel, id string, c core.Card) error {
	m := render(c, "")
	return a.call(ctx, call{
		what: "change a message", method: http.MethodPatch, url: discordgo.EndpointChannelMessage(channel, id), bucket: "change " + channel, body: m, png: m.png,
	}, nil)
}

// Direct implements jobs.Platform.
func (a *Adapter) Direct(ctx context.Context, userID string) (string, error) {
	if known, ok := a.direct.Load(userID); ok {
		return known.(string), nil
	}
	var c struct{ ID string }
	err := a.call(ctx, call{
		what: "open direct messages", method: http.MethodPost, url: discordgo.EndpointUserChannels("@me"), bucket: "direct", body: map[string]string{"recipient_id": userID},
	}, &c)
	if err == nil {
		a.direct.Store(userID, c.ID)
	}
	return c.ID, err
}

// reply is where an interaction is answered: what core keeps as Inbound.Reply, sealed, because whoever has the token can write there.
type reply struct {
	follow bool // a message of its own, and no change of the first answer
	token  string
}

func (r reply) String() string {
	if r.follow {
		return "follow/" + r.token
	}
	return "first/" + r.token
}

func readReply(s string) reply {
	way, token, _ := strings.Cut(s, "/")
	return reply{follow: way == "follow", token: token}
}

// Whisper implements jobs.Platform.
func (a *Adapter) Whisper(ctx context.Context, where string, c core.Card) error {
	return a.answer(ctx, readReply(where), render(c, ""))
}

// Settle implements jobs.Settler: it ends that Discord shows the person that MyDB is thinking, when the answer is a message elsewhere.
func (a *Adapter) Settle(ctx context.Context, where string, direct bool) error {
	r := readReply(where)
	if r.follow {
		return nil // Discord shows nothing
	}
	text := "Accepted. A message in this channel tells how far it is."
	if direct {
		text = "Accepted. A direct message tells you how far it is."
	}
	return a.answer(ctx, r, saying(text))
}

// The acknowledgement of an interaction may still be on its way when its answer is found. Until then, Discord knows nothing of it.
const (
	answerPause = 150 * time.Millisecond
	answerTries = 20
)

// answer answers an interaction that was acknowledged. Only the person sees it.
func (a *Adapter) answer(ctx context.Context, r reply, m message) error {
	c := call{what: "answer an interaction", method: http.MethodPatch, url: discordgo.EndpointWebhookMessage(a.o.AppID, r.token, "@original"), body: m, png: m.png}
	if r.follow {
		m.Flags |= discordgo.MessageFlagsEphemeral
		c.method, c.url, c.body = http.MethodPost, discordgo.EndpointWebhookToken(a.o.AppID, r.token), m
	}
	for try := 1; ; try++ {
		err := a.call(ctx, c, nil)
		var said *refusal
		early := errors.As(err, &said) && (said.code == codeUnknownWebhook || said.code == codeUnknownMessage)
		if !early || try == answerTries {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(answerPause):
		}
	}
}
