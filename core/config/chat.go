package config

import (
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"strings"
)

// SlackOn reports whether Slack is configured.
func (c Config) SlackOn() bool { return c.SlackBotToken != "" }

// DiscordOn reports whether Discord is configured.
func (c Config) DiscordOn() bool { return c.DiscordToken != "" }

// checkChat looks at all that is said about Slack and Discord. No error holds a token.
func (c Config) checkChat() []error {
	var errs []error
	missing := func(bad bool, name, why string) {
		if bad {
			errs = append(errs, fmt.Errorf("%s is not set: %s", name, why))
		}
	}
	slack := c.SlackAppToken != "" || c.SlackSigningSecret != "" || c.SlackAdminChannel != "" || c.SlackTeamID != ""
	missing(slack && !c.SlackOn(), "MYDB_SLACK_BOT_TOKEN", "Slack needs the bot's token, which begins with xoxb-")
	missing(c.SlackOn() && c.SlackAppToken == "" && c.SlackSigningSecret == "", "MYDB_SLACK_APP_TOKEN",
		"write the app's token (xapp-) for Socket Mode, or MYDB_SLACK_SIGNING_SECRET for requests over HTTP")
	if c.SlackOn() && !strings.HasPrefix(c.SlackBotToken, "xoxb-") {
		errs = append(errs, errors.New("MYDB_SLACK_BOT_TOKEN (its value is a secret) is no bot token: it begins with xoxb-"))
	}
	if c.SlackAppToken != "" && !strings.HasPrefix(c.SlackAppToken, "xapp-") {
		errs = append(errs, errors.New("MYDB_SLACK_APP_TOKEN (its value is a secret) is no app-level token: it begins with xapp-"))
	}
	discord := c.DiscordAppID != "" || c.DiscordGuildID != "" || c.DiscordPublicKey != "" || c.DiscordAdminChannel != ""
	missing(discord && !c.DiscordOn(), "MYDB_DISCORD_TOKEN", "Discord needs the bot's token")
	missing(c.DiscordOn() && c.DiscordAppID == "", "MYDB_DISCORD_APP_ID", "write the application's id")
	missing(c.DiscordOn() && c.DiscordGuildID == "", "MYDB_DISCORD_GUILD_ID", "write the id of the server (guild) that MyDB works for")
	if key, err := hex.DecodeString(c.DiscordPublicKey); c.DiscordPublicKey != "" && (err != nil || len(key) != 32) {
		errs = append(errs, wrong("MYDB_DISCORD_PUBLIC_KEY", c.DiscordPublicKey, "write the 64 hexadecimal digits of the application's public key"))
	}
	for name, value := range map[string]string{"MYDB_SLACK_API_URL": c.SlackAPIURL, "MYDB_DISCORD_API_URL": c.DiscordAPIURL} {
		if u, err := url.Parse(value); value != "" && (err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https") {
			errs = append(errs, wrong(name, value, "write an address such as http://127.0.0.1:9090"))
		}
	}
	return errs
}
