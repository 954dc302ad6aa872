package slackfake

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strings"
)

// Preview is what came back when Slack looked at a link.
type Preview struct {
	URL    string
	Status int
	Body   []byte // its beginning
}

var links = regexp.MustCompile(`https?://[^\s<>|"\\]+`)

// Links are the addresses in a message: in its text, its blocks and behind its buttons.
func (m Message) Links() []string {
	found := links.FindAllString(m.Text, -1)
	for _, s := range stringsIn(m.RawBlocks) {
		found = append(found, links.FindAllString(s, -1)...)
	}
	slices.Sort(found)
	return slices.Compact(found)
}

// Unfurl fetches every link of a message with a GET, as Slack does to show a preview, and as scanners of mails and messages do. It
// does so even where the message forbids previews: those who scan do not ask.
func (f *Fake) Unfurl(ctx context.Context, m Message) ([]Preview, error) {
	var all []Preview
	for _, link := range m.Links() {
		p, err := unfurl(ctx, strings.ReplaceAll(link, "&amp;", "&"))
		if err != nil {
			return all, err
		}
		all = append(all, p)
	}
	return all, nil
}

func unfurl(ctx context.Context, link string) (Preview, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, link, nil)
	if err != nil {
		return Preview{}, fmt.Errorf("unfurl %s: %w", link, err)
	}
	req.Header.Set("User-Agent", "Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)")
	req.Header.Set("Range", "bytes=0-32768")
	req.Header.Set("Accept", "*/*")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return Preview{}, fmt.Errorf("unfurl %s: %w", link, err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 32769))
	if err != nil {
		return Preview{}, fmt.Errorf("unfurl %s: %w", link, err)
	}
	return Preview{URL: link, Status: resp.StatusCode, Body: body}, nil
}
