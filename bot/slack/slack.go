package slack

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/slack-go/slack"

	"github.com/mydb-project/mydb/core"
)

// Options are what an Adapter is made of. BotToken, Log and either AppToken or SigningSecret are needed.
type Options struct {
	BotToken string
	// AppToken opens Socket Mode. Without it, requests come over HTTP and are signed with SigningSecret.
	AppToken      string
	SigningSecret string
	Team          string // id of the workspace that MyDB works for; empty: the one that the token is of
	AdminChannel  string // where approvals are posted; Check looks whether the bot is in it
	APIURL        string // another address than Slack's
	// Silence is after how long without a sign of life a connection is replaced, at the latest after twice that time. Default: 30 s.
	Silence time.Duration
	// ProbeEvery is how often the adapter tries itself. Default: a minute.
	ProbeEvery time.Duration
	Log        *slog.Logger
	Now        func() time.Time // default: time.Now
}

// Adapter is MyDB's side of Slack. It is safe for concurrent use.
type Adapter struct {
	o      Options
	api    *slack.Client
	web    *http.Client
	origin string // where Slack takes answers to events

	pauses   pauses
	channels channels
	seen     recent // what must not be done twice by this process
	health   health
	queue    atomic.Int64  // how much waits for its turn
	limit    chan struct{} // how much is worked on at once
	working  sync.WaitGroup
	taking   sync.WaitGroup            // what was not acknowledged yet
	acked    atomic.Pointer[time.Time] // when something was acknowledged last, over a connection
	direct   sync.Map                  // channels of direct messages by user
	names    sync.Map                  // of people, by their ids

	self struct {
		sync.Mutex
		*slack.AuthTestResponse
	}
}

// Limits of one process.
const (
	atOnce    = 32               // events worked on
	waiting   = 512              // events that may wait for their turn
	callLimit = 15 * time.Second // for one call of Slack
)

// New makes an Adapter. It reaches nothing yet.
func New(o Options) (*Adapter, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Silence == 0 {
		o.Silence = 30 * time.Second
	}
	if o.ProbeEvery == 0 {
		o.ProbeEvery = time.Minute
	}
	a := &Adapter{
		o: o, web: &http.Client{Timeout: callLimit}, origin: "https://hooks.slack.com/",
		pauses: pauses{now: o.Now}, channels: channels{now: o.Now}, seen: recent{now: o.Now}, limit: make(chan struct{}, atOnce),
	}
	options := []slack.Option{slack.OptionAppLevelToken(o.AppToken), slack.OptionHTTPClient(a.web)}
	if o.APIURL != "" {
		u, err := url.Parse(o.APIURL)
		if err != nil || u.Host == "" {
			return nil, fmt.Errorf("MYDB_SLACK_API_URL is %q: write an address such as http://127.0.0.1:9090/api/", o.APIURL)
		}
		options = append(options, slack.OptionAPIURL(strings.TrimRight(o.APIURL, "/")+"/")) // the library needs the slash
		a.origin = u.Scheme + "://" + u.Host + "/"
	}
	a.api = slack.New(o.BotToken, options...)
	return a, nil
}

// overHTTP tells whether events come as requests, and not through a connection of ours.
func (a *Adapter) overHTTP() bool { return a.o.AppToken == "" }

// whoami is who the bot is and in which workspace. It asks Slack once.
func (a *Adapter) whoami(ctx context.Context) (*slack.AuthTestResponse, error) {
	a.self.Lock()
	defer a.self.Unlock()
	if a.self.AuthTestResponse != nil {
		return a.self.AuthTestResponse, nil
	}
	var who *slack.AuthTestResponse
	err := a.call(ctx, "auth.test", func(ctx context.Context) (err error) {
		who, err = a.api.AuthTestContext(ctx)
		return err
	})
	if err != nil {
		return nil, err
	}
	a.self.AuthTestResponse = who
	return who, nil
}

// team is the workspace that MyDB works for.
func (a *Adapter) team(ctx context.Context) (string, error) {
	if a.o.Team != "" {
		return a.o.Team, nil
	}
	who, err := a.whoami(ctx)
	if err != nil {
		return "", err
	}
	return who.TeamID, nil
}

// Ask gives what Slack says of a user.
func (a *Adapter) Ask() core.AskChat {
	return func(ctx context.Context, user core.ChatUser) (core.ChatProfile, error) {
		team, err := a.team(ctx)
		if err != nil {
			return core.ChatProfile{}, err
		}
		if user.Team != team {
			return core.ChatProfile{Name: user.Name, Stranger: true}, nil
		}
		var u *slack.User
		err = a.call(ctx, "users.info", func(ctx context.Context) (err error) {
			u, err = a.api.GetUserInfoContext(ctx, user.ID)
			return err
		})
		if code := codeOf(err); code == "user_not_found" || code == "user_not_visible" {
			return core.ChatProfile{Name: user.Name, Stranger: true}, nil
		}
		if err != nil {
			return core.ChatProfile{}, err
		}
		return core.ChatProfile{
			Name: u.Name, Email: u.Profile.Email, Confirmed: u.IsEmailConfirmed, Deleted: u.Deleted, Bot: u.IsBot || u.ID == slackbot,
			Guest: u.IsRestricted || u.IsUltraRestricted, Stranger: u.IsStranger || u.TeamID != team,
		}, nil
	}
}

