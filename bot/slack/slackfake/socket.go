package slackfake

import (
	"cmp"
	"crypto/rand"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/gorilla/websocket"
)

// Limits of Socket Mode: https://docs.slack.dev/apis/events-api/using-socket-mode
const (
	maxSockets = 10
	maxAck     = 20 * 1024 // Slack drops an acknowledgement of that size and more without a word: slack-go, socketmode.SendCtx
)

// sockets are the app's connections in Socket Mode.
type sockets struct {
	tickets map[string]bool // addresses that were given out, and not yet used
	open    []*socket
	turn    int
	refuse  bool
	pending map[string]*pending // deliveries by envelope
}

type socket struct {
	conn   *websocket.Conn
	gone   chan struct{}
	writes sync.Mutex
	silent bool
}

// pending is an envelope that waits for its acknowledgement. It stays when Slack has given up, so that a late one is known.
type pending struct {
	delivery *Delivery
	acked    chan json.RawMessage
	began    time.Time
	record   int // in f.acks, once Slack has given up; -1 before
	done     bool
}

// openConnection is apps.connections.open. Its address works once.
func (f *Fake) openConnection(args) (object, error) {
	if f.sockets.refuse {
		return nil, refuse("internal_error")
	}
	ticket := strings.ToLower(rand.Text())
	f.sockets.tickets[ticket] = true
	return object{"url": "ws" + strings.TrimPrefix(f.base, "http") + "/link/?ticket=" + ticket + "&app_id=" + AppID}, nil
}

// serveSocket is a connection of Socket Mode, from its hello to its end.
func (f *Fake) serveSocket(w http.ResponseWriter, r *http.Request) {
	if !f.enter() {
		return
	}
	defer f.work.Done()
	if !f.takeTicket(r.URL.Query().Get("ticket")) {
		http.Error(w, "no such ticket", http.StatusNotFound)
		return
	}
	up := websocket.Upgrader{CheckOrigin: func(*http.Request) bool { return true }} // slack-go says https://api.slack.com
	conn, err := up.Upgrade(w, r, nil)
	if err != nil {
		return // the upgrader has answered
	}
	s := &socket{conn: conn, gone: make(chan struct{})}
	defer conn.Close()
	f.mu.Lock()
	many := len(f.sockets.open) + 1
	f.mu.Unlock()
	if many > maxSockets {
		s.write(object{"type": "disconnect", "reason": "too_many_websockets"})
		return
	}
	s.write(object{
		"type": "hello", "num_connections": many, "connection_info": object{"app_id": AppID},
		"debug_info": object{"host": "applink-fake", "build_number": 1, "approximate_connection_time": 18060},
	})
	f.mu.Lock()
	f.sockets.open = append(f.sockets.open, s)
	f.touch()
	f.mu.Unlock()
	if f.ctx.Err() != nil {
		conn.Close() // Close has dropped the connections that it knew
	}
	f.spawn(func() { f.ping(s) })
	f.listen(s)
	f.mu.Lock()
	f.sockets.open = slices.DeleteFunc(f.sockets.open, func(o *socket) bool { return o == s })
	close(s.gone)
	f.touch()
	f.mu.Unlock()
}

func (f *Fake) takeTicket(ticket string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	ok := f.sockets.tickets[ticket]
	delete(f.sockets.tickets, ticket)
	return ok && !f.sockets.refuse && f.ctx.Err() == nil
}

// ping pings at once and then regularly: slack-go leaves a connection that has not pinged within its interval.
func (f *Fake) ping(s *socket) {
	tick := time.NewTicker(f.o.PingEvery)
	defer tick.Stop()
	for {
		f.mu.Lock()
		silent := s.silent
		f.mu.Unlock()
		if !silent && s.conn.WriteControl(websocket.PingMessage, []byte("Ping from the fake of Slack"), time.Now().Add(time.Minute)) != nil {
			return
		}
		select {
		case <-tick.C:
		case <-s.gone:
			return
		}
	}
}

func (s *socket) write(v any) bool {
	s.writes.Lock()
	defer s.writes.Unlock()
	return s.conn.WriteJSON(v) == nil
}

// listen reads acknowledgements until the connection ends.
func (f *Fake) listen(s *socket) {
	for {
		_, raw, err := s.conn.ReadMessage()
		if err != nil {
			return
		}
		f.mu.Lock()
		if !s.silent {
			f.acknowledge(raw)
		}
		f.mu.Unlock()
	}
}

