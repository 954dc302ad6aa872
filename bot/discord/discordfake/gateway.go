package discordfake

import (
	"bytes"
	"compress/zlib"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/gorilla/websocket"
)

// Opcodes of the gateway: https://discord.com/developers/docs/topics/opcodes-and-status-codes#gateway.
const (
	opDispatch  = 0
	opHeartbeat = 1
	opIdentify  = 2
	opPresence  = 3
	opResume    = 6
	opReconnect = 7
	opInvalid   = 9
	opHello     = 10
	opAck       = 11
)

// Codes with which the gateway closes.
const (
	closeUnknownError    = 4000
	closeUnknownOpcode   = 4001
	closeDecode          = 4002
	closeNotIdentified   = 4003
	closeAuthentication  = 4004
	closeAlreadyIdentity = 4005
	closeInvalidSequence = 4007
	closeRateLimited     = 4008
	closeTimedOut        = 4009
	closeVersion         = 4012
	closeIntents         = 4014
)

// Intents of the bot that matter here.
const (
	intentGuilds     = 1 << 0
	intentMembers    = 1 << 1
	intentPresences  = 1 << 8
	intentMessages   = 1 << 9
	intentDMs        = 1 << 12
	intentContent    = 1 << 15
	privileged       = intentMembers | intentPresences | intentContent
	frameLimit       = 4096 // bytes that the gateway takes in one frame
	framesPerMinute  = 120
	leastPatience    = 30 * time.Second // with a client that sends no heartbeat
	outgoingPatience = 10 * time.Second
)

// frame is what goes over the gateway.
type frame struct {
	Op   int             `json:"op"`
	Data json.RawMessage `json:"d"`
	Seq  *int64          `json:"s"`
	Type *string         `json:"t"`
}

// socket is one connection to the gateway.
type socket struct {
	fake    *Fake
	conn    *websocket.Conn
	session *session
	silent  bool // nothing is answered any more
	closed  bool // by us: what the client says now no longer counts
	minute  time.Time
	frames  int // within that minute

	queueMu sync.Mutex
	queue   []outgoing
	wake    chan struct{}
	gone    chan struct{}
	once    sync.Once
}

type outgoing struct {
	kind int // of WebSocket messages
	data []byte
}

func gatewayURL(f *Fake, _ *request) (any, *apiError) {
	return map[string]any{"url": f.gatewayURL()}, nil
}

func gatewayForBots(f *Fake, _ *request) (any, *apiError) {
	starts := map[string]any{"total": 1000, "remaining": max(0, 1000-len(f.gateway.identifies)), "reset_after": 14400000, "max_concurrency": 1}
	return map[string]any{"url": f.gatewayURL(), "shards": 1, "session_start_limit": starts}, nil
}

func (f *Fake) gatewayURL() string {
	return "ws" + strings.TrimSuffix(strings.TrimPrefix(f.URL, "http"), "/") + strings.TrimSuffix(gatewayPath, "/")
}

var upgrader = websocket.Upgrader{CheckOrigin: func(*http.Request) bool { return true }}

// connect takes a connection to the gateway.
func (f *Fake) connect(w http.ResponseWriter, h *http.Request) {
	refused := true
	f.lock(func() { refused = f.gateway.refuse })
	if refused {
		http.Error(w, "the gateway is down", http.StatusServiceUnavailable)
		return
	}
	conn, err := upgrader.Upgrade(w, h, nil)
	if err != nil {
		return // it has answered
	}
	s := &socket{fake: f, conn: conn, wake: make(chan struct{}, 1), gone: make(chan struct{})}
	f.lock(func() {
		if f.life.Err() != nil {
			s.end()
			return
		}
		f.goes(s.write)
		f.goes(s.read)
		f.gateway.connections++
		f.gateway.sockets = append(f.gateway.sockets, s)
		if v := h.URL.Query().Get("v"); v != "9" && v != "10" {
			s.close(closeVersion, "Invalid API version.")
			return
		}
		s.push(opHello, map[string]any{"heartbeat_interval": f.opts.Heartbeat.Milliseconds()})
	})
}

// read takes what the client sends until the connection ends.
func (s *socket) read(context.Context) {
	f := s.fake
	for {
		_ = s.conn.SetReadDeadline(time.Now().Add(max(2*f.opts.Heartbeat, leastPatience)))
		_, data, err := s.conn.ReadMessage()
		if err != nil {
			f.lock(func() { s.lost(err) })
			return
		}
		f.lock(func() { s.take(data) })
	}
}

