package portal

import (
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"strings"
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
	Door     string `query:"door" description:"Such as api, portal, terminal, slack, discord, or system for MyDB itself"`
	spanQuery
	Format string `query:"format" enum:"json,csv" description:"csv gives everything at once, for spreadsheets"`
}

var auditFilterNames = []string{"database", "actor", "action", "outcome", "door", "since", "until"}

func (s *Server) auditEndpoint() endpoint {
	return endpoint{
		method: http.MethodGet, path: "/audit", id: "listAudit", summary: "The audit trail, newest first, for administrators and auditors",
		query: append([]string{"limit", "cursor", "format"}, auditFilterNames...), in: []any{auditQuery{}}, out: auditList{}, status: http.StatusOK, errors: []int{400, 403}, handle: s.apiAudit,
	}
}

func auditFilter(r *http.Request) (f core.AuditFilter, err error) {
	q := r.URL.Query()
	f = core.AuditFilter{Database: nameOf(r), Actor: short(plain(q.Get("actor")), 200), Action: short(plain(q.Get("action")), 100), Outcome: core.Outcome(q.Get("outcome"))}
	f.Door = core.Door(short(plain(q.Get("door")), 20))
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

var auditHeader = []string{"id", "at", "actor", "actor_id", "chat", "door", "address", "action", "outcome", "subject", "database_id", "reference", "data"}

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
		strconv.FormatInt(e.ID, 10), e.At.UTC().Format(time.RFC3339Nano), e.Actor, e.ActorID, inChat(e), string(e.Door), e.Address, e.Action, string(e.Outcome), e.Subject, e.InstanceID,
		e.Reference, auditData(e),
	}
}

// inChat is who somebody is on a chat service; nothing elsewhere.
func inChat(e core.AuditEntry) string {
	if e.Chat == nil {
		return ""
	}
	return strings.Join([]string{string(e.Chat.Platform), e.Chat.Team, e.Chat.ID, e.Chat.Name}, "/")
}

// auditJSON writes all that fits as one JSON document. What breaks off is no document, so that nobody takes half of it for all.
func (s *Server) auditJSON(w http.ResponseWriter, r *http.Request, c call) error {
	filter, err := auditFilter(r)
	if err != nil {
		return err
	}
	list, next, err := s.service.AuditTrail(r.Context(), c.Actor, filter, core.Page{Limit: exportPage})
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Disposition", `attachment; filename="audit.json"`)
	out := json.NewEncoder(w)
	before := "{\"items\":[\n"
	for {
		for _, e := range list {
			_, _ = io.WriteString(w, before) // the client is gone: nobody to tell
			_, before = out.Encode(e), ","
		}
		if next == "" {
			break
		}
		if list, next, err = s.service.AuditTrail(r.Context(), c.Actor, filter, core.Page{Limit: exportPage, Cursor: next}); err != nil {
			s.logOf(r).Error("an export of the audit trail broke off", "error", err)
			panic(http.ErrAbortHandler)
		}
	}
	if before != "," {
		_, _ = io.WriteString(w, before)
	}
	_, _ = io.WriteString(w, "]}\n")
	return nil
}

// exportPage is how many entries are read at once.
const exportPage = 1000

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
	In   string // a chat
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
	v := auditView{Narrow: narrowed(r, c, next, auditFilterNames, selection{"outcome", "Outcome", core.Outcomes()}, selection{"door", "Door", core.Doors()})}
	v.Narrow.JSON = strings.Replace(v.Narrow.CSV, "/audit.csv", "/audit.json", 1)
	for _, e := range list {
		v.Items = append(v.Items, auditLine{e, auditData(e), inChat(e)})
	}
	s.render(w, r, http.StatusOK, "audit", "Audit trail", v)
	return nil
}

type timelineView struct {
	Database core.Instance
	Items    []auditLine
	Older    string
	Oversees bool
}

// timelineEndpoint tells what was done with one database.
func (s *Server) timelineEndpoint() endpoint {
	return endpoint{
		method: http.MethodGet, path: "/databases/{name}/timeline", id: "databaseTimeline", summary: "What was done with a database, and what was refused; newest first",
		about: "For its owner, and for who may read the audit trail; they alone are told where somebody was, and who they are in a chat.",
		query: []string{"limit", "cursor"}, in: []any{namePath{}, timelineQuery{}}, out: auditList{}, status: http.StatusOK, errors: []int{400, 403, 404},
		handle: func(w http.ResponseWriter, r *http.Request, c call) error {
			page, err := auditPage(r)
			if err != nil {
				return err
			}
			_, list, next, err := s.service.Timeline(r.Context(), c.Actor, c.item, page)
			if err != nil {
				return err
			}
			s.writeJSON(w, http.StatusOK, auditList{Items: append([]core.AuditEntry{}, list...), Next: next})
			return nil
		},
	}
}

type timelineQuery struct {
	Limit  int    `query:"limit" minimum:"1" maximum:"1000" default:"100"`
	Cursor string `query:"cursor" description:"The next of the page before"`
}

func (s *Server) timelinePage(w http.ResponseWriter, r *http.Request, c call) error {
	page, err := auditPage(r)
	if err != nil {
		return err
	}
	v := timelineView{Oversees: c.Actor.Oversees()}
	var list []core.AuditEntry
	var next string
	if v.Database, list, next, err = s.service.Timeline(r.Context(), c.Actor, c.item, page); err != nil {
		return err
	}
	for _, e := range list {
		v.Items = append(v.Items, auditLine{e, auditData(e), inChat(e)})
	}
	if next != "" {
		v.Older = r.URL.Path + "?cursor=" + next
	}
	s.render(w, r, http.StatusOK, "timeline", "What was done with "+v.Database.Name, v)
	return nil
}
