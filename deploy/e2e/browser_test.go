package e2e

import (
	"context"
	"encoding/json"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	cdplog "github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// TestBrowser creates a database as most scientists do: in a browser, where the page tells how far it is without being loaded again.
func TestBrowser(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	tab := newTab(t)
	s.start()
	tab.do(
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
	loaded := tab.pages()
	tab.do(chromedp.WaitVisible(chromedp.CSS("h1 .badge.ready")))
	if now := tab.pages(); now != loaded {
		t.Errorf("%d pages were loaded while the database was made; want none", now-loaded)
	}
	tab.checkSteps()

	tab.do(chromedp.Click(chromedp.CSS(".secret button")), chromedp.WaitVisible(chromedp.CSS("#password")))
	if shown, stored := tab.text("#password"), s.password("genomes"); shown != stored || len(shown) < 12 {
		t.Error("the page shows another password than the API")
	}
	if got := tab.text("#snippet-psql"); got != "psql service=genomes" {
		t.Errorf("the snippet for psql is %q", got)
	}
	tab.do(
		chromedp.WaitVisible(chromedp.CSS(`[data-copy="snippet-psql"]`)),
		chromedp.Click(chromedp.CSS(`[data-copy="snippet-psql"]`)),
	)
	s.poll(startLimit, "the button says that it has copied", func() bool {
		said := tab.text(`[data-copy="snippet-psql"]`)
		return said == "Copied" || said == "Selected"
	})
	tab.do(chromedp.Navigate(s.url()+"/"), chromedp.WaitVisible(chromedp.CSS(".badge.ready")))
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

// tab is a browser's tab.
type tab struct {
	t   *testing.T
	ctx context.Context //nolint:containedctx // the tab lives in it

	mu         sync.Mutex
	loaded     int // pages
	complaints []string
}

// newTab starts a browser with nothing in it. What it complains about, such as a breach of the content security policy, fails the test.
func newTab(t *testing.T) *tab {
	t.Helper()
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(browserPath(t)), chromedp.Headless, chromedp.NoSandbox, chromedp.DisableGPU, chromedp.NoFirstRun,
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-background-networking", true),
		chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-sync", true), chromedp.UserDataDir(t.TempDir()))
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	t.Cleanup(cancel)
	ctx, stop := chromedp.NewExecAllocator(ctx, options...)
	t.Cleanup(stop)
	ctx, closeTab := chromedp.NewContext(ctx)
	t.Cleanup(closeTab)
	b := &tab{t: t, ctx: ctx}
	if err := chromedp.Listen(ctx, b.notice); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		if len(b.complaints) > 0 {
			t.Errorf("the browser complains:\n%s", strings.Join(b.complaints, "\n"))
		}
	})
	return b
}

func browserPath(t *testing.T) string {
	t.Helper()
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	t.Skip("needs a browser: install the package chromium")
	return ""
}

func (b *tab) notice(event any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch e := event.(type) {
	case *page.EventDomContentEventFired:
		b.loaded++
	case *cdplog.EventEntryAdded:
		b.complaints = append(b.complaints, e.Entry.Text)
	case *runtime.EventExceptionThrown:
		b.complaints = append(b.complaints, e.ExceptionDetails.Text)
	case *runtime.EventConsoleAPICalled:
		if e.Type == "error" || e.Type == "warning" {
			b.complaints = append(b.complaints, "a call of console."+string(e.Type))
		}
	}
}

func (b *tab) pages() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.loaded
}

func (b *tab) do(steps ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	if err := chromedp.Do(b.ctx, steps...); err != nil {
		b.t.Fatal(err)
	}
}

func (b *tab) text(selector string) string {
	b.t.Helper()
	text, err := chromedp.Run(b.ctx, chromedp.Text(chromedp.CSS(selector)))
	if err != nil {
		b.t.Fatalf("text of %s: %v", selector, err)
	}
	return strings.TrimSpace(text)
}

// watchSteps keeps every step that the page shows as under way.
var watchSteps = chromedp.Evaluate[chromedp.Void](`
	window.seen = {};
	const look = () => document.querySelectorAll("li.running .what").forEach((step) => { window.seen[step.textContent] = true; });
	new MutationObserver(look).observe(document.body, {childList: true, subtree: true});
	look();`)

// checkSteps wants the page to have told of the step that takes long, while it lasted.
func (b *tab) checkSteps() {
	b.t.Helper()
	seen, err := chromedp.Run(b.ctx, chromedp.Evaluate[map[string]bool]("window.seen"))
	if err != nil {
		b.t.Fatal(err)
	}
	if !seen["wait until the server answers"] {
		b.t.Errorf("the page told of the steps %v while they lasted; want the one that waits for the server among them", seen)
	}
}
