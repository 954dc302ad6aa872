package slack

import (
	"context"
	"strings"
	"sync"
	"time"

	"github.com/slack-go/slack"
)

// How long is known whether other organisations read along in a channel, and how long an event waits for Slack to say so.
const (
	knownFor   = 10 * time.Minute
	unknownFor = time.Minute
	infoLimit  = 400 * time.Millisecond
)

// channels are what is known of channels.
type channels struct {
	now   func() time.Time
	mu    sync.Mutex
	known map[string]*channelInfo
}

type channelInfo struct {
	asked   sync.Mutex // held while Slack is asked, so that many events ask once
	foreign bool
	until   time.Time
}

func (c *channels) of(id string) *channelInfo {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.known == nil || len(c.known) > 10000 { // more than a workspace has of channels in use
		c.known = map[string]*channelInfo{}
	}
	if c.known[id] == nil {
		c.known[id] = &channelInfo{}
	}
	return c.known[id]
}

// foreign tells whether people may read along for whom MyDB does not work. Where Slack does not say, they may: then answers are private.
// Of conversations between two people, whose ids begin with D, only Slack knows who they are.
func (a *Adapter) foreign(ctx context.Context, channel string) bool {
	if channel == "" || strings.HasPrefix(channel, "D") {
		return true
	}
	i := a.channels.of(channel)
	i.asked.Lock()
	defer i.asked.Unlock()
	if a.o.Now().Before(i.until) {
		return i.foreign
	}
	ctx, cancel := context.WithTimeout(ctx, infoLimit)
	defer cancel()
	var c *slack.Channel
	err := a.call(ctx, "conversations.info", func(ctx context.Context) (err error) {
		c, err = a.api.GetConversationInfoContext(ctx, &slack.GetConversationInfoInput{ChannelID: channel})
		return err
	})
	if err != nil {
		i.foreign, i.until = true, a.o.Now().Add(unknownFor)
		return true
	}
	i.foreign, i.until = c.IsExtShared, a.o.Now().Add(knownFor)
	return i.foreign
}
