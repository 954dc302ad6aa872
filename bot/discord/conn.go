package discord

import (
	"net"
	"sync"
	"time"
)

// silence is how long something that was sent to the gateway may stay unanswered. A heartbeat is answered at once, so a connection that
// says nothing for longer is dead, whatever the operating system believes. The library would wait for five heartbeats.
const silence = 2 * time.Second

// watched is a connection that knows when it has gone silent, and tells when it is closed.
type watched struct {
	net.Conn
	gone chan struct{}
	once sync.Once

	mu    sync.Mutex
	asked time.Time // when something was sent after which nothing has come yet
}

func watch(c net.Conn) *watched { return &watched{Conn: c, gone: make(chan struct{})} }

// Read implements net.Conn.
func (w *watched) Read(b []byte) (int, error) {
	n, err := w.Conn.Read(b)
	if n > 0 {
		w.mu.Lock()
		w.asked = time.Time{}
		w.mu.Unlock()
	}
	return n, err
}

// Write implements net.Conn.
func (w *watched) Write(b []byte) (int, error) {
	w.mu.Lock()
	if w.asked.IsZero() {
		w.asked = time.Now()
	}
	w.mu.Unlock()
	return w.Conn.Write(b)
}

// silent tells whether an answer is overdue.
func (w *watched) silent() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return !w.asked.IsZero() && time.Since(w.asked) > silence
}

// Close implements net.Conn.
func (w *watched) Close() error {
	err := w.Conn.Close()
	w.once.Do(func() { close(w.gone) })
	return err
}
