package portal

import (
	"net/http"
	"slices"
	"time"

	"github.com/mydb-project/mydb/core"
	"github.com/mydb-project/mydb/core/engine"
)

// endpoints is the table of the API.
func (s *Server) endpoints() []endpoint {
	return slices.Concat(
		s.databaseEndpoints(),
		s.commandEndpoints(),
		s.accountEndpoints(),
		s.mailEndpoints(),
		s.sessionEndpoints(),
		s.shareEndpoints(),
		s.backupEndpoints(),
		s.linkEndpoints(),
		s.importEndpoints(),
		[]endpoint{s.runsEndpoint(), s.auditEndpoint(), s.timelineEndpoint()},
		s.classEndpoints(),
		s.notificationEndpoints(),
		s.observeEndpoints(),
		s.recoveryEndpoints(),
		s.announceEndpoints(),
		s.storeEndpoints(),
	)
}

func (s *Server) databaseEndpoints() []endpoint {
	return []endpoint{
		{
			method: http.MethodPost, path: "/databases", id: "createDatabase", summary: "Create a database",
			about: "Answers as soon as the request is recorded; the operation tells when the database is ready.",
			in:    []any{idempotencyKey{}, core.Create{}}, out: core.Receipt{}, status: http.StatusAccepted,
			errors: []int{400, 403, 409, 413, 415, 503}, handle: s.apiCreate,
		}, {
			method: http.MethodGet, path: "/databases", id: "listDatabases", summary: "List databases, newest first",
			about: "One's own, and what is shared with one. Words are looked for whatever their case.",
			query: append([]string{"limit", "cursor", "format"}, filterNames...), in: []any{listQuery{}}, out: databaseList{}, status: http.StatusOK,
			errors: []int{400, 403}, handle: s.apiList,
		}, {
			method: http.MethodGet, path: "/databases/{name}", id: "getDatabase", summary: "One database, and how to connect to it",
			in: []any{namePath{}}, out: Database{}, status: http.StatusOK, errors: []int{403, 404}, handle: s.apiDatabase,
		}, {
			method: http.MethodGet, path: "/databases/{name}/credentials", id: "collectCredentials", summary: "Collect the password",
			about: "For the owner, and for a colleague whom it is shared with: each their own. The first answer starts ten minutes in which it may be repeated; then the password is gone.",
			in:    []any{namePath{}}, out: core.Credentials{}, status: http.StatusOK, errors: []int{403, 404, 409, 410}, handle: s.apiCredentials,
		}, {
			method: http.MethodGet, path: "/operations/{id}", id: "getOperation", summary: "One operation, with its steps",
			in: []any{idPath{}}, out: core.Operation{}, status: http.StatusOK, errors: []int{403, 404}, handle: s.apiOperation,
		}, {
			method: http.MethodGet, path: "/operations/{id}/events", id: "watchOperation", summary: "Follow an operation as server-sent events",
			about: "Each event is named operation and holds the operation as JSON. The stream ends after the final state; it may end earlier, " +
				"and clients then connect again.",
			in: []any{idPath{}}, out: "", mime: "text/event-stream", status: http.StatusOK, errors: []int{403, 404}, handle: s.apiEvents,
		}, {
			method: http.MethodGet, path: "/catalogue", id: "getCatalogue", summary: "What may be asked for: engines, versions, sizes",
			out: Catalogue{}, status: http.StatusOK, handle: s.apiCatalogue,
		}, {
			method: http.MethodGet, path: "/ca.crt", id: "getCertificateAuthority", summary: "The certificate to verify databases with",
			entry: forAnybody, out: "", mime: pemType, status: http.StatusOK,
			handle: func(w http.ResponseWriter, r *http.Request, _ call) error { return s.sendCA(w, r) },
		},
	}
}

