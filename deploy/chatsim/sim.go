package chatsim

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/mydb-project/mydb/bot/discord/discordfake"
	"github.com/mydb-project/mydb/bot/slack/slackfake"
)

// DefaultListen is where the page is, where nothing else is said.
const DefaultListen = "127.0.0.1:8090"

// Sim is a Slack, a Discord and the page in front of them.
type Sim struct {
	URL string // of the page, with the key that opens it

	slack   *slackfake.Fake
	discord *discordfake.Fake
	server  *http.Server
	ended   sync.WaitGroup
}

// Start starts the simulation. The page listens on the address, which must be one of the loopback interface; the fakes listen there on
// free ports. Close it in the end.
func Start(listen string) (*Sim, error) {
	listen = cmp.Or(listen, DefaultListen)
	if err := CheckListen(listen); err != nil {
		return nil, err
	}
	l, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", listen)
	if err != nil {
		return nil, fmt.Errorf("the simulated chat cannot listen on %s: %w", listen, err)
	}
	s := &Sim{}
	key := rand.Text()
	if s.slack, err = newSlack("xoxb-"+rand.Text(), "xapp-"+rand.Text()); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	if s.discord, err = newDiscord(rand.Text() + rand.Text()); err != nil {
		return nil, errors.Join(err, s.slack.Close(), l.Close())
	}
	handler, err := newServer(key, &slackSpace{s.slack}, &discordSpace{s.discord})
	if err != nil {
		return nil, errors.Join(err, s.slack.Close(), s.discord.Close(), l.Close())
	}
	ctx, cancel := context.WithCancel(context.Background())
	s.server = &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second, BaseContext: func(net.Listener) context.Context { return ctx }}
	s.server.RegisterOnShutdown(cancel) // pages that follow what happens
	s.URL = fmt.Sprintf("http://%s/?key=%s", l.Addr(), key)
	s.ended.Go(func() { _ = s.server.Serve(l) }) // says that it was closed
	return s, nil
}

// CheckListen refuses an address that others than this machine can reach: whoever opens the page can be anybody on it.
func CheckListen(listen string) error {
	host, _, err := net.SplitHostPort(listen)
	ip, ipErr := netip.ParseAddr(host)
	if err != nil || host != "localhost" && (ipErr != nil || !ip.IsLoopback()) {
		return fmt.Errorf("the simulated chat cannot listen on %q: it is for this machine alone, because whoever opens its page can be anybody on it. "+
			"Write an address of the loopback interface, such as %s", listen, DefaultListen)
	}
	return nil
}

// Close ends the simulation. What was written in it is gone.
func (s *Sim) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	err := s.server.Shutdown(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		err = s.server.Close()
	}
	s.ended.Wait()
	return errors.Join(err, s.slack.Close(), s.discord.Close())
}

// Slack is MyDB's configuration for the simulated Slack.
type Slack struct{ BotToken, AppToken, Team, AdminChannel, APIURL string }

// Slack says how MyDB reaches the simulated Slack.
func (s *Sim) Slack() Slack {
	return Slack{s.slack.BotToken(), s.slack.AppToken(), s.slack.Team(), slackAdmins, s.slack.APIURL()}
}

// Discord is MyDB's configuration for the simulated Discord.
type Discord struct{ Token, AppID, GuildID, AdminChannel, APIURL string }

// Discord says how MyDB reaches the simulated Discord.
func (s *Sim) Discord() Discord {
	return Discord{s.discord.Token(), s.discord.AppID, s.discord.GuildID, discordAdmins, s.discord.URL}
}

// Settings are the environment of a MyDB that is to come here, as lines for a shell.
func (s *Sim) Settings() string {
	sl, d := s.Slack(), s.Discord()
	var b strings.Builder
	for _, line := range [][2]string{
		{"MYDB_SLACK_BOT_TOKEN", sl.BotToken},
		{"MYDB_SLACK_APP_TOKEN", sl.AppToken},
		{"MYDB_SLACK_TEAM_ID", sl.Team},
		{"MYDB_SLACK_ADMIN_CHANNEL", sl.AdminChannel},
		{"MYDB_SLACK_API_URL", sl.APIURL},
		{"MYDB_DISCORD_TOKEN", d.Token},
		{"MYDB_DISCORD_APP_ID", d.AppID},
		{"MYDB_DISCORD_GUILD_ID", d.GuildID},
		{"MYDB_DISCORD_ADMIN_CHANNEL", d.AdminChannel},
		{"MYDB_DISCORD_API_URL", d.APIURL},
	} {
		fmt.Fprintf(&b, "export %s=%s\n", line[0], line[1])
	}
	return b.String()
}
