package portal

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/felixge/httpsnoop"
	"github.com/gorilla/mux"
	"github.com/rs/xid"

	"github.com/mydb-project/mydb/core"
)

// visit is what is learned about a request on its way, for the access log.
type visit struct {
	id     string
	route  string // the template that matched, or "none"
	login  string
	person *core.Person // of the session

	session core.Login
}

type visitKey struct{}

func visitOf(r *http.Request) *visit {
	if v, ok := r.Context().Value(visitKey{}).(*visit); ok {
		return v
	}
	return &visit{}
}

func (s *Server) logOf(r *http.Request) *slog.Logger { return s.log.With("request", visitOf(r).id) }

// layers puts what holds for every request around the routes, the outermost first to run.
func (s *Server) layers(routes http.Handler) (http.Handler, error) {
	crossOrigin := http.NewCrossOriginProtection()
	if err := crossOrigin.AddTrustedOrigin(s.origin); err != nil {
		return nil, fmt.Errorf("trust the public URL: %w", err)
	}
	crossOrigin.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.fail(w, r, core.Errorf(core.CodeForbidden, "This form was sent from another site, so nothing was done. Open MyDB's own page and try again."))
	}))
	return s.observe(s.recoverPanics(s.secure(s.overTLS(crossOrigin.Handler(routes))))), nil
}

// observe gives a request its id, and writes the access log and the metrics. The log holds neither query nor body: they may
// hold secrets.
func (s *Server) observe(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		v := &visit{id: xid.New().String(), route: "none"}
		r = r.WithContext(context.WithValue(r.Context(), visitKey{}, v))
		w.Header().Set("X-Request-Id", v.id)
		m := httpsnoop.CaptureMetrics(next, w, r)
		s.metrics.observe(r.Method, v.route, m.Code, m.Duration)
		level := slog.LevelInfo
		if quiet(v.route) {
			level = slog.LevelDebug
		}
		s.log.Log(r.Context(), level, "request", "request", v.id, "method", r.Method, "route", v.route, "path", loggedPath(r),
			"status", m.Code, "ms", m.Duration.Milliseconds(), "bytes", m.Written, "login", v.login, "address", s.addressOf(r))
	})
}

// quiet tells which routes are asked so often, by machines, that the log is better without them.
func quiet(route string) bool {
	return slices.Contains([]string{"/healthz", "/readyz", "/metrics", "/static/"}, route)
}

// recoverPanics answers with a reference where a handler broke. The stack is in the log.
func (s *Server) recoverPanics(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var written bool
		w = httpsnoop.Wrap(w, httpsnoop.Hooks{WriteHeader: func(f httpsnoop.WriteHeaderFunc) httpsnoop.WriteHeaderFunc {
			return func(code int) { written = true; f(code) }
		}, Write: func(f httpsnoop.WriteFunc) httpsnoop.WriteFunc {
			return func(b []byte) (int, error) { written = true; return f(b) }
		}})
		defer func() {
			p := recover()
			if p == nil {
				return
			}
			if p == http.ErrAbortHandler || written { //nolint:errorlint // net/http compares it the same way
				s.logOf(r).Error("a handler broke off", "panic", p, "stack", string(debug.Stack()))
				panic(http.ErrAbortHandler) // cuts the connection, so that nobody takes half an answer for a whole one
			}
			s.fail(w, r, fmt.Errorf("panic: %v\n%s", p, debug.Stack()))
		}()
		next.ServeHTTP(w, r)
	})
}

// contentSecurityPolicy allows what the pages are made of and nothing else: no inline script or style, no other site.
const contentSecurityPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; " +
	"connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

func (s *Server) secure(next http.Handler) http.Handler {
	https := strings.HasPrefix(s.origin, "https:")
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", contentSecurityPolicy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Referrer-Policy", "same-origin")
		h.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=(), payment=()")
		if https {
			h.Set("Strict-Transport-Security", "max-age=31536000")
		}
		next.ServeHTTP(w, r)
	})
}

// noteRoute tells the access log which route a request took.
func noteRoute(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if route := mux.CurrentRoute(r); route != nil {
			visitOf(r).route, _ = route.GetPathTemplate()
		}
		next.ServeHTTP(w, r)
	})
}

// streaming are the requests that go on for as long as they have to.
var streaming = []string{
	"GET /databases/{name}/progress", "GET " + apiPrefix + "/operations/{id}/events",
	"POST " + linkPath + "{link}", "POST " + apiPrefix + linkPath + "{link}",
	"POST /import", "POST " + apiPrefix + "/imports/uploads",
}

// inTime gives up on what does not answer, such as a metadata database that has stalled. Streams have limits of their own.
func (s *Server) inTime(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if slices.Contains(streaming, r.Method+" "+visitOf(r).route) {
			next.ServeHTTP(w, r)
			return
		}
		ctx, cancel := context.WithTimeout(r.Context(), s.patience)
		defer cancel()
		next.ServeHTTP(w, r.WithContext(ctx))
	})
}

// fail answers with an error, in the form that the path promises.
func (s *Server) fail(w http.ResponseWriter, r *http.Request, err error) {
	if strings.HasPrefix(r.URL.Path, apiPrefix) {
		s.failJSON(w, r, err)
		return
	}
	s.failPage(w, r, err)
}

// notAllowed answers a method that a path does not know, and says which ones it does.
func (s *Server) notAllowed(w http.ResponseWriter, r *http.Request) {
	var allowed []string
	for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete} {
		other := r.Clone(r.Context())
		other.Method = method
		var match mux.RouteMatch
		if s.router.Match(other, &match) && match.MatchErr == nil {
			allowed = append(allowed, method)
		}
	}
	w.Header().Set("Allow", strings.Join(allowed, ", "))
	s.fail(w, r, &problem{status: http.StatusMethodNotAllowed, err: core.Errorf(core.CodeInvalid,
		"%s is not possible here. Possible: %s.", plain(r.Method), strings.Join(allowed, ", "))})
}

func (s *Server) notFound(w http.ResponseWriter, r *http.Request) {
	s.fail(w, r, core.Errorf(core.CodeNotFound, "There is nothing at %s.", short(plain(r.URL.Path), 100)))
}

// short cuts what somebody sent before it is repeated to them.
func short(s string, limit int) string {
	if runes := []rune(s); len(runes) > limit {
		return string(runes[:limit]) + "..."
	}
	return s
}
