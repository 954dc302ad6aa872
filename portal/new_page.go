package portal

import (
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strings"

	"github.com/mydb-project/mydb/core"
)

// expiries are what the form offers; the API takes any.
var expiries = []choice{
	{"", "Never"}, {"30d", "In 30 days"}, {"90d", "In 90 days"}, {"180d", "In half a year"}, {"365d", "In a year"}, {"730d", "In two years"},
}

type choice struct{ Value, Text string }

// newView is the form, with what was typed into it. It never holds the password.
type newView struct {
	Catalogue Catalogue
	Form      core.Create
	Expiries  []choice
	Key       string
	Field     string // of the problem; empty: the form as a whole
	Problem   string
	MayOwner  bool
	Count     string   // how many are to be made
	Support   []string // levels of this site
}

// Chosen is the engine and version that the form shows as selected.
func (v newView) Chosen(engine, version string) bool {
	return v.Form.Engine == engine && v.Form.Version == version
}

// Wanted tells whether an extension is ticked.
func (v newView) Wanted(engine, extension string) bool {
	return v.Form.Engine == engine && slices.Contains(v.Form.Extensions, extension)
}

// Trouble is the problem of a field; the form shows it next to it.
func (v newView) Trouble(field string) string {
	if v.Field != field {
		return ""
	}
	return v.Problem
}

// General is the problem that no field of the form is about.
func (v newView) General() string {
	if v.Field == "" {
		return v.Problem
	}
	return ""
}

// Advanced tells whether the folded part of the form has something to show.
func (v newView) Advanced() bool {
	return len(v.Form.Extensions) > 0 || v.Form.Template != "" || v.Count != "" || v.Form.InitSQL != "" || v.Form.Owner != "" || slices.Contains([]string{"extensions", "init_sql", "owner", "template", "count"}, v.Field)
}

func (s *Server) newView(c call) newView {
	v := newView{Catalogue: s.catalogue(), Expiries: expiries, Key: formKey(), MayOwner: c.Actor.IsAdmin(), Support: s.service.Policy().Support}
	v.Form.Backup = "daily"
	if len(v.Catalogue.Engines) > 0 {
		v.Form.Engine, v.Form.Version = v.Catalogue.Engines[0].Engine, v.Catalogue.Engines[0].Versions[0]
	}
	if len(v.Catalogue.Sizes) > 0 {
		v.Form.Size = v.Catalogue.Sizes[0].Name
	}
	return v
}

func (s *Server) newPage(w http.ResponseWriter, r *http.Request, c call) error {
	s.render(w, r, http.StatusOK, "new", "New database", s.newView(c))
	return nil
}

func (s *Server) create(w http.ResponseWriter, r *http.Request, c call) error {
	command := createOf(r.PostForm)
	err := checkStrings(reflect.ValueOf(command))
	class, classErr := classOf(command, r.PostForm.Get("count"))
	if err == nil {
		err = classErr
	}
	if err == nil && class != nil {
		c.Command = *class
		if _, err = s.service.Do(r.Context(), c.Request); err == nil {
			http.Redirect(w, r, "/?class="+url.QueryEscape(command.Name), http.StatusSeeOther)
			return nil
		}
	} else if err == nil {
		c.Command = command
		var receipt core.Receipt
		if receipt, err = s.service.Do(r.Context(), c.Request); err == nil {
			http.Redirect(w, r, "/databases/"+url.PathEscape(receipt.Database.Name), http.StatusSeeOther)
			return nil
		}
	}
	a := s.explain(r, err)
	a.setHeaders(w.Header())
	v := s.newView(c)
	v.Form, v.Problem, v.Field = command, a.Message, formField(a)
	v.Count = r.PostForm.Get("count")
	v.Form.Password = "" // what was typed there does not come back
	if !slices.ContainsFunc(v.Expiries, func(e choice) bool { return e.Value == command.Expires }) {
		v.Expiries = append(slices.Clone(v.Expiries), choice{command.Expires, command.Expires})
	}
	s.render(w, r, a.status, "new", "New database", v)
	return nil
}

// createOf reads the form. Engine and version come as one word, such as postgres/17.
func createOf(form url.Values) core.Create {
	text := func(field string) string {
		return strings.ReplaceAll(strings.TrimSpace(form.Get(field)), "\r\n", "\n") // browsers send CRLF
	}
	engine, version, _ := strings.Cut(text("engine"), "/")
	c := core.Create{
		Name: text("name"), Engine: engine, Version: version, Size: text("size"), Username: text("username"),
		Password: form.Get("password"), Backup: text("backup"), Expires: text("expires"), Description: text("description"),
		Contact: text("contact"), PHI: form.Get("phi") == "yes", InitSQL: text("init_sql"), Owner: text("owner"),
		Department: text("department"), PI: text("pi"), Application: text("application"), Project: text("project"), Support: text("support"), Template: text("template"),
	}
	for _, x := range form["extensions"] {
		// Ticks below another engine than the chosen one stay behind when the engine is changed.
		if of, name, _ := strings.Cut(x, "/"); of == engine {
			c.Extensions = append(c.Extensions, name)
		}
	}
	return c
}

// formField is the field of the form that an error is about.
func formField(a answer) string {
	switch {
	case a.Code == core.CodeTaken, a.Field == "database":
		return "name" // the database is named after it
	case a.Field == "version":
		return "engine" // one choice for both
	case slices.Contains([]string{"name", "engine", "size", "username", "password", "backup", "expires", "description", "contact", "extensions", "init_sql", "owner", "department", "pi", "application", "project", "support", "phi", "template", "count"}, a.Field):
		return a.Field
	}
	return ""
}

// DetailsShown tells whether the folded part about people and projects has something to show.
func (v newView) DetailsShown() bool {
	f := v.Form
	return f.Department+f.PI+f.Application+f.Project != "" || slices.Contains([]string{"department", "pi", "application", "project", "support"}, v.Field)
}

// LoginShown tells whether the folded part about the user name and password has something to show.
func (v newView) LoginShown() bool {
	return v.Form.Username != "" || v.Field == "username" || v.Field == "password"
}
