package portal

import (
	"net/http"
	"slices"

	"github.com/mydb-project/mydb/core"
)

// MailChoices is what one is told of by mail.
type MailChoices struct {
	Address *string           `json:"address" description:"Where mail goes; null: nowhere, and administrators are told instead"`
	Items   []core.MailChoice `json:"items"`
	Always  string            `json:"always" description:"What is told whatever one chooses, in words"`
}

// NewMailChoices changes what one is told of by mail.
type NewMailChoices struct {
	Wanted map[core.Topic]bool `json:"wanted" required:"true" description:"Topics and whether to be told of them; those that are left out stay as they are"`
}

// mailEndpoints is the part of the API's table that is about what people are told of by mail.
func (s *Server) mailEndpoints() []endpoint {
	return []endpoint{
		{
			method: http.MethodGet, path: "/mail", id: "getMailChoices", summary: "What one is told of by mail, and what one has chosen",
			out: MailChoices{}, status: http.StatusOK, errors: []int{403}, handle: s.apiMailChoices,
		}, {
			method: http.MethodPut, path: "/mail", id: "chooseMail", summary: "Choose what to be told of by mail",
			in: []any{NewMailChoices{}}, out: MailChoices{}, status: http.StatusOK, errors: []int{400, 403, 413, 415}, handle: s.apiChooseMail,
		},
	}
}

func (s *Server) apiMailChoices(w http.ResponseWriter, r *http.Request, c call) error {
	list, err := s.service.MailChoices(r.Context(), c.Actor)
	if err != nil {
		return err
	}
	s.writeJSON(w, http.StatusOK, MailChoices{c.Actor.Email, list, core.AlwaysTold})
	return nil
}

func (s *Server) apiChooseMail(w http.ResponseWriter, r *http.Request, c call) error {
	var ask NewMailChoices
	if err := decode(w, r, &ask); err != nil {
		return err
	}
	list, err := s.service.ChooseMail(r.Context(), c.Request, ask.Wanted)
	if err != nil {
		return err
	}
	s.writeJSON(w, http.StatusOK, MailChoices{c.Actor.Email, list, core.AlwaysTold})
	return nil
}

// chooseMail takes the form of the account page. A box that is not ticked is not sent, so the form stands for every topic that was shown.
func (s *Server) chooseMail(w http.ResponseWriter, r *http.Request, c call) error {
	wanted := map[core.Topic]bool{}
	for _, topic := range r.PostForm["shown"] {
		wanted[core.Topic(topic)] = slices.Contains(r.PostForm["topic"], topic)
	}
	if _, err := s.service.ChooseMail(r.Context(), c.Request, wanted); err != nil {
		return err
	}
	http.Redirect(w, r, "/account#mail", http.StatusSeeOther)
	return nil
}
