package e2e

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"github.com/mydb-project/mydb/bot/discord/discordfake"
	"github.com/mydb-project/mydb/bot/slack/slackfake"
)

// TestKilledInTheMiddleOfAChat kills the server where it hurts most: when a command of Slack is kept, but Slack has not heard so, and when
// the first message about it is on its way to both services, but nobody has noted that it was sent. Slack delivers the command again to the
// next server. In the end there is one database for each command, and one message that tells of it.
func TestKilledInTheMiddleOfAChat(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	w := newWorkspace(s)
	w.start()
	w.links(w.scientist, s.loggedIn("scientist"))

	sending := make(chan struct{})
	w.slack.LoseAcks(1)
	w.slack.Next("chat.postMessage", slackfake.Fault{Hold: sending})
	w.discord.Spoil(discordfake.Fault{Method: http.MethodPost, Path: "/channels/" + w.lab.discord.ID + "/messages", Hold: sending})
	command := w.scientist.slack.Command(w.lab.slack, "/mydb", "create postgres inslack")
	w.slashes(w.scientist, "/mydb create postgres indiscord")
	w.await("the message is on its way to Slack", func(ctx context.Context) error {
		return w.slack.Await(ctx, func() bool { return w.slack.Held() > 0 })
	})
	w.await("the message is on its way to Discord", func(ctx context.Context) error {
		return w.discord.Wait(ctx, "a call that waits", func() bool { return w.discord.Held() > 0 })
	})
	s.dies()
	close(sending)
	w.reads(w.scientist, w.lab.slack, "inslack")
	w.notices(w.scientist, w.lab.discord, "indiscord")

	w.start()
	w.arrives("the command once more", w.slack.Deliver(slackfake.Command, command.Payload))
	w.reads(w.scientist, w.lab.slack, "inslack is ready after")
	w.notices(w.scientist, w.lab.discord, "indiscord is ready after")
	w.checkToldOnce("inslack", "indiscord")

	// Somebody has exchanged the bot's token in Discord: that is told in the log, and everything else goes on.
	w.discord.SetToken("another")
	s.poll(startLimit, "the log tells that the token is not valid", func() bool {
		return strings.Contains(s.server.output.String(), "MYDB_DISCORD_TOKEN is not valid")
	})
	w.types(w.scientist, "whoami")
	w.reads(w.scientist, w.lab.slack, "You are Scientist")
	if status, _ := s.get("/readyz"); status != http.StatusOK {
		t.Errorf("without Discord, the server is not ready: %d", status)
	}
	s.stop()
}

// checkToldOnce wants one database of each name, and one message about it that all see.
func (w *workspace) checkToldOnce(inSlack, inDiscord string) {
	t := w.s.t
	t.Helper()
	w.s.checkOnce(w.s.database(inSlack))
	w.s.checkOnce(w.s.database(inDiscord))
	told := 0
	for _, m := range w.scientist.slack.Sees(w.lab.slack) {
		if strings.Contains(m.Shown(), inSlack) && m.EphemeralTo == "" {
			told++
		}
	}
	if told != 1 {
		t.Errorf("Slack has %d messages about %s", told, inSlack)
	}
	told = 0
	for _, m := range w.scientist.discord.Sees(w.lab.discord) {
		if strings.Contains(m.Text(), inDiscord) && !m.Ephemeral() {
			told++
		}
	}
	if told != 1 {
		t.Errorf("Discord has %d messages about %s", told, inDiscord)
	}
	if n := w.s.query("select count(*) from operations where kind = 'create'"); n != 2 {
		t.Errorf("%d databases were asked for", n)
	}
}
