package portal

import (
	"net/http"
	"strconv"
	"time"

	"github.com/mydb-project/mydb/core"
)

type orphanQuery struct {
	Limit  int    `query:"limit" minimum:"1" maximum:"200" default:"50"`
	Cursor string `query:"cursor" description:"The next of the page before"`
	Format string `query:"format" enum:"json,csv" description:"csv gives everything at once, for spreadsheets"`
}

type orphanList struct {
	Items []core.Orphan   `json:"items"`
	Next  string          `json:"next,omitempty" description:"The cursor of the next page; absent on the last one"`
	Look  *core.StoreLook `json:"look" description:"When the store was looked at, and all that was found; null before the first look"`
}

// storeEndpoints is the part of the API's table that looks at the store of backups.
func (s *Server) storeEndpoints() []endpoint {
	return []endpoint{{
		method: http.MethodGet, path: "/store/orphans", id: "listOrphans", summary: "What lies in the store and belongs to no backup, the largest first, for administrators",
		about: "As of the newest look, which is daily. MyDB deletes none of it.",
		query: []string{"limit", "cursor", "format"}, in: []any{orphanQuery{}}, out: orphanList{}, status: http.StatusOK, errors: []int{400, 403}, handle: s.apiOrphans,
	}}
}

func (s *Server) apiOrphans(w http.ResponseWriter, r *http.Request, c call) error {
	page, err := pageOf(r)
	if err != nil {
		return err
	}
	switch r.URL.Query().Get("format") {
	case "", "json":
	case "csv":
		return s.orphansCSV(w, r, c)
	default:
		return refuse("format", "The format is json or csv.")
	}
	list, look, next, err := s.service.Orphans(r.Context(), c.Actor, page)
	if err != nil {
		return err
	}
	s.writeJSON(w, http.StatusOK, orphanList{Items: append([]core.Orphan{}, list...), Next: next, Look: look})
	return nil
}

var orphanHeader = []string{"folder", "reason", "objects", "bytes", "written"}

func (s *Server) orphansCSV(w http.ResponseWriter, r *http.Request, c call) error {
	row := func(o core.Orphan) []string {
		return []string{o.Folder, o.Reason, strconv.FormatInt(o.Objects, 10), strconv.FormatInt(o.Bytes, 10), o.WrittenAt.UTC().Format(time.RFC3339)}
	}
	return writeTable(s, w, "orphans.csv", orphanHeader, row, func(page core.Page) ([]core.Orphan, string, error) {
		list, _, next, err := s.service.Orphans(r.Context(), c.Actor, page)
		return list, next, err
	})
}

// orphanReasons says what the words mean.
var orphanReasons = map[string]string{
	core.OrphanUnknown:    "a whole backup that the catalogue does not have",
	core.OrphanUnfinished: "parts without a manifest, of a backup that the catalogue does not have",
	core.OrphanFailed:     "left by a backup that failed",
	core.OrphanExpired:    "left by a backup that has expired",
	core.OrphanStrange:    "not where MyDB puts anything",
}

type orphansView struct {
	orphanList
	Reasons map[string]string
}

// orphansPage is the page of all that.
func (s *Server) orphansPage(w http.ResponseWriter, r *http.Request, c call) error {
	page, err := pageOf(r)
	if err != nil {
		return err
	}
	v := orphansView{Reasons: orphanReasons}
	if v.Items, v.Look, v.Next, err = s.service.Orphans(r.Context(), c.Actor, page); err != nil {
		return err
	}
	s.render(w, r, http.StatusOK, "orphans", "Orphans in the store", v)
	return nil
}