// lost is what happens when the client closes the connection, or it breaks. A client that says goodbye with 1000 or 1001 gives up its session.
func (s *socket) lost(err error) {
	f := s.fake
	var goodbye *websocket.CloseError
	if errors.As(err, &goodbye) && !s.closed && !s.silent && (goodbye.Code == websocket.CloseNormalClosure || goodbye.Code == websocket.CloseGoingAway) {
		f.gateway.forget(s.session)
	}
	s.detach()
	f.gateway.sockets = slices.DeleteFunc(f.gateway.sockets, func(x *socket) bool { return x == s })
	s.end()
}

// detach leaves the session without a connection. Events are kept in it from now on.
func (s *socket) detach() {
	if s.session != nil && s.session.socket == s {
		s.session.socket = nil
	}
}

// take does what a frame of the client asks for.
func (s *socket) take(data []byte) {
	if s.silent || s.closed {
		return
	}
	f := s.fake
	var got frame
	if len(data) > frameLimit || json.Unmarshal(data, &got) != nil {
		f.violation("a frame of %d bytes that the gateway cannot read", len(data))
		s.close(closeDecode, "Error while decoding payload.")
		return
	}
	f.record.add(f.opts.KeepCalls, Call{
		At: f.now(), Method: FrameMethod, Path: fmt.Sprintf("op %d", got.Op), Body: bytes.ReplaceAll(data, []byte(f.token), []byte("***")),
	})
	if got.Op != opHeartbeat && s.tooMany() {
		f.violation("more than %d frames in a minute", framesPerMinute)
		s.close(closeRateLimited, "You are being rate limited.")
		return
	}
	switch got.Op {
	case opHeartbeat:
		f.gateway.heartbeats++
		s.push(opAck, nil)
	case opIdentify:
		s.identify(got.Data)
	case opResume:
		s.resume(got.Data)
	case opPresence:
		if s.session == nil {
			s.close(closeNotIdentified, "Not authenticated.")
		}
	default:
		f.violation("a frame with op %d", got.Op)
		s.close(closeUnknownOpcode, "Unknown opcode.")
	}
}

func (s *socket) tooMany() bool {
	if now := s.fake.now(); now.Sub(s.minute) >= time.Minute {
		s.minute, s.frames = now, 0
	}
	s.frames++
	return s.frames > framesPerMinute
}

// push sends a frame that is no event.
func (s *socket) push(op int, data any) {
	if s.silent {
		return
	}
	raw, _ := json.Marshal(data)
	body, _ := json.Marshal(frame{Op: op, Data: raw})
	s.queueUp(outgoing{websocket.TextMessage, body})
}

// pushEvent sends an event, packed if the client has asked for that and it is large.
func (s *socket) pushEvent(e event) {
	if s.silent {
		return
	}
	body, _ := json.Marshal(frame{Op: opDispatch, Data: e.data, Seq: &e.seq, Type: &e.name})
	if !s.session.compress || len(body) < 1024 {
		s.queueUp(outgoing{websocket.TextMessage, body})
		return
	}
	var packed bytes.Buffer
	z := zlib.NewWriter(&packed)
	_, _ = z.Write(body)
	_ = z.Close()
	s.queueUp(outgoing{websocket.BinaryMessage, packed.Bytes()})
}

// close ends the connection with a code, after what is still to be sent. The client hangs up: if we did, it might not read the code.
func (s *socket) close(code int, reason string) {
	s.closed = true
	s.detach()
	s.queueUp(outgoing{websocket.CloseMessage, websocket.FormatCloseMessage(code, reason)})
}

func (s *socket) queueUp(o outgoing) {
	s.queueMu.Lock()
	defer s.queueMu.Unlock()
	s.queue = append(s.queue, o)
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// write sends what is queued, so that nobody waits for a client that does not read.
func (s *socket) write(context.Context) {
	for {
		s.queueMu.Lock()
		queue := s.queue
		s.queue = nil
		s.queueMu.Unlock()
		for _, o := range queue {
			_ = s.conn.SetWriteDeadline(time.Now().Add(outgoingPatience))
			if err := s.conn.WriteMessage(o.kind, o.data); err != nil {
				s.end()
				return
			}
			if o.kind == websocket.CloseMessage {
				_ = s.conn.SetReadDeadline(time.Now().Add(outgoingPatience))
				return
			}
		}
		select {
		case <-s.wake:
		case <-s.gone:
			return
		}
	}
}

// end cuts the connection.
func (s *socket) end() {
	s.once.Do(func() {
		close(s.gone)
		_ = s.conn.Close()
	})
}
