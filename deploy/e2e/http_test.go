package e2e

import (
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"slices"
	"strings"

	"github.com/PuerkitoBio/goquery"
	"golang.org/x/net/html"
)

// exchange sends a request and reads the answer.
func exchange(client *http.Client, r *http.Request) (status int, body string, err error) {
	response, err := client.Do(r)
	if err != nil {
		return 0, "", err
	}
	defer response.Body.Close()
	b, err := io.ReadAll(response.Body)
	return response.StatusCode, string(b), err
}

// browser is one without JavaScript: it keeps cookies, fills in forms as they are on the page, and loads a page again when the
// page asks for that.
type browser struct {
	client *http.Client
	base   *url.URL
	at     *url.URL // the page that is shown
	status int
	page   *goquery.Document
	filled url.Values // what was typed into the page's fields
}

func newBrowser(base string) (*browser, error) {
	u, err := url.Parse(base)
	if err != nil {
		return nil, err
	}
	jar, err := cookiejar.New(nil)
	return &browser{client: &http.Client{Jar: jar}, base: u, at: u}, err
}

// open loads a page.
func (b *browser) open(path string) error {
	to, err := b.at.Parse(path)
	if err != nil {
		return err
	}
	r, err := http.NewRequest(http.MethodGet, to.String(), nil)
	if err != nil {
		return err
	}
	return b.load(r)
}

func (b *browser) load(r *http.Request) error {
	response, err := b.client.Do(r)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	root, err := html.ParseWithOptions(response.Body, html.ParseOptionEnableScripting(false)) // what is in noscript counts
	if err != nil {
		return err
	}
	b.at, b.status, b.page, b.filled = response.Request.URL, response.StatusCode, goquery.NewDocumentFromNode(root), url.Values{}
	return nil
}

// fill types into a field, or chooses what it offers.
func (b *browser) fill(field, value string) error {
	at := b.page.Find("[name]").FilterFunction(func(_ int, s *goquery.Selection) bool { return s.AttrOr("name", "") == field })
	if at.Length() == 0 {
		return fmt.Errorf("the page has no field %q", field)
	}
	b.filled.Set(field, value)
	return nil
}

// press presses the button with this text, which sends its form.
func (b *browser) press(text string) error { return b.pressIn("body", text) }

// pressIn presses one in a part of the page.
func (b *browser) pressIn(part, text string) error {
	button := b.page.Find(part).Find("form button").FilterFunction(func(_ int, s *goquery.Selection) bool { return words(s.Text()) == text }).First()
	form := button.Closest("form")
	if form.Length() == 0 {
		return fmt.Errorf("no form of the page has a button %q", text)
	}
	action, err := b.at.Parse(button.AttrOr("formaction", form.AttrOr("action", "")))
	if err != nil {
		return err
	}
	method := strings.ToUpper(form.AttrOr("method", "get"))
	if method != http.MethodPost {
		action.RawQuery = b.fields(form).Encode()
		return b.open(action.String())
	}
	r, err := http.NewRequest(method, action.String(), strings.NewReader(b.fields(form).Encode()))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Origin", b.base.Scheme+"://"+b.base.Host)
	return b.load(r)
}

// fields are what a form sends: what it came with, and what was typed over it.
func (b *browser) fields(form *goquery.Selection) url.Values {
	out := url.Values{}
	form.Find("input[name], textarea[name], select[name]").Each(func(_ int, s *goquery.Selection) {
		name := s.AttrOr("name", "")
		_, checked := s.Attr("checked")
		kind := s.AttrOr("type", "text")
		switch {
		case kind == "checkbox" || kind == "radio":
			if checked {
				out.Add(name, s.AttrOr("value", "on"))
			}
		case goquery.NodeName(s) == "textarea":
			out.Add(name, s.Text())
		case goquery.NodeName(s) == "select":
			option := s.Find("option[selected]")
			if option.Length() == 0 {
				option = s.Find("option")
			}
			out.Add(name, option.First().AttrOr("value", ""))
		default:
			out.Add(name, s.AttrOr("value", ""))
		}
	})
	for name, values := range b.filled {
		out[name] = slices.Clone(values)
	}
	return out
}

// refreshes tells whether the page asks to be loaded again.
func (b *browser) refreshes() bool { return b.page.Find(`meta[http-equiv="refresh"]`).Length() > 0 }

// text is what a person reads: the status, the address, and the page's text, a line for each element that has some.
func (b *browser) text() string {
	lines := []string{fmt.Sprintf("%d %s", b.status, http.StatusText(b.status)), b.at.RequestURI()}
	b.page.Find("body").Find("*").Each(func(_ int, s *goquery.Selection) {
		switch goquery.NodeName(s) {
		case "h1", "h2", "h3", "p", "li", "dt", "dd", "td", "th", "label", "legend", "summary", "pre", "textarea":
			if line := words(s.Text()); line != "" {
				lines = append(lines, line)
			}
		}
	})
	return strings.Join(lines, "\n") + "\n"
}

// words is a text with its white space as a browser shows it.
func words(s string) string { return strings.Join(strings.Fields(s), " ") }
