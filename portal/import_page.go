package portal

import (
	"errors"
	"io"
	"mime/multipart"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/mydb-project/mydb/core"
)

// importView is the form, with what was typed into it. It holds no password, and no address that has one.
type importView struct {
	newView
	Form    core.Import
	Uploads []core.Upload
	// Networks tells whether databases may be brought by address at all.
	Networks bool
	Most     int64 // bytes of a file
}

// Chosen is the engine and version that the form shows as selected.
func (v importView) Chosen(engine, version string) bool {
	return v.Form.Engine == engine && v.Form.Version == version
}

func (s *Server) importView(r *http.Request, c call) (importView, error) {
	v := importView{newView: s.newView(c), Networks: len(s.service.Policy().Import.Networks) > 0, Most: s.service.MaxUpload()}
	v.Form.Size = v.newView.Form.Size
	var err error
	v.Uploads, err = s.service.Uploads(r.Context(), c.Actor)
	return v, err
}

func (s *Server) importPage(w http.ResponseWriter, r *http.Request, c call) error {
	v, err := s.importView(r, c)
	if err != nil {
		return err
	}
	s.render(w, r, http.StatusOK, "import", "Import a database", v)
	return nil
}

// importForm imports what the form says. A file that comes with it is uploaded first, and kept when something else is wrong.
func (s *Server) importForm(w http.ResponseWriter, r *http.Request, c call) error {
	form, upload, err := s.readImport(w, r, c)
	command := importOf(form)
	if upload.ID != "" {
		command.Upload = upload.ID
	}
	if err == nil {
		err = checkStrings(reflect.ValueOf(command))
	}
	if err == nil {
		c.Command, c.Key = command, doorKey(c.Door, form.Get("key"))
		var receipt core.Receipt
		if receipt, err = s.service.Do(r.Context(), c.Request); err == nil {
			http.Redirect(w, r, "/databases/"+url.PathEscape(receipt.Database.Name), http.StatusSeeOther)
			return nil
		}
	}
	_, _ = io.CopyN(io.Discard, r.Body, drained)
	return s.showImport(w, r, c, command, err)
}

// drained is how much of a file that was refused is read all the same, in bytes: a browser shows no answer before it has sent all.
const drained = 64 << 20

func (s *Server) showImport(w http.ResponseWriter, r *http.Request, c call, command core.Import, problem error) error {
	a := s.explain(r, problem)
	a.setHeaders(w.Header())
	v, err := s.importView(r, c)
	if err != nil {
		return err
	}
	command.Password, command.Source = "", withoutPassword(command.Source)
	v.Form, v.newView.Form, v.Problem, v.Field = command, command.Create, a.Message, formField(a)
	if slices.Contains([]string{"source", "upload"}, a.Field) {
		v.Field = a.Field
	}
	if !slices.ContainsFunc(v.Expiries, func(e choice) bool { return e.Value == command.Expires }) {
		v.Expiries = append(slices.Clone(v.Expiries), choice{command.Expires, command.Expires})
	}
	s.render(w, r, a.status, "import", "Import a database", v)
	return nil
}

// withoutPassword is an address as it may be shown again; empty when it is not understood.
func withoutPassword(source string) string {
	u, err := url.Parse(source)
	if err != nil || u.Host == "" || strings.ContainsAny(u.Path+u.RawQuery+u.Fragment, "@#") {
		return ""
	}
	if u.User != nil {
		u.User = url.User(u.User.Username())
	}
	return u.String()
}

// readImport reads the form, and uploads the file that comes last in it. A form without a file may be of the simple kind.
func (s *Server) readImport(w http.ResponseWriter, r *http.Request, c call) (form url.Values, u core.Upload, err error) {
	form = url.Values{}
	parts, err := r.MultipartReader()
	if errors.Is(err, http.ErrNotMultipart) {
		err = readForm(w, r)
		return r.PostForm, u, err
	}
	room := int64(maxBody)
	for err == nil {
		var part *multipart.Part
		if part, err = parts.NextPart(); err != nil {
			break
		}
		if part.FormName() == "file" {
			if part.FileName() != "" {
				return s.readFile(w, r, c, form, part)
			}
			continue
		}
		var value []byte
		if value, err = io.ReadAll(io.LimitReader(part, room+1)); err == nil {
			room -= int64(len(value))
			form.Add(part.FormName(), string(value))
		}
		if room < 0 || !utf8.Valid(value) {
			return form, u, refuse("", "The form holds too much text, or text that is not valid UTF-8.")
		}
	}
	if errors.Is(err, io.EOF) {
		return form, u, nil
	}
	return form, u, refuse("", "The form did not arrive in full. Send it again.")
}

func (s *Server) readFile(w http.ResponseWriter, r *http.Request, c call, form url.Values, part *multipart.Part) (url.Values, core.Upload, error) {
	command := importOf(form)
	if command.Source != "" {
		return form, core.Upload{}, refuse("source", "There is an address and a file. Give one of them.")
	}
	if err := s.service.CheckImport(r.Context(), c.Actor, command); err != nil {
		return form, core.Upload{}, err
	}
	u, err := s.upload(w, r, c, part.FileName(), part, r.ContentLength)
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(uploadStall))
	return form, u, err
}

// importOf reads the form. The password of a source may be in its address or in a field of its own.
func importOf(form url.Values) core.Import {
	c := core.Import{Create: createOf(form), Source: strings.TrimSpace(form.Get("source")), Upload: form.Get("upload"), IncompleteOK: form.Get("incomplete_ok") == "yes"}
	c.Engine, c.InitSQL = c.Create.Engine, ""
	c.Extensions = nil
	for _, x := range form["extensions"] {
		of, name, _ := strings.Cut(x, "/")
		if c.Engine == "" || c.Engine == of {
			c.Extensions = append(c.Extensions, name)
		}
	}
	if password := form.Get("source_password"); password != "" && c.Source != "" {
		if u, err := url.Parse(c.Source); err == nil && u.User != nil {
			u.User = url.UserPassword(u.User.Username(), password)
			c.Source = u.String()
		}
	}
	return c
}
