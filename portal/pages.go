package portal

import (
	"bytes"
	"crypto/rand"
	"embed"
	"fmt"
	"html/template"
	"io/fs"
	"net/http"
	"path"
	"regexp"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/mydb-project/mydb/core"
	"github.com/mydb-project/mydb/core/engine"
)

//go:embed templates
var templateFiles embed.FS

// pageSet is every page's template, and the static files that they name.
type pageSet struct {
	byName map[string]*template.Template
	static *staticFiles
}

func loadPages() (*pageSet, error) {
	static, err := loadStatic()
	if err != nil {
		return nil, err
	}
	p := &pageSet{byName: map[string]*template.Template{}, static: static}
	base, err := template.New("").Funcs(p.functions()).ParseFS(templateFiles, "templates/layout.html", "templates/parts.html", "templates/fields.html", "templates/manage.html", "templates/share.html", "templates/backups.html", "templates/inplace.html", "templates/describe.html", "templates/observe.html", "templates/narrow.html")
	if err != nil {
		return nil, fmt.Errorf("read the layout: %w", err)
	}
	files, err := fs.Glob(templateFiles, "templates/*.html")
	if err != nil {
		return nil, err
	}
	for _, file := range files {
		page := template.Must(base.Clone())
		if _, err := page.ParseFS(templateFiles, file); err != nil {
			return nil, fmt.Errorf("read %s: %w", file, err)
		}
		p.byName[strings.TrimSuffix(path.Base(file), ".html")] = page
	}
	return p, nil
}

func (p *pageSet) functions() template.FuncMap {
	return template.FuncMap{
		"asset":    p.static.address,
		"hasAsset": p.static.has,
		"moment":   func(t time.Time) string { return t.UTC().Format(time.RFC3339) },
		"date":     func(t time.Time) string { return t.UTC().Format("2 Jan 2006") },
		"clock":    func(t time.Time) string { return t.UTC().Format("2 Jan 2006, 15:04") + " UTC" },
		"stateWord": func(s core.State) string {
			if word, ok := stateWords[s]; ok {
				return word
			}
			return string(s)
		},
		"size":  func(b engine.Bytes) string { return unitOf.ReplaceAllString(b.String(), "$1 $2") },
		"bytes": func(b int64) string { return unitOf.ReplaceAllString(engine.Bytes(b).String(), "$1 $2") },
		"took":  took,
		"elapsed": func(seconds *float64) string {
			if seconds == nil {
				return ""
			}
			return fmt.Sprintf("%.1f s", *seconds)
		},
		"plural": plural,
		"words":  core.ActionWords,
	}
}

// unitOf splits a number of bytes, such as 512MiB, as people write it.
var unitOf = regexp.MustCompile(`^([\d.]+)(\D+)$`)

var stateWords = map[core.State]string{
	core.StateCreating: "being created", core.StateReady: "ready", core.StateStopped: "stopped", core.StateRestoring: "being restored",
	core.StateDeleting: "being deleted", core.StateTrashed: "in the trash", core.StateDeleted: "deleted", core.StateFailed: "failed",
}

// took is how long a step took, or nothing while it goes on.
func took(step core.Step) string {
	if step.FinishedAt == nil {
		return ""
	}
	d := step.FinishedAt.Sub(step.StartedAt)
	if d < 100*time.Millisecond {
		return "< 0.1 s"
	}
	return fmt.Sprintf("%.1f s", d.Seconds())
}

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// view is what the layout shows around a page.
type view struct {
	Title, Path, Version, Origin string
	Person                       *core.Person
	Waiting                      int                // approvals that the person could decide
	Recovered                    *core.Recovery     // that waits to be accepted, for administrators
	Announced                    *core.Announcement // for everybody
	Live                         bool               // a part of the page follows work under way
	Reload                       bool               // the page looks again by itself
	Page                         any
}

