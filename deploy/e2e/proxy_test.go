package e2e

import (
	"bytes"
	"errors"
	"io"
	"net"
	"sync"
	"testing"
)

// proxy stands between MyDB and something that it needs, so that a test can take that away.
type proxy struct {
	t               testing.TB
	network, listen string
	target          string

	mu       sync.Mutex
	changed  *sync.Cond
	listener net.Listener // nil while nothing is let through
	conns    map[net.Conn]bool
	stalled  bool
	trigger  trigger
}

// trigger is what happens when a client sends a text. The text still arrives; its answer may not.
type trigger struct {
	text []byte
	do   func()
	done chan struct{}
}

func newProxy(t testing.TB, network, listen, target string) *proxy {
	t.Helper()
	p := &proxy{t: t, network: network, listen: listen, target: target, conns: map[net.Conn]bool{}}
	p.changed = sync.NewCond(&p.mu)
	p.restore()
	t.Cleanup(func() { p.resume(); p.cut() })
	return p
}

// restore lets new connections through.
func (p *proxy) restore() {
	p.t.Helper()
	l, err := net.Listen(p.network, p.listen)
	if err != nil {
		p.t.Fatal(err)
	}
	p.mu.Lock()
	p.listener = l
	p.mu.Unlock()
	go p.accept(l)
}

// cut refuses connections, and breaks off those that are open, as when the server behind has died.
func (p *proxy) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.listener != nil {
		p.listener.Close()
		p.listener = nil
	}
	for c := range p.conns {
		c.Close()
	}
	clear(p.conns)
	p.changed.Broadcast()
}

// stall keeps connections open and lets nothing through, as when the server behind hangs.
func (p *proxy) stall() { p.setStalled(true) }

// resume ends a stall.
func (p *proxy) resume() { p.setStalled(false) }

func (p *proxy) setStalled(stalled bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stalled = stalled
	p.changed.Broadcast()
}

// when does something as soon as a client has sent a text, and closes the channel then.
func (p *proxy) when(text string, do func()) <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.trigger = trigger{[]byte(text), do, make(chan struct{})}
	return p.trigger.done
}

func (p *proxy) accept(l net.Listener) {
	for {
		client, err := l.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			p.t.Errorf("proxy: %v", err)
			return
		}
		go p.serve(client)
	}
}

func (p *proxy) serve(client net.Conn) {
	server, err := net.Dial(p.network, p.target)
	if err != nil {
		client.Close()
		return
	}
	if !p.keep(client, server) {
		return
	}
	defer p.drop(client, server)
	done := make(chan struct{}, 2)
	go func() { p.copy(server, client, p.spring); done <- struct{}{} }()
	go func() { p.copy(client, server, func([]byte) {}); done <- struct{}{} }()
	<-done
}

// keep takes note of a connection, unless connections were cut while it came about.
func (p *proxy) keep(conns ...net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range conns {
		if p.listener == nil {
			c.Close()
			continue
		}
		p.conns[c] = true
	}
	return p.listener != nil
}

func (p *proxy) drop(conns ...net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range conns {
		c.Close()
		delete(p.conns, c)
	}
}

func (p *proxy) copy(to io.Writer, from io.Reader, sent func([]byte)) {
	b := make([]byte, 32<<10)
	for {
		n, err := from.Read(b)
		p.waitWhileStalled()
		if _, writeErr := to.Write(b[:n]); err != nil || writeErr != nil {
			return
		}
		sent(b[:n])
	}
}

func (p *proxy) waitWhileStalled() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for p.stalled {
		p.changed.Wait()
	}
}

// spring pulls the trigger if a client has sent its text.
func (p *proxy) spring(sent []byte) {
	p.mu.Lock()
	t := p.trigger
	if t.text == nil || !bytes.Contains(sent, t.text) {
		p.mu.Unlock()
		return
	}
	p.trigger = trigger{}
	p.mu.Unlock()
	t.do()
	close(t.done)
}
