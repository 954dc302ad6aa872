package portal

import (
	"net/http"
	"net/url"

	"github.com/mydb-project/mydb/core"
)

type listView struct {
	Items    []core.Instance
	Titles   map[string]string // of engines
	All      bool
	MayAll   bool
	NextPage string
	IsFirst  bool
}

// reload makes the page look again by itself while something is under way.
func (v listView) reload() bool {
	for _, i := range v.Items {
		if i.State == core.StateCreating || i.State == core.StateRestoring || i.State == core.StateDeleting {
			return true
		}
	}
	return false
}

func (s *Server) listPage(w http.ResponseWriter, r *http.Request, c call) error {
	page, err := pageOf(r)
	if err != nil {
		return err
	}
	all, err := flagOf(r, "all")
	if err != nil {
		return err
	}
	items, next, err := s.service.Instances(r.Context(), c.Actor, all, page)
	if err != nil {
		return err
	}
	v := listView{Items: items, Titles: s.engineTitles(), All: all, MayAll: c.Actor.IsAdmin(), IsFirst: page.Cursor == ""}
	if next != "" {
		q := url.Values{"cursor": {next}}
		if all {
			q.Set("all", "true")
		}
		v.NextPage = "/?" + q.Encode()
	}
	s.render(w, r, http.StatusOK, "list", "Databases", v)
	return nil
}

// engineTitles are the engines' names as their makers write them.
func (s *Server) engineTitles() map[string]string {
	titles := map[string]string{}
	for _, o := range s.service.Catalogue().Engines {
		titles[o.Engine] = o.Engine
		if e, err := s.service.Engine(o.Engine); err == nil {
			titles[o.Engine] = e.Title()
		}
	}
	return titles
}
