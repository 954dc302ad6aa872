package portal

import (
	"net/http"

	"github.com/gorilla/mux"

	"github.com/mydb-project/mydb/core"
)

type accountPath struct {
	Name    string `path:"name" description:"A database's name, or its id"`
	Account string `path:"account" description:"The user name of an account"`
}

type accessList struct {
	Items []core.Access `json:"items"`
}

// shareEndpoints is the part of the API's table that is about who may use a database.
func (s *Server) shareEndpoints() []endpoint {
	const post = http.MethodPost
	return []endpoint{
		command[core.Share](s, post, "/databases/{name}/share", "shareDatabase", "Share a database with a colleague or a group",
			"Each gets an account of their own, and collects its password. Again with other rights changes them. Who joins the group later gets one, too, and who leaves it loses theirs."),
		command[core.Unshare](s, post, "/databases/{name}/unshare", "unshareDatabase", "Take a share back", "The colleague's sessions end at once; what they made is the owner's. Colleagues may give up their own."),
		command[core.Transfer](s, post, "/databases/{name}/transfer", "transferDatabase", "Give a database to another owner",
			"The password of the owner's account becomes a new one, which the new owner collects. Shares stay."),
		{
			method: http.MethodGet, path: "/databases/{name}/accounts", id: "listAccounts", summary: "Whom a database is shared with, and its service accounts",
			about: "For its owner and administrators.", in: []any{namePath{}}, out: accessList{}, status: http.StatusOK, errors: []int{403, 404}, handle: s.apiAccounts,
		},
		command[core.AddAccount](s, post, "/databases/{name}/accounts", "addAccount", "Make a service account for a pipeline", "Again with other rights changes them."),
		command[core.RemoveAccount](s, http.MethodDelete, "/databases/{name}/accounts/{account}", "removeAccount", "Remove an account", "Its sessions end at once; what it made is the owner's."),
		command[core.RotateAccount](s, post, "/databases/{name}/accounts/{account}/rotate", "rotateAccount", "Give an account a new password",
			"With an overlap, a service account gets a successor of another name, and ends when the overlap is over."),
		{
			method: http.MethodGet, path: "/databases/{name}/accounts/{account}/credentials", id: "collectAccountCredentials", summary: "Collect the password of a service account",
			about: "For the owner alone. The first answer starts ten minutes in which it may be repeated; then the password is gone.",
			in:    []any{accountPath{}}, out: core.Credentials{}, status: http.StatusOK, errors: []int{403, 404, 410}, handle: s.apiAccountCredentials,
		},
	}
}

func (s *Server) apiAccounts(w http.ResponseWriter, r *http.Request, c call) error {
	list, err := s.service.Accesses(r.Context(), c.Actor, c.item)
	if err != nil {
		return err
	}
	s.writeJSON(w, http.StatusOK, accessList{Items: append([]core.Access{}, list...)})
	return nil
}

func (s *Server) apiAccountCredentials(w http.ResponseWriter, r *http.Request, c call) error {
	credentials, err := s.service.CollectAccount(r.Context(), c.Request, c.item, mux.Vars(r)["account"])
	if err != nil {
		return err
	}
	s.writeJSON(w, http.StatusOK, credentials)
	return nil
}

// revealAccount shows the password of a service account on the page of the database.
func (s *Server) revealAccount(w http.ResponseWriter, r *http.Request, c call) error {
	status, account := http.StatusOK, r.PostForm.Get("account")
	credentials, problem := s.service.CollectAccount(r.Context(), c.Request, c.item, account)
	v, err := s.databaseView(r, c)
	if err != nil {
		return err
	}
	if problem != nil {
		a := s.explain(r, problem)
		a.setHeaders(w.Header())
		status, v.Problem = a.status, a.Message
	} else {
		v.Credentials, v.ShownFor = &credentials, account
	}
	s.render(w, r, status, "database", v.Database.Name, v)
	return nil
}

// The forms of the card "People and pipelines" on the page of a database.

func shareForm(r *http.Request, name string) core.Command {
	return core.Share{On: core.On{Database: name}, With: r.PostForm.Get("with"), Right: r.PostForm.Get("right"), Until: r.PostForm.Get("until")}
}

func unshareForm(r *http.Request, name string) core.Command {
	return core.Unshare{On: core.On{Database: name}, With: r.PostForm.Get("with")}
}

func transferForm(r *http.Request, name string) core.Command {
	return core.Transfer{On: core.On{Database: name}, To: r.PostForm.Get("to")}
}

func addAccountForm(r *http.Request, name string) core.Command {
	return core.AddAccount{On: core.On{Database: name}, Account: r.PostForm.Get("account"), Right: r.PostForm.Get("right"), Until: r.PostForm.Get("until")}
}

func removeAccountForm(r *http.Request, name string) core.Command {
	return core.RemoveAccount{On: core.On{Database: name}, Account: r.PostForm.Get("account")}
}

func rotateAccountForm(r *http.Request, name string) core.Command {
	return core.RotateAccount{On: core.On{Database: name}, Account: r.PostForm.Get("account"), Overlap: r.PostForm.Get("overlap")}
}
