package portal

import (
	"net/http"
	"net/url"

	"github.com/mydb-project/mydb/core"
)

// againField is the field of a form in which somebody who is logged in gives their password again.
const againField = "password-again"

// confirmView is the page that asks for the password again. Sent, it goes where the form before it wanted to go, with that form's fields.
type confirmView struct {
	Action, Login, Problem string
	Fields                 []keptField
}

type keptField struct{ Name, Value string }

// fresh lets a form through when the password was given lately, and asks for it when not.
func (s *Server) fresh(h pageHandler) pageHandler {
	return s.freshWhen(func(*http.Request, call) (bool, error) { return true, nil }, h)
}

// freshWhen is fresh for the forms of which grave says so.
func (s *Server) freshWhen(grave func(*http.Request, call) (bool, error), h pageHandler) pageHandler {
	return func(w http.ResponseWriter, r *http.Request, c call) error {
		password := r.PostForm.Get(againField)
		r.PostForm.Del(againField)
		if s.service.Fresh(visitOf(r).session) {
			return h(w, r, c)
		}
		needed, err := grave(r, c)
		if err != nil {
			return err
		}
		if needed {
			if password == "" {
				s.askAgain(w, r, c, "")
				return nil
			}
			if err := s.confirm(r, c, password); err != nil {
				a := s.explain(r, err)
				a.setHeaders(w.Header())
				s.askAgain(w, r, c, a.Message)
				return nil
			}
		}
		return h(w, r, c)
	}
}

// askAgain shows the page that asks for the password, in place of what the form was for.
func (s *Server) askAgain(w http.ResponseWriter, r *http.Request, c call, problem string) {
	v := confirmView{Action: r.URL.RequestURI(), Login: c.Actor.Login, Problem: problem}
	for name, values := range r.PostForm {
		for _, value := range values {
			v.Fields = append(v.Fields, keptField{name, value})
		}
	}
	s.render(w, r, http.StatusForbidden, "confirm", "Your password, please", v)
}

// confirm checks the password of who is logged in, and gives their session a new token.
func (s *Server) confirm(r *http.Request, c call, password string) error {
	person, err := s.authenticate(r, core.DoorPortal, c.Actor.Login, password)
	switch {
	case core.CodeOf(err) == core.CodeUnauthenticated:
		return core.Errorf(core.CodeUnauthenticated, "This is not the password of %s. Try again.", c.Actor.Login)
	case err != nil:
		return err
	case person.ID != c.Actor.ID:
		return core.Errorf(core.CodeForbidden, "The directory has somebody else under the name %s now. Log out, and log in again.", c.Actor.Login)
	}
	if err := s.service.ConfirmLogin(r.Context(), visitOf(r).session.ID); err != nil {
		return err
	}
	return s.sessions.RenewToken(r.Context())
}

// toApproval is where the links of messages lead. Whether a password has to be given again is settled there, before anything is decided.
func (s *Server) toApproval(w http.ResponseWriter, r *http.Request, c call) error {
	http.Redirect(w, r, "/approvals#approval-"+url.PathEscape(short(plain(c.item), 60)), http.StatusSeeOther)
	return nil
}

// graveApproval reports whether the approval of the path is one that asks for the password again.
func (s *Server) graveApproval(r *http.Request, c call) (bool, error) {
	return s.service.Grave(r.Context(), c.Actor, c.item)
}

// graveRestore reports whether a restore puts a backup in the place of data.
func graveRestore(r *http.Request, _ call) (bool, error) {
	return r.PostForm.Get("in_place") != "", nil
}
