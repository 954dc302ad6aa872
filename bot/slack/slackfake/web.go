package slackfake

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/time/rate"
)

// apiError is an answer that is not ok.
type apiError struct {
	code   string
	status int // 200 where 0, as Slack answers nearly everything
	retry  time.Duration
	more   object
}

func (e *apiError) Error() string { return e.code }

func refuse(code string) error { return &apiError{code: code} }

// method is one method of the Web API.
type method struct {
	scope     string // that the token needs; empty for none, or where it depends on the channel
	app       bool   // takes the app-level token
	perMinute int    // how often: the tier of the method's page. 0 has rules of its own
	call      func(*Fake, args) (object, error)
}

// methods are those that MyDB uses: https://docs.slack.dev/reference/methods
var methods = map[string]method{
	"auth.test":                    {perMinute: 600, call: (*Fake).authTest},
	"apps.connections.open":        {app: true, perMinute: 20, call: (*Fake).openConnection},
	"chat.postMessage":             {scope: "chat:write", call: (*Fake).postMessage},
	"chat.postEphemeral":           {scope: "chat:write", perMinute: 100, call: (*Fake).postEphemeral},
	"chat.update":                  {scope: "chat:write", perMinute: 50, call: (*Fake).updateMessage},
	"chat.delete":                  {scope: "chat:write", perMinute: 50, call: (*Fake).deleteMessage},
	"conversations.open":           {scope: "im:write", perMinute: 50, call: (*Fake).openConversation},
	"conversations.info":           {perMinute: 50, call: (*Fake).conversationInfo},
	"conversations.history":        {perMinute: 50, call: (*Fake).history},
	"conversations.replies":        {perMinute: 50, call: (*Fake).replies},
	"users.info":                   {scope: "users:read", perMinute: 100, call: (*Fake).userInfo},
	"users.lookupByEmail":          {scope: "users:read.email", perMinute: 50, call: (*Fake).userByEmail},
	"views.open":                   {perMinute: 100, call: (*Fake).openView},
	"views.push":                   {perMinute: 100, call: (*Fake).pushView},
	"views.update":                 {perMinute: 100, call: (*Fake).updateView},
	"files.getUploadURLExternal":   {scope: "files:write", perMinute: 100, call: (*Fake).uploadURL},
	"files.completeUploadExternal": {scope: "files:write", perMinute: 100, call: (*Fake).completeUpload},
}

func (f *Fake) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/api/{method}", f.serveAPI)
	mux.HandleFunc("POST /response/{team}/{key}", f.serveResponse)
	mux.HandleFunc("POST /upload/{file}", f.serveUpload)
	mux.HandleFunc("GET /files/{file}", f.serveFile)
	mux.HandleFunc("GET /link/", f.serveSocket)
	return mux
}

func (f *Fake) serveAPI(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("method")
	body := readBody(r)
	a, err := readArgs(r, body)
	f.serve(w, r, Call{Method: name, Body: body, Args: a}, func() (any, error) {
		if err != nil {
			return nil, err
		}
		m, ok := methods[name]
		if !ok {
			return nil, refuse("unknown_method")
		}
		if err := f.authorize(m, token(r, a)); err != nil {
			return nil, err
		}
		if err := f.withinTier(name, m); err != nil {
			return nil, err
		}
		w.Header().Set("X-OAuth-Scopes", strings.Join(f.o.Scopes, ","))
		w.Header().Set("X-Accepted-OAuth-Scopes", m.scope)
		o, err := m.call(f, a)
		if o != nil {
			o["ok"] = true
		}
		return o, err
	})
}

