package portal

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/alexedwards/scs/v2"

	"github.com/mydb-project/mydb/core"
)

// loginKey is where a session keeps the id of its login. Whose it is, whether it goes on, and their rights are read anew with each request.
const loginKey = "login"

func (s *Server) newSessions(store scs.CtxStore) *scs.SessionManager {
	m := scs.New()
	m.Store, m.HashTokenInStore = store, true
	limits := s.service.SessionLimits()
	m.IdleTimeout, m.Lifetime = limits.Idle, limits.Life
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
		person, login, ok, err := s.sessionPerson(r)
		switch {
		case err != nil:
			s.failPage(w, r, err)
		case !ok:
			http.Redirect(w, r, loginURL(r), http.StatusSeeOther)
		default:
			v := visitOf(r)
			v.login, v.person, v.session = person.Login, &person, login
			next.ServeHTTP(w, r)
		}
	})
}

// sessionPerson finds out whose session it is. A session whose login was ended elsewhere, or of somebody who was disabled, ends here.
func (s *Server) sessionPerson(r *http.Request) (p core.Person, l core.Login, ok bool, err error) {
	id := s.sessions.GetString(r.Context(), loginKey)
	if id == "" {
		return p, l, false, nil
	}
	p, l, err = s.service.UseLogin(r.Context(), id, s.addressOf(r))
	if core.CodeOf(err) == core.CodeNotFound {
		return p, l, false, s.sessions.Destroy(r.Context())
	}
	return p, l, err == nil, err
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
	if _, _, ok, err := s.sessionPerson(r); err != nil {
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
		err = s.begin(r, person)
	}
	if err != nil {
		a := s.explain(r, err)
		a.setHeaders(w.Header())
		v.Problem = a.Message
		s.render(w, r, a.status, "login", "Log in", v)
		return
	}
	visitOf(r).login = person.Login
	http.Redirect(w, r, v.Next, http.StatusSeeOther)
}

// begin gives a browser a session. A login that it had before is over. The token is new, so that one that was planted before the login is
// worth nothing after it.
func (s *Server) begin(r *http.Request, person core.Person) error {
	ctx := r.Context()
	if err := s.service.EndLogin(ctx, s.sessions.GetString(ctx, loginKey)); err != nil {
		return err
	}
	id, err := s.service.StartLogin(ctx, core.Request{Actor: core.Actor{Person: person}, Address: s.addressOf(r)}, deviceOf(r))
	if err != nil {
		return err
	}
	if err := s.sessions.Clear(ctx); err != nil {
		return err
	}
	s.sessions.Put(ctx, loginKey, id)
	return s.sessions.RenewToken(ctx)
}

func (s *Server) logout(w http.ResponseWriter, r *http.Request) {
	err := s.service.EndLogin(r.Context(), s.sessions.GetString(r.Context(), loginKey))
	if err == nil {
		err = s.sessions.Destroy(r.Context())
	}
	if err != nil {
		s.failPage(w, r, err)
		return
	}
	http.Redirect(w, r, "/login", http.StatusSeeOther)
}
