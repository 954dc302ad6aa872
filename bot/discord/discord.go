package discord

import (
	"context"
	"crypto/ed25519"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	"github.com/bwmarrin/discordgo"

	"github.com/mydb-project/mydb/core"
)

// Options are what an Adapter is made of. Token, AppID, GuildID and Log are needed.
type Options struct {
	Token   string // of the bot, without "Bot "
	AppID   string
	GuildID string // the only server that MyDB works for
	// PublicKey, in hex, verifies interactions that come over HTTP. Empty: they come through the gateway.
	PublicKey    string
	AdminChannel string // where approvals are posted; Check looks whether the bot may write there
	APIURL       string // another address than Discord's, for everything
	// Hold waits until this process alone may be connected to the gateway. The context that it gives ends when that is not sure any more.
	// Nil: there is no other process.
	Hold func(ctx context.Context) (held context.Context, release func(), err error)
	Log  *slog.Logger
	Now  func() time.Time // default: time.Now
}

// Adapter is MyDB's side of Discord. It is safe for concurrent use.
type Adapter struct {
	o     Options
	key   ed25519.PublicKey
	elsew *url.URL // what stands for Discord; nil: Discord
	rest  *discordgo.Session
	guard guard
	seen  replays
	forms drafts

	connected atomic.Bool
	working   sync.WaitGroup
	direct    sync.Map // channels of direct messages by user
}

// New makes an Adapter. It reaches nothing yet.
func New(o Options) (*Adapter, error) {
	a := &Adapter{o: o}
	if a.o.Now == nil {
		a.o.Now = time.Now
	}
	var err error
	if a.key, err = hex.DecodeString(o.PublicKey); err != nil || o.PublicKey != "" && len(a.key) != ed25519.PublicKeySize {
		return nil, errors.New("MYDB_DISCORD_PUBLIC_KEY is no public key of an application")
	}
	if o.APIURL != "" {
		if a.elsew, err = url.Parse(o.APIURL); err != nil {
			return nil, fmt.Errorf("MYDB_DISCORD_API_URL is %q: %w", o.APIURL, err)
		}
	}
	a.guard.now = a.o.Now
	a.rest, err = a.session(context.Background())
	return a, err
}

// overHTTP tells whether interactions come as requests, and not through the gateway.
func (a *Adapter) overHTTP() bool { return len(a.key) > 0 }

// Connected reports whether events reach this process, or could: through the gateway, or at the address that Discord was told.
func (a *Adapter) Connected() bool { return a.connected.Load() }

// goes does something that must not hold up who calls, and survives its mistakes.
func (a *Adapter) goes(do func()) {
	a.working.Go(func() {
		defer func() {
			if r := recover(); r != nil {
				a.o.Log.Error("an event from Discord broke its handler", "panic", r)
			}
		}()
		do()
	})
}

// Ask gives what Discord says of a user: whether they are a member of the server still. Discord shows no mail addresses.
func (a *Adapter) Ask() core.AskChat {
	return func(ctx context.Context, user core.ChatUser) (core.ChatProfile, error) {
		var m discordgo.Member
		err := a.call(ctx, call{
			what: "ask who a user is", method: http.MethodGet, url: discordgo.EndpointGuildMember(a.o.GuildID, user.ID), bucket: "members",
		}, &m)
		var r *refusal
		switch {
		case errors.As(err, &r) && r.code == codeUnknownMember:
			return core.ChatProfile{Name: user.Name, Stranger: true}, nil
		case errors.As(err, &r) && r.code == codeUnknownUser:
			return core.ChatProfile{Name: user.Name, Deleted: true}, nil
		case err != nil:
			return core.ChatProfile{}, err
		case m.User == nil:
			return core.ChatProfile{}, errors.New("Discord's answer names nobody") //nolint:staticcheck // a name
		}
		return core.ChatProfile{Name: m.User.Username, Bot: m.User.Bot}, nil
	}
}

// Check reaches Discord, and says as whom, or what is wrong in the configuration.
func (a *Adapter) Check(ctx context.Context) (string, error) {
	var app struct {
		ID        string `json:"id"`
		Name      string `json:"name"`
		VerifyKey string `json:"verify_key"`
		Endpoint  string `json:"interactions_endpoint_url"`
	}
	if err := a.get(ctx, "ask who MyDB is", discordgo.EndpointAPI+"applications/@me", &app); err != nil {
		return "", fmt.Errorf("Discord: %w", explained(err)) //nolint:staticcheck // a name
	}
	switch {
	case app.ID != a.o.AppID:
		return "", fmt.Errorf("MYDB_DISCORD_APP_ID is %q, but MYDB_DISCORD_TOKEN is of the application %s", a.o.AppID, app.ID)
	case a.overHTTP() && app.VerifyKey != a.o.PublicKey:
		return "", errors.New("MYDB_DISCORD_PUBLIC_KEY is not the public key of this application: copy it from its page General Information")
	case !a.overHTTP() && app.Endpoint != "":
		return "", fmt.Errorf("the application sends interactions to %s: remove that address in the developer portal, or set MYDB_DISCORD_PUBLIC_KEY", app.Endpoint)
	}
	var guild struct{ Name string }
	if err := a.get(ctx, "look at the server", discordgo.EndpointGuild(a.o.GuildID), &guild); err != nil {
		return "", fmt.Errorf("MYDB_DISCORD_GUILD_ID is %q: the bot is not in this server: %w", a.o.GuildID, err)
	}
	if c := a.o.AdminChannel; c != "" {
		if err := a.get(ctx, "look at the channel", discordgo.EndpointChannel(c), nil); err != nil {
			return "", fmt.Errorf("MYDB_DISCORD_ADMIN_CHANNEL is %q: the bot does not see this channel: %w", c, err)
		}
	}
	way := "through the gateway"
	if a.overHTTP() {
		way = "over HTTP"
		if app.Endpoint == "" {
			return "", errors.New("no address of interactions is entered in the developer portal, but MYDB_DISCORD_PUBLIC_KEY is set: enter <MYDB_PUBLIC_URL>/discord/interaction there")
		}
	}
	return fmt.Sprintf("%s in the server %s, %s", app.Name, guild.Name, way), nil
}
