package slack

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/slack-go/slack"
	"github.com/slack-go/slack/slackevents"

	"github.com/mydb-project/mydb/bot"
)

// Where Slack sends requests, below the portal's address.
const (
	CommandPath     = "/slack/command"
	InteractionPath = "/slack/interaction"
	EventPath       = "/slack/event"
)

// What is taken over HTTP: how large, and how old by its signed time.
const (
	bodyLimit = 1 << 20
	skew      = 5 * time.Minute
)

// Routes gives the handlers of requests, if events come that way.
func (a *Adapter) Routes(d *bot.Desk) map[string]http.Handler {
	if !a.overHTTP() {
		return nil
	}
	routes := map[string]http.Handler{}
	for path, read := range map[string]func([]byte) (any, error){CommandPath: readCommand, InteractionPath: readInteraction, EventPath: readEvent} {
		routes[path] = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { a.receive(d, read, w, r) })
	}
	return routes
}

// receive takes a request, and answers it when it was kept.
func (a *Adapter) receive(d *bot.Desk, read func([]byte) (any, error), w http.ResponseWriter, r *http.Request) {
	raw, err := io.ReadAll(http.MaxBytesReader(w, r.Body, bodyLimit))
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		http.Error(w, "too large", http.StatusRequestEntityTooLarge)
		return
	case err != nil:
		http.Error(w, "the body could not be read", http.StatusBadRequest)
		return
	case !a.genuine(r.Header, raw):
		w.Header().Set("X-Slack-No-Retry", "1")
		http.Error(w, "not signed by Slack, too old, or seen before", http.StatusUnauthorized)
		return
	}
	data, err := read(raw)
	if err != nil {
		http.Error(w, "this is no event of Slack's", http.StatusBadRequest)
		return
	}
	if challenge, is := data.(*slackevents.EventsAPIURLVerificationEvent); is {
		_, _ = io.WriteString(w, challenge.Challenge)
		return
	}
	a.health.heard(a.o.Now())
	if !a.takeRequest(r.Context(), d, a.event(data), w) {
		a.seen.forget(r.Header.Get(signatureHeader)) // Slack may bring it again within the same second
		http.Error(w, "not accepted", http.StatusServiceUnavailable)
	}
}

// takeRequest deals with an event, and reports whether it was taken.
func (a *Adapter) takeRequest(ctx context.Context, d *bot.Desk, e event, w http.ResponseWriter) bool {
	told := make(chan answer, 1)
	a.admit(context.WithoutCancel(ctx), d, e, func(r answer) { told <- r })
	limit := time.NewTimer(stale + ackLimit)
	defer limit.Stop()
	select {
	case r := <-told:
		if r.again {
			return false
		}
		a.answerRequest(w, r)
		return true
	case <-limit.C:
	case <-ctx.Done():
	}
	return false
}

func (a *Adapter) answerRequest(w http.ResponseWriter, r answer) {
	if r.payload == nil {
		w.WriteHeader(http.StatusOK)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	if err := json.NewEncoder(w).Encode(r.payload); err != nil {
		a.o.Log.Warn("a request of Slack's could not be answered", "error", err)
	}
}

// Headers of a signed request: https://docs.slack.dev/authentication/verifying-requests-from-slack
const (
	signatureHeader = "X-Slack-Signature"
	timeHeader      = "X-Slack-Request-Timestamp"
)

// genuine tells whether a request is signed by Slack, lately, and comes for the first time. An event that another process took is recognised
// in the inbox.
func (a *Adapter) genuine(h http.Header, body []byte) bool {
	stamp := h.Get(timeHeader)
	seconds, err := strconv.ParseInt(stamp, 10, 64)
	if err != nil {
		return false
	}
	if age := a.o.Now().Sub(time.Unix(seconds, 0)); age > skew || age < -skew {
		return false
	}
	mac := hmac.New(sha256.New, []byte(a.o.SigningSecret))
	mac.Write([]byte("v0:" + stamp + ":"))
	mac.Write(body)
	signature := "v0=" + hex.EncodeToString(mac.Sum(nil))
	return hmac.Equal([]byte(signature), []byte(h.Get(signatureHeader))) && a.seen.first(signature, 2*skew)
}

var errNoEvent = errors.New("nothing that Slack would send")

func readCommand(raw []byte) (any, error) {
	form, err := url.ParseQuery(string(raw))
	if err != nil || form.Get("trigger_id") == "" || form.Get("user_id") == "" {
		return nil, errNoEvent
	}
	return slack.SlashCommand{
		TeamID: form.Get("team_id"), ChannelID: form.Get("channel_id"), UserID: form.Get("user_id"), UserName: form.Get("user_name"),
		Command: form.Get("command"), Text: form.Get("text"), ResponseURL: form.Get("response_url"), TriggerID: form.Get("trigger_id"),
	}, nil
}

func readInteraction(raw []byte) (any, error) {
	form, err := url.ParseQuery(string(raw))
	if err != nil {
		return nil, errNoEvent
	}
	var i slack.InteractionCallback
	if err := json.Unmarshal([]byte(form.Get("payload")), &i); err != nil || i.User.ID == "" {
		return nil, errNoEvent
	}
	return i, nil
}

func readEvent(raw []byte) (any, error) {
	e, err := slackevents.ParseEvent(raw, slackevents.OptionNoVerifyToken())
	if err != nil {
		return nil, errNoEvent
	}
	if challenge, is := e.Data.(*slackevents.EventsAPIURLVerificationEvent); is {
		return challenge, nil
	}
	return e, nil
}
