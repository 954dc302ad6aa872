package config

import (
	"errors"
	"fmt"
	"net"
	"net/mail"
	"net/url"
	"os"
	"strconv"
)

// How the connection to a mail server is protected.
const (
	TLSNone  = "none"
	TLSStart = "starttls" // begins in the clear; goes no further without TLS
	TLSFull  = "tls"
)

// MailServer is the mail server that MYDB_SMTP_URL names.
type MailServer struct {
	Host               string
	Port               int
	Username, Password string // empty: no login
	TLS                string // TLSNone, TLSStart or TLSFull
}

const smtpForm = "write an address such as smtp://user:password@mail.example.org:587?tls=starttls"

// MailOn reports whether there is a mail server.
func (c Config) MailOn() bool { return c.SMTPURL != "" }

// MailServer reads MYDB_SMTP_URL. The port defaults to 587 for starttls, which is the default itself, 465 for tls and 25 for none.
// The error holds no secret.
func (c Config) MailServer() (MailServer, error) {
	s, err := parseSMTP(c.SMTPURL)
	if err != nil {
		return s, fmt.Errorf("MYDB_SMTP_URL (its value is a secret): %w", err)
	}
	return s, nil
}

func parseSMTP(text string) (MailServer, error) {
	u, err := url.Parse(text) // its error repeats the address, password and all
	if err != nil || u.Scheme != "smtp" || u.Hostname() == "" || (u.Path != "" && u.Path != "/") {
		return MailServer{}, errors.New(smtpForm + "; characters such as @ and / in the password are written as %40 and %2F")
	}
	s := MailServer{Host: u.Hostname(), TLS: TLSStart, Username: u.User.Username()}
	s.Password, _ = u.User.Password()
	for name, values := range u.Query() {
		if name != "tls" || len(values) != 1 {
			return s, fmt.Errorf("it knows no %q: the only parameter is tls, once", name)
		}
		s.TLS = values[0]
	}
	port, known := map[string]int{TLSNone: 25, TLSStart: 587, TLSFull: 465}[s.TLS]
	if !known {
		return s, errors.New("its tls is none, starttls or tls")
	}
	s.Port = port
	if text := u.Port(); text != "" {
		if s.Port, err = strconv.Atoi(text); err != nil || s.Port < 1 || s.Port > 65535 {
			return s, errors.New("its port is a number from 1 to 65535")
		}
	}
	if (s.Username == "") != (s.Password == "") {
		return s, errors.New("it has a user without a password or a password without a user: write both or neither")
	}
	if s.TLS == TLSNone && s.Username != "" && !isLoopback(s.Host) {
		return s, errors.New("with tls=none the password would cross the network in the clear: use starttls or tls")
	}
	return s, nil
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// checkMail looks at all that is said about mail.
func (c Config) checkMail() []error {
	var errs []error
	for _, address := range c.MailAdmins {
		if _, err := mail.ParseAddress(address); err != nil {
			errs = append(errs, wrong("MYDB_MAIL_ADMINS", address, "write mail addresses, separated by commas"))
		}
	}
	if c.MailFrom != "" {
		if _, err := mail.ParseAddress(c.MailFrom); err != nil {
			errs = append(errs, wrong("MYDB_MAIL_FROM", c.MailFrom, "write a mail address, such as mydb@example.org or MyDB <mydb@example.org>"))
		}
	}
	if c.SMTPCAFile != "" {
		if _, err := os.Stat(c.SMTPCAFile); err != nil {
			errs = append(errs, wrong("MYDB_SMTP_CA_FILE", c.SMTPCAFile, err.Error()))
		}
	}
	if !c.MailOn() {
		return errs
	}
	if _, err := c.MailServer(); err != nil {
		errs = append(errs, err)
	}
	if c.MailFrom == "" {
		errs = append(errs, errors.New("MYDB_MAIL_FROM is not set, but MYDB_SMTP_URL is: write the address that mail comes from, such as MyDB <mydb@example.org>"))
	}
	return errs
}
