package engine

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
	"unicode"
	"unicode/utf8"
)

// Source is a database outside, in parts. Its JSON form holds no secret.
type Source struct {
	Engine   string `json:"engine"`
	Host     string `json:"host"` // as it was written
	Port     int    `json:"port"`
	Address  string `json:"address"` // of the host, as a number: the only one that is ever dialled
	Database string `json:"database"`
	Username string `json:"username"`
	Password string `json:"-"`
	TLS      string `json:"tls"`
	// Accounts is the database that has the account, where an engine has such a thing.
	Accounts string `json:"accounts,omitempty"`
}

// How the way to a source is encrypted. Nobody vouches for its certificate: MyDB does not know who should.
const (
	TLSOff     = "off"
	TLSPrefer  = "prefer"
	TLSRequire = "require"
)

// String names a source for people, without its password.
func (s Source) String() string {
	return s.Database + " on " + net.JoinHostPort(s.Host, strconv.Itoa(s.Port))
}

// SourceForm is how addresses of an engine's databases look.
type SourceForm struct {
	Schemes []string // the first is the usual one
	Port    int      // when an address has none
	// TLS gives, for an option and its value such as sslmode=require, what it means.
	TLS     map[string]string
	Default string // of TLS, when an address says nothing
	// Accounts is the option that names the database with the account; empty: there is none.
	Accounts string
	// Ignored are options that mean nothing here.
	Ignored []string
	// NeedsDatabase says that the address must name a database.
	NeedsDatabase bool
}

// maxSource is how long an address may be.
const maxSource = 4096

// ParseSource takes an address apart. The error is a *FieldError; it repeats nothing of the address but names of options and hosts,
// because anything else may be a part of the password.
func ParseSource(text string, forms map[string]SourceForm) (Source, error) {
	u, err := parseAddress(text)
	if err != nil {
		return Source{}, err
	}
	for name, form := range forms {
		if slices.Contains(form.Schemes, u.Scheme) {
			return form.read(name, u)
		}
	}
	if u.Scheme == "mongodb+srv" {
		return Source{}, sourceError("Addresses with mongodb+srv:// name several servers by way of DNS. Write mongodb:// with the name of one of them.")
	}
	var known []string
	for _, form := range forms {
		known = append(known, form.Schemes[0]+"://")
	}
	slices.Sort(known)
	return Source{}, sourceError("The address must begin with one of: %s.", strings.Join(known, ", "))
}

func sourceError(format string, args ...any) error {
	return &FieldError{Field: "source", Message: fmt.Sprintf(format, args...)}
}

// encodeHint is what helps when a password was pasted as it is.
const encodeHint = "In user name and password, write every character that is no letter or digit as %XX, such as %40 for @, %2F for / and %23 for #."

func parseAddress(text string) (*url.URL, error) {
	if text = strings.TrimSpace(text); len(text) > maxSource {
		return nil, sourceError("The address is longer than %d characters.", maxSource)
	}
	_, rest, _ := strings.Cut(text, "://")
	authority, tail := rest, ""
	if end := strings.IndexAny(rest, "/?#"); end >= 0 {
		authority, tail = rest[:end], rest[end:]
	}
	if strings.Contains(authority[strings.LastIndex(authority, "@")+1:], ",") {
		return nil, sourceError("The address names several servers. Name one of them.")
	}
	u, err := url.Parse(text) // its error repeats the address
	// An @ after the host, or a #, most likely is of a password that was pasted as it is.
	if err != nil || authority == "" || strings.ContainsAny(tail, "@#") || u.Hostname() == "" {
		return nil, sourceError("The address is not understood. Write it like postgres://user:password@host:5432/database. %s", encodeHint)
	}
	return u, nil
}

func (f SourceForm) read(name string, u *url.URL) (Source, error) {
	s := Source{Engine: name, Host: strings.ToLower(u.Hostname()), Port: f.Port, TLS: f.Default}
	if !hostPattern(s.Host) {
		return s, sourceError("The address's host is not understood. %s", encodeHint)
	}
	if port := u.Port(); port != "" {
		n, err := strconv.Atoi(port)
		if err != nil || n < 1 || n > 65535 {
			return s, sourceError("The port must be a number from 1 to 65535.")
		}
		s.Port = n
	}
	s.Username = u.User.Username()
	s.Password, _ = u.User.Password()
	s.Database = strings.TrimPrefix(u.Path, "/")
	if s.Database == "" {
		s.Database = s.Username
		if f.NeedsDatabase {
			return s, sourceError("The address names no database. Write its name at the end, such as %s://user:password@host/genomes.", u.Scheme)
		}
	}
	return s, f.options(&s, u)
}

