package portal

import (
	"net/http"
	"strconv"

	"github.com/mydb-project/mydb/core"
)

// historyQuery is what the history of backups may be narrowed down by.
type historyQuery struct {
	Limit    int    `query:"limit" minimum:"1" maximum:"200" default:"50"`
	Cursor   string `query:"cursor" description:"The next of the page before"`
	All      bool   `query:"all" description:"Everybody's; administrators only"`
	State    string `query:"state" enum:"running,done,verified,failed,expired"`
	Database string `query:"database" description:"Name or id"`
	spanQuery
	Format string `query:"format" enum:"json,csv" description:"csv gives everything at once, for spreadsheets"`
}

func (s *Server) historyEndpoint() endpoint {
	return endpoint{
		method: http.MethodGet, path: "/backups", id: "backupHistory", summary: "The backups of all one's databases, newest first",
		about: "Also of databases that are gone. Administrators may ask for everybody's.",
		query: append([]string{"limit", "cursor", "format"}, historyFilterNames...), in: []any{historyQuery{}}, out: backupList{}, status: http.StatusOK, errors: []int{400, 403}, handle: s.apiHistory,
	}
}

var historyFilterNames = []string{"database", "state", "since", "until", "all"}

func historyFilter(r *http.Request) (f core.BackupFilter, err error) {
	f.State, f.Database = core.BackupState(r.URL.Query().Get("state")), nameOf(r)
	if f.Span, err = spanOf(r); err != nil {
		return f, err
	}
	f.All, err = flagOf(r, "all")
	return f, err
}

func (s *Server) apiHistory(w http.ResponseWriter, r *http.Request, c call) error {
	page, err := pageOf(r)
	if err != nil {
		return err
	}
	filter, err := historyFilter(r)
	if err != nil {
		return err
	}
	table, err := asTable(r)
	if err != nil {
		return err
	}
	if table {
		return s.historyCSV(w, r, c)
	}
	list, next, err := s.service.BackupHistory(r.Context(), c.Actor, filter, page)
	if err != nil {
		return err
	}
	s.writeJSON(w, http.StatusOK, backupList{Items: append([]core.Backup{}, list...), Next: next})
	return nil
}

var historyHeader = []string{
	"database", "database_id", "backup_id", "state", "reason", "requested_by", "started", "finished", "seconds", "size", "tables", "rows", "verified", "kept", "expired",
	"sha256", "location", "error",
}

// historyCSV writes all that fits.
func (s *Server) historyCSV(w http.ResponseWriter, r *http.Request, c call) error {
	filter, err := historyFilter(r)
	if err != nil {
		return err
	}
	return writeTable(s, w, "backups.csv", historyHeader, historyRow, func(page core.Page) ([]core.Backup, string, error) {
		return s.service.BackupHistory(r.Context(), c.Actor, filter, page)
	})
}

func historyRow(b core.Backup) []string {
	seconds, size, tables, rows, sum := "", "", "", "", ""
	if b.Seconds != nil {
		seconds = strconv.FormatFloat(*b.Seconds, 'f', 1, 64)
	}
	if b.Size != nil {
		size = strconv.FormatInt(*b.Size, 10)
	}
	if b.SHA256 != nil {
		sum = *b.SHA256
	}
	if b.Contents != nil {
		tables, rows = strconv.Itoa(b.Contents.Tables), strconv.FormatInt(b.Contents.Rows, 10)
	}
	return []string{
		b.Database, b.InstanceID, b.ID, string(b.State), b.Reason, b.RequestedBy, atMoment(&b.CreatedAt), atMoment(b.FinishedAt), seconds, size, tables, rows, atMoment(b.VerifiedAt),
		b.PinNote, atMoment(b.ExpiredAt), sum, b.Location, b.Error,
	}
}

type historyView struct {
	Items    []core.Backup
	Narrow   narrow
	Oversees bool
}

// historyPage is the page of all backups.
func (s *Server) historyPage(w http.ResponseWriter, r *http.Request, c call) error {
	page, err := pageOf(r)
	if err != nil {
		return err
	}
	filter, err := historyFilter(r)
	if err != nil {
		return err
	}
	list, next, err := s.service.BackupHistory(r.Context(), c.Actor, filter, page)
	if err != nil {
		return err
	}
	n := narrowed(r, c, next, historyFilterNames, selection{"state", "State", core.BackupStates()})
	s.render(w, r, http.StatusOK, "history", "Backups", historyView{list, n, n.Oversees})
	return nil
}
