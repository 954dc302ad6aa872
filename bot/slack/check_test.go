package slack_test

import (
	"strings"
	"testing"

	"github.com/mydb-project/mydb/bot/slack"
	"github.com/mydb-project/mydb/bot/slack/slackfake"
)

func TestCheck(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*rig, *slack.Options)
		says   string
	}{
		"all is well":        {nil, "mydb in the workspace MyDB's workspace (" + slackfake.DefaultTeam + "), Socket Mode"},
		"over HTTP":          {func(_ *rig, o *slack.Options) { o.AppToken = "" }, "requests over HTTP"},
		"another bot token":  {func(_ *rig, o *slack.Options) { o.BotToken = "xoxb-other" }, "MYDB_SLACK_BOT_TOKEN is not valid (any more)"},
		"tokens confused":    {func(r *rig, o *slack.Options) { o.BotToken = r.fake.AppToken() }, "MYDB_SLACK_BOT_TOKEN is a token of another kind"},
		"another app token":  {func(_ *rig, o *slack.Options) { o.AppToken = "xapp-other" }, "MYDB_SLACK_APP_TOKEN is not valid (any more)"},
		"another team":       {func(_ *rig, o *slack.Options) { o.Team = "T4711" }, "MYDB_SLACK_TEAM_ID is \"T4711\", but"},
		"no such channel":    {func(_ *rig, o *slack.Options) { o.AdminChannel = "#office" }, "write its id (such as C0123456789), and type /invite @mydb there"},
		"not in the channel": {func(r *rig, _ *slack.Options) { r.office.Invite(false) }, "type /invite @mydb there"},
		"a channel of others": {func(r *rig, o *slack.Options) {
			o.AdminChannel = r.fake.AddChannel(slackfake.Room{Name: "x", SharedWith: []string{"T2"}}).ID()
		}, "shared with another organisation"},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			if c.change != nil {
				c.change(r, &r.options)
			}
			text, err := r.another(r.options).Check(t.Context())
			if err != nil {
				text = err.Error()
			}
			if !strings.Contains(text, c.says) {
				t.Errorf("it says %q, not %q", text, c.says)
			}
			if strings.Contains(text, "xoxb-") && !strings.Contains(text, "begins with xoxb-") {
				t.Errorf("it tells a token: %s", text)
			}
		})
	}
	t.Run("without a scope", func(t *testing.T) {
		r := newRig(t, func(o *slackfake.Options) { o.Scopes = []string{"chat:write", "commands", "groups:read"} })
		if _, err := r.another(r.options).Check(t.Context()); err == nil || !strings.Contains(err.Error(), "lacks the scopes app_mentions:read, channels:history") {
			t.Errorf("it says %v", err)
		}
	})
}
