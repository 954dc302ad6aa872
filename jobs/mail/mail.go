package mail

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	netmail "net/mail"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"
	"unicode"

	gomail "github.com/wneessen/go-mail"
	"github.com/wneessen/go-mail/smtp"

	"github.com/mydb-project/mydb/core/config"
	"github.com/mydb-project/mydb/jobs"
)

// answerLimit is how long the mail server may take for one answer, and for taking a connection.
const answerLimit = 20 * time.Second

// Options are what a Sender is made of. All but CAFile are needed.
type Options struct {
	Server config.MailServer
	From   string // a mail address, with or without a name
	Site   string // the portal's public URL, without a slash at the end
	CAFile string // PEM file of the authority that the server's certificate is verified with; default: the system's
}

// Sender hands mail to one mail server, with a connection for each. It is safe for concurrent use.
type Sender struct {
	server config.MailServer
	from   *netmail.Address
	site   string
	domain string // of Message-IDs
	tls    *tls.Config
}

// New makes a Sender. It connects to nothing yet.
func New(o Options) (*Sender, error) {
	from, err := netmail.ParseAddress(o.From)
	if err != nil {
		return nil, fmt.Errorf("MYDB_MAIL_FROM is %q: write a mail address", o.From)
	}
	site, err := url.Parse(o.Site)
	if err != nil || site.Hostname() == "" {
		return nil, fmt.Errorf("the public URL %q is not an address", o.Site)
	}
	s := &Sender{
		server: o.Server, from: from, site: o.Site, domain: site.Hostname(),
		tls: &tls.Config{ServerName: o.Server.Host, MinVersion: tls.VersionTLS12},
	}
	if o.CAFile == "" {
		return s, nil
	}
	pem, err := os.ReadFile(o.CAFile)
	if err != nil {
		return nil, fmt.Errorf("MYDB_SMTP_CA_FILE is %q: %w", o.CAFile, err)
	}
	s.tls.RootCAs = x509.NewCertPool()
	if !s.tls.RootCAs.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("MYDB_SMTP_CA_FILE is %q: there is no PEM certificate in it", o.CAFile)
	}
	return s, nil
}

// Send implements jobs.Mailer.
func (s *Sender) Send(ctx context.Context, m jobs.Mail) error {
	message, err := s.message(m)
	if err != nil {
		return &jobs.MailError{Refused: true, Message: "this mail cannot be written: " + err.Error(), Err: err}
	}
	utf8 := needsUTF8(s.from.Address, m.Address)
	return s.session(ctx, utf8, func(client *gomail.Client, conn *smtp.Client) error {
		err := client.SendWithSMTPClient(conn, message)
		if message.IsDelivered() {
			return nil // whatever came after the server had taken it
		}
		return err
	})
}

// Check connects, logs in and says goodbye, without sending anything. The error is for the operator and holds no secret.
func (s *Sender) Check(ctx context.Context) error {
	return s.session(ctx, false, func(_ *gomail.Client, conn *smtp.Client) error { return conn.Noop() })
}

// Addr is the host and port of the mail server.
func (s *Sender) Addr() string { return net.JoinHostPort(s.server.Host, strconv.Itoa(s.server.Port)) }

// session connects, does what it is for, and closes. The connection is cut as soon as ctx ends: the library only knows deadlines.
func (s *Sender) session(ctx context.Context, utf8 bool, do func(*gomail.Client, *smtp.Client) error) error {
	cut := func() {}
	defer func() { cut() }()
	client, err := s.client(func(dialing context.Context, network, addr string) (net.Conn, error) {
		conn, err := s.dial(dialing, network, addr)
		if err != nil {
			return nil, err
		}
		stop := context.AfterFunc(ctx, func() { conn.Close() })
		cut = func() { stop(); conn.Close() }
		return conn, nil
	})
	if err == nil && !utf8 {
		err = gomail.WithoutSMTPUTF8()(client)
	}
	if err != nil {
		return &jobs.MailError{Message: "the mail settings do not fit together: " + err.Error(), Err: err}
	}
	conn, err := client.DialToSMTPClientWithContext(ctx)
	if err != nil {
		return s.explain(ctx, err)
	}
	if err := do(client, conn); err != nil {
		return s.explain(ctx, err)
	}
	_ = conn.Quit() // all is done; a server that does not say goodbye changes nothing
	return nil
}

