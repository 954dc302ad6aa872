package store

import (
	"context"
	"net"
	"net/http"
	"time"

	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
)

// patience is how long a service may neither take nor give a byte, and how long it may think about a request: the completion of a large
// upload takes minutes. Without a limit, a connection that is silently dead would hold a backup up for a day.
const patience = 5 * time.Minute

// impatientClient is the SDK's own, but for connections that end when nothing moves for too long. The SDK then tries again.
func impatientClient(limit time.Duration) *awshttp.BuildableClient {
	if limit == 0 {
		limit = patience
	}
	return awshttp.NewBuildableClient().WithTransportOptions(func(t *http.Transport) {
		dial := t.DialContext
		t.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
			conn, err := dial(ctx, network, address)
			if err != nil {
				return nil, err
			}
			return &impatientConn{conn, limit}, nil
		}
	})
}

// impatientConn ends reads and writes when nothing has moved in either direction for so long.
type impatientConn struct {
	net.Conn
	limit time.Duration
}

// Read implements net.Conn.
func (c *impatientConn) Read(p []byte) (int, error) {
	c.moved()
	n, err := c.Conn.Read(p)
	c.moved()
	return n, err
}

// Write implements net.Conn. A large piece is written in small ones, so that each shows that something moves: an answer is waited for
// meanwhile.
func (c *impatientConn) Write(p []byte) (n int, err error) {
	const piece = 64 << 10
	for n < len(p) && err == nil {
		var wrote int
		c.moved()
		wrote, err = c.Conn.Write(p[n:min(len(p), n+piece)])
		n += wrote
	}
	c.moved()
	return n, err
}

func (c *impatientConn) moved() { _ = c.SetDeadline(time.Now().Add(c.limit)) }
