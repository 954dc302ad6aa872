package portal

import (
	"net/http"

	"github.com/mydb-project/mydb/core"
)

type listView struct {
	Items    []core.Instance
	Titles   map[string]string // of engines
	All      bool
	MayAll   bool
	NextPage string
	IsFirst  bool
	Text     string // that is looked for
	Filtered bool
	Class    string // whose databases these are
	CSV      string // address of the list as a file
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
	filter, err := filterOf(r)
	if err != nil {
		return err
	}
	items, next, err := s.service.Search(r.Context(), c.Actor, filter, page)
	if err != nil {
		return err
	}
	query := filterQuery(r)
	v := listView{
		Items: items, Titles: s.engineTitles(), All: filter.All, MayAll: c.Actor.SeesOthers(), IsFirst: page.Cursor == "",
		Text: filter.Text, Class: filter.Class, Filtered: filter != core.Filter{All: filter.All}, CSV: "/databases.csv?" + query.Encode(),
	}
	if next != "" {
		query.Set("cursor", next)
		v.NextPage = "/?" + query.Encode()
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
