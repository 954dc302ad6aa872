package portal

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"time"
)

// certificatePause is how long after the files of a certificate have changed the change is seen.
const certificatePause = 5 * time.Second

// Certificate is the certificate that the portal serves TLS with, from files that may change while it does. Connections that are open keep
// theirs.
type Certificate struct {
	certFile, keyFile string
	current           atomic.Pointer[tls.Certificate]
	seen              [sha256.Size]byte // of what was read last, good or bad
	doubt             bool              // what was read last was bad, and nobody was told
}

// OpenCertificate reads the files, in PEM: the certificate with those between it and its authority, and its key.
func OpenCertificate(certFile, keyFile string) (*Certificate, error) {
	c := &Certificate{certFile: certFile, keyFile: keyFile}
	pair, sum, err := c.read()
	if err != nil {
		return nil, err
	}
	c.seen = sum
	c.current.Store(&pair)
	return c, nil
}

// Config is how TLS is served.
func (c *Certificate) Config() *tls.Config {
	return &tls.Config{
		MinVersion:     tls.VersionTLS12,
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return c.current.Load(), nil },
	}
}

// Expires is when the certificate that is served ends.
func (c *Certificate) Expires() time.Time { return c.current.Load().Leaf.NotAfter }

// Watch looks at the files until ctx ends. tell is called after each change with what is wrong with them, or nil when they are served; and
// at first with nil.
func (c *Certificate) Watch(ctx context.Context, tell func(context.Context, error)) {
	tick := time.NewTicker(certificatePause)
	defer tick.Stop()
	tell(ctx, nil)
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			if changed, err := c.look(); changed {
				tell(ctx, err)
			}
		}
	}
}

// look reads the files, and serves what they hold if it fits together. Else what was served before still is. That something is wrong is said
// when it stays so: whoever puts new files there writes one before the other.
func (c *Certificate) look() (changed bool, err error) {
	pair, sum, err := c.read()
	if sum == c.seen && !c.doubt {
		return false, nil
	}
	first := sum != c.seen
	c.seen, c.doubt = sum, err != nil && first
	if err != nil {
		return !first, err
	}
	c.current.Store(&pair)
	return true, nil
}

// read reads the files. sum stands for what was read, also when it is of no use.
func (c *Certificate) read() (pair tls.Certificate, sum [sha256.Size]byte, err error) {
	certPEM, err1 := os.ReadFile(c.certFile)
	keyPEM, err2 := os.ReadFile(c.keyFile)
	sum = sha256.Sum256(fmt.Appendf(nil, "%d %s%s%v %v", len(certPEM), certPEM, keyPEM, err1, err2))
	if err := errors.Join(err1, err2); err != nil {
		return pair, sum, err
	}
	if pair, err = tls.X509KeyPair(certPEM, keyPEM); err != nil {
		return pair, sum, fmt.Errorf("%s and %s do not fit together: %w", c.certFile, c.keyFile, err)
	}
	if time.Now().After(pair.Leaf.NotAfter) {
		return pair, sum, fmt.Errorf("the certificate of %s has expired on %s", c.certFile, pair.Leaf.NotAfter.UTC().Format(time.DateOnly))
	}
	return pair, sum, nil
}
