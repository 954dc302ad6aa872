package main

import (
	"context"
	"errors"
	"net/http"
	"sync"

	"github.com/mydb-project/mydb/bot"
	"github.com/mydb-project/mydb/bot/discord"
	"github.com/mydb-project/mydb/bot/slack"
	"github.com/mydb-project/mydb/core"
	"github.com/mydb-project/mydb/jobs"
)

// chatService is a chat service that is configured: how MyDB sends to it, and how it hears from it.
type chatService interface {
	jobs.Platform
	// Ask says what the service knows of a user; nil where there is nothing to ask.
	Ask() core.AskChat
	// Run holds the connection that events come in by, until ctx ends. It connects again by itself; an error is for an operator.
	Run(ctx context.Context, d *bot.Desk) error
	// Routes are the paths of the portal that events come in by where there is no such connection.
	Routes(d *bot.Desk) map[string]http.Handler
	// Connected reports whether events reach this process, or could.
	Connected() bool
	// Check reaches the service, and says as whom.
	Check(ctx context.Context) (string, error)
}

// chat is the chat services of this process, and the desk that they share.
type chat struct {
	services  map[core.Platform]chatService
	desk      *bot.Desk
	listening sync.WaitGroup
}

// openChat makes the desk and the chat services that are configured. It reaches none of them.
func (a *App) openChat() error {
	if err := a.openServices(); err != nil {
		return err
	}
	ask := map[core.Platform]core.AskChat{}
	for platform, s := range a.chat.services {
		if q := s.Ask(); q != nil {
			ask[platform] = q
		}
	}
	a.chat.desk = bot.NewDesk(a.bot, ask)
	return nil
}

// openServices makes the chat services that are configured.
func (a *App) openServices() error {
	a.chat.services = map[core.Platform]chatService{}
	if a.Config.DiscordOn() {
		d, err := a.discord()
		if err != nil {
			return err
		}
		a.chat.services[core.Discord] = d
	}
	if a.Config.SlackOn() {
		s, err := a.slack()
		if err != nil {
			return err
		}
		a.chat.services[core.Slack] = s
	}
	return nil
}

// slack is MyDB's side of Slack. Every process that serves has a connection of its own; Slack gives each event to one of them.
func (a *App) slack() (*slack.Adapter, error) {
	c := a.Config
	return slack.New(slack.Options{
		BotToken: c.SlackBotToken, AppToken: c.SlackAppToken, SigningSecret: c.SlackSigningSecret, Team: c.SlackTeamID, AdminChannel: c.SlackAdminChannel,
		APIURL: c.SlackAPIURL, Log: a.Log,
	})
}

// discord is MyDB's side of Discord. Of all processes, one is connected to the gateway.
func (a *App) discord() (*discord.Adapter, error) {
	c := a.Config
	return discord.New(discord.Options{
		Token: c.DiscordToken, AppID: c.DiscordAppID, GuildID: c.DiscordGuildID, PublicKey: c.DiscordPublicKey, AdminChannel: c.DiscordAdminChannel,
		APIURL: c.DiscordAPIURL, Hold: holder(a.pool, "gateway of Discord"), Log: a.Log,
	})
}

// chatAdmins are the channels in which administrators approve.
func (a *App) chatAdmins() (out []core.ChatChannel) {
	c := a.Config
	if c.SlackOn() && c.SlackAdminChannel != "" {
		out = append(out, core.ChatChannel{Platform: core.Slack, Team: c.SlackTeamID, Channel: c.SlackAdminChannel})
	}
	if c.DiscordOn() && c.DiscordAdminChannel != "" {
		out = append(out, core.ChatChannel{Platform: core.Discord, Team: c.DiscordGuildID, Channel: c.DiscordAdminChannel})
	}
	return out
}

// platforms are the services as workers need them.
func (c *chat) platforms() map[core.Platform]jobs.Platform {
	out := map[core.Platform]jobs.Platform{}
	for p, s := range c.services {
		out[p] = s
	}
	return out
}

// routes are the paths of all services.
func (c *chat) routes() map[string]http.Handler {
	out := map[string]http.Handler{}
	for _, s := range c.services {
		for path, h := range s.Routes(c.desk) {
			out[path] = h
		}
	}
	return out
}

// listenToChat hears what comes in, until ctx ends. A service that fails for good does not take the others down.
func (a *App) listenToChat(ctx context.Context) {
	for platform, s := range a.chat.services {
		a.chat.listening.Go(func() {
			if err := s.Run(ctx, a.chat.desk); err != nil && ctx.Err() == nil {
				a.Log.Error("MyDB hears nothing from a chat service any more", "platform", platform, "error", err)
			}
		})
	}
}

// leave waits until all services have said goodbye, and events that came in are kept, or ctx ends.
func (c *chat) leave(ctx context.Context) {
	left := make(chan struct{})
	go func() {
		c.listening.Wait()
		close(left)
	}()
	select {
	case <-left:
	case <-ctx.Done():
	}
}

// checkChat reaches every chat service that is configured.
func (a *App) checkChat(ctx context.Context) (string, error) {
	if a.chat.services == nil {
		if err := a.openServices(); err != nil {
			return "", err
		}
	}
	if len(a.chat.services) == 0 {
		return "Slack and Discord are off: neither MYDB_SLACK_BOT_TOKEN nor MYDB_DISCORD_TOKEN is set", nil
	}
	var text string
	var errs []error
	for platform, s := range a.chat.services {
		detail, err := s.Check(ctx)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		if text != "" {
			text += "; "
		}
		text += platform.Title() + ": " + detail
	}
	return text, errors.Join(errs...)
}
