package discord

import (
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/bwmarrin/discordgo"

	"github.com/mydb-project/mydb/bot"
)

// Path is where Discord sends interactions, below the portal's address.
const Path = "/discord/interaction"

// What is taken over HTTP: how large, and how old by its signed time.
const (
	bodyLimit = 1 << 20
	skew      = 5 * time.Minute
)

// Routes gives the handler of interactions over HTTP, if they come that way.
func (a *Adapter) Routes(d *bot.Desk) map[string]http.Handler {
	if !a.overHTTP() {
		return nil
	}
	return map[string]http.Handler{Path: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { a.receive(d, w, r) })}
}

// receive takes an interaction. Its answer goes to Discord by the interaction's own address: what is answered here tells nobody anything, who
// got hold of a request.
func (a *Adapter) receive(d *bot.Desk, w http.ResponseWriter, r *http.Request) {
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
		http.Error(w, "not signed by Discord, too old, or seen before", http.StatusUnauthorized)
		return
	}
	var i discordgo.Interaction
	if err := json.Unmarshal(raw, &i); err != nil {
		http.Error(w, "this is no interaction", http.StatusBadRequest)
		return
	}
	if i.Type == discordgo.InteractionPing {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"type":1}`)
		return
	}
	a.interaction(context.WithoutCancel(r.Context()), d, &i)
	w.WriteHeader(http.StatusAccepted)
}

// genuine tells whether a request is signed by Discord, lately, and comes for the first time.
func (a *Adapter) genuine(h http.Header, body []byte) bool {
	signature, err := hex.DecodeString(h.Get("X-Signature-Ed25519"))
	if err != nil || len(signature) != ed25519.SignatureSize {
		return false
	}
	stamp := h.Get("X-Signature-Timestamp")
	seconds, err := strconv.ParseInt(stamp, 10, 64)
	if err != nil {
		return false
	}
	now := a.o.Now()
	if age := now.Sub(time.Unix(seconds, 0)); age > skew || age < -skew {
		return false
	}
	signed := append([]byte(stamp), body...)
	return ed25519.Verify(a.key, signed, signature) && a.seen.first(sha256.Sum256(signed), now)
}

// replays remembers what came, for as long as its time would still be good. An event that another process took is recognised in the inbox.
type replays struct {
	mu   sync.Mutex
	came map[[sha256.Size]byte]time.Time
	old  time.Time // when was forgotten last
}

// first reports whether something comes for the first time.
func (r *replays) first(what [sha256.Size]byte, now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if now.Sub(r.old) > skew {
		for k, at := range r.came {
			if now.Sub(at) > 2*skew {
				delete(r.came, k)
			}
		}
		r.old = now
	}
	if _, known := r.came[what]; known {
		return false
	}
	if r.came == nil {
		r.came = map[[sha256.Size]byte]time.Time{}
	}
	r.came[what] = now
	return true
}