func (s *Sender) client(dial gomail.DialContextFunc) (*gomail.Client, error) {
	options := []gomail.Option{
		gomail.WithPort(s.server.Port), gomail.WithTimeout(answerLimit), gomail.WithDialContextFunc(dial), gomail.WithTLSConfig(s.tls),
		gomail.WithTLSPolicy(gomail.NoTLS), gomail.WithoutRset(),
	}
	switch s.server.TLS {
	case config.TLSStart:
		options = append(options, gomail.WithTLSPolicy(gomail.TLSMandatory))
	case config.TLSFull:
		options = append(options, gomail.WithSSL())
	}
	if s.server.Username != "" {
		// The last two refuse to send a password in the clear, but to this machine itself.
		options = append(options, gomail.WithUsername(s.server.Username), gomail.WithPassword(s.server.Password),
			gomail.WithOpportunisticSMTPAuth(gomail.SMTPAuthSCRAMSHA256, gomail.SMTPAuthSCRAMSHA1, gomail.SMTPAuthPlain, gomail.SMTPAuthLogin))
	}
	return gomail.NewClient(s.server.Host, options...)
}

func (s *Sender) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	if s.server.TLS == config.TLSFull {
		return (&tls.Dialer{Config: s.tls}).DialContext(ctx, network, addr)
	}
	return (&net.Dialer{}).DialContext(ctx, network, addr)
}

// message writes the mail. The same mail has the same Message-ID each time.
func (s *Sender) message(m jobs.Mail) (*gomail.Msg, error) {
	r, err := render(m, s.site)
	if err != nil {
		return nil, err
	}
	msg := gomail.NewMsg(gomail.WithNoDefaultUserAgent())
	msg.FromMailAddress(s.from)
	if err := msg.EnvelopeFrom(s.from.Address); err != nil {
		return nil, err
	}
	if err := msg.AddToFormat(plainText(m.Name), m.Address); err != nil {
		return nil, err
	}
	msg.Subject(r.subject)
	msg.SetDateWithValue(m.At)
	msg.SetMessageIDWithValue(m.ID + "@" + s.domain)
	msg.SetGenHeader("Auto-Submitted", "auto-generated")       // RFC 3834: no vacation notes in return
	msg.SetGenHeader("X-Auto-Response-Suppress", "All")        // the same, for Exchange
	msg.SetGenHeader("X-MyDB-Notification", plainText(m.Kind)) // for people's filters
	msg.SetBodyString(gomail.TypeTextPlain, r.text)
	msg.AddAlternativeString(gomail.TypeTextHTML, r.html)
	return msg, nil
}

// explain says what went wrong in a sentence without a secret, and whether another attempt is of any use. Only an answer about this
// recipient or this mail is final: what is wrong with the server, the login or the sender can be put right within two days.
func (s *Sender) explain(ctx context.Context, err error) error {
	out := &jobs.MailError{Err: err}
	var refused *gomail.SendError
	switch {
	case ctx.Err() != nil:
		out.Message = fmt.Sprintf("the mail server %s did not answer in time", s.Addr())
	case errors.As(err, &refused) && refused.ErrorCode() >= 500:
		out.Refused = refused.Reason == gomail.ErrSMTPRcptTo || refused.Reason == gomail.ErrSMTPData || refused.Reason == gomail.ErrSMTPDataClose
		out.Message = fmt.Sprintf("the mail server %s refused it: %s", s.Addr(), s.cause(err))
	default:
		out.Message = fmt.Sprintf("the mail server %s cannot be used: %s", s.Addr(), s.cause(err))
	}
	return out
}

// cause is what the server or the connection said, without what the library adds about the message.
func (s *Sender) cause(err error) string {
	text, _, _ := strings.Cut(err.Error(), ", affected ")
	if s.server.Password != "" {
		text = strings.ReplaceAll(text, s.server.Password, "***") // no server should repeat it; this one might
	}
	return text
}

// needsUTF8 tells whether an address can only travel between servers that know SMTPUTF8. Asking for that without need makes
// mail bounce at the first older server on its way.
func needsUTF8(addresses ...string) bool {
	return strings.ContainsFunc(strings.Join(addresses, ""), func(r rune) bool { return r > unicode.MaxASCII })
}
