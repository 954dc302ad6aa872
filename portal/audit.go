package portal

import (
	"encoding/json"
	"net/http"
	"strconv"
	"time"

	"github.com/mydb-project/mydb/core"
)

type auditList struct {
	Items []core.AuditEntry `json:"items"`
	Next  string            `json:"next,omitempty" description:"The cursor of the next page; absent on the last one"`
}

// auditQuery is what the audit trail may be narrowed down by.
type auditQuery struct {
	Limit    int    `query:"limit" minimum:"1" maximum:"1000" default:"100"`
	Cursor   string `query:"cursor" description:"The next of the page before"`
	Database string `query:"database" description:"Name or id"`
	Actor    string `query:"actor" description:"Login"`
	Action   string `query:"action" description:"Such as download, or how actions begin, such as link."`
	Outcome  string `query:"outcome" enum:"accepted,refused,done,failed"`
	spanQuery
	Format string `query:"format" enum:"json,csv" description:"csv gives everything at once, for spreadsheets"`
}

var auditFilterNames = []string{"database", "actor", "action", "outcome", "since", "until"}

func (s *Server) auditEndpoint() endpoint {
	return endpoint{
		method: http.MethodGet, path: "/audit", id: "listAudit", summary: "The audit trail, newest first, for administrators",
		query: append([]string{"limit", "cursor", "format"}, auditFilterNames...), in: []any{auditQuery{}}, out: auditList{}, status: http.StatusOK, errors: []int{400, 403}, handle: s.apiAudit,
	}
}

func auditFilter(r *http.Request) (f core.AuditFilter, err error) {
	q := r.URL.Query()
	f = core.AuditFilter{Database: nameOf(r), Actor: short(plain(q.Get("actor")), 200), Action: short(plain(q.Get("action")), 100), Outcome: core.Outcome(q.Get("outcome"))}
	f.Span, err = spanOf(r)
	return f, err
}

// auditPage is limit and cursor, which is a number here.
func auditPage(r *http.Request) (core.Page, error) {
	q := r.URL.Query()
	page := core.Page{Limit: 100, Cursor: short(plain(q.Get("cursor")), 20)}
	if q.Has("limit") {
		n, err := strconv.Atoi(q.Get("limit"))
		if err != nil || n < 1 || n > 1000 {
			return page, refuse("limit", "The limit is a number from 1 to 1000.")
		}
		page.Limit = n
	}
	return page, nil
}

func (s *Server) apiAudit(w http.ResponseWriter, r *http.Request, c call) error {
	table, err := asTable(r)
	if err != nil {
		return err
	}
	if table {
		return s.auditCSV(w, r, c)
	}
	page, err := auditPage(r)
	if err != nil {
		return err
	}
	filter, err := auditFilter(r)
	if err != nil {
		return err
	}
	list, next, err := s.service.AuditTrail(r.Context(), c.Actor, filter, page)
	if err != nil {
		return err
	}
	s.writeJSON(w, http.StatusOK, auditList{Items: append([]core.AuditEntry{}, list...), Next: next})
	return nil
}

var auditHeader = []string{"id", "at", "actor", "actor_id", "door", "address", "action", "outcome", "subject", "database_id", "data"}

// auditCSV writes all that fits.
func (s *Server) auditCSV(w http.ResponseWriter, r *http.Request, c call) error {
	filter, err := auditFilter(r)
	if err != nil {
		return err
	}
	return writeTable(s, w, "audit.csv", auditHeader, auditRow, func(page core.Page) ([]core.AuditEntry, string, error) {
		return s.service.AuditTrail(r.Context(), c.Actor, filter, page)
	})
}

func auditRow(e core.AuditEntry) []string {
	return []string{
		strconv.FormatInt(e.ID, 10), e.At.UTC().Format(time.RFC3339Nano), e.Actor, e.ActorID, string(e.Door), e.Address, e.Action, string(e.Outcome), e.Subject, e.InstanceID,
		auditData(e),
	}
}

// auditData is what else an entry holds, as people read it.
func auditData(e core.AuditEntry) string {
	if len(e.Data) == 0 {
		return ""
	}
	text, err := json.Marshal(e.Data)
	if err != nil {
		return err.Error()
	}
	return string(text)
}

type auditView struct {
	Items  []auditLine
	Narrow narrow
}

type auditLine struct {
	core.AuditEntry
	More string
}

// auditTrailPage is the page of the audit trail.
func (s *Server) auditTrailPage(w http.ResponseWriter, r *http.Request, c call) error {
	page, err := auditPage(r)
	if err != nil {
		return err
	}
	filter, err := auditFilter(r)
	if err != nil {
		return err
	}
	list, next, err := s.service.AuditTrail(r.Context(), c.Actor, filter, page)
	if err != nil {
		return err
	}
	v := auditView{Narrow: narrowed(r, c, next, auditFilterNames, selection{"outcome", "Outcome", core.Outcomes()})}
	for _, e := range list {
		v.Items = append(v.Items, auditLine{e, auditData(e)})
	}
	s.render(w, r, http.StatusOK, "audit", "Audit trail", v)
	return nil
}
