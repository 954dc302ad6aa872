package portal

import (
	"net/http"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/mydb-project/mydb/core"
)

// Me is the caller.
type Me struct {
	core.Person
	Role   core.Role    `json:"role" enum:"user,lead,auditor,admin" description:"What the caller acts as"`
	Scope  core.Scope   `json:"scope" enum:"read,operate,admin" description:"What this token may do"`
	Quotas []core.Quota `json:"quotas" description:"The limits that count for the caller, with what is taken"`
}

// NewToken asks for a token.
type NewToken struct {
	Name    string     `json:"name" required:"true" minLength:"1" maxLength:"100" description:"What it is for"`
	Scope   core.Scope `json:"scope,omitempty" enum:"read,operate,admin" description:"Default: operate"`
	Expires string     `json:"expires,omitempty" description:"RFC 3339, or a number of days such as 90d, within a year; default: 90d"`
}

// MadeToken is a token with its secret, which is shown this once.
type MadeToken struct {
	Token     string     `json:"token" example:"mydb_..."`
	ID        string     `json:"id"`
	Name      string     `json:"name"`
	Scope     core.Scope `json:"scope" enum:"read,operate,admin"`
	CreatedAt time.Time  `json:"created_at"`
	ExpiresAt time.Time  `json:"expires_at"`
}

// ChatText is a command of the chat grammar, without a leading /mydb.
type ChatText struct {
	Text string `json:"text" required:"true" example:"create postgres genomes"`
}

func (s *Server) apiMe(w http.ResponseWriter, r *http.Request, c call) error {
	quotas, err := s.service.Quotas(r.Context(), c.Actor)
	if err != nil {
		return err
	}
	s.writeJSON(w, http.StatusOK, Me{Person: c.Actor.Person, Role: c.Actor.Role(), Scope: c.Actor.Scope, Quotas: quotas})
	return nil
}

func (s *Server) apiMakeToken(w http.ResponseWriter, r *http.Request, c call) error {
	var ask NewToken
	if err := decode(w, r, &ask); err != nil {
		return err
	}
	expires, err := expiryOf(ask.Expires, time.Now())
	if err != nil {
		return err
	}
	t, secret, err := s.service.MakeToken(r.Context(), c.Request, core.NewToken{Name: ask.Name, Scope: ask.Scope, Expires: expires})
	if err != nil {
		return err
	}
	s.writeJSON(w, http.StatusCreated, MadeToken{
		Token: secret, ID: t.ID, Name: t.Name, Scope: t.Scope, CreatedAt: t.CreatedAt, ExpiresAt: t.ExpiresAt,
	})
	return nil
}

func (s *Server) apiTokens(w http.ResponseWriter, r *http.Request, c call) error {
	tokens, err := s.service.Tokens(r.Context(), c.Actor)
	if err != nil {
		return err
	}
	s.writeJSON(w, http.StatusOK, tokenList{Items: tokens})
	return nil
}

func (s *Server) apiRevokeToken(w http.ResponseWriter, r *http.Request, c call) error {
	if err := s.service.RevokeToken(r.Context(), c.Request, c.item); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// maxCommand is more than a person types; long texts such as init scripts have fields of their own.
const maxCommand = 4000

func (s *Server) apiChat(w http.ResponseWriter, r *http.Request, c call) error {
	var ask ChatText
	if err := decode(w, r, &ask); err != nil {
		return err
	}
	text := strings.TrimSpace(ask.Text)
	if utf8.RuneCountInString(text) > maxCommand {
		return refuse("text", "The command is longer than %d characters. Make it shorter.", maxCommand)
	}
	if s.console == nil {
		return core.Errorf(core.CodeUnavailable, "Chat commands are not available on this server.")
	}
	c.Door, c.Key = core.DoorTerminal, doorKey(core.DoorTerminal, r.Header.Get("Idempotency-Key"))
	reply, err := s.console.Run(r.Context(), c.Request, text)
	if err != nil {
		return err
	}
	s.writeJSON(w, http.StatusOK, reply)
	return nil
}

func (s *Server) apiDescription(w http.ResponseWriter, _ *http.Request, _ call) error {
	w.Header().Set("Content-Type", "application/json")
	_, err := w.Write(s.openapi)
	_ = err // the client is gone: nobody to tell
	return nil
}
