package portal

import (
	"net/http"

	"github.com/gorilla/mux"

	"github.com/mydb-project/mydb/core"
)

type backupList struct {
	Items []core.Backup `json:"items"`
	Next  string        `json:"next,omitempty" description:"The cursor of the next page; absent on the last one"`
}

type pageQuery struct {
	Limit  int    `query:"limit" minimum:"1" maximum:"200" default:"50"`
	Cursor string `query:"cursor" description:"The next of the page before"`
}

type backupPath struct {
	Name string `path:"name" description:"A database's name, or its id"`
	ID   string `path:"id" description:"A backup's id"`
}

// backupEndpoints is the part of the API's table that is about backups.
func (s *Server) backupEndpoints() []endpoint {
	const get, post = http.MethodGet, http.MethodPost
	return []endpoint{
		s.historyEndpoint(),
		command[core.MakeBackup](s, post, "/databases/{name}/backups", "makeBackup", "Make a backup now",
			"It is done when it was read back from the store and parsed to its end, and verified when a copy was restored from it and every table counted."),
		{
			method: get, path: "/databases/{name}/backups", id: "listBackups", summary: "The backups of a database, newest first",
			about: "Also of one that is gone, by its id.",
			query: []string{"limit", "cursor"}, in: []any{namePath{}, pageQuery{}}, out: backupList{}, status: http.StatusOK, errors: []int{400, 403, 404}, handle: s.apiBackups,
		},
		{
			method: get, path: "/databases/{name}/backups/{id}", id: "getBackup", summary: "One backup",
			in: []any{backupPath{}}, out: core.Backup{}, status: http.StatusOK, errors: []int{403, 404}, handle: s.apiBackup,
		},
		command[core.VerifyBackup](s, post, "/databases/{name}/backups/{id}/verify", "verifyBackup", "Prove a backup",
			"It is restored into a server that is thrown away afterwards, and every table is counted."),
		command[core.PinBackup](s, post, "/databases/{name}/backups/{id}/pin", "pinBackup", "Keep a backup whatever the rules say, such as for a paper", "With unpin, the rules count again."),
		command[core.Restore](s, post, "/databases/{name}/restore", "restoreDatabase", "Make a new database of a backup, or restore one in place",
			"The answer holds the new database; the one that was backed up is not touched, and may be gone. Accounts of colleagues come along without a way to log in, until it is shared with them. "+
				"In place, the database itself gets the data of one of its backups, after a backup of what it holds now; address, accounts and passwords stay. If the site's rules ask for an approval, the answer holds that and no operation."),
		command[core.Undo](s, post, "/databases/{name}/undo", "undoRestore", "Take the last restore in place back, or the last undo",
			"For as long as undo_until of the database says. What the database holds now is kept in its place."),
	}
}

func (s *Server) apiBackups(w http.ResponseWriter, r *http.Request, c call) error {
	page, err := pageOf(r)
	if err != nil {
		return err
	}
	list, next, err := s.service.Backups(r.Context(), c.Actor, c.item, page)
	if err != nil {
		return err
	}
	s.writeJSON(w, http.StatusOK, backupList{Items: append([]core.Backup{}, list...), Next: next})
	return nil
}

func (s *Server) apiBackup(w http.ResponseWriter, r *http.Request, c call) error {
	b, err := s.service.Backup(r.Context(), c.Actor, c.item, mux.Vars(r)["id"])
	if err != nil {
		return err
	}
	s.writeJSON(w, http.StatusOK, b)
	return nil
}

// The forms of the card "Backups" on the page of a database.

func backupForm(_ *http.Request, name string) core.Command {
	return core.MakeBackup{On: core.On{Database: name}}
}

func verifyForm(r *http.Request, name string) core.Command {
	return core.VerifyBackup{On: core.On{Database: name}, Backup: r.PostForm.Get("backup")}
}

func pinForm(r *http.Request, name string) core.Command {
	return core.PinBackup{On: core.On{Database: name}, Backup: r.PostForm.Get("backup"), Note: r.PostForm.Get("note"), Unpin: r.PostForm.Get("unpin") != ""}
}

func undoForm(_ *http.Request, name string) core.Command {
	return core.Undo{On: core.On{Database: name}}
}

// restore makes a new database of a backup and shows that one's page, or restores in place.
func (s *Server) restore(w http.ResponseWriter, r *http.Request, c call) error {
	c.Command = core.Restore{
		On: core.On{Database: c.item}, Backup: r.PostForm.Get("backup"), As: r.PostForm.Get("as"), InPlace: r.PostForm.Get("in_place") != "", Confirm: r.PostForm.Get("confirm"),
	}
	receipt, problem := s.service.Do(r.Context(), c.Request)
	if problem == nil {
		http.Redirect(w, r, "/databases/"+receipt.Database.ID, http.StatusSeeOther)
		return nil
	}
	return s.showProblem(w, r, c, problem)
}
