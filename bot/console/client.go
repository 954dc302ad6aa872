package console

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/mydb-project/mydb/bot"
	"github.com/mydb-project/mydb/core"
)

// Client speaks to one MyDB server as the person of one token. Its errors are *core.Error; those of the server keep their code
// and sentence.
type Client struct {
	BaseURL string // without a slash at the end
	Token   string
	HTTP    *http.Client  // default: http.DefaultClient; it must have no Timeout, because following an operation takes long
	Pause   time.Duration // before the first retry, doubled for each next one; default 250 ms
}

const (
	apiPath       = "/api/v1"
	defaultPause  = 250 * time.Millisecond
	tries         = 4
	answerTimeout = 30 * time.Second // of one try
	maxBody       = 8 << 20          // bytes of an answer
)

// Chat sends a message to the bot. An empty key stands for a new one. A message whose answer got lost is sent again with the same
// key, so that the server does once what it asks for.
func (c *Client) Chat(ctx context.Context, text, key string) (bot.Answer, error) {
	body, err := json.Marshal(map[string]string{"text": text})
	if err != nil {
		return bot.Answer{}, fmt.Errorf("encode the message: %w", err)
	}
	var reply struct {
		bot.Answer
		Code core.Code `json:"code"` // of a refusal that is an answer
	}
	err = c.getJSON(ctx, request{method: http.MethodPost, path: "/chat", key: cmp.Or(key, rand.Text()), body: body}, &reply)
	if err == nil && reply.Code != "" {
		err = &core.Error{Code: reply.Code, Message: reply.Text}
	}
	return reply.Answer, err
}

// Database reads one database.
func (c *Client) Database(ctx context.Context, name string) (core.Instance, error) {
	var i core.Instance
	return i, c.getJSON(ctx, request{method: http.MethodGet, path: "/databases/" + url.PathEscape(name)}, &i)
}

// Credentials collects a database's password. From then on the server gives it for ten minutes more, and then never again.
func (c *Client) Credentials(ctx context.Context, name string) (core.Credentials, error) {
	var out core.Credentials
	return out, c.getJSON(ctx, request{method: http.MethodGet, path: "/databases/" + url.PathEscape(name) + "/credentials"}, &out)
}

// Operation reads one operation.
func (c *Client) Operation(ctx context.Context, id string) (core.Operation, error) {
	var op core.Operation
	return op, c.getJSON(ctx, request{method: http.MethodGet, path: "/operations/" + url.PathEscape(id)}, &op)
}

// CA reads the certificate (PEM) with which the databases' certificates are verified.
func (c *Client) CA(ctx context.Context) ([]byte, error) {
	return c.get(ctx, request{method: http.MethodGet, path: "/ca.crt"})
}

// request is one call of the API. Each can be repeated: what changes something has a key.
type request struct {
	method, path, key string
	body              []byte
}

func (c *Client) getJSON(ctx context.Context, r request, out any) error {
	b, err := c.get(ctx, r)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(b, out); err != nil {
		return c.strange(err)
	}
	return nil
}

// get makes a call and repeats it when the way to the server, or the server itself, fails for a moment.
func (c *Client) get(ctx context.Context, r request) ([]byte, error) {
	pause := cmp.Or(c.Pause, defaultPause)
	for try := 1; ; try++ {
		b, err := c.once(ctx, r)
		if core.CodeOf(err) != core.CodeUnavailable || try == tries || ctx.Err() != nil {
			return b, err
		}
		if wait(ctx, pause) != nil {
			return nil, err
		}
		pause *= 2
	}
}

func (c *Client) once(ctx context.Context, r request) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	response, err := c.send(ctx, r, "application/json")
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	b, err := io.ReadAll(io.LimitReader(response.Body, maxBody))
	if err != nil {
		return nil, c.unreachable(err)
	}
	return b, nil
}

// send makes one call and gives the answer if it is a good one. The caller closes its body.
func (c *Client) send(ctx context.Context, r request, accept string) (*http.Response, error) {
	request, err := http.NewRequestWithContext(ctx, r.method, c.BaseURL+apiPath+r.path, bytes.NewReader(r.body))
	if err != nil {
		return nil, c.strange(err)
	}
	request.Header.Set("Authorization", "Bearer "+c.Token)
	request.Header.Set("Accept", accept)
	if r.body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	if r.key != "" {
		request.Header.Set("Idempotency-Key", r.key)
	}
	response, err := cmp.Or(c.HTTP, http.DefaultClient).Do(request)
	if err != nil {
		return nil, c.unreachable(err)
	}
	if response.StatusCode < 300 {
		return response, nil
	}
	defer response.Body.Close()
	return nil, c.refusal(response)
}

// refusal reads the error that the server answered. Proxies on the way answer in their own words, of which only the status is kept.
func (c *Client) refusal(response *http.Response) error {
	var envelope struct {
		Error core.Explanation `json:"error"`
	}
	b, err := io.ReadAll(io.LimitReader(response.Body, maxBody))
	if err == nil && json.Unmarshal(b, &envelope) == nil && envelope.Error.Code != "" {
		e := envelope.Error
		return &core.Error{Code: e.Code, Message: e.Message, Field: e.Field}
	}
	switch response.StatusCode {
	case http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return core.Errorf(core.CodeUnavailable, "%s answers %q: MyDB behind it is not there. Try again in a minute.", c.BaseURL, response.Status)
	}
	return c.strange(errors.New("it answers " + response.Status))
}

func (c *Client) unreachable(err error) error {
	if errors.Is(err, context.Canceled) {
		return &core.Error{Code: core.CodeUnavailable, Message: "Interrupted.", Cause: err}
	}
	cause := err
	var inURL *url.Error // its text repeats the address
	if errors.As(err, &inURL) {
		cause = inURL.Err
	}
	return &core.Error{
		Code: core.CodeUnavailable, Cause: err,
		Message: fmt.Sprintf("MyDB does not answer at %s (%v). Is it running, and is that its address? --server or MYDB_URL names another.", c.BaseURL, cause),
	}
}

func (c *Client) strange(err error) error {
	return &core.Error{
		Code: core.CodeInternal, Cause: err,
		Message: fmt.Sprintf("%s does not answer as MyDB does (%v). Is that MyDB's address? --server or MYDB_URL names another.", c.BaseURL, err),
	}
}

// wait pauses, unless ctx ends first.
func wait(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}
