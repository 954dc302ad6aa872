package portal

import (
	"encoding/csv"
	"net/http"
	"strconv"

	"github.com/mydb-project/mydb/core"
)

type classCredentialsList struct {
	Items []core.ClassCredentials `json:"items"`
}

// classEndpoints is the part of the API's table that is about many databases at once.
func (s *Server) classEndpoints() []endpoint {
	return []endpoint{
		{
			method: http.MethodPost, path: "/classes", id: "createClass", summary: "Create many databases at once, such as one for each student",
			about: "All are accepted, or none is. Each gets the name with -01, -02 and so on.",
			in:    []any{idempotencyKey{}, core.Class{}}, out: core.Receipt{}, status: http.StatusAccepted,
			errors: []int{400, 403, 409, 413, 415, 503}, handle: s.apiClass,
		}, {
			method: http.MethodGet, path: "/classes/{name}/credentials", id: "collectClassCredentials", summary: "Collect the passwords of a class",
			about: "For the owner of its databases. What is not ready, or was collected already, comes with a note in place of the password.",
			in:    []any{namePath{}}, out: classCredentialsList{}, status: http.StatusOK, errors: []int{403, 404}, handle: s.apiClassCredentials,
		},
	}
}

func (s *Server) apiClass(w http.ResponseWriter, r *http.Request, c call) error {
	var command core.Class
	if err := decode(w, r, &command); err != nil {
		return err
	}
	c.Command = command
	return s.doJSON(w, r, c)
}

func (s *Server) apiClassCredentials(w http.ResponseWriter, r *http.Request, c call) error {
	list, err := s.service.CollectClass(r.Context(), c.Request, c.item)
	if err != nil {
		return err
	}
	s.writeJSON(w, http.StatusOK, classCredentialsList{Items: list})
	return nil
}

// classCredentials is the same as a file, from the portal.
func (s *Server) classCredentials(w http.ResponseWriter, r *http.Request, c call) error {
	list, err := s.service.CollectClass(r.Context(), c.Request, c.item)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "text/csv; charset=utf-8; header=present")
	w.Header().Set("Content-Disposition", `attachment; filename="passwords.csv"`)
	out := csv.NewWriter(w)
	out.UseCRLF = true
	_ = out.Write([]string{"name", "host", "port", "database", "user", "password", "note"})
	for _, i := range list {
		// No apostrophe in front of a password: it would be taken for a part of it. Generated ones begin with a letter or a digit.
		_ = out.Write([]string{i.Name, i.Host, strconv.Itoa(i.Port), i.Database, i.Username, i.Password, core.HarmlessCell(i.Note)})
	}
	out.Flush()
	return nil
}

// classOf is the class that the form asks for; nil when it asks for a single database.
func classOf(c core.Create, count string) (*core.Class, error) {
	if count == "" || count == "1" {
		return nil, nil //nolint:nilnil // no class is an ordinary answer
	}
	n, err := strconv.Atoi(count)
	if err != nil {
		return nil, refuse("count", "How many is a number from 1 to 100.")
	}
	return &core.Class{Create: c, Count: n}, nil
}
