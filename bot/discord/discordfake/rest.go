package discordfake

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"strconv"
	"strings"
)

// bodyLimit is how much Discord takes in one call: 10 MB of files, and some words.
const bodyLimit = 10<<20 + 64<<10

// request is a call of the bot, with its body read.
type request struct {
	*http.Request
	body  []byte // the JSON of it
	files []upload
}

// endpoint is one line of the table of routes.
type endpoint struct {
	method, path string
	open         bool  // needs no bot token: the address is one that only the right bot knows
	limit        Limit // "" for none of its own
	do           func(f *Fake, r *request) (answer any, err *apiError)
}

// reply is what becomes of a call.
type reply struct {
	status  int
	headers http.Header
	body    []byte
}

// serve is the way of every call: it is spoiled where a test wants it, checked, braked, carried out, recorded and answered.
func (f *Fake) serve(e endpoint) http.HandlerFunc {
	return func(w http.ResponseWriter, h *http.Request) {
		raw, readErr := io.ReadAll(http.MaxBytesReader(w, h.Body, bodyLimit))
		fault := f.faultFor(h)
		fault.wait(h.Context(), f.life)
		var done reply
		f.lock(func() {
			done = f.reply(e, h, raw, readErr, fault)
			if fault != nil && fault.Cut {
				done.status = 0
			}
			f.record.add(f.opts.KeepCalls, Call{
				At: f.now(), Method: h.Method, Path: callPath(h), UserAgent: h.UserAgent(), Body: raw, Status: done.status, Answer: done.body,
			})
		})
		if fault != nil && (fault.Lost || fault.Cut) {
			panic(http.ErrAbortHandler) // how net/http lets a handler cut the connection
		}
		for name, values := range done.headers {
			w.Header()[name] = values
		}
		w.WriteHeader(done.status)
		_, _ = w.Write(done.body)
	}
}

// callPath is the path below /api/vN, with the query.
func callPath(h *http.Request) string {
	path := h.URL.RequestURI()
	if parts := strings.SplitN(path, "/", 4); len(parts) == 4 && parts[1] == "api" {
		return "/" + parts[3]
	}
	return path
}

func (f *Fake) reply(e endpoint, h *http.Request, raw []byte, readErr error, fault *Fault) reply {
	done := reply{headers: http.Header{}}
	answer, err := f.carryOut(e, h, raw, readErr, fault, done.headers)
	switch {
	case err != nil:
		done.refuse(err)
		f.record.refused(f.now(), err)
	case answer == nil:
		done.status = http.StatusNoContent
	default:
		done.status = http.StatusOK
		done.json(answer)
	}
	return done
}

func (d *reply) json(v any) {
	body, err := json.Marshal(v)
	if err != nil {
		panic(err) // a type of this package that is no JSON
	}
	d.body = body
	d.headers.Set("Content-Type", "application/json")
}

func (d *reply) refuse(err *apiError) {
	d.status = err.status
	if err.status != http.StatusTooManyRequests {
		d.json(err)
		return
	}
	seconds := err.retryAfter.Seconds()
	d.headers.Set("Retry-After", strconv.Itoa(max(1, int(seconds+0.999))))
	d.headers.Set("X-RateLimit-Scope", "user")
	d.headers.Set("X-RateLimit-Remaining", "0")
	d.headers.Set("X-RateLimit-Reset-After", strconv.FormatFloat(seconds, 'f', 3, 64))
	if err.global {
		d.headers.Set("X-RateLimit-Global", "true")
		d.headers.Set("X-RateLimit-Scope", "global")
	}
	d.json(map[string]any{"message": err.Message, "retry_after": seconds, "global": err.global})
}

// carryOut does what a call asks for, unless something speaks against it.
func (f *Fake) carryOut(e endpoint, h *http.Request, raw []byte, readErr error, fault *Fault, headers http.Header) (any, *apiError) {
	if fault != nil && fault.Cut {
		return nil, nil
	}
	if fault != nil && fault.Status != 0 {
		return nil, fault.err()
	}
	if !strings.HasPrefix(h.UserAgent(), "DiscordBot (") {
		f.violation("%s %s has the user agent %q, which Discord may block", h.Method, callPath(h), h.UserAgent())
	}
	if !e.open && h.Header.Get("Authorization") != "Bot "+f.token {
		return nil, errUnauthorized
	}
	if err := f.brake(e, h, headers); err != nil {
		return nil, err
	}
	var tooLarge *http.MaxBytesError
	if errors.As(readErr, &tooLarge) {
		return nil, errEntityTooLarge
	}
	r, err := parse(h, raw)
	if err != nil {
		return nil, err
	}
	return e.do(f, r)
}

// parse takes the JSON and the files out of a body.
func parse(h *http.Request, raw []byte) (*request, *apiError) {
	r := &request{Request: h, body: raw}
	kind, words, err := mime.ParseMediaType(h.Header.Get("Content-Type"))
	if err != nil || kind != "multipart/form-data" {
		return r, nil
	}
	parts := multipart.NewReader(bytes.NewReader(raw), words["boundary"])
	for {
		part, err := parts.NextPart()
		if errors.Is(err, io.EOF) {
			return r, nil
		}
		if err != nil {
			return nil, errInvalidJSON
		}
		data, err := io.ReadAll(part)
		if err != nil {
			return nil, errInvalidJSON
		}
		if part.FormName() == "payload_json" {
			r.body = data
			continue
		}
		r.files = append(r.files, upload{field: part.FormName(), name: part.FileName(), kind: part.Header.Get("Content-Type"), data: data})
	}
}

// into reads the JSON of the body.
func (r *request) into(v any) *apiError {
	if err := json.Unmarshal(r.body, v); err != nil {
		return errInvalidJSON
	}
	return nil
}

// draft reads a body that makes or changes a message.
func (r *request) draft() (*draft, *apiError) {
	d := &draft{files: r.files}
	if err := r.into(d); err != nil {
		return nil, err
	}
	return d, d.check("")
}
