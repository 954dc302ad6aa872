package portal

import (
	"context"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"

	"github.com/mydb-project/mydb/core"
	"github.com/mydb-project/mydb/portal/browsertest"
)

// TestInABrowser goes from the login to the password, once with scripts and once without.
func TestInABrowser(t *testing.T) {
	for name, noScripts := range map[string]bool{"with scripts": false, "without scripts": true} {
		t.Run(name, func(t *testing.T) {
			tab := browsertest.New(t)
			st := newSite(t)
			st.portal.watching.look = 20 * time.Millisecond
			tab.Do(
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
			tab.Do(chromedp.WaitVisible(chromedp.CSS("h1 .badge.ready")), chromedp.Click(chromedp.CSS(".secret button")), chromedp.WaitVisible(chromedp.CSS("#password")))
			if host := tab.Text("#host"); host != "db.example.com" {
				t.Errorf("host %q", host)
			}
		})
	}
}
