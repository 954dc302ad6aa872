package slackfake

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
)

// Lives of what comes with a command or a click.
const (
	triggerLife  = 3 * time.Second  // docs.slack.dev/interactivity/handling-user-interaction#modal_responses
	responseLife = 30 * time.Minute // docs.slack.dev/interactivity/handling-user-interaction#message_responses
	responseUses = 5
)

// trigger lets the app open one view for the person who did something, within three seconds.
type trigger struct {
	user    *User
	view    *view // the view in which they did it, if it was in one
	expires time.Time
	used    bool
}

func (f *Fake) trigger(u *User, in *view) string {
	id := fmt.Sprintf("%d.%d.%s", f.clock.Now().UnixMicro(), len(f.triggers)+1, strings.ToLower(rand.Text()))
	f.triggers[id] = &trigger{user: u, view: in, expires: f.clock.Now().Add(triggerLife)}
	return id
}

// exchange uses a trigger up.
func (f *Fake) exchange(id string) (*trigger, error) {
	t, ok := f.triggers[id]
	switch {
	case !ok:
		return nil, refuse("invalid_trigger_id")
	case t.used:
		return nil, refuse("exchanged_trigger_id")
	case f.clock.Now().After(t.expires):
		return nil, refuse("expired_trigger_id")
	}
	t.used = true
	return t, nil
}

// responseURL answers to the place of a command or a click, without a token.
type responseURL struct {
	user    *User
	channel *Channel
	message string // that was clicked in; empty after a command
	thread  string
	expires time.Time
	uses    int
}

func (f *Fake) responseURL(u *User, c *Channel, m *Message) string {
	key := f.o.Team + "/" + strings.ToLower(rand.Text())
	r := &responseURL{user: u, channel: c, expires: f.clock.Now().Add(responseLife)}
	if m != nil {
		r.message, r.thread = m.TS, m.ThreadTS
	}
	f.urls[key] = r
	return f.base + "/response/" + key
}

// response is what an app sends to a response_url, or with the acknowledgement of a command.
type response struct {
	Text            string          `json:"text"`
	Blocks          json.RawMessage `json:"blocks"`
	Attachments     []any           `json:"attachments"`
	ResponseType    string          `json:"response_type"`
	ReplaceOriginal bool            `json:"replace_original"`
	DeleteOriginal  bool            `json:"delete_original"`
	ThreadTS        string          `json:"thread_ts"`
}

func (f *Fake) serveResponse(w http.ResponseWriter, r *http.Request) {
	body := readBody(r)
	f.serve(w, r, Call{Method: "response_url", Body: body, Args: jsonArgs(body)}, func() (any, error) {
		u, ok := f.urls[strings.TrimPrefix(r.URL.Path, "/response/")]
		if !ok {
			return nil, &apiError{code: "invalid_url", status: http.StatusNotFound}
		}
		if f.clock.Now().After(u.expires) {
			return nil, &apiError{code: "expired_url", status: http.StatusNotFound}
		}
		if u.uses++; u.uses > responseUses {
			return nil, &apiError{code: "used_url", status: http.StatusNotFound}
		}
		var answer response
		if err := json.Unmarshal(body, &answer); err != nil {
			return nil, &apiError{code: "invalid_payload", status: http.StatusBadRequest}
		}
		if err := u.respond(answer); err != nil {
			return nil, err
		}
		return object{"ok": true}, nil
	})
}

// respond shows a response where it belongs.
func (r *responseURL) respond(a response) error {
	c := r.channel
	original := c.message(r.message)
	if a.DeleteOriginal {
		if original == nil {
			return refuse("message_not_found")
		}
		c.remove(original)
		return nil
	}
	blocks, err := c.fake.content(a.Text, a.Blocks, maxText)
	if err != nil {
		var e *apiError
		if errors.As(err, &e) {
			e.status = http.StatusBadRequest
		}
		return err
	}
	if len(a.Attachments) > 0 {
		return refuse("invalid_attachments")
	}
	if a.ReplaceOriginal && original != nil {
		c.change(original, a.Text, blocks)
		return nil
	}
	m := Message{User: BotUserID, BotID: BotID, Text: a.Text, RawBlocks: blocks, ThreadTS: a.ThreadTS, EphemeralTo: r.user.id}
	if a.ResponseType == "in_channel" {
		m.EphemeralTo = ""
	}
	c.add(m)
	return nil
}

// content checks what a message is to say, and gives its blocks with ids.
func (f *Fake) content(text string, raw json.RawMessage, most int) (json.RawMessage, error) {
	if len(text) > most && len([]rune(text)) > most {
		return nil, refuse("msg_too_long")
	}
	if len(raw) == 0 || slices.Contains([]string{"null", "[]"}, strings.TrimSpace(string(raw))) {
		if strings.TrimSpace(text) == "" {
			return nil, refuse("no_text")
		}
		return nil, nil
	}
	list, found := checkBlocks(raw, "/blocks", maxMessageBlocks)
	if len(found) > 0 {
		return nil, invalidBlocks(found)
	}
	if countText(list) > maxBlocksText {
		return nil, refuse("msg_blocks_too_long")
	}
	return encoded(numbered(list, func() string { return f.id("b") })), nil
}

func invalidBlocks(found flaws) error {
	return &apiError{code: "invalid_blocks", more: object{"errors": found, "response_metadata": object{"messages": found}}}
}
