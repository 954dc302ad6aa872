package discord

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/bwmarrin/discordgo"

	"github.com/mydb-project/mydb/core"
)

func TestEscape(t *testing.T) {
	for in, want := range map[string]string{
		"plain words, and a-b c.d":            "plain words, and a-b c.d",
		"**b** _i_ ~s~ `c` |p|":               "\\*\\*b\\*\\* \\_i\\_ \\~s\\~ \\`c\\` \\|p\\|",
		"[words](https://evil.example.org/x)": "\\[words\\](https://evil.example.org/x)",
		"see https://a.example.org/x_y_z.":    "see https://a.example.org/x_y_z.",
		"@everyone and @here":                 "@\u200beveryone and @\u200bhere",
		"<@1> <#2> <t:3> <:e:4>":              `\<@1\> \<#2\> \<t:3\> \<:e:4\>`,
		"# big\n> said\n- one\n+ two\n3. x":   "\\# big\n\\> said\n\u200b- one\n\u200b+ two\n3\u200b. x",
		"before\n```\n*as* it_is\n```\na*b":   "before\n```\n*as* it_is\n```\na\\*b",
		"an open ``` fence *":                 "an open ''' fence \\*",
		`back\slash`:                          `back\\slash`,
	} {
		want = strings.ReplaceAll(want, `<#2`, `<\#2`)
		if got := escape(in, false); got != want {
			t.Errorf("%q becomes %q, want %q", in, got, want)
		}
	}
	if got := escape("see https://a.example.org/x.", true); got != "see <https://a.example.org/x>." {
		t.Errorf("a link without preview: %q", got)
	}
}

func TestCut(t *testing.T) {
	for _, text := range []string{strings.Repeat("ä", 5000), strings.Repeat(`\*`, 2500), "```\n" + strings.Repeat("x y\n", 2000) + "```", strings.Repeat("a```b```", 800), strings.Repeat("\\\\", 3000)} {
		for _, limit := range []int{100, 101, 102, 103, 256, 2000} {
			got := cutEscaped(text, limit)
			if n := utf8.RuneCountInString(got); n > limit {
				t.Errorf("%.10q: %d characters, limit %d", text, n, limit)
			}
			if strings.Count(got, fence)%2 != 0 {
				t.Errorf("%.10q: a fence is open at %d", text, limit)
			}
			if trailing := strings.TrimSuffix(got, "…"); (len(trailing)-len(strings.TrimRight(trailing, `\`)))%2 == 1 {
				t.Errorf("%.10q: an escape without what it escapes at %d: %.20q", text, limit, got[len(got)-20:])
			}
		}
	}
}

// FuzzRender keeps that Discord takes every message, whatever is in it, and that it can be read as it was meant.
func FuzzRender(f *testing.F) {
	f.Add("genomes", "**x** @everyone ```y```", 30, 30)
	f.Add(strings.Repeat("é", 300), strings.Repeat("`*_", 3000), 1, 1)
	f.Add("", "", 0, 0)
	f.Add("t", "```\n"+strings.Repeat("a  b\n", 300)+"```\n", 26, 3)
	f.Fuzz(func(t *testing.T, title, text string, facts, buttons int) {
		c := core.Card{Title: title, Text: text, Footer: text, Tone: core.ToneBad}
		for range facts % 40 {
			c.Facts = append(c.Facts, core.Fact{Name: title, Value: text})
			c.Steps = append(c.Steps, core.Step{Name: text, State: "running"})
		}
		for n := range buttons % 40 {
			c.Buttons = append(c.Buttons, core.Button{Label: text, Action: "approve", Value: title + strings.Repeat("x", n)}, core.Button{Label: "l", URL: title})
		}
		m := render(c, "d0c1u2v3w4x5y6z7a8b9")
		total := 0
		for _, e := range m.Embeds {
			total += size(e)
			if utf8.RuneCountInString(e.Title) > 256 || utf8.RuneCountInString(e.Description) > 4096 || len(e.Fields) > 25 || utf8.RuneCountInString(e.Footer.Text) > 2048 {
				t.Errorf("too long: %+v", e)
			}
			for _, f := range e.Fields {
				if f.Name == "" || f.Value == "" || utf8.RuneCountInString(f.Name) > 256 || utf8.RuneCountInString(f.Value) > 1024 {
					t.Errorf("field %+v", f)
				}
			}
		}
		if total > 6000 || utf8.RuneCountInString(m.Content) > 2000 || len(m.Components) > 5 {
			t.Errorf("%d characters in embeds, %d in the content, %d rows", total, utf8.RuneCountInString(m.Content), len(m.Components))
		}
		for _, row := range m.Components {
			if n := len(row.(discordgo.ActionsRow).Components); n < 1 || n > 5 {
				t.Errorf("%d buttons in a row", n)
			}
		}
		if strings.Count(m.Content, fence)%2 != 0 || strings.Contains(m.Content, "@everyone") {
			t.Errorf("content %q", m.Content)
		}
		if _, err := json.Marshal(m); err != nil {
			t.Error(err)
		}
	})
}
