package portal

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/alexedwards/scs/v2"
	"github.com/gorilla/mux"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/mydb-project/mydb/core"
)

// Options are what a Server is made of. Service, Directory, Sessions, PublicURL, CA and Log are needed.
type Options struct {
	Service   *core.Service
	Directory core.Directory
	// Sessions keeps what a browser's cookie stands for. The tokens it is given are hashes.
	Sessions scs.CtxStore
	// Console runs chat commands that arrive over HTTP. Nil: such requests are answered as unavailable.
	Console Console
	// Chat answers the requests of chat services, by path. They prove by themselves who they are.
	Chat map[string]http.Handler
	// PublicURL is the address that people use. With https, cookies are sent over https only.
	PublicURL string
	// CA gives the certificate (PEM) that the databases' certificates are verified with.
	CA func(context.Context) ([]byte, error)
	// Ready tells whether all that a request may need can be reached. Anybody may read its error. Nil: always.
	Ready func(context.Context) error
	Log   *slog.Logger
	// Version of MyDB, for the footer and the API's description.
	Version string
	// Announce is a sentence for the login page, such as how to log in to a development server.
	Announce string
	// Metrics is where the portal registers what it measures, and what /metrics shows. Nil: a registry of its own.
	Metrics *prometheus.Registry
	// Measured is what else of this process is shown there.
	Measured []prometheus.Collector
	// Proxies are the reverse proxies whose X-Forwarded-For, X-Forwarded-Proto and Forwarded are believed; nobody else's are.
	Proxies []netip.Prefix
}

// Console runs the commands of the chat grammar.
type Console interface {
	// Run carries out one line of text. req says who wrote it, and has no command; the same non-empty key again does nothing twice. What
	// the person may know is in the reply, also a refusal; an error is what core.Explain explains.
	Run(ctx context.Context, req core.Request, text string) (ConsoleReply, error)
}

// ConsoleReply is the answer to a chat command.
type ConsoleReply struct {
	Text        string    `json:"text"` // plain text, or what little of Markdown chats understand
	OperationID string    `json:"operation_id,omitempty" description:"The work that the command has started"`
	Name        string    `json:"name,omitempty" description:"The database that the command is about"`
	Code        core.Code `json:"code,omitempty" description:"Why the command was refused"`
}

// defaultPatience is longer than any request takes whose parts work, and shorter than people and their tools wait.
const defaultPatience = 15 * time.Second

// Server answers HTTP requests.
type Server struct {
	service   *core.Service
	directory core.Directory
	console   Console
	chat      map[string]http.Handler
	sessions  *scs.SessionManager
	origin    string // PublicURL without a path
	ca        func(context.Context) ([]byte, error)
	ready     func(context.Context) error
	log       *slog.Logger
	version   string
	announce  string
	proxies   []netip.Prefix

	metrics  *metrics
	logins   *loginGate
	pages    *pageSet
	openapi  []byte
	router   *mux.Router
	handler  http.Handler
	watching watchPace
	patience time.Duration // with a request that is no stream
	stall    time.Duration // with a client of a download that takes nothing

	streams      context.Context // ends with Close
	closeStreams context.CancelFunc
}

// New makes a server. It reads and writes nothing yet.
func New(o Options) (*Server, error) {
	origin, err := originOf(o.PublicURL)
	if err != nil {
		return nil, err
	}
	s := &Server{
		service: o.Service, directory: o.Directory, console: o.Console, chat: o.Chat, origin: origin, ca: o.CA, ready: o.Ready, log: o.Log,
		version: o.Version, announce: o.Announce, proxies: o.Proxies, logins: newLoginGate(time.Now), watching: defaultPace,
		patience: defaultPatience, stall: defaultStall,
	}
	s.streams, s.closeStreams = context.WithCancel(context.Background())
	s.sessions = s.newSessions(o.Sessions)
	if o.Metrics == nil {
		o.Metrics = prometheus.NewRegistry()
	}
	if s.metrics, err = newMetrics(o.Metrics); err != nil {
		return nil, err
	}
	if err := o.Metrics.Register(outboxMetrics{s.service.LetterCounts, o.Log}); err != nil {
		return nil, fmt.Errorf("register metrics: %w", err)
	}
	if err := o.Metrics.Register(siteMetrics{s.service.Gauges, o.Log}); err != nil {
		return nil, fmt.Errorf("register metrics: %w", err)
	}
	for _, c := range o.Measured {
		if err := o.Metrics.Register(c); err != nil {
			return nil, fmt.Errorf("register metrics: %w", err)
		}
	}
	if s.pages, err = loadPages(); err != nil {
		return nil, err
	}
	if s.openapi, err = describe(s.endpoints(), origin, o.Version); err != nil {
		return nil, err
	}
	s.router = s.routes()
	s.handler, err = s.layers(s.router)
	return s, err
}

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.handler.ServeHTTP(w, r) }

// Close ends the streams of events, which would otherwise go on for as long as their clients stay. A server that shuts down
// calls it (http.Server.RegisterOnShutdown), and clients connect again elsewhere.
func (s *Server) Close() { s.closeStreams() }

func originOf(publicURL string) (string, error) {
	u, err := url.Parse(publicURL)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return "", fmt.Errorf("the public URL %q is not an http or https address", publicURL)
	}
	return strings.ToLower(u.Scheme + "://" + u.Host), nil
}
