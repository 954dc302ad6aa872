// Package mailtest runs a real SMTP server for tests: with STARTTLS or TLS, a login, and the ways in which mail servers fail.
package mailtest

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"log"
	"net"
	"net/mail"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"

	"github.com/mydb-project/mydb/core/config"
	"github.com/mydb-project/mydb/core/crypt"
)

// What the server wants to hear.
const (
	Username = "mydb"
	Password = "canary-of-the-mail-server"
)

// Behaviour is how the server treats a mail.
type Behaviour string

// The behaviours.
const (
	Accept     Behaviour = ""
	Greylist   Behaviour = "451 at RCPT"
	NoUser     Behaviour = "550 at RCPT"
	Spam       Behaviour = "554 after DATA"
	NoSender   Behaviour = "553 at MAIL"
	Hang       Behaviour = "no answer"
	Drop       Behaviour = "connection dropped"
	AcceptDrop Behaviour = "taken, and connection dropped before the answer"
)

// Server is a mail server that listens on the loopback interface until the test ends.
type Server struct {
	config.MailServer
	CAFile string // of the authority that its certificate is from

	mu       sync.Mutex
	next     []Behaviour
	attempts int
	received []*mail.Message
	gone     chan struct{}
}

// Start starts a server that speaks one of config.TLSNone, TLSStart and TLSFull.
func Start(t testing.TB, mode string) *Server {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &Server{gone: make(chan struct{})}
	s.Host, s.Port, s.TLS, s.Username, s.Password = "127.0.0.1", listener.Addr().(*net.TCPAddr).Port, mode, Username, Password
	server := smtp.NewServer(smtp.BackendFunc(func(c *smtp.Conn) (smtp.Session, error) { return &session{server: s, conn: c}, nil }))
	server.Domain, server.AllowInsecureAuth = "mail.test", mode == config.TLSNone
	server.ErrorLog = log.New(io.Discard, "", 0) // of connections that a test cuts
	certificate := s.certificate(t)
	switch mode {
	case config.TLSStart:
		server.TLSConfig = certificate
	case config.TLSFull:
		listener = tls.NewListener(listener, certificate)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = server.Serve(listener) // says that it was closed
	}()
	t.Cleanup(func() {
		close(s.gone)
		server.Close()
		listener.Close() // a server that has not begun to serve yet does not know its listener
		<-ended
	})
	return s
}

func (s *Server) certificate(t testing.TB) *tls.Config {
	t.Helper()
	authorityPEM, authorityKey, err := crypt.NewAuthority(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	s.CAFile = filepath.Join(t.TempDir(), "ca.crt")
	if err := os.WriteFile(s.CAFile, authorityPEM, 0o600); err != nil {
		t.Fatal(err)
	}
	authority, err := crypt.ParseAuthority(authorityPEM, authorityKey)
	if err != nil {
		t.Fatal(err)
	}
	cert, key, err := authority.Issue(time.Now(), s.Host)
	if err != nil {
		t.Fatal(err)
	}
	pair, err := tls.X509KeyPair([]byte(cert), []byte(key))
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}
}

// Next says how the next mails are treated. Those after them are accepted.
func (s *Server) Next(behaviours ...Behaviour) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.next = behaviours
}

// Attempts counts the mails that somebody began to hand over.
func (s *Server) Attempts() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.attempts
}

// Received gives the mails that were taken, in their order. Their bodies can be read once.
func (s *Server) Received() []*mail.Message {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]*mail.Message(nil), s.received...)
}

type session struct {
	server   *Server
	conn     *smtp.Conn
	loggedIn bool
	how      Behaviour
}

func (s *session) AuthMechanisms() []string { return []string{sasl.Plain} }

func (s *session) Auth(string) (sasl.Server, error) {
	return sasl.NewPlainServer(func(_, username, password string) error {
		if username != Username || password != Password {
			return &smtp.SMTPError{Code: 535, EnhancedCode: smtp.EnhancedCode{5, 7, 8}, Message: "wrong: " + password}
		}
		s.loggedIn = true
		return nil
	}), nil
}

func (s *session) Mail(string, *smtp.MailOptions) error {
	if !s.loggedIn {
		return smtp.ErrAuthRequired
	}
	s.server.mu.Lock()
	defer s.server.mu.Unlock()
	s.server.attempts++
	s.how = Accept
	if len(s.server.next) > 0 {
		s.how, s.server.next = s.server.next[0], s.server.next[1:]
	}
	if s.how == NoSender {
		return &smtp.SMTPError{Code: 553, EnhancedCode: smtp.EnhancedCode{5, 7, 1}, Message: "not your address"}
	}
	return nil
}

func (s *session) Rcpt(string, *smtp.RcptOptions) error {
	switch s.how {
	case Greylist:
		return &smtp.SMTPError{Code: 451, EnhancedCode: smtp.EnhancedCode{4, 7, 1}, Message: "come back later"}
	case NoUser:
		return &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 1, 1}, Message: "no such user"}
	}
	return nil
}

func (s *session) Data(r io.Reader) error {
	body, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	switch s.how {
	case Spam:
		return &smtp.SMTPError{Code: 554, EnhancedCode: smtp.EnhancedCode{5, 7, 1}, Message: "looks like spam"}
	case Hang:
		<-s.server.gone
		return errors.New("the server is gone")
	case Drop:
		return s.conn.Conn().Close()
	}
	m, err := mail.ReadMessage(bytes.NewReader(body))
	if err != nil {
		return err
	}
	s.server.mu.Lock()
	s.server.received = append(s.server.received, m)
	s.server.mu.Unlock()
	if s.how == AcceptDrop {
		return s.conn.Conn().Close()
	}
	return nil
}

func (*session) Reset() {}

func (*session) Logout() error { return nil }
