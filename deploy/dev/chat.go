package dev

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"syscall"

	"github.com/mydb-project/mydb/core"
	"github.com/mydb-project/mydb/deploy/chatsim"
)

// StartChat starts a simulated Slack and Discord and points MyDB at them, unless a real one is configured. It says where they are, or why
// they are not: development mode goes on without them.
func (d *Mode) StartChat() (where string, err error) {
	c := d.Config
	switch {
	case c.ChatSim == "off":
		return "not simulated: MYDB_CHAT_SIM is off", nil
	case c.SlackOn() || c.DiscordOn():
		return "not simulated: a real one is configured", nil
	}
	sim, err := chatsim.Start(c.ChatSim)
	if errors.Is(err, syscall.EADDRINUSE) {
		return "not simulated: " + c.ChatSim + " is in use (set MYDB_CHAT_SIM to another address)", nil
	}
	if err != nil {
		return "", fmt.Errorf("MYDB_CHAT_SIM: %w", err)
	}
	d.chat = sim
	s, dc := sim.Slack(), sim.Discord()
	c.SlackBotToken, c.SlackAppToken, c.SlackTeamID, c.SlackAdminChannel, c.SlackAPIURL = s.BotToken, s.AppToken, s.Team, s.AdminChannel, s.APIURL
	c.DiscordToken, c.DiscordAppID, c.DiscordGuildID, c.DiscordAdminChannel, c.DiscordAPIURL = dc.Token, dc.AppID, dc.GuildID, dc.AdminChannel, dc.APIURL
	return sim.URL + "  (a Slack and a Discord, simulated, on this machine alone)", nil
}

// StopChat ends the simulated chat.
func (d *Mode) StopChat() {
	if d.chat != nil {
		_ = d.chat.Close() // the process ends with it
	}
}

// KnowChat makes the two accounts known on the simulated Discord, which shows nobody's mail address. On a real one they would fetch a code
// from the portal and type `/mydb link`.
func (d *Mode) KnowChat(ctx context.Context, service *core.Service) error {
	if d.chat == nil {
		return nil
	}
	for _, p := range chatsim.People() {
		person, _, err := service.PasswordHash(ctx, p.Login)
		if core.CodeOf(err) == core.CodeNotFound {
			continue // who is to be a stranger
		}
		if err != nil {
			return err
		}
		user := core.ChatUser{Platform: core.Discord, Team: d.chat.Discord().GuildID, ID: p.Discord, Name: p.Login}
		if err := know(ctx, service, person, user); err != nil {
			return fmt.Errorf("make %s known on the simulated Discord: %w", p.Login, err)
		}
	}
	return nil
}

// know links a chat user to a person in the way in which people do it themselves.
func know(ctx context.Context, service *core.Service, person core.Person, user core.ChatUser) error {
	actor := core.Actor{Person: person, Scope: core.ScopeAdmin}
	known, err := service.Identities(ctx, actor)
	if err != nil || slices.ContainsFunc(known, func(i core.ChatIdentity) bool {
		return i.Platform == user.Platform && i.Team == user.Team && i.UserID == user.ID
	}) {
		return err
	}
	code, err := service.MakeLinkCode(ctx, core.Request{Actor: actor, Door: core.DoorSystem})
	if err != nil {
		return err
	}
	_, offer, err := service.OfferLink(ctx, user, code.Code, nil)
	if err != nil {
		return err
	}
	_, err = service.ConfirmLink(ctx, user, offer)
	return err
}