// render shows a page. The template runs to its end before anything is sent, so nobody sees half a page.
func (s *Server) render(w http.ResponseWriter, r *http.Request, status int, name, title string, page any) {
	v := view{Title: title, Path: r.URL.Path, Version: s.version, Origin: s.origin, Person: visitOf(r).person, Page: page}
	if v.Person != nil {
		var err error
		if v.Waiting, err = s.service.Waiting(r.Context(), core.Actor{Person: *v.Person, Scope: scopeOf(*v.Person)}); err != nil {
			s.logOf(r).Warn("what waits for a decision could not be counted", "error", err) // a page without a number is better than none
		}
	}
	if v.Person != nil && v.Person.Admin {
		var err error
		if v.Recovered, err = s.service.Recovery(r.Context()); err != nil {
			s.logOf(r).Warn("a recovery could not be looked for", "error", err)
		}
	}
	var err error
	if v.Announced, err = s.service.Announced(r.Context()); err != nil {
		s.logOf(r).Warn("what is announced could not be read", "error", err)
	}
	if p, ok := page.(interface{ live() bool }); ok {
		v.Live = p.live()
	}
	if p, ok := page.(interface{ reload() bool }); ok {
		v.Reload = p.reload()
	}
	var b bytes.Buffer
	if err := s.pages.byName[name].ExecuteTemplate(&b, "layout", v); err != nil {
		s.logOf(r).Error("a page could not be rendered", "page", name, "error", err)
		http.Error(w, "This page could not be shown, reference "+visitOf(r).id+".", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(b.Bytes()) // the client is gone: nobody to tell
}

// fragment renders one part of a page.
func (s *Server) fragment(page, part string, data any) ([]byte, error) {
	var b bytes.Buffer
	if err := s.pages.byName[page].ExecuteTemplate(&b, part, data); err != nil {
		return nil, fmt.Errorf("render %s of %s: %w", part, page, err)
	}
	return b.Bytes(), nil
}

// pageHandler shows a page for somebody who is logged in, or says why not.
type pageHandler func(w http.ResponseWriter, r *http.Request, c call) error

func (s *Server) page(h pageHandler) http.Handler {
	return s.unread(func(w http.ResponseWriter, r *http.Request, c call) error {
		if r.Method == http.MethodPost {
			if err := readForm(w, r); err != nil {
				return err
			}
			c.Key = doorKey(c.Door, r.PostForm.Get("key"))
		}
		return h(w, r, c)
	})
}

// unread leaves the form to the handler.
func (s *Server) unread(h pageHandler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		person := visitOf(r).person
		c := call{item: itemOf(r)}
		c.Actor = core.Actor{Person: *person, Scope: core.ScopeAdmin} // who is logged in may do all that they may
		c.Door, c.Address, c.Reference = core.DoorPortal, s.addressOf(r), visitOf(r).id
		if err := h(w, r, c); err != nil {
			s.failPage(w, r, err)
		}
	})
}

// readForm reads a form that was posted.
func readForm(w http.ResponseWriter, r *http.Request) error {
	r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	if err := r.ParseForm(); err != nil {
		if strings.Contains(err.Error(), "too large") {
			return err
		}
		return refuse("", "The form did not arrive in full. Send it again.")
	}
	for field, values := range r.PostForm {
		for _, value := range values {
			if !utf8.ValidString(value) {
				return refuse(short(plain(field), 60), "The form holds text that is not valid UTF-8. Type it in again.")
			}
		}
	}
	return nil
}

// formKey makes a key for a form, by which a second click on its button is recognised.
func formKey() string { return rand.Text() }

type errorView struct {
	Status    int
	Heading   string
	Message   string
	Reference string
}

var headings = map[int]string{
	http.StatusNotFound: "Not found", http.StatusForbidden: "Not allowed", http.StatusInternalServerError: "Something broke",
	http.StatusServiceUnavailable: "Not available right now", http.StatusRequestEntityTooLarge: "Too large", http.StatusGone: "Gone",
}

// failPage shows an error in the look of the pages.
func (s *Server) failPage(w http.ResponseWriter, r *http.Request, err error) {
	a := s.explain(r, err)
	a.setHeaders(w.Header())
	heading, ok := headings[a.status]
	if !ok {
		heading = "That did not work"
	}
	s.render(w, r, a.status, "error", heading, errorView{Status: a.status, Heading: heading, Message: a.Message, Reference: a.Reference})
}
