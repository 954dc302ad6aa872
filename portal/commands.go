package portal

import (
	"cmp"
	"net/http"

	"github.com/gorilla/mux"

	"github.com/mydb-project/mydb/core"
)

// on is a command on an existing database. Its pointer takes the database from the path.
type on[C any] interface {
	*C
	core.Command
	Name(database string)
}

// command is the endpoint of a command on an existing database. A command without fields needs no body.
func command[C any, P on[C]](s *Server, method, path, id, summary, about string) endpoint {
	var none C
	return endpoint{
		method: method, path: path, id: id, summary: summary, about: about,
		in: []any{idempotencyKey{}, none}, out: core.Receipt{}, status: http.StatusAccepted,
		errors: []int{400, 403, 404, 409, 410, 413, 415, 503},
		handle: func(w http.ResponseWriter, r *http.Request, c call) error {
			p := P(new(C))
			if r.ContentLength != 0 {
				if err := decode(w, r, p); err != nil {
					return err
				}
			}
			p.Name(c.item)
			if about, ok := any(p).(interface{ Item(account string) }); ok {
				about.Item(cmp.Or(mux.Vars(r)["account"], mux.Vars(r)["id"]))
			}
			c.Command = p
			return s.doJSON(w, r, c)
		},
	}
}

// doJSON gives a command to the domain and answers with its receipt.
func (s *Server) doJSON(w http.ResponseWriter, r *http.Request, c call) error {
	receipt, err := s.service.Do(r.Context(), c.Request)
	if err != nil {
		return err
	}
	if receipt.Replayed {
		w.Header().Set("Idempotency-Replayed", "true")
	}
	if receipt.Operation.ID != "" {
		w.Header().Set("Location", apiPrefix+"/operations/"+receipt.Operation.ID)
	}
	s.writeJSON(w, http.StatusAccepted, receipt)
	return nil
}

// commandEndpoints is the part of the API's table that works on existing databases.
func (s *Server) commandEndpoints() []endpoint {
	const post = http.MethodPost
	return []endpoint{
		{
			method: http.MethodGet, path: "/approvals", id: "listApprovals", summary: "What waits for a decision, or was decided",
			about: "Everything for administrators; for others what they asked for, and what is about their databases.",
			query: []string{"state"}, in: []any{approvalQuery{}}, out: approvalList{}, status: http.StatusOK, errors: []int{400, 403}, handle: s.apiApprovals,
		},
		{
			method: http.MethodGet, path: "/databases/{name}/metrics", id: "databaseMetrics", summary: "How a database was doing, minute by minute",
			about: "Oldest first, at most 5,000; after two days one for each hour is kept, for three months.",
			query: []string{"since"}, in: []any{namePath{}, sinceQuery{}}, out: usageList{}, status: http.StatusOK, errors: []int{400, 403, 404}, handle: s.apiMetrics,
		},
		command[core.Renew](s, post, "/databases/{name}/renew", "renewCertificate", "Give the server a new certificate",
			"It is restarted for that; passwords stay. MyDB does it by itself, 60 days before the certificate ends."),
		s.decision("approve", "approveRequest", "Approve what somebody else asked for"),
		s.decision("deny", "denyRequest", "Deny what somebody else asked for"),
		{
			method: post, path: "/approvals/{id}/withdraw", id: "withdrawRequest", summary: "Take back what one has asked for",
			in: []any{idempotencyKey{}, core.Withdraw{}}, out: core.Receipt{}, status: http.StatusAccepted, errors: []int{400, 403, 404, 409, 503},
			handle: func(w http.ResponseWriter, r *http.Request, c call) error {
				c.Command = core.Withdraw{ID: c.item}
				return s.doJSON(w, r, c)
			},
		},
		command[core.Restart](s, post, "/databases/{name}/restart", "restartDatabase", "Restart a database", "Its data stays, its connections end."),
		command[core.Stop](s, post, "/databases/{name}/stop", "stopDatabase", "Stop a database", "Its data, name and port stay. Stopping what is stopped is done at once."),
		command[core.Start](s, post, "/databases/{name}/start", "startDatabase", "Start a stopped database", ""),
		command[core.Rotate](s, post, "/databases/{name}/rotate", "rotatePassword", "Give the owner's account a new password", "The old one stops working at once; the owner collects the new one."),
		command[core.Resize](s, post, "/databases/{name}/resize", "resizeDatabase", "Give a database another size", "Its server restarts. If it does not come up, it goes back to the old size."),
		command[core.Describe](s, http.MethodPatch, "/databases/{name}", "describeDatabase", "Change what is said about a database", "What is absent stays as it is; an empty text takes it away. Done at once."),
		command[core.Extend](s, post, "/databases/{name}/extend", "extendDatabase", "Keep a database for longer", ""),
		command[core.Delete](s, http.MethodDelete, "/databases/{name}", "deleteDatabase", "Ask for the deletion of a database",
			"An administrator other than the caller has to approve, so the answer holds an approval and no operation. A repeated request gives the same approval."),
		command[core.Undelete](s, post, "/databases/{name}/undelete", "undeleteDatabase", "Bring a database back from the trash", ""),
	}
}

// give is the form of a command on the page of a database: it is given, and the page is shown again, with what went wrong.
func (s *Server) give(make func(r *http.Request, database string) core.Command) pageHandler {
	return func(w http.ResponseWriter, r *http.Request, c call) error {
		c.Command = make(r, c.item)
		_, problem := s.service.Do(r.Context(), c.Request)
		if problem == nil {
			http.Redirect(w, r, r.URL.JoinPath("..").String(), http.StatusSeeOther)
			return nil
		}
		return s.showProblem(w, r, c, problem)
	}
}

// showProblem shows the page of a database with what went wrong.
func (s *Server) showProblem(w http.ResponseWriter, r *http.Request, c call, problem error) error {
	v, err := s.databaseView(r, c)
	if err != nil {
		return err
	}
	a := s.explain(r, problem)
	a.setHeaders(w.Header())
	v.Problem = a.Message
	s.render(w, r, a.status, "database", v.Database.Name, v)
	return nil
}

// The forms of the card "Manage" on the page of a database.

func restartForm(_ *http.Request, name string) core.Command {
	return core.Restart{On: core.On{Database: name}}
}

func stopForm(_ *http.Request, name string) core.Command {
	return core.Stop{On: core.On{Database: name}}
}

func startForm(_ *http.Request, name string) core.Command {
	return core.Start{On: core.On{Database: name}}
}

func rotateForm(_ *http.Request, name string) core.Command {
	return core.Rotate{On: core.On{Database: name}}
}

func resizeForm(r *http.Request, name string) core.Command {
	return core.Resize{On: core.On{Database: name}, Size: r.PostForm.Get("size")}
}

func extendForm(r *http.Request, name string) core.Command {
	return core.Extend{On: core.On{Database: name}, Expires: r.PostForm.Get("expires")}
}
