package portal

import (
	"net/http"
	"strconv"

	"github.com/mydb-project/mydb/core"
)

type runList struct {
	Items []core.Run `json:"items"`
	Next  string     `json:"next,omitempty" description:"The cursor of the next page; absent on the last one"`
}

// runQuery is what the history may be narrowed down by.
type runQuery struct {
	Limit    int    `query:"limit" minimum:"1" maximum:"200" default:"50"`
	Cursor   string `query:"cursor" description:"The next of the page before"`
	All      bool   `query:"all" description:"Everybody's; administrators only"`
	Database string `query:"database" description:"Name or id, of either side of a restore"`
	Kind     string `query:"kind" enum:"backup,verify,restore,restore_in_place,undo"`
	State    string `query:"state" enum:"running,done,failed,cancelled"`
	spanQuery
	Format string `query:"format" enum:"json,csv" description:"csv gives everything at once, for spreadsheets"`
}

var runFilterNames = []string{"database", "kind", "state", "since", "until", "all"}

func (s *Server) runsEndpoint() endpoint {
	return endpoint{
		method: http.MethodGet, path: "/history", id: "listRuns", summary: "What was done with backups: made, verified, restored; newest first",
		about: "Of all one's databases, also of those that are gone. Administrators may ask for everybody's.",
		query: append([]string{"limit", "cursor", "format"}, runFilterNames...), in: []any{runQuery{}}, out: runList{}, status: http.StatusOK, errors: []int{400, 403}, handle: s.apiRuns,
	}
}

func runFilter(r *http.Request) (f core.RunFilter, err error) {
	f.Database, f.Kind, f.State = nameOf(r), r.URL.Query().Get("kind"), r.URL.Query().Get("state")
	if f.Span, err = spanOf(r); err != nil {
		return f, err
	}
	f.All, err = flagOf(r, "all")
	return f, err
}

func (s *Server) apiRuns(w http.ResponseWriter, r *http.Request, c call) error {
	table, err := asTable(r)
	if err != nil {
		return err
	}
	if table {
		return s.runsCSV(w, r, c)
	}
	page, err := pageOf(r)
	if err != nil {
		return err
	}
	filter, err := runFilter(r)
	if err != nil {
		return err
	}
	list, next, err := s.service.Runs(r.Context(), c.Actor, filter, page)
	if err != nil {
		return err
	}
	s.writeJSON(w, http.StatusOK, runList{Items: append([]core.Run{}, list...), Next: next})
	return nil
}

var runHeader = []string{
	"kind", "state", "database", "database_id", "backup_id", "backup_of", "reason", "requested_by", "door", "asked", "started", "finished", "seconds", "size", "level",
	"tables", "rows", "problems", "location", "error", "id",
}

// runsCSV writes all that fits.
func (s *Server) runsCSV(w http.ResponseWriter, r *http.Request, c call) error {
	filter, err := runFilter(r)
	if err != nil {
		return err
	}
	return writeTable(s, w, "history.csv", runHeader, runRow, func(page core.Page) ([]core.Run, string, error) {
		return s.service.Runs(r.Context(), c.Actor, filter, page)
	})
}

func runRow(x core.Run) []string {
	backup, seconds, size, tables, rows, problems := "", "", "", "", "", ""
	if x.BackupID != nil {
		backup = *x.BackupID
	}
	if x.Seconds != nil {
		seconds = strconv.FormatFloat(*x.Seconds, 'f', 1, 64)
	}
	if x.Size != nil {
		size = strconv.FormatInt(*x.Size, 10)
	}
	if x.Receipt != nil {
		tables, rows, problems = strconv.Itoa(x.Receipt.Tables), strconv.FormatInt(x.Receipt.Rows, 10), strconv.Itoa(len(x.Receipt.Problems))
	}
	return []string{
		x.Kind, x.State, x.Database, x.InstanceID, backup, x.Source, x.Reason, x.RequestedBy, string(x.Door), atMoment(&x.CreatedAt), atMoment(x.StartedAt), atMoment(x.FinishedAt),
		seconds, size, x.Level, tables, rows, problems, x.Location, x.Error, x.ID,
	}
}

type runsView struct {
	Items  []core.Run
	Narrow narrow
}

// runsPage is the page of what was done with backups.
func (s *Server) runsPage(w http.ResponseWriter, r *http.Request, c call) error {
	page, err := pageOf(r)
	if err != nil {
		return err
	}
	filter, err := runFilter(r)
	if err != nil {
		return err
	}
	list, next, err := s.service.Runs(r.Context(), c.Actor, filter, page)
	if err != nil {
		return err
	}
	n := narrowed(r, c, next, runFilterNames, selection{"kind", "What", core.RunKinds()}, selection{"state", "State", core.RunStates()})
	s.render(w, r, http.StatusOK, "runs", "History", runsView{list, n})
	return nil
}