func (f *Fake) acknowledge(raw []byte) {
	f.note(Call{At: f.clock.Now(), Method: "ack", Body: raw, Args: jsonArgs(raw), Status: http.StatusOK})
	defer f.touch()
	if len(raw) >= maxAck {
		f.violation("ack", "too large", "Slack drops it without a word")
		return
	}
	var a struct {
		Envelope string          `json:"envelope_id"`
		Payload  json.RawMessage `json:"payload"`
	}
	if err := json.Unmarshal(raw, &a); err != nil {
		f.violation("ack", "no JSON", err.Error())
		return
	}
	p := f.sockets.pending[a.Envelope]
	switch {
	case p == nil:
		f.violation("ack", "unknown envelope", a.Envelope)
	case p.done:
		f.violation("ack", "a second time", a.Envelope)
	case p.record >= 0:
		p.done = true
		f.acks[p.record].fate, f.acks[p.record].took = late, time.Since(p.began)
	default:
		if p.delivery.Kind == Event && len(a.Payload) > 0 {
			f.violation("ack", "payload for an event", "Slack ignores it")
		}
		p.done = true
		p.acked <- a.Payload
	}
}

// send makes one attempt over Socket Mode. Events wait for a connection; the rest fails where there is none.
func (f *Fake) send(d *Delivery, n int, reason string) Result {
	s := f.socket(d.Kind == Event)
	if s == nil {
		return Result{Failure: noApp}
	}
	envelope := object{
		"type": d.Kind, "envelope_id": strings.ToLower(rand.Text()), "payload": d.Payload, "accepts_response_payload": d.Kind != Event,
	}
	if d.Kind == Event {
		envelope["retry_attempt"], envelope["retry_reason"] = n, reason
	}
	p := &pending{delivery: d, acked: make(chan json.RawMessage, 1), began: time.Now(), record: -1}
	f.mu.Lock()
	f.sockets.pending[envelope["envelope_id"].(string)] = p
	silent := s.silent
	f.mu.Unlock()
	deadline, stop := f.clock.After(ackLimit)
	defer stop()
	if !silent {
		s.write(envelope) // if it cannot be written, the connection is gone
	}
	select {
	case answer := <-p.acked:
		return f.took(p, answer)
	case <-deadline:
	case <-s.gone:
	case <-f.ctx.Done():
	}
	return f.gaveUp(p)
}

func (f *Fake) took(p *pending, answer json.RawMessage) Result {
	f.mu.Lock()
	defer f.mu.Unlock()
	took := time.Since(p.began)
	if f.chaos.loses() {
		return Result{Took: took, Failure: failureOf(p.delivery.Kind), at: f.clock.Now()}
	}
	f.noted(p.delivery.Kind, took, inTime)
	return Result{Acked: true, Took: took, Answer: answer}
}

func (f *Fake) gaveUp(p *pending) Result {
	f.mu.Lock()
	defer f.mu.Unlock()
	took := time.Since(p.began)
	select {
	case answer := <-p.acked: // at the last moment
		f.noted(p.delivery.Kind, took, inTime)
		return Result{Acked: true, Took: took, Answer: answer}
	default:
	}
	if f.ctx.Err() == nil {
		p.record = f.noted(p.delivery.Kind, took, missing)
	}
	return Result{Took: took, Failure: failureOf(p.delivery.Kind), at: f.clock.Now()}
}

func failureOf(k Kind) string {
	if k == Event {
		return "timeout" // the retry_reason
	}
	return timedOut
}

// socket is the connection whose turn it is. It waits for one if it is told to.
func (f *Fake) socket(wait bool) *socket {
	for {
		f.mu.Lock()
		if open := f.sockets.open; len(open) > 0 {
			f.sockets.turn++
			s := open[f.sockets.turn%len(open)]
			f.mu.Unlock()
			return s
		}
		changed := f.changed
		f.mu.Unlock()
		if !wait {
			return nil
		}
		select {
		case <-changed:
		case <-f.ctx.Done():
			return nil
		}
	}
}

// Connections is how many connections of Socket Mode are open.
func (f *Fake) Connections() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.sockets.open)
}

// Drop breaks all connections, without a word.
func (f *Fake) Drop() {
	for _, s := range f.all() {
		_ = s.conn.NetConn().Close()
	}
}

// Refresh asks the app to connect anew, for `warning` or `refresh_requested`, as Slack does every few hours; the latter also ends the connections.
func (f *Fake) Refresh(reason string) {
	reason = cmp.Or(reason, "refresh_requested")
	for _, s := range f.all() {
		s.write(object{"type": "disconnect", "reason": reason, "debug_info": object{"host": "applink-fake"}})
		if reason != "warning" {
			_ = s.conn.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(websocket.CloseNormalClosure, ""), time.Now().Add(time.Minute))
		}
	}
}

// Silence lets the open connections die without closing them: no pings, nothing delivered, nothing heard. New connections work.
func (f *Fake) Silence() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, s := range f.sockets.open {
		s.silent = true
	}
}

// RefuseConnections lets apps.connections.open fail until it is told otherwise.
func (f *Fake) RefuseConnections(refuse bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.sockets.refuse = refuse
}

func (f *Fake) all() []*socket {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.sockets.open)
}
