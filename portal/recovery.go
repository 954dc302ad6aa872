package portal

import (
	"net/http"

	"github.com/mydb-project/mydb/core"
)

// recoveryEndpoints is the part of the API's table that is about MyDB's own database.
func (s *Server) recoveryEndpoints() []endpoint {
	const get, post = http.MethodGet, http.MethodPost
	return []endpoint{
		{
			method: get, path: "/catalogue-backups", id: "listCatalogueBackups", summary: "The backups of MyDB's own database, newest first, for administrators",
			query: []string{"limit", "cursor"}, in: []any{pageQuery{}}, out: catalogueBackupList{}, status: http.StatusOK, errors: []int{400, 403}, handle: s.apiCatalogueBackups,
		},
		{
			method: get, path: "/recoveries", id: "listRecoveries", summary: "The recoveries of MyDB, newest first, for administrators",
			about: "While accepted_at of one is null, MyDB removes, stops and heals nothing by itself.",
			out:   recoveryList{}, status: http.StatusOK, errors: []int{403}, handle: s.apiRecoveries,
		},
		{
			method: post, path: "/recovery/accept", id: "acceptRecovery", summary: "Let everything go on after a recovery, for administrators",
			in: []any{idempotencyKey{}}, out: core.Recovery{}, status: http.StatusOK, errors: []int{403, 404}, handle: s.apiAcceptRecovery,
		},
	}
}

type catalogueBackupList struct {
	Items []core.CatalogueBackup `json:"items"`
	Next  string                 `json:"next,omitempty" description:"The cursor of the next page; absent on the last one"`
}

type recoveryList struct {
	Items []core.Recovery `json:"items"`
}

func (s *Server) apiCatalogueBackups(w http.ResponseWriter, r *http.Request, c call) error {
	page, err := pageOf(r)
	if err != nil {
		return err
	}
	list, next, err := s.service.CatalogueBackups(r.Context(), c.Actor, page)
	if err != nil {
		return err
	}
	s.writeJSON(w, http.StatusOK, catalogueBackupList{Items: append([]core.CatalogueBackup{}, list...), Next: next})
	return nil
}

func (s *Server) apiRecoveries(w http.ResponseWriter, r *http.Request, c call) error {
	list, err := s.service.Recoveries(r.Context(), c.Actor)
	if err != nil {
		return err
	}
	s.writeJSON(w, http.StatusOK, recoveryList{Items: append([]core.Recovery{}, list...)})
	return nil
}

func (s *Server) apiAcceptRecovery(w http.ResponseWriter, r *http.Request, c call) error {
	accepted, err := s.service.AcceptRecovery(r.Context(), c.Request)
	if err != nil {
		return err
	}
	s.writeJSON(w, http.StatusOK, accepted)
	return nil
}

type recoveryView struct {
	Recoveries []core.Recovery
	Backups    []core.CatalogueBackup
	Next       string
}

// recoveryPage is the page about MyDB's own database: what a recovery has found, and its backups.
func (s *Server) recoveryPage(w http.ResponseWriter, r *http.Request, c call) error {
	page, err := pageOf(r)
	if err != nil {
		return err
	}
	var v recoveryView
	if v.Backups, v.Next, err = s.service.CatalogueBackups(r.Context(), c.Actor, page); err != nil {
		return err
	}
	if v.Recoveries, err = s.service.Recoveries(r.Context(), c.Actor); err != nil {
		return err
	}
	s.render(w, r, http.StatusOK, "recovery", "MyDB's own database", v)
	return nil
}

func (s *Server) acceptRecovery(w http.ResponseWriter, r *http.Request, c call) error {
	if _, err := s.service.AcceptRecovery(r.Context(), c.Request); err != nil {
		return err
	}
	http.Redirect(w, r, "/recovery", http.StatusSeeOther)
	return nil
}
