package portal

import (
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/alexedwards/scs/v2"

	"github.com/mydb-project/mydb/core"
)

// How long a login lasts, without use and at most.
const (
	sessionIdle = 2 * time.Hour
	sessionLife = 12 * time.Hour
)

// personKey is where a session keeps the id of who logged in. Rights are read anew with each request.
const personKey = "person"

func (s *Server) newSessions(store scs.CtxStore) *scs.SessionManager {
	m := scs.New()
	m.Store, m.HashTokenInStore = store, true
	m.IdleTimeout, m.Lifetime = sessionIdle, sessionLife
	m.Cookie.Name = "mydb_session"
	m.Cookie.SameSite, m.Cookie.HttpOnly = http.SameSiteLaxMode, true
	m.Cookie.Persist = false // laboratories share computers
	if strings.HasPrefix(s.origin, "https:") {
		m.Cookie.Secure, m.Cookie.Name = true, "__Host-mydb_session" // the prefix keeps other hosts from setting it
	}
	m.ErrorFunc = func(w http.ResponseWriter, r *http.Request, err error) { s.failPage(w, r, err) }
	return m
}

// needLogin sends those to the login page who have no session, and recognises the others.
func (s *Server) needLogin(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		person, ok, err := s.sessionPerson(r)
		switch {
		case err != nil:
			s.failPage(w, r, err)
		case !ok:
			http.Redirect(w, r, loginURL(r), http.StatusSeeOther)
		default:
			v := visitOf(r)
			v.login, v.person = person.Login, &person
			next.ServeHTTP(w, r)
		}
	})
}

// sessionPerson finds out whose session it is. A session of somebody who was disabled ends here.
func (s *Server) sessionPerson(r *http.Request) (p core.Person, ok bool, err error) {
	id := s.sessions.GetString(r.Context(), personKey)
	if id == "" {
		return p, false, nil
	}
	p, err = s.service.Person(r.Context(), id)
	if core.CodeOf(err) == core.CodeNotFound {
		return p, false, s.sessions.Destroy(r.Context())
	}
	return p, err == nil, err
}

func loginURL(r *http.Request) string {
	if r.Method != http.MethodGet || r.URL.Path == "/" && r.URL.RawQuery == "" {
		return "/login"
	}
	return "/login?next=" + url.QueryEscape(r.URL.RequestURI())
}

// localPath is where to go after the login: a path of ours, never another site.
func localPath(next string) string {
	u, err := url.Parse(next)
	if err != nil || u.Scheme != "" || u.Host != "" || u.User != nil || plain(next) != next || strings.Contains(next, `\`) ||
		!strings.HasPrefix(u.Path, "/") || strings.HasPrefix(u.Path, "//") {
		return "/"
	}
	return (&url.URL{Path: u.Path, RawQuery: u.RawQuery}).String()
}

type loginView struct {
	Login, Next, Problem, Announce string
}

func (s *Server) showLogin(w http.ResponseWriter, r *http.Request) {
	next := localPath(r.URL.Query().Get("next"))
	if _, ok, err := s.sessionPerson(r); err != nil {
		s.failPage(w, r, err)
		return
	} else if ok {
		http.Redirect(w, r, next, http.StatusSeeOther)
		return
	}
	s.render(w, r, http.StatusOK, "login", "Log in", loginView{Next: next, Announce: s.announce})
}

func (s *Server) login(w http.ResponseWriter, r *http.Request) {
	if err := readForm(w, r); err != nil {
		s.failPage(w, r, err)
		return
	}
	v := loginView{Login: strings.TrimSpace(r.PostForm.Get("login")), Next: localPath(r.PostForm.Get("next")), Announce: s.announce}
	person, err := s.authenticate(r, core.DoorPortal, v.Login, r.PostForm.Get("password"))
	if err == nil {
		// A new token, so that one that was planted before the login is worth nothing after it.
		err = s.sessions.RenewToken(r.Context())
	}
	if err != nil {
		a := s.explain(r, err)
		a.setHeaders(w.Header())
		v.Problem = a.Message
		s.render(w, r, a.status, "login", "Log in", v)
		return
	}
	s.sessions.Put(r.Context(), personKey, person.ID)
	visitOf(r).login = person.Login
	http.Redirect(w, r, v.Next, http.StatusSeeOther)
}

func (s *Server) logout(w http.ResponseWriter, r *http.Request) {
	if err := s.sessions.Destroy(r.Context()); err != nil {
		s.failPage(w, r, err)
		return
	}
	http.Redirect(w, r, "/login", http.StatusSeeOther)
}
