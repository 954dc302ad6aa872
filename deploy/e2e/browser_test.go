package e2e

import (
	"encoding/json"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/mydb-project/mydb/portal/browsertest"
)

// TestBrowser creates a database as most scientists do: in a browser, where the page tells how far it is without being loaded again.
func TestBrowser(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	tab := browsertest.New(t)
	s.start()
	tab.Do(
		chromedp.Navigate(s.url()+"/"),
		chromedp.SendKeys(chromedp.CSS("input[name=login]"), "scientist"),
		chromedp.SendKeys(chromedp.CSS("input[name=password]"), password),
		chromedp.Click(chromedp.CSS("main button.primary")),
		chromedp.WaitVisible(chromedp.CSS(`a[href="/databases/new"]`)),
		chromedp.Click(chromedp.CSS(`.actions a[href="/databases/new"]`)),
		chromedp.WaitVisible(chromedp.CSS("#name")),
		chromedp.SendKeys(chromedp.CSS("#name"), "genomes"),
		chromedp.SendKeys(chromedp.CSS("#description"), "Reference genomes"),
		chromedp.Click(chromedp.CSS(".buttons button.primary")),
		chromedp.WaitVisible(chromedp.CSS("#live .steps")),
		watchSteps,
	)
	loaded := tab.Pages()
	tab.Do(chromedp.WaitVisible(chromedp.CSS("h1 .badge.ready")))
	if now := tab.Pages(); now != loaded {
		t.Errorf("%d pages were loaded while the database was made; want none", now-loaded)
	}
	checkSteps(t, tab)

	tab.Press(".secret button")
	if shown, stored := tab.Text("#password"), s.password("genomes"); shown != stored || len(shown) < 12 {
		t.Error("the page shows another password than the API")
	}
	if got := tab.Text("#snippet-psql"); got != "psql service=genomes" {
		t.Errorf("the snippet for psql is %q", got)
	}
	tab.Press(`[data-copy="snippet-psql"]`)
	s.poll(startLimit, "the button says that it has copied", func() bool {
		said := tab.Text(`[data-copy="snippet-psql"]`)
		return said == "Copied" || said == "Selected"
	})
	tab.Do(chromedp.Navigate(s.url()+"/"), chromedp.WaitVisible(chromedp.CSS(".badge.ready")))
	s.stop()
}

// password collects a database's password over the API.
func (s *site) password(name string) string {
	s.t.Helper()
	_, body := s.scientist("GET", "/databases/"+name+"/credentials", "")
	var c struct{ Password string }
	if err := json.Unmarshal([]byte(body), &c); err != nil {
		s.t.Fatal(err)
	}
	return c.Password
}

// watchSteps keeps every step that the page shows as under way.
var watchSteps = chromedp.Evaluate[chromedp.Void](`
	window.seen = {};
	const look = () => document.querySelectorAll("li.running .what").forEach((step) => { window.seen[step.textContent] = true; });
	new MutationObserver(look).observe(document.body, {childList: true, subtree: true});
	look();`)

// checkSteps wants the page to have told of the step that takes long, while it lasted.
func checkSteps(t *testing.T, tab *browsertest.Tab) {
	t.Helper()
	seen := browsertest.Value[map[string]bool](tab, "window.seen")
	if !seen["wait until the server answers"] {
		t.Errorf("the page told of the steps %v while they lasted; want the one that waits for the server among them", seen)
	}
}
