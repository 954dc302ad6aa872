package console

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/mydb-project/mydb/core"
)

const (
	// quietLimit is how long a stream may be silent. The server gives a sign of life every 15 seconds.
	quietLimit = 45 * time.Second
	pollEvery  = 4 // pauses: a second with the default
	// patience is how many looks in a row may fail before the server counts as gone: about a minute with the default pause, in
	// which a server that is being replaced comes back.
	patience = 20
	maxEvent = 1 << 20 // bytes of a line in a stream
)

// FollowOperation tells of every change of an operation until it has ended, and gives its end. It listens to the stream of
// events, connects again when that breaks off, and asks now and then where there is no stream.
func (c *Client) FollowOperation(ctx context.Context, id string, tell func(core.Operation)) (core.Operation, error) {
	pause := cmp.Or(c.Pause, defaultPause)
	for missed := 0; ; {
		op, heard := c.listen(ctx, id, tell)
		if op.Finished() {
			return op, nil
		}
		if ctx.Err() != nil {
			return op, c.unreachable(ctx.Err())
		}
		if heard {
			missed = 0
		}
		next, err := c.Operation(ctx, id)
		switch {
		case err == nil:
			missed = 0
			tell(next)
			if next.Finished() {
				return next, nil
			}
		case core.CodeOf(err) != core.CodeUnavailable || missed >= patience:
			return op, err
		default:
			missed++
		}
		if err := wait(ctx, pause*pollEvery); err != nil {
			return op, c.unreachable(err)
		}
	}
}

// listen follows one stream of events until the operation or the stream ends. It gives the last operation that it heard of.
func (c *Client) listen(ctx context.Context, id string, tell func(core.Operation)) (last core.Operation, heard bool) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	quiet := time.AfterFunc(quietLimit, cancel)
	defer quiet.Stop()
	response, err := c.send(ctx, request{method: http.MethodGet, path: "/operations/" + url.PathEscape(id) + "/events"}, "text/event-stream")
	if err != nil {
		return last, false // the caller asks for the operation, and hears why
	}
	defer response.Body.Close()
	if !strings.HasPrefix(response.Header.Get("Content-Type"), "text/event-stream") {
		return last, false
	}
	_ = readEvents(response.Body, func() { quiet.Reset(quietLimit) }, func(name string, data []byte) error {
		var op core.Operation
		if name != "operation" || json.Unmarshal(data, &op) != nil || op.ID != id {
			return nil // something that newer servers say
		}
		last, heard = op, true
		tell(op)
		if op.Finished() {
			return errEnough
		}
		return nil
	})
	return last, heard
}

var errEnough = errors.New("enough")

// readEvents reads server-sent events, as far as MyDB uses them: names and data. alive is called for each line, comments included.
func readEvents(r io.Reader, alive func(), event func(name string, data []byte) error) error {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, maxEvent)
	name, data := "", []byte(nil)
	for lines.Scan() {
		alive()
		line := bytes.TrimSuffix(lines.Bytes(), []byte("\r"))
		if len(line) == 0 {
			if data != nil {
				if err := event(name, bytes.TrimSuffix(data, []byte("\n"))); err != nil {
					return err
				}
			}
			name, data = "", nil
			continue
		}
		field, value, _ := bytes.Cut(line, []byte(":"))
		value = bytes.TrimPrefix(value, []byte(" "))
		switch string(field) {
		case "event":
			name = string(value)
		case "data":
			data = append(append(data, value...), '\n')
		}
	}
	return lines.Err()
}
