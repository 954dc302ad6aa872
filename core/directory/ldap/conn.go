package ldap

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/url"
	"sync"
	"time"

	"github.com/go-ldap/ldap/v3"
)

const (
	dialLimit = 5 * time.Second
	callLimit = 8 * time.Second
	// maxIdle is how many connections are kept, and idleTrusted for how long one is used again without asking whether it lives.
	maxIdle     = 8
	idleTrusted = 10 * time.Second
	// benched is for how long a server is tried last after it did not answer.
	benched = 30 * time.Second
)

// conns keeps connections that are bound as the service account, and others on which people's passwords are tried: a bind takes the place of the
// one before (RFC 4511, 4.2.1), and a connection of its own for each login costs more than all the rest of it.
type conns struct {
	Options
	roots *x509.CertPool

	mu    sync.Mutex
	idle  []idleConn
	tried []idleConn           // bound as whoever logged in last, and used for nothing but the next bind
	bench map[string]time.Time // servers that did not answer, until when they are tried last
}

type idleConn struct {
	*ldap.Conn
	since time.Time
}

// do calls f with a connection of the service account. A connection that turns out to be dead is replaced once: it may have died while it
// was idle.
func (c *conns) do(ctx context.Context, f func(*ldap.Conn) error) error {
	for again := range 2 {
		conn, fresh, err := c.get(ctx)
		if err != nil {
			return err
		}
		err = within(ctx, conn, func() error { return f(conn) })
		if err == nil || !broken(err) && !conn.IsClosing() {
			c.put(conn)
			return err
		}
		_ = conn.Close()
		if fresh || again == 1 || ctx.Err() != nil {
			return err
		}
	}
	return nil
}

// within ends a call at the end of ctx, which the library does not know: the connection is closed under it.
func within(ctx context.Context, conn *ldap.Conn, f func() error) error {
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	err := f()
	if ctx.Err() != nil {
		return errors.Join(ctx.Err(), err)
	}
	return err
}

// broken tells errors of the connection from answers of the server.
func broken(err error) bool {
	return ldap.IsErrorAnyOf(err, ldap.ErrorNetwork, ldap.LDAPResultUnavailable, ldap.LDAPResultBusy, ldap.LDAPResultServerDown, ldap.LDAPResultTimeout) ||
		errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled)
}

func (c *conns) get(ctx context.Context) (conn *ldap.Conn, fresh bool, err error) {
	for {
		c.mu.Lock()
		if len(c.idle) == 0 {
			c.mu.Unlock()
			conn, err = c.dial(ctx, c.BindDN, c.BindPassword)
			if err != nil && conn != nil {
				_ = conn.Close()
			}
			return conn, true, err
		}
		last := c.idle[len(c.idle)-1]
		c.idle = c.idle[:len(c.idle)-1]
		c.mu.Unlock()
		if last.IsClosing() {
			continue
		}
		if c.Now().Sub(last.since) < idleTrusted || within(ctx, last.Conn, func() error { return alive(last.Conn) }) == nil {
			return last.Conn, false, nil
		}
		_ = last.Close()
	}
}

func (c *conns) put(conn *ldap.Conn) { c.keep(&c.idle, conn) }

func (c *conns) keep(in *[]idleConn, conn *ldap.Conn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if conn.IsClosing() || len(*in) >= maxIdle {
		_ = conn.Close()
		return
	}
	*in = append(*in, idleConn{conn, c.Now()})
}

// try binds as somebody, and gives what the server says of it. No search ever runs with their rights.
func (c *conns) try(ctx context.Context, dn, password string) error {
	if conn := c.takeTried(); conn != nil {
		err := within(ctx, conn, func() error { return bind(conn, dn, password) })
		if err == nil || !broken(err) && !conn.IsClosing() {
			c.keep(&c.tried, conn)
			return err
		}
		_ = conn.Close() // it may have died while it was idle
		if ctx.Err() != nil {
			return err
		}
	}
	conn, err := c.dial(ctx, dn, password)
	if conn != nil {
		c.keep(&c.tried, conn)
	}
	return err
}

func (c *conns) takeTried() *ldap.Conn {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.tried) == 0 {
		return nil
	}
	last := c.tried[len(c.tried)-1]
	c.tried = c.tried[:len(c.tried)-1]
	return last.Conn
}

// alive asks for nothing but an answer: the entry that every server has (RFC 4512, 5.1).
func alive(conn *ldap.Conn) error {
	_, err := conn.Search(ldap.NewSearchRequest("", ldap.ScopeBaseObject, ldap.NeverDerefAliases, 1, int(callLimit.Seconds()), false, "(objectClass=*)", []string{"1.1"}, nil))
	return err
}

// dial connects to the first server that answers, and binds. A refused bind is the answer: it is not tried elsewhere, and the connection comes
// with the error.
func (c *conns) dial(ctx context.Context, bindDN, password string) (*ldap.Conn, error) {
	var errs []error
	for _, address := range c.order() {
		conn, err := c.connect(ctx, address)
		if err == nil {
			if err = within(ctx, conn, func() error { return bind(conn, bindDN, password) }); err == nil {
				return conn, nil
			}
			if !broken(err) {
				return conn, err
			}
			_ = conn.Close()
		}
		c.mu.Lock()
		c.bench[address] = c.Now().Add(benched)
		c.mu.Unlock()
		errs = append(errs, fmt.Errorf("%s: %w", address, err))
		if ctx.Err() != nil {
			break
		}
	}
	return nil, &ldap.Error{ResultCode: ldap.ErrorNetwork, Err: errors.Join(errs...)}
}

// order is all servers, those that have not answered lately last.
func (c *conns) order() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var good, bad []string
	for _, address := range c.URLs {
		if c.Now().Before(c.bench[address]) {
			bad = append(bad, address)
		} else {
			good = append(good, address)
		}
	}
	return append(good, bad...)
}

func (c *conns) connect(ctx context.Context, address string) (*ldap.Conn, error) {
	u, err := url.Parse(address)
	if err != nil {
		return nil, err
	}
	secure := &tls.Config{ServerName: u.Hostname(), RootCAs: c.roots, MinVersion: tls.VersionTLS12}
	dialer := &net.Dialer{Timeout: dialLimit}
	if deadline, ok := ctx.Deadline(); ok {
		dialer.Deadline = deadline
	}
	conn, err := ldap.DialURL(address, ldap.DialWithTLSConfig(secure), ldap.DialWithDialer(dialer))
	if err != nil {
		return nil, err
	}
	conn.SetTimeout(callLimit)
	if !c.StartTLS {
		return conn, nil
	}
	if err := within(ctx, conn, func() error { return conn.StartTLS(secure) }); err != nil {
		_ = conn.Close()
		return nil, fmt.Errorf("begin TLS: %w", err)
	}
	return conn, nil
}

func bind(conn *ldap.Conn, dn, password string) error {
	if dn == "" {
		return conn.UnauthenticatedBind("")
	}
	if password == "" {
		return errors.New("an empty password is never sent")
	}
	return conn.Bind(dn, password)
}

// close ends all connections that nobody uses.
func (c *conns) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, conn := range append(c.idle, c.tried...) {
		_ = conn.Close()
	}
	c.idle, c.tried = nil, nil
}
