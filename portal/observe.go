package portal

import (
	"net/http"
	"strconv"

	"github.com/mydb-project/mydb/core"
	"github.com/mydb-project/mydb/core/engine"
)

// observeEndpoints is the part of the API's table that looks at what runs.
func (s *Server) observeEndpoints() []endpoint {
	const get = http.MethodGet
	return []endpoint{
		{
			method: get, path: "/databases/{name}/report", id: "reportDatabase", summary: "What a database holds: accounts, databases, tables with exact row counts",
			about: "Read under the owner's rights, for the owner and administrators. It takes at most ten seconds; complete is false when that was not enough for all.",
			in:    []any{namePath{}}, out: engine.Report{}, status: http.StatusOK, errors: []int{403, 404, 409, 410, 429, 503}, handle: s.apiReport,
		},
		{
			method: get, path: "/databases/{name}/logs", id: "databaseLogs", summary: "The last lines that a database's server wrote",
			about: "For the owner and administrators. What looks like a secret is masked.",
			query: []string{"lines"}, in: []any{namePath{}, linesQuery{}}, out: core.Logs{}, status: http.StatusOK, errors: []int{400, 403, 404, 410, 503}, handle: s.apiLogs,
		},
		{
			method: get, path: "/findings", id: "listFindings", summary: "What is wrong now, for administrators",
			about: "Alarms on databases, and differences between the cluster and the catalogue. With all=true also what is over.",
			query: []string{"limit", "cursor", "all"}, in: []any{findingQuery{}}, out: findingList{}, status: http.StatusOK, errors: []int{400, 403}, handle: s.apiFindings,
		},
		{
			method: get, path: "/site", id: "getSite", summary: "The state of the site", out: Site{}, status: http.StatusOK, handle: s.apiSite,
		},
		s.pauseEndpoint("pause", "pauseSite", "Pause the site for maintenance, for administrators", true),
		s.pauseEndpoint("resume", "resumeSite", "End the maintenance of the site, for administrators", false),
	}
}

type linesQuery struct {
	Lines int `query:"lines" minimum:"1" maximum:"1000" default:"100"`
}

type findingQuery struct {
	Limit  int    `query:"limit" minimum:"1" maximum:"200" default:"50"`
	Cursor string `query:"cursor" description:"The next of the page before"`
	All    bool   `query:"all" description:"Also what is over"`
}

type findingList struct {
	Items []core.Finding `json:"items"`
	Next  string         `json:"next,omitempty" description:"The cursor of the next page; absent on the last one"`
}

// Site is the state of the whole site.
type Site struct {
	Paused *core.Pause `json:"paused" description:"Null unless the site is paused; then MyDB heals nothing"`
}

// SitePause is why the site is paused or resumed.
type SitePause struct {
	Reason string `json:"reason,omitempty"`
}

func (s *Server) pauseEndpoint(verb, id, summary string, paused bool) endpoint {
	return endpoint{
		method: http.MethodPost, path: "/site/" + verb, id: id, summary: summary,
		about: "While the site is paused, MyDB heals nothing; everything else goes on. Doing it twice is success.",
		in:    []any{idempotencyKey{}, SitePause{}}, out: Site{}, status: http.StatusOK, errors: []int{400, 403, 413, 415},
		handle: func(w http.ResponseWriter, r *http.Request, c call) error {
			var in SitePause
			if r.ContentLength != 0 {
				if err := decode(w, r, &in); err != nil {
					return err
				}
			}
			pause, err := s.service.SetPause(r.Context(), c.Request, paused, in.Reason)
			if err != nil {
				return err
			}
			s.writeJSON(w, http.StatusOK, Site{pause})
			return nil
		},
	}
}

func (s *Server) apiSite(w http.ResponseWriter, r *http.Request, _ call) error {
	pause, err := s.service.Paused(r.Context())
	if err != nil {
		return err
	}
	s.writeJSON(w, http.StatusOK, Site{pause})
	return nil
}

func (s *Server) apiReport(w http.ResponseWriter, r *http.Request, c call) error {
	report, err := s.service.Report(r.Context(), c.Request, c.item)
	if err != nil {
		return err
	}
	s.writeJSON(w, http.StatusOK, report)
	return nil
}

// linesOf reads how many lines of a log are wanted.
func linesOf(r *http.Request) (int, error) {
	q := r.URL.Query()
	if !q.Has("lines") {
		return core.DefaultLogLines, nil
	}
	n, err := strconv.Atoi(q.Get("lines"))
	if err != nil || n < 1 || n > core.MaxLogLines {
		return 0, refuse("lines", "The lines are a number from 1 to %d.", core.MaxLogLines)
	}
	return n, nil
}

func (s *Server) apiLogs(w http.ResponseWriter, r *http.Request, c call) error {
	lines, err := linesOf(r)
	if err != nil {
		return err
	}
	logs, err := s.service.Logs(r.Context(), c.Request, c.item, lines)
	if err != nil {
		return err
	}
	s.writeJSON(w, http.StatusOK, logs)
	return nil
}

func (s *Server) apiFindings(w http.ResponseWriter, r *http.Request, c call) error {
	page, err := pageOf(r)
	if err != nil {
		return err
	}
	all, err := flagOf(r, "all")
	if err != nil {
		return err
	}
	list, next, err := s.service.Findings(r.Context(), c.Actor, all, page)
	if err != nil {
		return err
	}
	s.writeJSON(w, http.StatusOK, findingList{Items: list, Next: next})
	return nil
}

type reportView struct {
	Database core.Instance
	Report   engine.Report
}

func (s *Server) reportPage(w http.ResponseWriter, r *http.Request, c call) error {
	report, err := s.service.Report(r.Context(), c.Request, c.item)
	if err != nil {
		return err
	}
	i, err := s.service.Instance(r.Context(), c.Actor, c.item)
	if err != nil {
		return err
	}
	s.render(w, r, http.StatusOK, "report", "Report on "+i.Name, reportView{i, report})
	return nil
}

type logsView struct {
	Database core.Instance
	Lines    []string
}

func (s *Server) logsPage(w http.ResponseWriter, r *http.Request, c call) error {
	lines, err := linesOf(r)
	if err != nil {
		return err
	}
	logs, err := s.service.Logs(r.Context(), c.Request, c.item, lines)
	if err != nil {
		return err
	}
	i, err := s.service.Instance(r.Context(), c.Actor, c.item)
	if err != nil {
		return err
	}
	s.render(w, r, http.StatusOK, "logs", "Log of "+i.Name, logsView{i, logs.Lines})
	return nil
}

type findingsView struct {
	Items []core.Finding
	Pause *core.Pause
}

func (s *Server) findingsPage(w http.ResponseWriter, r *http.Request, c call) error {
	items, _, err := s.service.Findings(r.Context(), c.Actor, false, core.Page{Limit: core.MaxPage})
	if err != nil {
		return err
	}
	pause, err := s.service.Paused(r.Context())
	if err != nil {
		return err
	}
	s.render(w, r, http.StatusOK, "findings", "Findings", findingsView{items, pause})
	return nil
}

// pauseForm pauses or resumes the site from the page of findings.
func (s *Server) pauseForm(paused bool) pageHandler {
	return func(w http.ResponseWriter, r *http.Request, c call) error {
		if _, err := s.service.SetPause(r.Context(), c.Request, paused, r.PostForm.Get("reason")); err != nil {
			return err
		}
		http.Redirect(w, r, "/findings", http.StatusSeeOther)
		return nil
	}
}
