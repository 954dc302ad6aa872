package chatsim

import (
	"bytes"
	"context"
	"crypto/subtle"
	"embed"
	"fmt"
	"html/template"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"
)

//go:embed templates static
var files embed.FS

const (
	cookieName = "mydb_chat_sim"
	maxForm    = 256 << 10
	patience   = 5 * time.Second // services give up after three
	aliveEvery = 20 * time.Second
	// policy allows what the page is made of: no inline script or style, nothing from elsewhere.
	policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)

// server is the page.
type server struct {
	key    string
	spaces []space
	pages  *template.Template
}

func newServer(key string, spaces ...space) (http.Handler, error) {
	pages, err := template.New("").Funcs(template.FuncMap{"clock": func(t time.Time) string { return t.Local().Format("15:04:05") }, "in": within}).ParseFS(files, "templates/*.html")
	if err != nil {
		return nil, fmt.Errorf("read the simulated chat's page: %w", err)
	}
	s := &server{key: key, spaces: spaces, pages: pages}
	mux := http.NewServeMux()
	mux.Handle("GET /static/{file}", http.FileServerFS(files))
	mux.HandleFunc("GET /{$}", s.first)
	mux.HandleFunc("GET /{kind}/{person}/{$}", s.enter)
	mux.HandleFunc("GET /{kind}/{person}/{room}", s.show)
	mux.HandleFunc("GET /{kind}/{person}/{room}/news", s.news)
	mux.HandleFunc("GET /{kind}/{person}/{room}/picture/{id}", s.picture)
	for name, do := range map[string]act{"say": s.say, "press": s.press, "submit": s.submit, "dismiss": s.dismiss} {
		mux.Handle("POST /{kind}/{person}/{room}/"+name, s.does(do))
	}
	return s.guard(http.NewCrossOriginProtection().Handler(mux)), nil
}

// inside is something together with the page that it is drawn on, for templates that make forms of it.
type inside struct {
	View            view
	It              any
	Message, Window string // that it is a piece of
}

func within(v view, it any) inside {
	i := inside{View: v, It: it}
	switch it := it.(type) {
	case message:
		i.Message = it.ID
	case *window:
		i.Window = it.ID
	}
	return i
}

// Piece gives a part of it.
func (i inside) Piece(it any) inside {
	i.It = it
	return i
}

