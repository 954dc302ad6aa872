package portal

import (
	"net/http"

	"github.com/mydb-project/mydb/core"
)

type approvalQuery struct {
	State string `query:"state" enum:"pending" description:"pending: only what waits"`
}

type approvalList struct {
	Items []core.Approval `json:"items"`
}

func (s *Server) apiApprovals(w http.ResponseWriter, r *http.Request, c call) error {
	state := r.URL.Query().Get("state")
	if state != "" && state != "pending" {
		return refuse("state", "The state %q is not known here. Write pending, or leave it out.", state)
	}
	items, err := s.service.Approvals(r.Context(), c.Actor, state == "pending")
	if err != nil {
		return err
	}
	s.writeJSON(w, http.StatusOK, approvalList{items})
	return nil
}

// decision is the endpoint of one of the two verbs.
func (s *Server) decision(verb, id, summary string) endpoint {
	return endpoint{
		method: http.MethodPost, path: "/approvals/{id}/" + verb, id: id, summary: summary,
		about: "For administrators, and for whom the site's policy names; never for one's own requests. Decided once. Where two people have to approve, " +
			"the answer to the first holds the approval, which is still pending.",
		in: []any{idempotencyKey{}, core.Decide{}}, out: core.Receipt{}, status: http.StatusAccepted,
		errors: []int{400, 403, 404, 409, 410, 413, 415, 503},
		handle: func(w http.ResponseWriter, r *http.Request, c call) error {
			d := core.Decide{ID: c.item, Approve: verb == "approve"}
			if r.ContentLength != 0 {
				if err := decode(w, r, &d); err != nil {
					return err
				}
			}
			c.Command = d
			return s.doJSON(w, r, c)
		},
	}
}

type approvalsView struct {
	Items   []core.Approval
	Me      string // login: nobody decides their own requests
	Problem string
	decides func(action string) bool
}

// May tells whether the person decides about this one, as far as its kind goes.
func (v approvalsView) May(a core.Approval) bool { return a.State == "pending" && v.decides(a.Action) }

func (s *Server) approvalsPage(w http.ResponseWriter, r *http.Request, c call) error {
	return s.showApprovals(w, r, c, http.StatusOK, "")
}

func (s *Server) showApprovals(w http.ResponseWriter, r *http.Request, c call, status int, problem string) error {
	items, err := s.service.Approvals(r.Context(), c.Actor, false)
	if err != nil {
		return err
	}
	s.render(w, r, status, "approvals", "Approvals", approvalsView{
		Items: items, Me: c.Actor.Login, Problem: problem, decides: func(action string) bool { return s.service.DecidesAbout(c.Actor, action) },
	})
	return nil
}

// decide is the form of a decision on the page of approvals.
func (s *Server) decide(approve bool) pageHandler {
	return func(w http.ResponseWriter, r *http.Request, c call) error {
		c.Command = core.Decide{ID: c.item, Approve: approve, Reason: r.PostForm.Get("reason")}
		if _, err := s.service.Do(r.Context(), c.Request); err != nil {
			a := s.explain(r, err)
			a.setHeaders(w.Header())
			return s.showApprovals(w, r, c, a.status, a.Message)
		}
		http.Redirect(w, r, "/approvals", http.StatusSeeOther)
		return nil
	}
}

func deleteForm(r *http.Request, name string) core.Command {
	return core.Delete{On: core.On{Database: name}, Reason: r.PostForm.Get("reason")}
}

func undeleteForm(_ *http.Request, name string) core.Command {
	return core.Undelete{On: core.On{Database: name}}
}
