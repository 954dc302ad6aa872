package portal

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"strings"

	"github.com/mydb-project/mydb/core"
)

// apiPrefix starts the path of everything that answers in JSON, errors included.
const apiPrefix = "/api/v1"

// endpoint is one thing the API can do. The same table routes and describes it.
type endpoint struct {
	method, path string
	id, summary  string
	about        string // what else one must know; may be empty
	entry        entry
	query        []string // the parameters it knows; others are refused
	in           []any    // for the description: structures of path, query and body
	out          any      // for the description
	status       int      // of success
	mime         string   // of success; empty: JSON
	errors       []int    // for the description, besides those of the entry
	handle       func(http.ResponseWriter, *http.Request, call) error
}

// entry says who may call an endpoint at all. What they may do there is decided by core.
type entry int

const (
	withToken entry = iota
	withTokenOrPassword
	forAnybody
)

// call is what every handler of the API needs to know.
type call struct {
	core.Request
	item string // the {name} or {id} of the path
}

// door turns an endpoint into a handler: it recognises the caller and refuses what the endpoint does not know.
func (s *Server) door(e endpoint) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		if err := s.enter(w, r, e); err != nil {
			s.failJSON(w, r, err)
		}
	})
}

func (s *Server) enter(w http.ResponseWriter, r *http.Request, e endpoint) error {
	c := call{item: itemOf(r)}
	c.Door, c.Address, c.Reference = core.DoorAPI, s.addressOf(r), visitOf(r).id
	if e.entry != forAnybody {
		actor, err := s.recognise(r, e.entry)
		if err != nil {
			return err
		}
		c.Actor, visitOf(r).login = actor, actor.Login
	}
	if r.Method == http.MethodPost {
		key := r.Header.Get("Idempotency-Key")
		if len(key) > 200 {
			return &core.Error{Code: core.CodeInvalid, Field: "Idempotency-Key", Message: "The idempotency key is longer than 200 characters. Use a shorter one."}
		}
		c.Key = doorKey(c.Door, key)
	}
	if err := checkQuery(r, e.query); err != nil {
		return err
	}
	return e.handle(w, r, c)
}

// recognise finds out who calls.
func (s *Server) recognise(r *http.Request, how entry) (core.Actor, error) {
	scheme, value, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	switch {
	case strings.EqualFold(scheme, "Bearer"):
		return s.service.Bearer(r.Context(), strings.TrimSpace(value))
	case strings.EqualFold(scheme, "Basic") && how == withTokenOrPassword:
		login, password, ok := r.BasicAuth()
		if !ok {
			return core.Actor{}, core.Errorf(core.CodeUnauthenticated, "The Authorization header is not understood. Send a login and password with HTTP Basic.")
		}
		p, err := s.authenticate(r, core.DoorAPI, login, password)
		return core.Actor{Person: p, Scope: scopeOf(p)}, err
	}
	return core.Actor{}, core.Errorf(core.CodeUnauthenticated,
		"Send a token in the header \"Authorization: Bearer mydb_...\". Make one on your account page, or by POST %s/tokens with your login and password.", apiPrefix)
}

// doorKey keeps the keys of different doors apart, and fits any key into what is stored.
func doorKey(door core.Door, key string) string {
	if key == "" {
		return ""
	}
	h := sha256.Sum256([]byte(key))
	return string(door) + ":" + hex.EncodeToString(h[:])
}

// failJSON answers with an error in the API's form.
func (s *Server) failJSON(w http.ResponseWriter, r *http.Request, err error) {
	a := s.explain(r, err)
	a.setHeaders(w.Header())
	if a.status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", `Bearer realm="MyDB"`)
	}
	s.writeJSON(w, a.status, errorBody{a.Explanation})
}

type errorBody struct {
	Error core.Explanation `json:"error"`
}

func (s *Server) writeJSON(w http.ResponseWriter, status int, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		s.log.Error("an answer has no JSON form", "error", err)
		http.Error(w, `{"error":{"code":"internal","message":"internal error"}}`, http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(append(body, '\n')) // the client is gone: nobody to tell
}
