// Package browsertest drives a real browser in tests: Chromium over its DevTools protocol. Pages of MyDB exchange their parts while
// somebody looks at them, so a step that meets a part just taken out of the page is done again with what stands there now.
package browsertest

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto"
	cdplog "github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

const (
	tabLimit = 3 * time.Minute // for all that a test does in a tab
	// goneCode is the DevTools protocol's code of a node or of a page's context that is there no more (JSON-RPC's "server error").
	goneCode   = -32000
	goneTries  = 100
	retryPause = 50 * time.Millisecond
)

// Tab is a browser's tab.
type Tab struct {
	t   testing.TB
	ctx context.Context //nolint:containedctx // the tab lives in it

	mu         sync.Mutex
	loaded     int // pages
	complaints []string
}

// New starts a browser with nothing in it, and ends it with the test. What it complains about, such as a breach of the content security
// policy, fails the test. Where there is no browser, the test is skipped.
func New(t testing.TB) *Tab {
	t.Helper()
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(program(t)), chromedp.Headless, chromedp.NoSandbox, chromedp.DisableGPU, chromedp.NoFirstRun,
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-background-networking", true),
		chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-sync", true), chromedp.UserDataDir(t.TempDir()))
	ctx, cancel := context.WithTimeout(t.Context(), tabLimit)
	t.Cleanup(cancel)
	ctx, stop := chromedp.NewExecAllocator(ctx, options...)
	t.Cleanup(stop)
	ctx, closeTab := chromedp.NewContext(ctx)
	t.Cleanup(closeTab)
	b := &Tab{t: t, ctx: ctx}
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

func program(t testing.TB) string {
	t.Helper()
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	t.Skip("needs a browser: install the package chromium")
	return ""
}

func (b *Tab) notice(event any) {
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

// Pages is the number of pages that the tab has loaded.
func (b *Tab) Pages() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.loaded
}

// Do takes the steps in turn.
func (b *Tab) Do(steps ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	for n, step := range steps {
		if _, err := again(b.ctx, in(b.ctx, step)); err != nil {
			b.t.Fatalf("step %d of %d: %v", n+1, len(steps), err)
		}
	}
}

// Press clicks what a CSS selector finds first, wherever it has moved to meanwhile; it waits until that can be seen.
func (b *Tab) Press(selector string) {
	b.t.Helper()
	find[bool](b, selector, "(part.click(), true)")
}

// Text is what a part of the page reads, without blanks around it; it waits until there is such a part.
func (b *Tab) Text(selector string) string {
	b.t.Helper()
	return strings.TrimSpace(find[string](b, selector, "part.innerText"))
}

// find waits until a CSS selector finds a part that can be seen, and evaluates an expression about it within the same task of the page's
// event loop: nothing exchanges the part between.
func find[T any](b *Tab, selector, expression string) T {
	b.t.Helper()
	look := fmt.Sprintf("(() => { const part = document.querySelector(%q); return part && part.checkVisibility() ? {value: %s} : null })()", selector, expression)
	tick := time.NewTicker(retryPause)
	defer tick.Stop()
	for {
		if found := Value[*struct{ Value T }](b, look); found != nil {
			return found.Value
		}
		select {
		case <-b.ctx.Done():
			b.t.Fatalf("%s was not seen: %v", selector, b.ctx.Err())
		case <-tick.C:
		}
	}
}

// Value evaluates an expression of JavaScript in the page.
func Value[T any](b *Tab, expression string) T {
	b.t.Helper()
	value, err := again(b.ctx, in(b.ctx, chromedp.Evaluate[T](expression)))
	if err != nil {
		b.t.Fatalf("%s: %v", expression, err)
	}
	return value
}

func in[T any](ctx context.Context, step chromedp.Action[T]) func() (T, error) {
	return func() (T, error) { return chromedp.Run(ctx, step) }
}

// again takes a step until it does not meet a part that was just taken out of the page.
func again[T any](ctx context.Context, step func() (T, error)) (value T, err error) {
	tick := time.NewTicker(retryPause)
	defer tick.Stop()
	for range goneTries {
		value, err = step()
		if gone := (*cdproto.Error)(nil); !errors.As(err, &gone) || gone.Code != goneCode {
			return value, err
		}
		select {
		case <-ctx.Done():
			return value, err
		case <-tick.C:
		}
	}
	return value, err
}
