package slack

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/slack-go/slack"

	"github.com/mydb-project/mydb/core"
)

// reply is where one person is answered in private, where they asked. It is kept as core.Inbound.Reply, sealed, because whoever has the
// address can write there.
type reply struct {
	URL     string    `json:"url,omitempty"` // of a command or a click: works five times within half an hour
	Channel string    `json:"channel,omitempty"`
	Thread  string    `json:"thread,omitempty"`
	User    string    `json:"user,omitempty"`
	At      time.Time `json:"at"`
}

// replyLife is for how long Slack takes answers at such an address, with a margin.
const replyLife = 29 * time.Minute

func (r reply) String() string {
	text, err := json.Marshal(r)
	if err != nil {
		return "" // a reply is made of strings and a time
	}
	return string(text)
}

// errNoReply says that there is nowhere to answer one person alone.
var errNoReply = errors.New("Slack takes no private answer to this any more") //nolint:staticcheck // a name

// Whisper implements jobs.Platform. What one person alone sees can hold no picture.
func (a *Adapter) Whisper(ctx context.Context, where string, c core.Card) error {
	if len(c.Image) > 0 {
		return &core.ChatError{Refused: true, Err: errors.New("a chart goes into direct messages")}
	}
	return a.whisper(ctx, where, render(c))
}

// Settle implements jobs.Settler: it tells where somebody has asked that the answer is elsewhere.
func (a *Adapter) Settle(ctx context.Context, where string, direct bool) error {
	if !direct {
		return nil // the message is there, for all to see
	}
	return a.whisper(ctx, where, saying("The answer is in your direct messages with MyDB."))
}

func (a *Adapter) whisper(ctx context.Context, where string, m message) error {
	var r reply
	if err := json.Unmarshal([]byte(where), &r); err != nil {
		return &core.ChatError{Refused: true, Err: errNoReply}
	}
	switch {
	case r.URL != "":
		return a.respond(ctx, r, m)
	case r.Channel == "" || r.User == "":
		return &core.ChatError{Refused: true, Err: errNoReply}
	}
	options := append(m.options(), slack.MsgOptionDisableLinkUnfurl(), slack.MsgOptionDisableMediaUnfurl())
	if r.Thread != "" {
		options = append(options, slack.MsgOptionTS(r.Thread))
	}
	return a.call(ctx, "chat.postEphemeral", func(ctx context.Context) error {
		_, err := a.api.PostEphemeralContext(ctx, r.Channel, r.User, options...)
		return err
	})
}

// respond answers at the address that came with a command or a click. Nothing is sent to addresses that are not Slack's.
func (a *Adapter) respond(ctx context.Context, r reply, m message) error {
	if !strings.HasPrefix(r.URL, a.origin) || a.o.Now().Sub(r.At) > replyLife {
		return &core.ChatError{Refused: true, Err: errNoReply}
	}
	const method = "response_url"
	ctx, cancel := context.WithTimeout(ctx, callLimit)
	defer cancel()
	err := slack.PostWebhookCustomHTTPContext(ctx, r.URL, a.web, m.private(r.Thread))
	switch status := statusOf(err); {
	case err == nil:
		return nil
	case status == http.StatusTooManyRequests:
		return a.understand(method, err)
	case status == http.StatusBadRequest:
		a.o.Log.Error("Slack does not take what MyDB sends", "method", method, "error", err)
		return &core.ChatError{Refused: true, Err: err}
	case status >= 400 && status < 500: // used five times, or too old
		return &core.ChatError{Refused: true, Err: errors.Join(errNoReply, err)}
	}
	return bare(err)
}

// private is a message for one person, as commands are answered.
func (m message) private(thread string) *slack.WebhookMessage {
	no := false
	return &slack.WebhookMessage{
		ResponseType: slack.ResponseTypeEphemeral, Text: escape(m.text), Blocks: &slack.Blocks{BlockSet: m.blocks}, ThreadTimestamp: thread,
		UnfurlLinks: &no, UnfurlMedia: &no,
	}
}
