package discordfake

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"
)

// answerLimit is how long a POSTed interaction is waited for at all. That it was too late is told by the fake's clock.
const answerLimit = time.Minute

// PostTo sends interactions to an address, signed, instead of through the gateway; with an empty address, through the gateway again.
func (f *Fake) PostTo(address string) { f.lock(func() { f.postTo = address }) }

// Post is a request as it comes to the address of interactions, good or bad.
type Post struct {
	Body     []byte
	At       time.Time // of the timestamp; default: now
	Forged   bool      // signed with the key of somebody else
	Unsigned bool      // no signature at all
	Header   http.Header
}

// Post sends a request to the address of interactions, and gives what came back.
func (f *Fake) Post(ctx context.Context, p Post) (status int, answer []byte, err error) {
	release := f.hold()
	address, now := f.postTo, f.now()
	release()
	return f.deliver(ctx, address, p, now)
}

// Replay sends an interaction once more, byte by byte, with the signature that it had.
func (f *Fake) Replay(ctx context.Context, i *Interaction) (status int, answer []byte, err error) {
	return f.Post(ctx, Post{Body: i.body, At: i.At})
}

// ValidateEndpoint does what Discord does when an address is entered in the developer portal, and now and then later: a PING with a
// good signature must be answered, and one with a bad signature refused with 401.
func (f *Fake) ValidateEndpoint(ctx context.Context) error {
	ping := []byte(`{"type":1,"id":"` + f.lockedID() + `","application_id":"` + f.AppID + `","version":1}`)
	status, body, err := f.Post(ctx, Post{Body: ping})
	if err != nil {
		return err
	}
	var got struct{ Type int }
	if json.Unmarshal(body, &got) != nil || status != http.StatusOK || got.Type != pong {
		return fmt.Errorf("the answer to PING was %d %.200s", status, body)
	}
	if status, body, err = f.Post(ctx, Post{Body: ping, Forged: true}); err != nil {
		return err
	}
	if status != http.StatusUnauthorized {
		return fmt.Errorf("the answer to a forged PING was %d %.200s", status, body)
	}
	return nil
}

func (f *Fake) lockedID() (id string) {
	f.lock(func() { id = f.newID() })
	return id
}

// deliver signs and sends one request.
func (f *Fake) deliver(ctx context.Context, address string, p Post, now time.Time) (int, []byte, error) {
	if address == "" {
		return 0, nil, errors.New("PostTo has not said where to")
	}
	ctx, cancel := context.WithTimeout(ctx, answerLimit)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, address, bytes.NewReader(p.Body))
	if err != nil {
		return 0, nil, fmt.Errorf("post an interaction: %w", err)
	}
	at := p.At
	if at.IsZero() {
		at = now
	}
	key := f.opts.Key
	if p.Forged {
		key = ed25519.NewKeyFromSeed(bytes.Repeat([]byte{7}, ed25519.SeedSize))
	}
	stamp := strconv.FormatInt(at.Unix(), 10)
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("User-Agent", "Discord-Interactions/1.0 (+https://discord.com)")
	if !p.Unsigned {
		request.Header.Set("X-Signature-Timestamp", stamp)
		request.Header.Set("X-Signature-Ed25519", hex.EncodeToString(ed25519.Sign(key, append([]byte(stamp), p.Body...))))
	}
	for name, values := range p.Header {
		request.Header[name] = values
	}
	response, err := f.client.Do(request)
	if err != nil {
		return 0, nil, fmt.Errorf("post an interaction: %w", err)
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		return 0, nil, fmt.Errorf("read the answer to an interaction: %w", err)
	}
	f.lock(func() {
		f.record.add(f.opts.KeepCalls, Call{At: f.now(), Method: AnswerMethod, Path: address, Body: answer, Status: response.StatusCode})
	})
	return response.StatusCode, answer, nil
}

// post sends an interaction to the address of interactions, and takes the body of the answer as the first answer, if it has one. It may
// also come by the interaction's own address.
func (f *Fake) post(i *Interaction) {
	address := f.postTo
	f.goes(func(ctx context.Context) {
		status, body, err := f.deliver(ctx, address, Post{Body: i.body}, i.At)
		f.lock(func() {
			switch {
			case err != nil:
				i.err = fmt.Errorf("%s: %w", i, err)
			case !statusOK(status):
				i.err = fmt.Errorf("%s was answered with %d %.200s", i, status, body)
			case len(body) == 0 || status != http.StatusOK:
				return // it comes by the interaction's own address
			default:
				f.takeAnswer(i, body)
			}
		})
	})
}

func (f *Fake) takeAnswer(i *Interaction, body []byte) {
	var a answer
	if err := json.Unmarshal(body, &a); err != nil {
		i.err = fmt.Errorf("%s was answered with what is no JSON: %.200s", i, body)
		return
	}
	if refused := f.acknowledge(i, a); refused != nil && i.ack == 0 {
		i.err = fmt.Errorf("%s was answered with what is refused: %w", i, refused)
	}
}

// statusOK says whether the bot's HTTP answer is one that Discord takes.
func statusOK(status int) bool {
	return status == http.StatusOK || status == http.StatusAccepted || status == http.StatusNoContent
}