// guard lets in who has the key, under a name of this machine: another name is of a page elsewhere that leads here.
func (s *server) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cache-Control", "no-store")
		if !loopback(r.Host) {
			http.Error(w, "The simulated chat answers on this machine only.", http.StatusForbidden)
			return
		}
		if q := r.URL.Query(); r.Method == http.MethodGet && s.opens(q.Get("key")) {
			http.SetCookie(w, &http.Cookie{Name: cookieName, Value: q.Get("key"), Path: "/", HttpOnly: true, SameSite: http.SameSiteStrictMode})
			q.Del("key") // the address is in the browser's history
			http.Redirect(w, r, (&url.URL{Path: r.URL.Path, RawQuery: q.Encode()}).String(), http.StatusSeeOther)
			return
		}
		if c, err := r.Cookie(cookieName); err != nil || !s.opens(c.Value) {
			http.Error(w, "Open the address, with its key, that MyDB printed when it started: whoever is here can be anybody of the simulated chat.", http.StatusForbidden)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func (s *server) opens(key string) bool {
	return subtle.ConstantTimeCompare([]byte(key), []byte(s.key)) == 1
}

func loopback(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	ip, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return host == "localhost" || err == nil && ip.IsLoopback()
}

func (s *server) first(w http.ResponseWriter, r *http.Request) {
	sp := s.spaces[0]
	http.Redirect(w, r, "/"+sp.Kind()+"/"+sp.People()[0].Login+"/", http.StatusSeeOther)
}

func (s *server) space(r *http.Request) (space, bool) {
	for _, sp := range s.spaces {
		if sp.Kind() == r.PathValue("kind") {
			return sp, true
		}
	}
	return nil, false
}

// enter leads to the person's first room.
func (s *server) enter(w http.ResponseWriter, r *http.Request) {
	sp, ok := s.space(r)
	if !ok {
		http.NotFound(w, r)
		return
	}
	person := r.PathValue("person")
	for _, m := range sp.People() {
		if m.Login == person { // on the way from the other service, where they have another id
			person = m.ID
		}
	}
	rooms := sp.Rooms(person)
	if len(rooms) == 0 {
		http.NotFound(w, r)
		return
	}
	http.Redirect(w, r, "/"+sp.Kind()+"/"+person+"/"+rooms[0].ID, http.StatusSeeOther)
}

func (s *server) show(w http.ResponseWriter, r *http.Request) {
	s.draw(w, r, http.StatusOK, "", "")
}

// draw draws the page to its end before anything is sent.
func (s *server) draw(w http.ResponseWriter, r *http.Request, status int, trouble, typed string) {
	sp, ok := s.space(r)
	if !ok {
		http.NotFound(w, r)
		return
	}
	v, err := s.look(sp, r.PathValue("person"), r.PathValue("room"), r.FormValue("thread"))
	if err != nil {
		http.NotFound(w, r)
		return
	}
	v.Trouble, v.Typed = trouble, typed
	var b bytes.Buffer
	if err := s.pages.ExecuteTemplate(&b, "page", v); err != nil {
		http.Error(w, "This page could not be drawn: "+err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(b.Bytes()) // who asked is gone
}

// news says that something has changed, whenever something has: the page then looks again.
func (s *server) news(w http.ResponseWriter, r *http.Request) {
	sp, ok := s.space(r)
	if !ok {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", "text/event-stream")
	out := http.NewResponseController(w)
	var seen uint64
	_, _ = fmt.Sscan(r.URL.Query().Get("seen"), &seen)
	for r.Context().Err() == nil {
		ctx, cancel := context.WithTimeout(r.Context(), aliveEvery)
		now := sp.Next(ctx, seen)
		cancel()
		line := ": still here\n\n"
		if now != seen {
			line = fmt.Sprintf("data: %d\n\n", now)
		}
		seen = now
		if _, err := fmt.Fprint(w, line); err != nil || out.Flush() != nil {
			return
		}
	}
}

func (s *server) picture(w http.ResponseWriter, r *http.Request) {
	sp, ok := s.space(r)
	if !ok {
		http.NotFound(w, r)
		return
	}
	kind, data, ok := sp.Picture(r.PathValue("person"), r.PathValue("room"), r.PathValue("id"))
	if !ok || !strings.HasPrefix(kind, "image/") {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", kind)
	_, _ = w.Write(data)
}

// act is what somebody does in a room.
type act func(ctx context.Context, sp space, person, room string, form url.Values) error

// does does it, waits until MyDB has heard of it, and shows the room again.
func (s *server) does(do act) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		sp, ok := s.space(r)
		r.Body = http.MaxBytesReader(w, r.Body, maxForm)
		if err := r.ParseForm(); err != nil || !ok {
			http.Error(w, "The form did not arrive.", http.StatusBadRequest)
			return
		}
		ctx, cancel := context.WithTimeout(r.Context(), patience)
		defer cancel()
		if err := do(ctx, sp, r.PathValue("person"), r.PathValue("room"), r.PostForm); err != nil {
			s.draw(w, r, http.StatusUnprocessableEntity, err.Error(), r.PostForm.Get("text"))
			return
		}
		back := url.URL{Path: r.URL.Path[:strings.LastIndex(r.URL.Path, "/")]}
		if thread := r.PostForm.Get("thread"); thread != "" {
			back.RawQuery = url.Values{"thread": {thread}}.Encode()
		}
		http.Redirect(w, r, back.String(), http.StatusSeeOther)
	})
}

func (s *server) say(ctx context.Context, sp space, person, room string, form url.Values) error {
	text := strings.TrimSpace(form.Get("text"))
	if text == "" {
		return nil
	}
	return sp.Say(ctx, person, room, form.Get("thread"), text)
}

func (s *server) press(ctx context.Context, sp space, person, room string, form url.Values) error {
	return sp.Press(ctx, person, room, press{form.Get("message"), form.Get("window"), form.Get("block"), form.Get("action"), form.Get("value")})
}

func (s *server) submit(ctx context.Context, sp space, person, _ string, form url.Values) error {
	values := map[string]string{}
	for name, given := range form {
		if field, ok := strings.CutPrefix(name, "in:"); ok {
			values[field] = strings.Join(given, ",")
		}
	}
	return sp.Submit(ctx, person, form.Get("window"), values)
}

func (s *server) dismiss(_ context.Context, sp space, person, _ string, form url.Values) error {
	sp.Dismiss(person, form.Get("window"))
	return nil
}
