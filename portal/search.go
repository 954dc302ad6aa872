package portal

import (
	"encoding/csv"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/mydb-project/mydb/core"
)

// listQuery is what a list of databases may be narrowed down by.
type listQuery struct {
	Limit      int    `query:"limit" minimum:"1" maximum:"200" default:"50"`
	Cursor     string `query:"cursor" description:"The next of the page before"`
	All        bool   `query:"all" description:"Everybody's; administrators only"`
	Text       string `query:"q" description:"Somewhere in the name or in what is said about it"`
	Engine     string `query:"engine"`
	State      string `query:"state"`
	Department string `query:"department"`
	Owner      string `query:"owner" description:"Login"`
	PHI        bool   `query:"phi" description:"Whether it holds health data about persons"`
	Class      string `query:"class" description:"Of databases that were made together"`
	Format     string `query:"format" enum:"json,csv" description:"csv gives everything at once, for spreadsheets"`
}

var filterNames = []string{"q", "engine", "state", "department", "owner", "phi", "class", "all"}

// filterOf reads a filter.
func filterOf(r *http.Request) (f core.Filter, err error) {
	q := r.URL.Query()
	f = core.Filter{Text: q.Get("q"), Engine: q.Get("engine"), State: q.Get("state"), Department: q.Get("department"), Owner: q.Get("owner"), Class: q.Get("class")}
	if f.All, err = flagOf(r, "all"); err != nil {
		return f, err
	}
	if q.Get("phi") != "" {
		phi, err := flagOf(r, "phi")
		if err != nil {
			return f, err
		}
		f.PHI = &phi
	}
	return f, nil
}

// filterQuery is the filter of a request, to be repeated in a link.
func filterQuery(r *http.Request) url.Values {
	out := url.Values{}
	for _, name := range filterNames {
		if value := r.URL.Query().Get(name); value != "" {
			out.Set(name, value)
		}
	}
	return out
}

func (s *Server) apiList(w http.ResponseWriter, r *http.Request, c call) error {
	page, err := pageOf(r)
	if err != nil {
		return err
	}
	filter, err := filterOf(r)
	if err != nil {
		return err
	}
	switch r.URL.Query().Get("format") {
	case "", "json":
	case "csv":
		return s.writeCSV(w, r, c, filter)
	default:
		return refuse("format", "The format is json or csv.")
	}
	list, next, err := s.service.Search(r.Context(), c.Actor, filter, page)
	if err != nil {
		return err
	}
	s.writeJSON(w, http.StatusOK, databaseList{Items: list, Next: next})
	return nil
}

// listCSV is the list as a file, for those who are logged in to the portal.
func (s *Server) listCSV(w http.ResponseWriter, r *http.Request, c call) error {
	filter, err := filterOf(r)
	if err != nil {
		return err
	}
	return s.writeCSV(w, r, c, filter)
}

var csvHeader = []string{
	"name", "owner", "state", "engine", "version", "size", "host", "port", "database", "username", "description", "contact", "department", "pi",
	"application", "project", "support", "backup", "backup_window", "maintenance_window", "phi", "class", "created", "expires", "id",
}

// writeCSV writes everything that fits a filter.
func (s *Server) writeCSV(w http.ResponseWriter, r *http.Request, c call, f core.Filter) error {
	return writeTable(s, w, "databases.csv", csvHeader, csvRow, func(page core.Page) ([]core.Instance, string, error) {
		return s.service.Search(r.Context(), c.Actor, f, page)
	})
}

// writeTable writes all pages of a list as a file, as RFC 4180 has it.
func writeTable[T any](s *Server, w http.ResponseWriter, file string, header []string, row func(T) []string, pages func(core.Page) ([]T, string, error)) error {
	list, next, err := pages(core.Page{Limit: core.MaxPage})
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "text/csv; charset=utf-8; header=present")
	w.Header().Set("Content-Disposition", `attachment; filename="`+file+`"`)
	out := csv.NewWriter(w)
	out.UseCRLF = true
	_ = out.Write(header)
	for {
		for _, item := range list {
			cells := row(item)
			for n, cell := range cells {
				cells[n] = core.HarmlessCell(cell)
			}
			_ = out.Write(cells)
		}
		if next == "" {
			break
		}
		if list, next, err = pages(core.Page{Limit: core.MaxPage, Cursor: next}); err != nil {
			s.log.Error("a list was cut short", "file", file, "error", err)
			panic(http.ErrAbortHandler) // the header is out: a broken transfer is better than half a list that looks whole
		}
	}
	out.Flush()
	return nil
}

func csvRow(i core.Instance) []string {
	host, port, expires := "", "", ""
	if i.Host != nil {
		host = *i.Host
	}
	if i.Port != nil {
		port = strconv.Itoa(*i.Port)
	}
	if i.ExpiresAt != nil {
		expires = i.ExpiresAt.UTC().Format(time.RFC3339)
	}
	return []string{
		i.Name, i.Owner, string(i.State), i.Engine, i.Version, i.Size, host, port, i.Database, i.Username, i.Description, i.Contact, i.Department, i.PI,
		i.Application, i.Project, i.Support, i.Backup, i.BackupWindow, i.MaintenanceWindow, strconv.FormatBool(i.PHI), i.Class,
		i.CreatedAt.UTC().Format(time.RFC3339), expires, i.ID,
	}
}