// slackbot is a bot of which Slack says that it is none.
const slackbot = "USLACKBOT"

// Scopes are what the bot's token must be allowed, each with what for. deploy/slack-manifest.yaml asks for exactly these.
var Scopes = map[string]string{
	"app_mentions:read": "to hear what begins with @mydb",
	"channels:history":  "to find its own messages again after a crash",
	"channels:read":     "to know channels that other organisations share",
	"chat:write":        "to answer",
	"commands":          "to have /mydb",
	"files:write":       "to show charts",
	"groups:history":    "the same as channels:history, in private channels",
	"groups:read":       "the same as channels:read, for private channels",
	"im:history":        "to hear direct messages, and to find its own again",
	"im:write":          "to write direct messages first",
	"users:read":        "to refuse guests, bots and people of other organisations",
	"users:read.email":  "to know people by their mail address",
}

// Check reaches Slack, and says as whom, or what is wrong in the configuration.
func (a *Adapter) Check(ctx context.Context) (string, error) {
	var who *slack.AuthTestResponse
	err := a.call(ctx, "auth.test", func(ctx context.Context) (err error) {
		who, err = a.api.AuthTestContext(ctx)
		return err
	})
	if err != nil {
		return "", fmt.Errorf("Slack: %w", explained("MYDB_SLACK_BOT_TOKEN", err)) //nolint:staticcheck // a name
	}
	if a.o.Team != "" && who.TeamID != a.o.Team {
		return "", fmt.Errorf("MYDB_SLACK_TEAM_ID is %q, but MYDB_SLACK_BOT_TOKEN is of the workspace %s (%s)", a.o.Team, who.TeamID, who.Team)
	}
	if missing := missingScopes(who.Header.Get("X-OAuth-Scopes")); missing != "" {
		return "", fmt.Errorf("the app in %s lacks the scopes %s: take over deploy/slack-manifest.yaml on its page App Manifest, and install it again", who.Team, missing)
	}
	if err := a.checkChannel(ctx); err != nil {
		return "", err
	}
	way := "requests over HTTP"
	if !a.overHTTP() {
		way = "Socket Mode"
		err := a.call(ctx, "apps.connections.open", func(ctx context.Context) error {
			_, _, err := a.api.StartSocketModeContext(ctx)
			return err
		})
		if err != nil {
			return "", fmt.Errorf("Slack opens no connection for MYDB_SLACK_APP_TOKEN: %w", explained("MYDB_SLACK_APP_TOKEN", err)) //nolint:staticcheck // a name
		}
	}
	return fmt.Sprintf("%s in the workspace %s (%s), %s", who.User, who.Team, who.TeamID, way), nil
}

// missingScopes compares what Slack says the token may with what is needed. Slack's header may be missing.
func missingScopes(granted string) string {
	if granted == "" {
		return ""
	}
	has := map[string]bool{}
	for s := range strings.SplitSeq(granted, ",") {
		has[strings.TrimSpace(s)] = true
	}
	var missing []string
	for _, s := range sortedScopes() {
		if !has[s] {
			missing = append(missing, s)
		}
	}
	return strings.Join(missing, ", ")
}

func (a *Adapter) checkChannel(ctx context.Context) error {
	if a.o.AdminChannel == "" {
		return nil
	}
	var c *slack.Channel
	err := a.call(ctx, "conversations.info", func(ctx context.Context) (err error) {
		c, err = a.api.GetConversationInfoContext(ctx, &slack.GetConversationInfoInput{ChannelID: a.o.AdminChannel})
		return err
	})
	switch {
	case err != nil && codeOf(err) == "":
		return fmt.Errorf("look at the channel of MYDB_SLACK_ADMIN_CHANNEL: %w", err)
	case err != nil || !c.IsMember:
		return fmt.Errorf("MYDB_SLACK_ADMIN_CHANNEL is %q: MyDB is not in this channel; write its id (such as C0123456789), and type /invite @mydb there", a.o.AdminChannel)
	case c.IsExtShared:
		return fmt.Errorf("MYDB_SLACK_ADMIN_CHANNEL is %q: it is shared with another organisation; choose one that is not", a.o.AdminChannel)
	}
	return nil
}

// explained makes a sentence for operators of what Slack refuses.
func explained(variable string, err error) error {
	switch code := codeOf(err); {
	case broken[code]:
		return fmt.Errorf("%s is not valid (any more), Slack says %s: copy it anew from the app's pages at api.slack.com/apps", variable, code)
	case code == "not_allowed_token_type":
		return errors.New(variable + " is a token of another kind: the bot's begins with xoxb-, the app's with xapp-")
	case code == "missing_scope":
		return errors.New(variable + " lacks a scope: the app's token needs connections:write, the bot's those of deploy/slack-manifest.yaml")
	}
	return err
}
