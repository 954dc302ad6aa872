package portal

import (
	"net/http"
	"time"

	"github.com/mydb-project/mydb/core"
)

// NewAnnouncement is what the API takes to announce something in all doors.
type NewAnnouncement struct {
	Text    string `json:"text" description:"Empty: nothing is announced any more"`
	Seconds int    `json:"seconds,omitempty" description:"For how long it is up; default: a day"`
}

type announcementAnswer struct {
	Announcement *core.Announcement `json:"announcement"`
}

func (s *Server) announceEndpoints() []endpoint {
	return []endpoint{
		{
			method: http.MethodGet, path: "/announcement", id: "getAnnouncement", summary: "What administrators have announced; null: nothing",
			out: announcementAnswer{}, status: http.StatusOK,
			handle: func(w http.ResponseWriter, r *http.Request, _ call) error {
				a, err := s.service.Announced(r.Context())
				if err != nil {
					return err
				}
				s.writeJSON(w, http.StatusOK, announcementAnswer{a})
				return nil
			},
		}, {
			method: http.MethodPut, path: "/announcement", id: "announce", summary: "Announce something in all doors, for administrators",
			in: []any{NewAnnouncement{}}, out: announcementAnswer{}, status: http.StatusOK, errors: []int{400, 403, 413, 415},
			handle: func(w http.ResponseWriter, r *http.Request, c call) error {
				var in NewAnnouncement
				if err := decode(w, r, &in); err != nil {
					return err
				}
				a, err := s.service.Announce(r.Context(), c.Request, in.Text, time.Duration(in.Seconds)*time.Second)
				if err != nil {
					return err
				}
				s.writeJSON(w, http.StatusOK, announcementAnswer{a})
				return nil
			},
		},
	}
}
