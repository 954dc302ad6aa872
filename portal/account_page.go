package portal

import (
	"net/http"
	"strings"
	"time"

	"github.com/mydb-project/mydb/core"
)

type accountView struct {
	Tokens   []core.Token
	Made     string // a new token's secret, shown this once
	MadeName string
	Name     string
	Scope    string
	Expires  string
	Field    string
	Problem  string
	IsAdmin  bool

	Sessions []core.Login
	Here     string // the id of this one

	Mail   []core.MailChoice
	Always string // what is told whatever one chooses

	Identities []core.ChatIdentity
	Code       *core.LinkCode // shown this once
}

// Trouble is the problem of a field.
func (v accountView) Trouble(field string) string {
	if v.Field != field {
		return ""
	}
	return v.Problem
}

func (s *Server) accountPage(w http.ResponseWriter, r *http.Request, c call) error {
	return s.showAccount(w, r, c, http.StatusOK, accountView{})
}

func (s *Server) showAccount(w http.ResponseWriter, r *http.Request, c call, status int, v accountView) (err error) {
	if v.Tokens, err = s.service.Tokens(r.Context(), c.Actor); err != nil {
		return err
	}
	if v.Identities, err = s.service.Identities(r.Context(), c.Actor); err != nil {
		return err
	}
	if v.Sessions, err = s.service.Logins(r.Context(), c.Actor); err != nil {
		return err
	}
	if v.Mail, err = s.service.MailChoices(r.Context(), c.Actor); err != nil {
		return err
	}
	v.Always = core.AlwaysTold
	v.IsAdmin, v.Here = c.Actor.Admin, visitOf(r).session.ID
	s.render(w, r, status, "account", "Account", v)
	return nil
}

// makeToken shows the new token in its own answer: a redirect would have to keep the secret somewhere.
func (s *Server) makeToken(w http.ResponseWriter, r *http.Request, c call) error {
	v := accountView{Name: strings.TrimSpace(r.PostForm.Get("name")), Scope: r.PostForm.Get("scope"), Expires: r.PostForm.Get("expires")}
	expires, err := expiryOf(v.Expires, time.Now())
	if err == nil {
		var made core.Token
		made, v.Made, err = s.service.MakeToken(r.Context(), c.Request, core.NewToken{Name: v.Name, Scope: core.Scope(v.Scope), Expires: expires})
		if err == nil {
			return s.showAccount(w, r, c, http.StatusOK, accountView{Made: v.Made, MadeName: made.Name})
		}
	}
	a := s.explain(r, err)
	a.setHeaders(w.Header())
	v.Made, v.Field, v.Problem = "", a.Field, a.Message
	return s.showAccount(w, r, c, a.status, v)
}

func (s *Server) revokeToken(w http.ResponseWriter, r *http.Request, c call) error {
	if err := s.service.RevokeToken(r.Context(), c.Request, c.item); err != nil {
		return err
	}
	http.Redirect(w, r, "/account", http.StatusSeeOther)
	return nil
}

// revokeSession ends a session. Who ends the one that they are in comes to the login page.
func (s *Server) revokeSession(w http.ResponseWriter, r *http.Request, c call) error {
	if err := s.service.RevokeLogin(r.Context(), c.Request, c.item); err != nil {
		return err
	}
	http.Redirect(w, r, "/account#sessions", http.StatusSeeOther)
	return nil
}

func (s *Server) revokeOtherSessions(w http.ResponseWriter, r *http.Request, c call) error {
	if _, err := s.service.RevokeOtherLogins(r.Context(), c.Request, visitOf(r).session.ID); err != nil {
		return err
	}
	http.Redirect(w, r, "/account#sessions", http.StatusSeeOther)
	return nil
}

func (s *Server) helpPage(w http.ResponseWriter, r *http.Request, _ call) error {
	s.render(w, r, http.StatusOK, "help", "Help", struct{ CAFile string }{core.CAFile})
	return nil
}
