package slack

import (
	"bytes"
	"context"
	"strconv"
	"strings"
	"time"

	"github.com/slack-go/slack"

	"github.com/mydb-project/mydb/core"
)

// How messages say whose they are: https://docs.slack.dev/messaging/message-metadata
const (
	eventMessage = "mydb_message"
	eventDetail  = "mydb_detail" // in the thread of one
	tagName      = "tag"
)

// place is what MyDB keeps as a message's id: its timestamp, and the thread that it is in.
type place struct{ ts, thread string }

func (p place) String() string {
	if p.thread == "" {
		return p.ts
	}
	return p.ts + "/" + p.thread
}

func readPlace(id string) place {
	ts, thread, _ := strings.Cut(id, "/")
	return place{ts, thread}
}

// root is the message that begins the thread.
func (p place) root() string { return or(p.thread, p.ts) }

// Post implements jobs.Platform.
func (a *Adapter) Post(ctx context.Context, channel, thread, tag string, c core.Card) (string, error) {
	ts, err := a.post(ctx, channel, thread, render(c), eventMessage, tag)
	if err != nil {
		return "", err
	}
	p := place{ts, thread}
	if len(c.Image) > 0 {
		a.picture(ctx, channel, thread, c)
	}
	if c.Detail != "" {
		a.details(ctx, channel, p, c)
	}
	return p.String(), nil
}

// post writes one message. Nobody gets a preview of what it links to: fetching a link may be taken for using it.
func (a *Adapter) post(ctx context.Context, channel, thread string, m message, event, tag string) (ts string, err error) {
	options := append(m.options(), slack.MsgOptionDisableLinkUnfurl(), slack.MsgOptionDisableMediaUnfurl(),
		slack.MsgOptionMetadata(slack.SlackMetadata{EventType: event, EventPayload: map[string]any{tagName: tag}}))
	if thread != "" {
		options = append(options, slack.MsgOptionTS(thread))
	}
	// Slack counts messages by channel: one that is busy holds up no other.
	err = a.call(ctx, "chat.postMessage in "+channel, func(ctx context.Context) (err error) {
		_, ts, err = a.api.PostMessageContext(ctx, channel, options...)
		return err
	})
	return ts, err
}

func (m message) options() []slack.MsgOption {
	return []slack.MsgOption{slack.MsgOptionText(m.text, true), slack.MsgOptionDisableMarkdown(), slack.MsgOptionBlocks(m.blocks...)}
}

// Update implements jobs.Platform.
func (a *Adapter) Update(ctx context.Context, channel, id string, c core.Card) error {
	p := readPlace(id)
	err := a.call(ctx, "chat.update", func(ctx context.Context) error {
		_, _, _, err := a.api.UpdateMessageContext(ctx, channel, p.ts, render(c).options()...)
		return err
	})
	if err == nil && c.Detail != "" {
		a.details(ctx, channel, p, c)
	}
	return err
}

// details writes into the thread of a message what it has no room for, once. It is no harm when it is missing.
func (a *Adapter) details(ctx context.Context, channel string, p place, c core.Card) {
	found, err := a.look(ctx, channel, p.root(), time.Time{}, func(m slack.Message) bool { return has(m, eventDetail, p.ts) })
	if err == nil && found == "" {
		_, err = a.post(ctx, channel, p.root(), detail(c), eventDetail, p.ts)
	}
	if err != nil {
		a.o.Log.Info("the details of an operation could not be written into a thread", "channel", channel, "error", err)
	}
}

// picture shows a chart below its message. It is no harm when it is missing.
func (a *Adapter) picture(ctx context.Context, channel, thread string, c core.Card) {
	err := a.call(ctx, "files.upload", func(ctx context.Context) error {
		_, err := a.api.UploadFileContext(ctx, slack.UploadFileParameters{
			Reader: bytes.NewReader(c.Image), FileSize: len(c.Image), Filename: "chart.png", Title: cut(or(oneLine(c.Title), "Chart"), titleLimit),
			AltTxt: cut("Chart: "+fallback(c), 1000), Channel: channel, ThreadTimestamp: thread,
		})
		return err
	})
	if err != nil {
		a.o.Log.Warn("a chart could not be shown", "channel", channel, "error", err)
	}
}

// Where looking for a message stops: what is older was not lost in a crash, or the channel is too busy.
const (
	findPage   = 200
	findPages  = 10
	findMargin = time.Minute // clocks differ
)

// Find implements jobs.Platform.
func (a *Adapter) Find(ctx context.Context, channel, thread, tag string, since time.Time) (id string, found bool, err error) {
	ts, err := a.look(ctx, channel, thread, since.Add(-findMargin), func(m slack.Message) bool { return has(m, eventMessage, tag) })
	return place{ts, thread}.String(), ts != "", err
}

// has tells whether a message is ours, and has a tag.
func has(m slack.Message, event, tag string) bool {
	return m.BotID != "" && m.Metadata.EventType == event && m.Metadata.EventPayload[tagName] == tag
}

// look gives the timestamp of a message in a channel, or in a thread of it; empty when there is none.
func (a *Adapter) look(ctx context.Context, channel, thread string, since time.Time, fits func(slack.Message) bool) (string, error) {
	oldest := ""
	if !since.IsZero() {
		oldest = strconv.FormatInt(since.Unix(), 10) + ".000000"
	}
	cursor := ""
	for range findPages {
		page, next, err := a.page(ctx, channel, thread, oldest, cursor)
		if err != nil {
			return "", err
		}
		for _, m := range page {
			if fits(m) {
				return m.Timestamp, nil
			}
		}
		if cursor = next; cursor == "" {
			break
		}
	}
	return "", nil
}

func (a *Adapter) page(ctx context.Context, channel, thread, oldest, cursor string) (list []slack.Message, next string, err error) {
	if thread != "" {
		err = a.call(ctx, "conversations.replies", func(ctx context.Context) (err error) {
			list, _, next, err = a.api.GetConversationRepliesContext(ctx, &slack.GetConversationRepliesParameters{
				ChannelID: channel, Timestamp: thread, Oldest: oldest, Cursor: cursor, Limit: findPage, IncludeAllMetadata: true,
			})
			return err
		})
		return list, next, err
	}
	err = a.call(ctx, "conversations.history", func(ctx context.Context) error {
		r, err := a.api.GetConversationHistoryContext(ctx, &slack.GetConversationHistoryParameters{
			ChannelID: channel, Oldest: oldest, Cursor: cursor, Limit: findPage, IncludeAllMetadata: true,
		})
		if err == nil {
			list, next = r.Messages, r.ResponseMetaData.NextCursor
		}
		return err
	})
	return list, next, err
}

// Direct implements jobs.Platform.
func (a *Adapter) Direct(ctx context.Context, userID string) (string, error) {
	if known, ok := a.direct.Load(userID); ok {
		return known.(string), nil
	}
	var channel string
	err := a.call(ctx, "conversations.open", func(ctx context.Context) error {
		c, _, _, err := a.api.OpenConversationContext(ctx, &slack.OpenConversationParameters{Users: []string{userID}})
		if err == nil {
			channel = c.ID
		}
		return err
	})
	if err == nil {
		a.direct.Store(userID, channel)
	}
	return channel, err
}
