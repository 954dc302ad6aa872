package portal

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/mydb-project/mydb/core"
)

// chosen reports whether an answer of the API says that a topic is wanted.
func chosen(r reply, topic string) bool {
	items, _ := r.at("items").([]any)
	return slices.ContainsFunc(items, func(v any) bool {
		c, _ := v.(map[string]any)
		return c["topic"] == topic && c["wanted"] == true
	})
}

// TestMailChoices chooses on the account page and over the API: both show and change the same.
func TestMailChoices(t *testing.T) {
	st := newSite(t)
	token, sam := st.token(t, "sam", core.ScopeOperate), st.loggedIn(t, "sam")
	box := func(p shown, topic string) (there, ticked bool) {
		b := p.Find(`#mail input[type=checkbox][value="` + topic + `"]`)
		_, ticked = b.Attr("checked")
		return b.Length() == 1, ticked
	}
	page := sam.get(t, "/account")
	for _, topic := range core.Topics() {
		if there, ticked := box(page, topic); there == (topic == "digest") || there && !ticked {
			t.Errorf("at first %s is shown: %t, and ticked: %t", topic, there, ticked)
		}
	}
	if !strings.Contains(page.text("#mail"), core.AlwaysTold) {
		t.Errorf("the page does not say what is always told:\n%s", page.text("#mail"))
	}
	page = sam.post(t, "/account/mail", url.Values{"shown": {"ready", "failed", "expiring"}, "topic": {"failed"}})
	if there, ticked := box(page, "ready"); page.status != http.StatusOK || page.path != "/account" || !there || ticked {
		t.Errorf("after the choice: %d %s", page.status, page.text("#mail"))
	}
	r := st.call(t, token, "GET", "/mail", nil)
	if r.status != http.StatusOK || r.at("always") != core.AlwaysTold || r.at("address") != *st.people["sam"].Email {
		t.Errorf("GET /mail: %d %s", r.status, r.raw)
	}
	if !chosen(r, "failed") || chosen(r, "ready") || chosen(r, "expiring") || !chosen(r, "shared") {
		t.Errorf("GET /mail: %s", r.raw)
	}
	put := func(token string, body any) reply { return st.call(t, token, "PUT", "/mail", body) }
	if r := put(token, map[string]any{"wanted": map[string]bool{"ready": true, "shared": false}}); r.status != http.StatusOK || !chosen(r, "ready") || chosen(r, "shared") {
		t.Errorf("PUT /mail: %d %s", r.status, r.raw)
	}
	page = sam.get(t, "/account")
	for topic, want := range map[string]bool{"ready": true, "shared": false, "failed": true, "expiring": false} {
		if _, ticked := box(page, topic); ticked != want {
			t.Errorf("%s is ticked: %t", topic, ticked)
		}
	}
	for what, c := range map[string]struct {
		token  string
		body   any
		status int
	}{
		"nobody":              {"", map[string]any{"wanted": map[string]bool{"ready": true}}, http.StatusUnauthorized},
		"a token that reads":  {st.token(t, "sam", core.ScopeRead), map[string]any{"wanted": map[string]bool{"ready": true}}, http.StatusForbidden},
		"another's topic":     {token, map[string]any{"wanted": map[string]bool{"digest": false}}, http.StatusBadRequest},
		"what is always told": {token, map[string]any{"wanted": map[string]bool{"identity": false}}, http.StatusBadRequest},
		"no choice":           {token, map[string]any{"wanted": map[string]string{"ready": "perhaps"}}, http.StatusBadRequest},
	} {
		if r := put(c.token, c.body); r.status != c.status {
			t.Errorf("%s: %d %s; want %d", what, r.status, r.raw, c.status)
		}
	}
}
