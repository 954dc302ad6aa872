package portal

import (
	"context"
	"os/exec"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	cdplog "github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"github.com/mydb-project/mydb/core"
)

// chromium starts a real browser. What it complains about, such as a breach of the content security policy, fails the test.
func chromium(t *testing.T) context.Context {
	t.Helper()
	path, err := exec.LookPath("chromium")
	if err != nil {
		t.Skip("needs chromium on the PATH")
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.DisableGPU, chromedp.Flag("disable-quic", true),
		chromedp.Flag("disable-background-networking", true), chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-sync", true))
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	ctx, stop := chromedp.NewExecAllocator(ctx, options...)
	t.Cleanup(stop)
	ctx, stopTab := chromedp.NewContext(ctx)
	t.Cleanup(stopTab)
	var mu sync.Mutex
	var complaints []string
	err = chromedp.Listen(ctx, func(event any) {
		mu.Lock()
		defer mu.Unlock()
		switch e := event.(type) {
		case *cdplog.EventEntryAdded:
			complaints = append(complaints, e.Entry.Text)
		case *runtime.EventExceptionThrown:
			complaints = append(complaints, e.ExceptionDetails.Text)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		mu.Lock()
		defer mu.Unlock()
		for _, c := range complaints {
			t.Errorf("the browser complains: %s", c)
		}
	})
	return ctx
}

// TestInABrowser goes from the login to the password, once with scripts and once without.
func TestInABrowser(t *testing.T) {
	for name, noScripts := range map[string]bool{"with scripts": false, "without scripts": true} {
		t.Run(name, func(t *testing.T) {
			ctx := chromium(t)
			st := newSite(t)
			st.portal.watching.look = 20 * time.Millisecond
			do := func(steps ...chromedp.Action[chromedp.Void]) {
				t.Helper()
				if err := chromedp.Do(ctx, steps...); err != nil {
					t.Fatal(err)
				}
			}
			do(
				chromedp.Func(func(ctx context.Context, _ *chromedp.Target) error {
					_, err := chromedp.Call(ctx, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: noScripts})
					return err
				}),
				chromedp.Navigate(st.URL+"/databases/new"),
				chromedp.SendKeys(chromedp.CSS("input[name=login]"), "sam"),
				chromedp.SendKeys(chromedp.CSS("input[name=password]"), "sam-password"),
				chromedp.Click(chromedp.CSS("main button")),
				chromedp.WaitVisible(chromedp.CSS("#name")),
				chromedp.SendKeys(chromedp.CSS("#name"), "genomes"),
				chromedp.Click(chromedp.CSS(".buttons .primary")),
				chromedp.WaitVisible(chromedp.CSS(".steps .queued")),
			)
			i, err := st.service.Instance(t.Context(), st.people["sam"], "genomes")
			if err != nil {
				t.Fatal(err)
			}
			st.finish(t, core.Receipt{Operation: core.Operation{ID: *i.OperationID}}, nil)
			do(
				chromedp.WaitVisible(chromedp.CSS("h1 .badge.ready")),
				chromedp.Click(chromedp.CSS(".secret button")),
				chromedp.WaitVisible(chromedp.CSS("#password")),
			)
			host, err := chromedp.Run(ctx, chromedp.Text(chromedp.CSS("#host")))
			if err != nil || host != "db.example.com" {
				t.Errorf("host %q: %v", host, err)
			}
		})
	}
}
