package portal

import (
	"net/http"
	"slices"
	"time"

	"github.com/mydb-project/mydb/core"
	"github.com/mydb-project/mydb/core/engine"
)

type databaseView struct {
	Database    core.Instance
	Title       string // of the engine
	Size        engine.Size
	Operation   *core.Operation
	Snippets    []engine.Snippet
	IsOwner     bool
	IsAdmin     bool
	Overlooks   bool          // sees its backups: owner, administrator, auditor or lead
	Sizes       []string      // what it could be resized to
	Support     []string      // levels of this site
	Backups     []string      // how often they can be made
	Backed      []core.Backup // the newest backups
	Links       []core.Link   // the person's own, to backups that wait to be downloaded
	UndoUntil   *time.Time    // of a restore in place; nil: there is none to undo
	Grace       string        // for how long one can be undone
	Pending     *core.Approval
	Usage       *core.Usage
	Alarms      []core.Finding
	Accounts    []core.Access // for those who manage it
	ShownFor    string        // whose password Credentials is, when it is a service account's
	Collectable bool
	Credentials *core.Credentials
	Problem     string
	CAFile      string
}

// shownBackups is how many the page of a database shows; the API has all of them.
const shownBackups = 10

func (v databaseView) live() bool { return v.Busy() }

// Busy tells whether work is under way.
func (v databaseView) Busy() bool { return v.Operation != nil && !v.Operation.Finished() }

// Failed is why the latest operation failed.
func (v databaseView) Failed() *core.Explanation {
	if v.Operation == nil {
		return nil
	}
	return v.Operation.Error
}

// Manageable tells whether the person may do something with it now.
func (v databaseView) Manageable() bool {
	state := v.Database.State
	return (v.IsOwner || v.IsAdmin) && !v.Busy() && (state == core.StateReady || state == core.StateStopped)
}

// Restorable are the backups shown that can be restored.
func (v databaseView) Restorable() (good []core.Backup) {
	for _, b := range v.Backed {
		if b.Good() {
			good = append(good, b)
		}
	}
	return good
}

// Connectable tells whether a client could connect now.
func (v databaseView) Connectable() bool {
	return v.Database.State == core.StateReady && v.Database.Placed()
}

func (s *Server) databasePage(w http.ResponseWriter, r *http.Request, c call) error {
	v, err := s.databaseView(r, c)
	if err != nil {
		return err
	}
	s.render(w, r, http.StatusOK, "database", v.Database.Name, v)
	return nil
}

func (s *Server) databaseView(r *http.Request, c call) (v databaseView, err error) {
	if v.Database, v.Operation, err = s.service.Look(r.Context(), c.Actor, c.item); err != nil {
		return v, err
	}
	return v, s.complete(r, c, &v)
}

// complete adds what follows from the database and its operation.
func (s *Server) complete(r *http.Request, c call, v *databaseView) (err error) {
	v.Title = s.engineTitles()[v.Database.Engine]
	v.Size, _ = s.service.Catalogue().Size(v.Database.Size)
	v.IsOwner = v.Database.OwnerID == c.Actor.ID && c.Actor.Role() != core.RoleAuditor
	v.IsAdmin, v.CAFile = c.Actor.IsAdmin(), core.CAFile
	if v.Overlooks, err = s.service.Overlooks(r.Context(), c.Actor, v.Database); err != nil {
		return err
	}
	v.Sizes = s.service.Catalogue().SizeNames()
	v.Support, v.Backups = s.service.Policy().Support, core.BackupPolicies()
	if !slices.Contains(v.Backups, v.Database.Backup) {
		v.Backups = append(v.Backups, v.Database.Backup) // a cron expression, which the form must not lose
	}
	if v.Pending, err = s.service.Pending(r.Context(), v.Database.ID); err != nil {
		return err
	}
	if v.Usage, err = s.service.Usage(r.Context(), v.Database); err != nil {
		return err
	}
	if v.Alarms, err = s.service.AlarmsOf(r.Context(), v.Database); err != nil {
		return err
	}
	if v.Overlooks {
		if v.Backed, _, err = s.service.Backups(r.Context(), c.Actor, v.Database.ID, core.Page{Limit: shownBackups}); err != nil {
			return err
		}
		if v.Links, err = s.service.Links(r.Context(), c.Actor, v.Database.ID); err != nil {
			return err
		}
		v.Links = slices.DeleteFunc(v.Links, func(l core.Link) bool { return l.Kind != core.LinkDownload })
		if v.UndoUntil, err = s.service.UndoUntil(r.Context(), v.Database); err != nil {
			return err
		}
		v.Grace = s.service.UndoTime()
	}
	if v.Manageable() {
		if v.Accounts, err = s.service.Accesses(r.Context(), c.Actor, v.Database.ID); err != nil {
			return err
		}
	}
	if v.Snippets, err = s.service.Snippets(v.Database); err != nil {
		return err
	}
	v.Collectable, err = s.service.Collectable(r.Context(), c.Actor, v.Database)
	return err
}

// reveal shows the password. It is a POST, because previews and prefetching follow links.
func (s *Server) reveal(w http.ResponseWriter, r *http.Request, c call) error {
	status := http.StatusOK
	credentials, problem := s.service.Collect(r.Context(), c.Request, c.item)
	v, err := s.databaseView(r, c)
	if err != nil {
		return err
	}
	if problem != nil {
		a := s.explain(r, problem)
		a.setHeaders(w.Header())
		status, v.Problem = a.status, a.Message
	} else {
		v.Credentials = &credentials
	}
	s.render(w, r, status, "database", v.Database.Name, v)
	return nil
}

// progress streams the live part of a database's page, as HTML, for as long as work is under way.
func (s *Server) progress(w http.ResponseWriter, r *http.Request, c call) error {
	i, err := s.service.Instance(r.Context(), c.Actor, c.item)
	if err != nil {
		return err
	}
	if i.OperationID == nil {
		return core.Errorf(core.CodeNotFound, "Nothing has happened to %s yet.", i.Name)
	}
	return s.follow(w, r, c.Actor, *i.OperationID, func(o core.Operation) ([]event, error) {
		v := databaseView{Operation: &o}
		// By id: when a create has failed, somebody else may have the name already.
		if v.Database, err = s.service.Instance(r.Context(), c.Actor, i.ID); err != nil {
			return nil, err
		}
		if err := s.complete(r, c, &v); err != nil {
			return nil, err
		}
		html, err := s.fragment("database", "live", v)
		events := []event{{name: "progress", data: html}}
		if o.Finished() {
			events = append(events, event{name: "finished", data: []byte(o.State)})
		}
		return events, err
	})
}
