package browsertest

import (
	"context"
	"errors"
	"testing"

	"github.com/chromedp/cdproto"
	"github.com/chromedp/chromedp"
)

// TestAgain tries a step that fails a few times, and one that fails in another way.
func TestAgain(t *testing.T) {
	t.Parallel()
	gone := &cdproto.Error{Code: goneCode, Message: "No node with given id found"}
	for name, c := range map[string]struct {
		failures []error
		err      error
		takes    int
	}{
		"at once":            {takes: 1},
		"gone twice":         {failures: []error{gone, gone}, takes: 3},
		"failed otherwise":   {failures: []error{context.DeadlineExceeded}, err: context.DeadlineExceeded, takes: 1},
		"gone, then another": {failures: []error{gone, context.Canceled}, err: context.Canceled, takes: 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			taken := 0
			step := func() (string, error) {
				taken++
				if taken <= len(c.failures) {
					return "", c.failures[taken-1]
				}
				return "text", nil
			}
			text, err := again(t.Context(), step)
			if !errors.Is(err, c.err) || taken != c.takes || (err == nil) != (text == "text") {
				t.Errorf("%q, %v after %d; want %v after %d", text, err, taken, c.err, c.takes)
			}
		})
	}
}

// TestMovingPage reads and presses parts of a page that exchanges them all the time.
func TestMovingPage(t *testing.T) {
	t.Parallel()
	b := New(t)
	b.Do(chromedp.Navigate(`data:text/html,<main id=m></main><script>
		let pressed = 0;
		const draw = () => { m.innerHTML = '<h1>Heading</h1><button onclick="pressed++">Press</button>'; };
		draw();
		setInterval(draw, 1);
	</script>`))
	for range 100 {
		if got := b.Text("h1"); got != "Heading" {
			t.Fatalf("the heading reads %q", got)
		}
	}
	b.Press("button")
	if pressed := Value[int](b, "pressed"); pressed != 1 {
		t.Errorf("pressed %d times; want once", pressed)
	}
	if b.Pages() != 1 {
		t.Errorf("%d pages were loaded; want 1", b.Pages())
	}
}
