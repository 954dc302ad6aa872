package portal

import (
	"net/http"

	"github.com/mydb-project/mydb/core"
)

// linkCode shows a code in its own answer: a redirect would have to keep it somewhere.
func (s *Server) linkCode(w http.ResponseWriter, r *http.Request, c call) error {
	code, err := s.service.MakeLinkCode(r.Context(), c.Request)
	if err != nil {
		return err
	}
	return s.showAccount(w, r, c, http.StatusOK, accountView{Code: &code})
}

func (s *Server) unlinkChat(w http.ResponseWriter, r *http.Request, c call) error {
	f := r.PostForm
	user := core.ChatUser{Platform: core.Platform(f.Get("platform")), Team: f.Get("team"), ID: f.Get("user"), Name: f.Get("name")}
	if err := s.service.Unlink(r.Context(), c.Request, user); err != nil {
		return err
	}
	http.Redirect(w, r, "/account", http.StatusSeeOther)
	return nil
}
