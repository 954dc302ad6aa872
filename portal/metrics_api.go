package portal

import (
	"net/http"
	"time"

	"github.com/mydb-project/mydb/core"
)

type sinceQuery struct {
	Since string `query:"since" format:"date-time" description:"Only what is newer; default: a day ago"`
}

type usageList struct {
	Items []core.Usage `json:"items"`
}

// apiMetrics gives the series of one database.
func (s *Server) apiMetrics(w http.ResponseWriter, r *http.Request, c call) error {
	since := time.Now().Add(-24 * time.Hour)
	if text := r.URL.Query().Get("since"); text != "" {
		var err error
		if since, err = time.Parse(time.RFC3339, text); err != nil {
			return refuse("since", "The time %q is not understood. Write it as 2026-06-30T00:00:00Z.", text)
		}
	}
	items, err := s.service.Series(r.Context(), c.Actor, c.item, since)
	if err != nil {
		return err
	}
	s.writeJSON(w, http.StatusOK, usageList{items})
	return nil
}