// options reads what comes after the question mark.
func (f SourceForm) options(s *Source, u *url.URL) error {
	options, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return sourceError("What follows the ? in the address is not understood. %s", encodeHint)
	}
	s.Accounts = s.Database
	for _, name := range slices.Sorted(maps.Keys(options)) {
		value := options.Get(name)
		mode, known := f.TLS[strings.ToLower(name)+"="+strings.ToLower(value)]
		switch {
		case known:
			s.TLS = mode
		case name == f.Accounts && name != "":
			s.Accounts = value
		case slices.Contains(f.Ignored, strings.ToLower(name)):
		case strings.HasPrefix(strings.ToLower(value), "verify"):
			return sourceError("MyDB has no authority to verify the source's certificate with. Ask for a connection that is encrypted: %s.", strings.Join(f.possible(), ", "))
		default:
			return sourceError("An option in the address, or its value, is not understood here. Possible: %s. A password goes before the @.", strings.Join(f.possible(), ", "))
		}
	}
	if f.Accounts == "" {
		s.Accounts = ""
	}
	return s.check()
}

func (f SourceForm) possible() []string {
	out := slices.Sorted(maps.Keys(f.TLS))
	if f.Accounts != "" {
		out = append(out, f.Accounts+"=...")
	}
	return out
}

// check refuses what no tool can be told.
func (s Source) check() error {
	for what, text := range map[string]string{"user name": s.Username, "password": s.Password, "database's name": s.Database, "accounts' database": s.Accounts} {
		if !utf8.ValidString(text) || strings.ContainsFunc(text, unicode.IsControl) || len(text) > 1000 {
			return sourceError("The %s in the address holds a control character or text that is not UTF-8, or is too long.", what)
		}
	}
	return nil
}

// hostPattern reports whether a text is a name or a number of a host.
func hostPattern(host string) bool {
	if net.ParseIP(host) != nil {
		return true
	}
	return len(host) <= 253 && !strings.ContainsFunc(host, func(r rune) bool {
		return r != '-' && r != '.' && r != '_' && (r < '0' || r > '9') && (r < 'a' || r > 'z')
	})
}

// reachWithin is how long it may take until something answers at an address.
const reachWithin = 5 * time.Second

// Reach makes sure that something answers where a source is said to be. The error is a *RefusedError, unless ctx has ended.
func (s Source) Reach(ctx context.Context) error {
	conn, err := (&net.Dialer{Timeout: reachWithin}).DialContext(ctx, "tcp", net.JoinHostPort(s.Address, strconv.Itoa(s.Port)))
	if err == nil {
		return conn.Close()
	}
	if ctx.Err() != nil {
		return fmt.Errorf("reach the source: %w", err)
	}
	why := "it cannot be reached"
	var slow net.Error
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		why = "the connection is refused"
	case errors.As(err, &slow) && slow.Timeout():
		why = fmt.Sprintf("there was no answer within %s", reachWithin)
	}
	return &RefusedError{Err: err, Message: fmt.Sprintf("Nothing answers at %s (%s): %s. Look at host and port, and whether a firewall lets MyDB in.",
		net.JoinHostPort(s.Host, strconv.Itoa(s.Port)), s.Address, why)}
}

// Problem is the error of a source that was reached and gives no session. said is the sentence for what its server refuses; empty
// when what answers does not speak the engine's language.
func (s Source) Problem(ctx context.Context, title, said string, err error) error {
	if ctx.Err() != nil && errors.Is(ctx.Err(), context.Canceled) {
		return fmt.Errorf("log in to the source: %w", err)
	}
	if said == "" {
		said = fmt.Sprintf("What answers at %s does not speak %s, or not in time. Look at the port, and whether it is the right kind of database.",
			net.JoinHostPort(s.Host, strconv.Itoa(s.Port)), title)
	}
	return &RefusedError{Message: said, Err: err}
}
