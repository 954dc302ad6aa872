package discordfake

import (
	"context"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Preview is a link that was fetched to show what is behind it.
type Preview struct {
	URL    string
	Status int
	Err    error
}

var link = regexp.MustCompile(`<?https?://[^\s<>)\]]+>?`)

// FollowLinks switches previews on: each link in a message is fetched with GET, as Discord does. Links in <angle brackets> are not,
// nor are those of messages that suppress embeds.
func (f *Fake) FollowLinks(yes bool) { f.lock(func() { f.follows = yes }) }

// Previews are the links that were fetched.
func (f *Fake) Previews() []Preview {
	defer f.hold()()
	return slices.Clone(f.record.previews)
}

func (f *Fake) preview(m Message, before string) {
	if !f.follows || m.Flags&flagSuppressEmbeds != 0 {
		return
	}
	for _, found := range link.FindAllString(m.Content, -1) {
		if strings.HasPrefix(found, "<") && strings.HasSuffix(found, ">") || strings.Contains(before, found) {
			continue
		}
		address := strings.Trim(found, "<>")
		f.goes(func(ctx context.Context) {
			p := f.fetch(ctx, address)
			f.lock(func() { f.record.previews = append(f.record.previews, p) })
		})
	}
}

func (f *Fake) fetch(ctx context.Context, address string) Preview {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return Preview{URL: address, Err: err}
	}
	request.Header.Set("User-Agent", "Mozilla/5.0 (compatible; Discordbot/2.0; +https://discordapp.com)")
	response, err := f.client.Do(request)
	if err != nil {
		return Preview{URL: address, Err: err}
	}
	defer response.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(response.Body, 1<<20))
	return Preview{URL: address, Status: response.StatusCode}
}
