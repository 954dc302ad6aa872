package slack_test

import (
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/mydb-project/mydb/bot/slack"
	"github.com/mydb-project/mydb/bot/slack/slackfake"
	"github.com/mydb-project/mydb/core"
)

// manifest is what matters of deploy/slack-manifest.yaml.
type manifest struct {
	Features struct {
		AppHome struct {
			Messages bool `yaml:"messages_tab_enabled"`
			ReadOnly bool `yaml:"messages_tab_read_only_enabled"`
		} `yaml:"app_home"`
		Commands []struct {
			Command string
			URL     string
			Escape  bool `yaml:"should_escape"`
		} `yaml:"slash_commands"`
	}
	OAuth struct {
		Scopes struct{ Bot, User []string }
	} `yaml:"oauth_config"`
	Settings struct {
		Events struct {
			URL string   `yaml:"request_url"`
			Bot []string `yaml:"bot_events"`
		} `yaml:"event_subscriptions"`
		Interactivity struct {
			On  bool   `yaml:"is_enabled"`
			URL string `yaml:"request_url"`
		}
		SocketMode bool `yaml:"socket_mode_enabled"`
	}
}

// readManifest reads the manifest, for Socket Mode or as it is changed for HTTP.
func readManifest(t *testing.T, http bool) (m manifest) {
	t.Helper()
	text, err := os.ReadFile("../../deploy/slack-manifest.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if http {
		text = regexp.MustCompile(`(?m)^( +)# ((?:request_)?url: )`).ReplaceAll(text, []byte("$1$2"))
		text = []byte(strings.Replace(string(text), "socket_mode_enabled: true", "socket_mode_enabled: false", 1))
	}
	if err := yaml.Unmarshal(text, &m); err != nil {
		t.Fatal(err)
	}
	return m
}

func TestManifestAsksForWhatIsUsed(t *testing.T) {
	m := readManifest(t, false)
	if scopes := slices.Sorted(maps.Keys(slack.Scopes)); !slices.Equal(m.OAuth.Scopes.Bot, scopes) || len(m.OAuth.Scopes.User) != 0 {
		t.Errorf("the manifest asks for %v, MyDB needs %v", m.OAuth.Scopes.Bot, scopes)
	}
	if !slices.Equal(m.Settings.Events.Bot, []string{"app_mention", "message.im"}) {
		t.Errorf("events %v", m.Settings.Events.Bot)
	}
	if c := m.Features.Commands; len(c) != 1 || c[0].Command != "/mydb" || !c[0].Escape {
		t.Errorf("commands %+v", c)
	}
	if !m.Settings.SocketMode || !m.Settings.Interactivity.On || !m.Features.AppHome.Messages || m.Features.AppHome.ReadOnly {
		t.Errorf("the settings are %+v, %+v", m.Settings, m.Features)
	}
	guide, err := os.ReadFile("../../docs/slack.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, scope := range append(slices.Collect(maps.Keys(slack.Scopes)), "connections:write") {
		if !strings.Contains(string(guide), "| `"+scope+"` |") {
			t.Errorf("docs/slack.md does not say what %s is for", scope)
		}
	}
}

func TestManifestForHTTP(t *testing.T) {
	m := readManifest(t, true)
	const base = "https://mydb.example.org"
	if m.Settings.SocketMode || m.Features.Commands[0].URL != base+slack.CommandPath || m.Settings.Events.URL != base+slack.EventPath ||
		m.Settings.Interactivity.URL != base+slack.InteractionPath {
		t.Errorf("the addresses are %+v, %+v", m.Features.Commands, m.Settings)
	}
}

// TestEachScopeIsNeeded takes away one scope after the other, and looks what does not work any more.
func TestEachScopeIsNeeded(t *testing.T) {
	finds := func(channel func(*rig) string) func(*rig, *slack.Adapter) bool {
		return func(r *rig, a *slack.Adapter) bool {
			_, _, err := a.Find(t.Context(), channel(r), "", "tag", time.Now())
			return err == nil
		}
	}
	reads := func(channel func(*rig) string) func(*rig, *slack.Adapter) bool {
		return func(r *rig, _ *slack.Adapter) bool {
			r.options.AdminChannel = channel(r)
			_, err := r.another(r.options).Check(t.Context())
			return err == nil
		}
	}
	lab, office := func(r *rig) string { return r.lab.ID() }, func(r *rig) string { return r.office.ID() }
	asked := func(r *rig, a *slack.Adapter) core.ChatProfile {
		u := r.fake.AddUser(slackfake.Profile{Name: "ada", Email: "ada@example.com", EmailConfirmed: true})
		p, _ := a.Ask()(t.Context(), core.ChatUser{Team: r.fake.Team(), ID: u.ID()}) // nothing, where it may not ask
		return p
	}
	works := map[string]func(*rig, *slack.Adapter) bool{
		"channels:history": finds(lab), "groups:history": finds(office), "im:history": finds(func(r *rig) string { return r.fake.AddUser(slackfake.Profile{Name: "x"}).Direct().ID() }),
		"channels:read": reads(lab), "groups:read": reads(office),
		"chat:write": func(r *rig, a *slack.Adapter) bool {
			_, err := a.Post(t.Context(), r.lab.ID(), "", "tag", core.Card{Text: "x"})
			return err == nil
		},
		"im:write": func(r *rig, a *slack.Adapter) bool {
			_, err := a.Direct(t.Context(), r.fake.AddUser(slackfake.Profile{Name: "x"}).ID())
			return err == nil
		},
		"users:read":       func(r *rig, a *slack.Adapter) bool { return asked(r, a).Name == "ada" },
		"users:read.email": func(r *rig, a *slack.Adapter) bool { return asked(r, a).Email != "" },
		"files:write": func(r *rig, a *slack.Adapter) bool {
			_, err := a.Post(t.Context(), r.lab.ID(), "", "tag", core.Card{Text: "x", Image: []byte("png")})
			return err == nil && !strings.Contains(r.Log.String(), "a chart could not be shown")
		},
		"app_mentions:read": func(r *rig, _ *slack.Adapter) bool {
			u := r.stranger(slackfake.Profile{Name: "x"})
			_, d := u.Say(r.lab, "", "<@"+slackfake.BotUserID+"> list")
			return d != nil
		},
		"commands": func(r *rig, _ *slack.Adapter) bool {
			select {
			case <-r.stranger(slackfake.Profile{Name: "x"}).Command(r.lab, "/mydb", "list").Done():
				return len(r.fake.Deliveries()) > 0
			default:
				return true
			}
		},
	}
	for scope := range slack.Scopes {
		t.Run(scope, func(t *testing.T) {
			if works[scope] == nil {
				t.Fatal("nothing needs it")
			}
			all := newRig(t)
			if !works[scope](all, all.another(all.options)) {
				t.Error("it does not work with it")
			}
			less := newWorkspace(t, func(o *slackfake.Options) {
				o.Scopes = slices.DeleteFunc(o.Scopes, func(s string) bool { return s == scope })
			})
			if works[scope](less, less.another(less.options)) {
				t.Error("it works without it")
			}
		})
	}
}
