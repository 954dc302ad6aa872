package slack

import (
	"log/slog"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/mydb-project/mydb/bot/slack/slackfake"
	"github.com/mydb-project/mydb/core"
)

func TestPlain(t *testing.T) {
	for in, want := range map[string]string{
		"create postgres genomes":                     "create postgres genomes",
		"share genomes with <@U123|ada>":              "share genomes with @U123",
		"a &lt; b &amp;&amp; c &gt; d":                "a < b && c > d",
		"&amp;lt;":                                    "&lt;",
		"<https://a.example.org/x|a.example.org/x>":   "a.example.org/x",
		"<https://a.example.org/x?a=1&amp;b=2>":       "https://a.example.org/x?a=1&b=2",
		"<https://evil.example.org|bank.example.org>": "https://evil.example.org",
		"<mailto:ada@example.org|ada@example.org>":    "ada@example.org",
		"<#C123|lab> <#C123> <!channel> <!here|here>": "#lab #C123 @channel here",
		"<!subteam^S1|admins>":                        "admins",
		"unclosed <@U1 and <>":                        "unclosed <@U1 and <>",
		"":                                            "",
		"“quoted” — *b*":                              "“quoted” — *b*",
	} {
		if got := plain(in); got != want {
			t.Errorf("%q becomes %q, want %q", in, got, want)
		}
	}
}

func TestCutFenced(t *testing.T) {
	for _, text := range []string{strings.Repeat("ä", 5000), "```\n" + strings.Repeat("x y\n", 2000) + "```", strings.Repeat("a```b```", 800)} {
		for _, limit := range []int{100, 101, 102, 103, 3000} {
			got := cutFenced(text, limit)
			if n := utf8.RuneCountInString(got); n > limit || strings.Count(got, fence)%2 != 0 {
				t.Errorf("%.10q: %d characters with limit %d, %d fences", text, n, limit, strings.Count(got, fence))
			}
		}
	}
}

// strange are cards as nobody would want them.
func strange() (cards []core.Card) {
	long := strings.Repeat("ä`*_~<!channel>&<@U1>", 1000)
	for _, text := range []string{"", " ", "\n", "```", "``````", "```\n```", "a```b", long, "```" + long, strings.Repeat("https://a.example.org/"+strings.Repeat("x", 3500)+" ", 3), "\u202e\u0000\u0301", "https://", "<!everyone>"} {
		c := core.Card{Title: text, Text: text, Footer: text, Detail: text, Tone: core.ToneBad}
		cards = append(cards, core.Card{Text: text}, core.Card{Title: text}, c)
		for range 40 {
			c.Facts = append(c.Facts, core.Fact{Name: text, Value: text})
			c.Steps = append(c.Steps, core.Step{Name: text, State: "running", Detail: text})
			c.Buttons = append(c.Buttons, core.Button{Label: text, Action: "approve", Value: text}, core.Button{Label: "l", URL: text}, core.Button{Label: "x", Action: text})
		}
		cards = append(cards, c, core.Card{Buttons: c.Buttons[:1]}, core.Card{Facts: c.Facts[:1]}, core.Card{Steps: c.Steps[:1]})
	}
	many := core.Card{Text: "Which?"}
	for range 60 {
		many.Buttons = append(many.Buttons, core.Button{Label: "Approve", Action: "approve", Value: "1"}, core.Button{Label: "Open", URL: "https://mydb.example.org/x"})
	}
	return append(cards, many, core.Card{})
}

// TestSlackTakesEveryMessage posts, changes and whispers strange cards, and looks what the fake, which is as strict as Slack, says.
func TestSlackTakesEveryMessage(t *testing.T) {
	t.Parallel()
	f := slackfake.Start(t, slackfake.Options{Clock: slackfake.NewFrozenClock(time.Now()), Rates: slackfake.Rates{Off: true}})
	lab := f.AddChannel(slackfake.Room{Name: "lab"})
	ada := f.AddUser(slackfake.Profile{Name: "ada"})
	lab.Join(ada)
	a, err := New(Options{BotToken: f.BotToken(), AppToken: f.AppToken(), APIURL: f.APIURL(), Log: slog.New(slog.DiscardHandler), Now: f.Clock().Now})
	if err != nil {
		t.Fatal(err)
	}
	where := reply{Channel: lab.ID(), User: ada.ID(), At: f.Clock().Now()}.String()
	for n, c := range strange() {
		id, err := a.Post(t.Context(), lab.ID(), "", "tag", c)
		if err != nil {
			t.Errorf("card %d cannot be posted: %v", n, err)
			continue
		}
		if err := a.Update(t.Context(), lab.ID(), id, c); err != nil {
			t.Errorf("card %d cannot be changed: %v", n, err)
		}
		if err := a.Whisper(t.Context(), where, c); err != nil {
			t.Errorf("card %d cannot be whispered: %v", n, err)
		}
	}
	for _, v := range f.Report().Violations {
		t.Error(v)
	}
	for _, c := range f.Calls() {
		if strings.Contains(c.Args["text"], "<!") || strings.Contains(c.Args["text"], "<@") || strings.Contains(c.Args["blocks"], "mrkdwn") {
			t.Errorf("Slack could find a mention in %s %.200s", c.Method, c.Args["text"])
		}
	}
}
