package discord

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/bwmarrin/discordgo"

	"github.com/mydb-project/mydb/core"
)

// What Discord says, in its own numbers: https://discord.com/developers/docs/topics/opcodes-and-status-codes#json.
const (
	codeUnknownMember      = 10007
	codeUnknownMessage     = 10008
	codeUnknownUser        = 10013
	codeUnknownWebhook     = 10015
	codeUnknownInteraction = 10062
	codeAcknowledged       = 40060
	codeWebhookToken       = 50027
)

// refusal is Discord saying no.
type refusal struct {
	status int
	code   int // Discord's own; 0: none
	text   string
}

func (r *refusal) Error() string {
	if r.code == 0 {
		return fmt.Sprintf("Discord answered %d %s", r.status, http.StatusText(r.status))
	}
	return fmt.Sprintf("Discord answered %q (%d)", r.text, r.code)
}

// tokenPause is how long MyDB waits after Discord did not take its token. An operator has to do something about it.
const tokenPause = time.Minute

// understand says what an error of the library means for who wants to send.
func understand(err error) error {
	var limited *discordgo.RateLimitError
	if errors.As(err, &limited) {
		return &core.ChatError{After: max(limited.RetryAfter, 100*time.Millisecond), Err: &refusal{status: http.StatusTooManyRequests}}
	}
	var said *discordgo.RESTError
	if !errors.As(err, &said) {
		return bare(err)
	}
	r := &refusal{status: said.Response.StatusCode}
	if said.Message != nil {
		r.code, r.text = said.Message.Code, said.Message.Message
	}
	switch {
	case r.status == http.StatusUnauthorized && r.code != codeWebhookToken:
		return &core.ChatError{After: tokenPause, Err: r}
	case r.status >= 400 && r.status < 500:
		return &core.ChatError{Refused: true, Err: r}
	}
	return r
}

// explained makes a sentence for operators of what Discord refuses.
func explained(err error) error {
	var r *refusal
	if errors.As(err, &r) && r.status == http.StatusUnauthorized {
		return errors.New("MYDB_DISCORD_TOKEN is not valid (any more): make a new one in the developer portal, page Bot, and set it")
	}
	return err
}

// Discord shuts an address out for an hour and more after 10,000 answers 401, 403 or 429 within ten minutes. Several processes may
// share an address, so each stops long before that.
const (
	refusalsAllowed = 1000
	refusalsWithin  = 10 * time.Minute
)

// guard counts what Discord refuses, and says for how long nothing may be asked.
type guard struct {
	now func() time.Time

	mu      sync.Mutex
	refused []time.Time
	until   time.Time
}

// note counts an answer, if it is of the kind that Discord counts.
func (g *guard) note(answer *http.Response) {
	switch answer.StatusCode {
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusTooManyRequests:
	default:
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.refused = append(g.refused, g.now())
	if answer.StatusCode == http.StatusTooManyRequests && !strings.HasPrefix(answer.Header.Get("Content-Type"), "application/json") {
		// No limit of the interface, but the wall in front of it.
		if seconds, err := strconv.Atoi(answer.Header.Get("Retry-After")); err == nil {
			g.until = g.now().Add(time.Duration(seconds) * time.Second)
		}
	}
}

// wait is for how long nothing may be asked; zero: go on.
func (g *guard) wait() time.Duration {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := g.now()
	for len(g.refused) > 0 && now.Sub(g.refused[0]) >= refusalsWithin {
		g.refused = g.refused[1:]
	}
	wait := g.until.Sub(now)
	if n := len(g.refused); n >= refusalsAllowed {
		wait = max(wait, g.refused[n-refusalsAllowed].Add(refusalsWithin).Sub(now))
	}
	return max(wait, 0)
}