// serve answers one call: it lets the faults that a test has ordered happen, records the call with its answer, and wakes who waits.
func (f *Fake) serve(w http.ResponseWriter, r *http.Request, c Call, do func() (any, error)) {
	c.At, c.Path, c.Header = f.clock.Now(), r.URL.Path, r.Header.Clone()
	f.mu.Lock()
	fault := f.nextFault(c.Method)
	if fault.Hold != nil {
		f.held++
		f.touch()
	}
	f.mu.Unlock()
	if fault.Hold != nil {
		select {
		case <-fault.Hold:
		case <-f.ctx.Done():
		}
	}
	f.mu.Lock()
	answer, err := any(nil), fault.err()
	if err == nil {
		answer, err = do()
		f.judge(c.Method, err)
	}
	var e *apiError
	if errors.As(err, &e) {
		answer, c.Error = e.answer(w.Header()), e.code
		c.Status = e.status
	} else if err != nil {
		answer, c.Error = object{"ok": false, "error": err.Error()}, err.Error()
	}
	if c.Status == 0 {
		c.Status = http.StatusOK
	}
	c.Answer = encoded(answer)
	f.note(c)
	f.touch()
	f.mu.Unlock()
	if fault.LoseAnswer {
		panic(http.ErrAbortHandler) // the connection breaks before a word of the answer
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(c.Status)
	_, _ = w.Write(c.Answer)
}

func (e *apiError) answer(h http.Header) object {
	o := object{"ok": false, "error": e.code}
	for k, v := range e.more {
		o[k] = v
	}
	if e.retry > 0 {
		h.Set("Retry-After", strconv.Itoa(int(math.Ceil(e.retry.Seconds()))))
	}
	return o
}

func (f *Fake) authorize(m method, token string) error {
	wanted, other := f.o.BotToken, f.o.AppToken
	if m.app {
		wanted, other = other, wanted
	}
	switch {
	case token == "":
		return refuse("not_authed")
	case token == other:
		return refuse("not_allowed_token_type")
	case token != wanted:
		return refuse("invalid_auth")
	}
	return f.need(m.scope)
}

// need refuses what the token has no scope for.
func (f *Fake) need(scope string) error {
	if scope == "" || f.granted(scope) {
		return nil
	}
	return &apiError{code: "missing_scope", more: object{"needed": scope, "provided": strings.Join(f.o.Scopes, ",")}}
}

func (f *Fake) granted(scope string) bool { return slices.Contains(f.o.Scopes, scope) }

// withinTier keeps the method's tier: so many calls a minute.
func (f *Fake) withinTier(name string, m method) error {
	if m.perMinute == 0 {
		return nil
	}
	return f.withinRate(name, float64(m.perMinute)/60, m.perMinute)
}

func (f *Fake) withinRate(bucket string, perSecond float64, burst int) error {
	if f.o.Rates.Off {
		return nil
	}
	b := f.buckets[bucket]
	if b == nil {
		b = rate.NewLimiter(rate.Limit(perSecond), burst)
		f.buckets[bucket] = b
	}
	now := f.clock.Now()
	if r := b.ReserveN(now, 1); r.DelayFrom(now) > 0 {
		wait := r.DelayFrom(now)
		r.CancelAt(now)
		return tooMany(wait)
	}
	return nil
}

func tooMany(wait time.Duration) error {
	return &apiError{code: "ratelimited", status: http.StatusTooManyRequests, retry: max(wait, time.Second)}
}

// args are the arguments of a call. Those that are no strings are JSON.
type args map[string]string

func (a args) bool(name string) bool { return a[name] == "true" || a[name] == "1" }

func (a args) raw(name string) json.RawMessage { return json.RawMessage(a[name]) }

// readArgs reads arguments as Slack takes them: https://docs.slack.dev/apis/web-api#basics
func readArgs(r *http.Request, body []byte) (args, error) {
	a := args{}
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	switch {
	case kind == "application/json":
		if a = jsonArgs(body); a == nil && len(body) > 0 {
			return args{}, refuse("invalid_json")
		}
		delete(a, "token") // with JSON, Slack takes the token from the header alone
	case kind == "application/x-www-form-urlencoded":
		values, err := url.ParseQuery(string(body))
		if err != nil {
			return a, refuse("invalid_form_data")
		}
		for name := range values {
			a[name] = values.Get(name)
		}
	case len(body) > 0 && err != nil:
		return a, refuse("missing_post_type")
	case len(body) > 0:
		return a, refuse("invalid_post_type")
	}
	if a == nil {
		a = args{}
	}
	for name := range r.URL.Query() {
		a[name] = r.URL.Query().Get(name)
	}
	return a, nil
}

func jsonArgs(body []byte) args {
	var values map[string]json.RawMessage
	if json.Unmarshal(body, &values) != nil {
		return nil
	}
	a := args{}
	for name, raw := range values {
		var s string
		if json.Unmarshal(raw, &s) != nil {
			s = string(raw)
		}
		a[name] = s
	}
	return a
}

func token(r *http.Request, a args) string {
	if bearer, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer "); ok {
		return bearer
	}
	return a["token"]
}

// maxBody is more than anything that MyDB sends.
const maxBody = 32 << 20

func readBody(r *http.Request) []byte {
	body, err := io.ReadAll(io.LimitReader(r.Body, maxBody))
	if err != nil {
		return []byte(fmt.Sprintf("unreadable: %v", err))
	}
	return body
}

func (f *Fake) authTest(args) (object, error) {
	return object{
		"url": "https://" + defaultDomain + ".slack.com/", "team": "MyDB's workspace", "team_id": f.o.Team,
		"user": "mydb", "user_id": BotUserID, "bot_id": BotID,
	}, nil
}
