package permissions_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"

	"github.com/mydb-project/mydb/core"
)

const origin = "http://mydb.example.com"

// verdict is what became of a try.
type verdict string

const (
	allowed verdict = "✓"
	refused verdict = "✗" // they may know of it, and not do it
	hidden  verdict = "·" // for them, there is no such thing
)

// judge reads the verdict out of an error of the domain. reached is the code of an error that only those get who may: what they asked for
// needs a server.
func judge(err error, reached core.Code) verdict {
	switch code := core.CodeOf(err); {
	case err == nil, reached != "" && code == reached:
		return allowed
	case code == core.CodeForbidden:
		return refused
	case code == core.CodeNotFound:
		return hidden
	}
	return verdict("error: " + err.Error())
}

// door is a way in. Each try says through which calls it goes there; none: it cannot be done there.
type door struct {
	name  core.Door
	tries func(a act) []string // a line each, as the table shows them
	try   func(w *world, a act, login, call string) verdict
}

// doors are all ways in. The terminal's is the API's.
var doors = []door{
	{"core", func(a act) []string {
		if a.domain == nil {
			return nil
		}
		return []string{strings.Join(a.core, ", ")}
	}, func(w *world, a act, login, _ string) verdict {
		r := w.request(login)
		ctx, cancel := context.WithTimeout(w.Context(), patience)
		defer cancel()
		return judge(a.domain(ctx, w, r), a.reached)
	}},
	{core.DoorAPI, func(a act) []string { return a.api }, (*world).callAPI},
	{core.DoorPortal, func(a act) []string { return a.pages }, (*world).callPage},
	{core.Door(core.Slack), func(a act) []string { return a.chat }, (*world).say},
}

// split takes a call apart: method, path and what goes with it.
func (w *world) split(call string) (method, path, body string) {
	method, rest, _ := strings.Cut(w.fill(call), " ")
	path, body, _ = strings.Cut(rest, " ")
	return method, path, body
}

func (w *world) callAPI(a act, login, call string) verdict {
	method, path, body := w.split(call)
	r := httptest.NewRequestWithContext(w.Context(), method, origin+"/api/v1"+path, strings.NewReader(body))
	if body == "" {
		r.Body, r.ContentLength = http.NoBody, 0
	} else if r.Header.Set("Content-Type", "application/json"); !strings.HasPrefix(body, "{") {
		r.Header.Set("Content-Type", "application/octet-stream")
	}
	r.Header.Set("Authorization", "Bearer "+w.tokens[login+w.things["scope"]])
	answer := w.serve(r)
	var problem struct{ Error core.Explanation }
	_ = json.Unmarshal(answer.Body.Bytes(), &problem) // what is no error has none
	if answer.Code < 300 {
		return allowed
	}
	return judge(core.Errorf(problem.Error.Code, "%d %s", answer.Code, problem.Error.Message), a.reached)
}

// codes are those of the statuses that pages answer with.
var codes = map[int]core.Code{
	http.StatusForbidden: core.CodeForbidden, http.StatusNotFound: core.CodeNotFound, http.StatusServiceUnavailable: core.CodeUnavailable, http.StatusGone: core.CodeGone,
}

func (w *world) callPage(a act, login, call string) verdict {
	method, path, form := w.split(call)
	r := httptest.NewRequestWithContext(w.Context(), method, origin+path, strings.NewReader(form))
	if method == http.MethodPost {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	r.AddCookie(w.cookies[login])
	answer := w.serve(r)
	if location := answer.Header().Get("Location"); strings.HasPrefix(location, "/login") {
		w.Fatalf("%s: %s is asked to log in", call, login)
	}
	if answer.Code < 400 {
		return allowed
	}
	return judge(core.Errorf(codes[answer.Code], "%d %.300s", answer.Code, answer.Body.String()), a.reached)
}

func (w *world) serve(r *http.Request) *httptest.ResponseRecorder {
	ctx, cancel := context.WithTimeout(r.Context(), patience)
	defer cancel()
	answer := httptest.NewRecorder()
	w.portal.ServeHTTP(answer, r.WithContext(ctx))
	return answer
}

func (w *world) logIn(login string) {
	form := url.Values{"login": {login}, "password": {login}}
	r := httptest.NewRequestWithContext(w.Context(), http.MethodPost, origin+"/login", strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	answer := w.serve(r)
	for _, c := range answer.Result().Cookies() {
		if c.Name == "mydb_session" {
			w.cookies[login] = c
		}
	}
	if w.cookies[login] == nil {
		w.Fatalf("log in as %s: %d %s", login, answer.Code, answer.Body)
	}
}

// say writes a command in a chat. What begins with a slash is a button there: "/reveal".
func (w *world) say(a act, login, text string) verdict {
	ctx, cancel := context.WithTimeout(w.Context(), patience)
	defer cancel()
	w.fresh++
	in := core.Inbound{
		Key: fmt.Sprintf("k-%d", w.fresh), User: core.ChatUser{Platform: core.Slack, Team: "T1", ID: "U-" + login, Name: login},
		Channel: "C1", Kind: core.InboundCommand, Text: w.fill(text),
	}
	var err error
	switch in.Value = w.things["db_id"]; text {
	case "/reveal":
		_, err = w.desk.Reveal(ctx, in)
	case "/reveal_link":
		_, err = w.desk.RevealLink(ctx, in)
	default:
		_, err = w.desk.CarryOut(ctx, in)
	}
	return judge(err, a.reached)
}
