package slack

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"time"

	"github.com/slack-go/slack"

	"github.com/mydb-project/mydb/core"
)

// What Slack's codes mean: https://docs.slack.dev/reference/methods/chat.postMessage#errors
var (
	// refused are codes after which it will never work there.
	refused = set("channel_not_found", "not_in_channel", "is_archived", "is_inactive", "user_not_found", "users_not_found", "user_disabled", "user_not_visible",
		"user_not_in_channel", "cannot_dm_bot", "message_not_found", "cant_update_message", "edit_window_closed", "thread_not_found", "cannot_reply_to_message",
		"restricted_action", "restricted_action_read_only_channel", "restricted_action_thread_only_channel", "restricted_action_non_threadable_channel",
		"restricted_action_thread_locked", "messages_tab_disabled", "team_access_not_granted", "access_denied", "posting_to_channel_denied", "invalid_channel",
		"not_found", "expired_trigger_id", "exchanged_trigger_id", "invalid_trigger_id", "trigger_expired", "trigger_exchanged")
	// mistakes are codes that say that this program is wrong.
	mistakes = set("invalid_blocks", "invalid_blocks_format", "msg_too_long", "msg_blocks_too_long", "no_text", "invalid_arguments", "invalid_metadata_format",
		"invalid_metadata_schema", "metadata_too_large", "view_too_large", "missing_scope", "not_allowed_token_type")
	// broken are codes that say that a token is not good any more.
	broken = set("invalid_auth", "not_authed", "account_inactive", "token_revoked", "token_expired", "org_login_required", "team_disabled")
)

func set(codes ...string) map[string]bool {
	s := map[string]bool{}
	for _, c := range codes {
		s[c] = true
	}
	return s
}

func sortedScopes() []string { return slices.Sorted(maps.Keys(Scopes)) }

// codeOf is what Slack said, in its own words; empty when it said nothing.
func codeOf(err error) string {
	var said slack.SlackErrorResponse
	if errors.As(err, &said) {
		return said.Err
	}
	return ""
}

// tokenPause is how long is waited after Slack did not take a token: somebody has to do something about it.
const tokenPause = time.Minute

// call makes one call of the Web API, unless Slack has asked to be left alone, and says what its answer means to who wants to send.
func (a *Adapter) call(ctx context.Context, method string, do func(context.Context) error) error {
	if wait := a.pauses.left(method); wait > 0 {
		return &core.ChatError{After: wait, Err: fmt.Errorf("call %s: Slack has asked to wait", method)}
	}
	ctx, cancel := context.WithTimeout(ctx, callLimit)
	defer cancel()
	err := do(ctx)
	if err == nil {
		a.health.called(a.o.Now())
		return nil
	}
	return a.understand(method, err)
}

// understand says what an error of the library means.
func (a *Adapter) understand(method string, err error) error {
	var limited *slack.RateLimitedError
	if errors.As(err, &limited) {
		wait := max(limited.RetryAfter, time.Second)
		a.pauses.until(method, wait)
		return &core.ChatError{After: wait, Err: fmt.Errorf("call %s: %w", method, err)}
	}
	code := codeOf(err)
	err = fmt.Errorf("call %s: %w", method, bare(err))
	switch {
	case broken[code]:
		a.alarm(method, code)
		return &core.ChatError{After: tokenPause, Err: err}
	case mistakes[code]:
		a.o.Log.Error("Slack does not take what MyDB sends", "method", method, "error", err, "detail", detailOf(err))
		return &core.ChatError{Refused: true, Err: err}
	case refused[code]:
		return &core.ChatError{Refused: true, Err: err}
	}
	return err
}

// detailOf is what Slack says about blocks that it does not take.
func detailOf(err error) []string {
	var said slack.SlackErrorResponse
	if errors.As(err, &said) {
		return append(said.ResponseMetadata.Messages, said.Needed)
	}
	return nil
}

// alarm tells operators that a token is not good any more, not more often than every ten minutes.
func (a *Adapter) alarm(method, code string) {
	if a.seen.first("alarm/"+code, 10*time.Minute) {
		a.o.Log.Error("Slack does not take MyDB's token any more: make a new one on the app's pages, and set it", "method", method, "code", code)
	}
}

// bare takes the address out of an error of the network: whoever has one of those that answer an event can post there.
func bare(err error) error {
	var where *url.Error
	if errors.As(err, &where) {
		return where.Err
	}
	return err
}

// statusOf is the status of an answer that was none of the Web API's; 0 when there was one.
func statusOf(err error) int {
	var status slack.StatusCodeError
	if errors.As(err, &status) {
		return status.Code
	}
	if errors.As(err, new(*slack.RateLimitedError)) {
		return http.StatusTooManyRequests
	}
	return 0
}

// pauses are until when methods are not to be called.
type pauses struct {
	now func() time.Time
	mu  sync.Mutex
	end map[string]time.Time
}

func (p *pauses) until(method string, wait time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.end == nil {
		p.end = map[string]time.Time{}
	}
	p.end[method] = p.now().Add(wait)
}

func (p *pauses) left(method string) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.end[method].Sub(p.now())
}

// recent remembers things for a while.
type recent struct {
	now  func() time.Time
	mu   sync.Mutex
	ends map[string]time.Time
	swep time.Time
}

// first reports whether something was not there yet, and remembers it for so long.
func (r *recent) first(what string, life time.Duration) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.now()
	if now.Sub(r.swep) > time.Minute {
		maps.DeleteFunc(r.ends, func(_ string, end time.Time) bool { return !end.After(now) })
		r.swep = now
	}
	if r.ends[what].After(now) {
		return false
	}
	if r.ends == nil {
		r.ends = map[string]time.Time{}
	}
	r.ends[what] = now.Add(life)
	return true
}

// forget lets something be first once more.
func (r *recent) forget(what string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.ends, what)
}
