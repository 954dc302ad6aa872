package portal

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/mydb-project/mydb/core"
)

// watchPace is how patient a stream of events is.
type watchPace struct {
	look  time.Duration // between two looks when nothing was heard of
	beat  time.Duration // between two signs of life, which keep proxies from closing the stream
	write time.Duration // for one write to a client
	life  time.Duration // of a stream; the client then connects again and is recognised anew
}

var defaultPace = watchPace{look: 3 * time.Second, beat: 15 * time.Second, write: 10 * time.Second, life: 15 * time.Minute}

// event is one server-sent event. Data may have several lines.
type event struct {
	name, id string
	data     []byte
}

// stream writes events to one client.
type stream struct {
	w       http.ResponseWriter
	control *http.ResponseController
	patient time.Duration
}

// openStream starts an answer that goes on for as long as there is news. The connection's own limits would cut it off.
func (s *Server) openStream(w http.ResponseWriter) (*stream, error) {
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Accel-Buffering", "no") // nginx would hold events back
	st := &stream{w: w, control: http.NewResponseController(w), patient: s.watching.write}
	w.WriteHeader(http.StatusOK)
	return st, st.raw([]byte("retry: 2000\n\n"))
}

func (st *stream) send(e event) error {
	var b bytes.Buffer
	fmt.Fprintf(&b, "event: %s\nid: %s\n", e.name, e.id)
	for line := range bytes.Lines(e.data) {
		b.WriteString("data: ")
		b.Write(bytes.TrimRight(line, "\r\n"))
		b.WriteByte('\n')
	}
	b.WriteByte('\n')
	return st.raw(b.Bytes())
}

func (st *stream) raw(b []byte) error {
	_ = st.control.SetWriteDeadline(time.Now().Add(st.patient))
	if _, err := st.w.Write(b); err != nil {
		return err
	}
	return st.control.Flush()
}

// follow sends what render makes of an operation, now and after each change, until the operation has ended or the client is
// gone. Errors before the first event are returned; later ones end the stream.
func (s *Server) follow(w http.ResponseWriter, r *http.Request, actor core.Actor, id string, render func(core.Operation) ([]event, error)) error {
	changed, stop := s.service.Watch(id)
	defer stop()
	o, err := s.service.Operation(r.Context(), actor, id)
	if err != nil {
		return err
	}
	st, err := s.openStream(w)
	if err != nil {
		return nil //nolint:nilerr // the client is gone: nobody to tell
	}
	s.metrics.streams.Inc()
	defer s.metrics.streams.Dec()
	ctx, cancel := context.WithTimeout(r.Context(), s.watching.life)
	defer cancel()
	keep := context.AfterFunc(s.streams, cancel)
	defer keep()
	err = s.tell(ctx, st, changed, o, func() (core.Operation, error) { return s.service.Operation(ctx, actor, id) }, render)
	if err != nil && ctx.Err() == nil {
		s.logOf(r).Warn("a stream of events broke off", "operation", id, "error", err)
	}
	return nil
}

// tell is the loop of follow.
func (s *Server) tell(ctx context.Context, st *stream, changed <-chan struct{}, o core.Operation,
	read func() (core.Operation, error), render func(core.Operation) ([]event, error),
) error {
	look, beat := time.NewTicker(s.watching.look), time.NewTicker(s.watching.beat)
	defer look.Stop()
	defer beat.Stop()
	var last string
	for {
		if mark := markOf(o); mark != last {
			last = mark
			events, err := render(o)
			if err != nil {
				return err
			}
			for _, e := range events {
				e.id = mark
				if err := st.send(e); err != nil {
					return err
				}
			}
		}
		if o.Finished() {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-beat.C:
			if err := st.raw([]byte(": still here\n\n")); err != nil {
				return err
			}
			continue
		case <-changed:
		case <-look.C:
		}
		var err error
		if o, err = read(); err != nil {
			return err
		}
	}
}

// markOf names a moment in an operation's life, so that nothing is sent twice.
func markOf(o core.Operation) string {
	done := 0
	for _, step := range o.Steps {
		if step.FinishedAt != nil {
			done++
		}
	}
	latest := int64(0)
	if n := len(o.Steps); n > 0 {
		latest = o.Steps[n-1].StartedAt.UnixMicro()
	}
	return fmt.Sprintf("%s-%d-%d-%d", o.State, len(o.Steps), done, latest)
}

func (s *Server) apiEvents(w http.ResponseWriter, r *http.Request, c call) error {
	return s.follow(w, r, c.Actor, c.item, func(o core.Operation) ([]event, error) {
		data, err := json.Marshal(o)
		return []event{{name: "operation", data: data}}, err
	})
}