func (s *Server) accountEndpoints() []endpoint {
	return []endpoint{
		{
			method: http.MethodGet, path: "/me", id: "getMe", summary: "Who is calling, and what they may do",
			out: Me{}, status: http.StatusOK, handle: s.apiMe,
		}, {
			method: http.MethodPost, path: "/tokens", id: "makeToken", summary: "Make a token",
			about: "With a token of at least the same scope, or with login and password (HTTP Basic). The token is shown only here; " +
				"a repeated request makes another token.",
			entry: withTokenOrPassword, in: []any{idempotencyKey{}, NewToken{}}, out: MadeToken{}, status: http.StatusCreated,
			errors: []int{400, 403, 413, 415, 429}, handle: s.apiMakeToken,
		}, {
			method: http.MethodGet, path: "/tokens", id: "listTokens", summary: "List one's own tokens",
			out: tokenList{}, status: http.StatusOK, errors: []int{403}, handle: s.apiTokens,
		}, {
			method: http.MethodDelete, path: "/tokens/{id}", id: "revokeToken", summary: "Revoke one of one's own tokens",
			in: []any{idPath{}}, status: http.StatusNoContent, errors: []int{403, 404}, handle: s.apiRevokeToken,
		}, {
			method: http.MethodPost, path: "/chat", id: "runCommand", summary: "Run a command as in chat, such as: create postgres genomes",
			in: []any{idempotencyKey{}, ChatText{}}, out: ConsoleReply{}, status: http.StatusOK,
			errors: []int{400, 403, 409, 413, 415, 503}, handle: s.apiChat,
		}, {
			method: http.MethodGet, path: "/openapi.json", id: "getDescription", summary: "This description",
			entry: forAnybody, out: map[string]any{}, status: http.StatusOK, handle: s.apiDescription,
		},
	}
}

type namePath struct {
	Name string `path:"name" description:"A database's name, or its id"`
}

type idPath struct {
	ID string `path:"id"`
}

type idempotencyKey struct {
	Key string `header:"Idempotency-Key" maxLength:"200" description:"The same key again gives the first answer, and does nothing"`
}

type databaseList struct {
	Items []core.Instance `json:"items"`
	Next  string          `json:"next,omitempty" description:"The cursor of the next page; absent on the last one"`
}

type tokenList struct {
	Items []core.Token `json:"items"`
}

// Database is an instance with all that its owner wants to know.
type Database struct {
	core.Instance
	Connection             []engine.Snippet `json:"connection" description:"Ways to connect, without the password; empty until it has a host and a port"`
	CredentialsCollectable bool             `json:"credentials_collectable" description:"Whether the caller may collect the password now"`
	Usage                  *core.Usage      `json:"usage" description:"Null until it was measured"`
	UndoUntil              *time.Time       `json:"undo_until" description:"Until when the last restore in place can be undone; null when there is none"`
}

func (s *Server) apiCreate(w http.ResponseWriter, r *http.Request, c call) error {
	var command core.Create
	if err := decode(w, r, &command); err != nil {
		return err
	}
	c.Command = command
	return s.doJSON(w, r, c)
}

func (s *Server) apiDatabase(w http.ResponseWriter, r *http.Request, c call) error {
	i, err := s.service.Instance(r.Context(), c.Actor, c.item)
	if err != nil {
		return err
	}
	d := Database{Instance: i, Connection: []engine.Snippet{}}
	snippets, err := s.service.Snippets(i)
	if err != nil {
		return err
	}
	d.Connection = append(d.Connection, snippets...)
	if d.CredentialsCollectable, err = s.service.Collectable(r.Context(), c.Actor, i); err != nil {
		return err
	}
	if d.Usage, err = s.service.Usage(r.Context(), i); err != nil {
		return err
	}
	if d.UndoUntil, err = s.service.UndoUntil(r.Context(), i); err != nil {
		return err
	}
	s.writeJSON(w, http.StatusOK, d)
	return nil
}

func (s *Server) apiCredentials(w http.ResponseWriter, r *http.Request, c call) error {
	credentials, err := s.service.Collect(r.Context(), c.Request, c.item)
	if err != nil {
		return err
	}
	s.writeJSON(w, http.StatusOK, credentials)
	return nil
}

func (s *Server) apiOperation(w http.ResponseWriter, r *http.Request, c call) error {
	o, err := s.service.Operation(r.Context(), c.Actor, c.item)
	if err != nil {
		return err
	}
	s.writeJSON(w, http.StatusOK, o)
	return nil
}
