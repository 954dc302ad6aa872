package portal

import (
	"net/http"

	"github.com/mydb-project/mydb/core/engine"
)

// Catalogue is what may be asked for. The first version and the first size are the defaults.
type Catalogue struct {
	Engines   []Offer           `json:"engines"`
	Templates []engine.Template `json:"templates"`
	Sizes     []engine.Size     `json:"sizes"`
}

// Offer is an engine and the versions of it that a new database may have.
type Offer struct {
	Engine     string   `json:"engine"`
	Title      string   `json:"title"`
	Versions   []string `json:"versions"`
	Extensions []string `json:"extensions"`
	Settings   []string `json:"settings"`
}

// catalogue leaves out what cannot be had here.
func (s *Server) catalogue() Catalogue {
	all := s.service.Catalogue()
	c := Catalogue{Engines: []Offer{}, Templates: []engine.Template{}, Sizes: all.Sizes}
	for _, name := range all.TemplateNames() {
		t, _ := all.Template(name)
		c.Templates = append(c.Templates, t)
	}
	for _, o := range all.Engines {
		e, err := s.service.Engine(o.Engine)
		versions := o.Offered()
		if err != nil || len(versions) == 0 {
			continue
		}
		c.Engines = append(c.Engines, Offer{
			Engine: o.Engine, Title: e.Title(), Versions: versions, Extensions: append([]string{}, o.Extensions...), Settings: append([]string{}, o.Settings...),
		})
	}
	return c
}

func (s *Server) apiCatalogue(w http.ResponseWriter, _ *http.Request, _ call) error {
	s.writeJSON(w, http.StatusOK, s.catalogue())
	return nil
}

// pemType is the media type under which browsers save a certificate instead of importing it.
const pemType = "application/x-pem-file"

func (s *Server) serveCA(w http.ResponseWriter, r *http.Request) {
	if err := s.sendCA(w, r); err != nil {
		s.fail(w, r, err)
	}
}

func (s *Server) sendCA(w http.ResponseWriter, r *http.Request) error {
	pem, err := s.ca(r.Context())
	if err != nil {
		return err
	}
	h := w.Header()
	h.Set("Content-Type", pemType)
	h.Set("Content-Disposition", `attachment; filename="mydb-ca.crt"`)
	h.Set("Cache-Control", "no-cache")
	_, err = w.Write(pem)
	_ = err // the client is gone: nobody to tell
	return nil
}
