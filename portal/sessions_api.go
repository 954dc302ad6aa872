package portal

import (
	"net/http"

	"github.com/mydb-project/mydb/core"
)

type sessionList struct {
	Items []core.Login `json:"items"`
}

// Revoked tells how many sessions were ended.
type Revoked struct {
	Revoked int `json:"revoked"`
}

// sessionEndpoints is the part of the API's table that is about logins to the portal.
func (s *Server) sessionEndpoints() []endpoint {
	return []endpoint{
		{
			method: http.MethodGet, path: "/sessions", id: "listSessions", summary: "Where one is logged in to the portal, the latest in front",
			about: "A token is no session, and not in the list.",
			out:   sessionList{}, status: http.StatusOK, errors: []int{403}, handle: s.apiSessions,
		}, {
			method: http.MethodDelete, path: "/sessions/{id}", id: "revokeSession", summary: "End one of one's own sessions",
			in: []any{idPath{}}, status: http.StatusNoContent, errors: []int{403, 404}, handle: s.apiRevokeSession,
		}, {
			method: http.MethodDelete, path: "/sessions", id: "revokeSessions", summary: "End all of one's own sessions",
			out: Revoked{}, status: http.StatusOK, errors: []int{403}, handle: s.apiRevokeSessions,
		},
	}
}

func (s *Server) apiSessions(w http.ResponseWriter, r *http.Request, c call) error {
	list, err := s.service.Logins(r.Context(), c.Actor)
	if err != nil {
		return err
	}
	s.writeJSON(w, http.StatusOK, sessionList{Items: append([]core.Login{}, list...)})
	return nil
}

func (s *Server) apiRevokeSession(w http.ResponseWriter, r *http.Request, c call) error {
	if err := s.service.RevokeLogin(r.Context(), c.Request, c.item); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func (s *Server) apiRevokeSessions(w http.ResponseWriter, r *http.Request, c call) error {
	n, err := s.service.RevokeOtherLogins(r.Context(), c.Request, "")
	if err != nil {
		return err
	}
	s.writeJSON(w, http.StatusOK, Revoked{n})
	return nil
}
