package e2e

import (
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/tidwall/gjson"

	"github.com/mydb-project/mydb/portal/browsertest"
)

// chatPage is the address of the simulated chat's page, which the server tells when it has started.
func (s *site) chatPage() string {
	s.t.Helper()
	told := regexp.MustCompile(`chat +(http://\S+\?key=\w+)`)
	var found []string
	s.poll(startLimit, "the server tells where the chat is", func() bool {
		found = told.FindStringSubmatch(s.server.output.String())
		return found != nil
	})
	return found[1]
}

// chatTab is a browser's tab with the page of the simulated chat.
type chatTab struct {
	*browsertest.Tab
	site *site
}

// reads waits until a part of the page holds all texts.
func (b chatTab) reads(selector string, texts ...string) {
	b.site.t.Helper()
	b.site.poll(createLimit, "the page reads "+strings.Join(texts, ", "), func() bool {
		text := b.Text(selector)
		for _, want := range texts {
			if !strings.Contains(text, want) {
				return false
			}
		}
		return true
	})
}

// types writes a message or a command into the chat.
func (b chatTab) types(text string) {
	b.site.t.Helper()
	b.Do(
		chromedp.WaitVisible(chromedp.CSS("#text")), chromedp.SendKeys(chromedp.CSS("#text"), text), chromedp.Click(chromedp.CSS(".say button.primary")),
		chromedp.WaitVisible(chromedp.CSS(`#text[value=""]`)),
	)
}

// follows clicks a link of the side, and waits for the page that it leads to.
func (b chatTab) follows(link, heading string) {
	b.site.t.Helper()
	b.Press(link)
	b.reads("h1", heading)
}

// TestChatInABrowser does what a newcomer does who has no Slack: on the page of the simulated one, they ask for a database, watch the message
// until it is ready, and see the password once. They ask for its deletion, and approve that as somebody else.
func TestChatInABrowser(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	tab := chatTab{browsertest.New(t), s}
	s.start("MYDB_CHAT_SIM=" + freeAddress(t))
	tab.Do(chromedp.Navigate(s.chatPage()))

	tab.types("/mydb create postgres demo")
	tab.Do(chromedp.WaitVisible(chromedp.CSS(".message.bot h3")))
	loaded := tab.Pages()
	tab.reads("#log", "demo is ready after", "Address")
	if now := tab.Pages(); now != loaded {
		t.Errorf("%d pages were loaded while the database was made; want none", now-loaded)
	}
	tab.follows(".rooms a:last-of-type", "MyDB")
	tab.Press("form:has(input[value=reveal]) button")
	tab.Do(chromedp.WaitVisible(chromedp.CSS("#window pre")))
	tab.reads("#window", "demo", s.password("demo"))
	tab.Press("#window .close")
	tab.Do(chromedp.WaitNotPresent(chromedp.CSS("#window .window")))
	if strings.Contains(tab.Text("main"), s.password("demo")) {
		t.Error("the password stands in a message")
	}

	tab.follows(".rooms a:first-of-type", "#general")
	tab.types("/mydb delete demo")
	tab.reads("#log", "waits for the approval of an administrator")
	tab.follows(".people a:nth-of-type(2)", "#general")
	tab.follows(`.rooms a[href$="C0MYDBADMIN"]`, "#mydb-admins")
	tab.reads("#log", "delete demo", "Last verified backup")
	tab.Press("form:has(input[value=approve]) button")
	tab.Do(chromedp.WaitNotPresent(chromedp.CSS(`form:has(input[value=approve])`)))
	tab.reads("#log", "admin")
	s.poll(createLimit, "demo is in the trash", func() bool {
		status, body := s.scientist(http.MethodGet, "/databases/demo", "")
		return status == http.StatusOK && gjson.Get(body, "state").String() == "trashed"
	})
	tab.Do(chromedp.Navigate("about:blank")) // what follows the news would complain that there are none any more
	s.stop()
}

// TestChatSimByItself starts the simulated chat as a process of its own, and lets MyDB check that it gets there with the settings printed.
func TestChatSimByItself(t *testing.T) {
	t.Parallel()
	s := &site{t: t, binary: binary(t)}
	sim := s.launch([]string{"HOME=" + t.TempDir()}, "chat-sim", "--listen", "127.0.0.1:0")
	var settings [][]string
	s.poll(startLimit, "it tells its settings", func() bool {
		settings = regexp.MustCompile(`(?m)^export (MYDB_\w+=\S+)$`).FindAllStringSubmatch(sim.output.String(), -1)
		return len(settings) == 10
	})
	env := []string{"HOME=" + t.TempDir(), "MYDB_DOCKER_HOST=unix:///nowhere"}
	for _, line := range settings {
		env = append(env, line[1])
	}
	check := s.launch(env, "check")
	_ = check.end(t) // it has no metadata database
	for _, want := range []string{"Slack: mydb in the workspace", "Discord: "} {
		if !strings.Contains(check.output.String(), want) {
			t.Errorf("`mydb check` does not say %q:\n%s", want, check.output.String())
		}
	}
	if err := sim.cmd.Process.Signal(os.Interrupt); err != nil || sim.end(t) != nil {
		t.Errorf("after Ctrl-C it ended with %v, %v", err, sim.err)
	}
}
