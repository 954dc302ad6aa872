package portal

import (
	"context"
	"io"
	"mime"
	"net/http"
	"time"

	"github.com/mydb-project/mydb/core"
)

// How long a sender of a file may send nothing at all, and how long all of it may take.
const (
	uploadStall = time.Minute
	uploadLimit = 12 * time.Hour
)

type uploadList struct {
	Items []core.Upload `json:"items"`
}

// fileBody is a file as the body of a request.
type fileBody struct {
	Name string `query:"name" maxLength:"100" description:"The file's name, for people"`
	File string `contentType:"application/octet-stream" format:"binary"`
}

// importEndpoints is the part of the API's table that brings databases in.
func (s *Server) importEndpoints() []endpoint {
	const get, post = http.MethodGet, http.MethodPost
	return []endpoint{
		{
			method: post, path: "/imports", id: "importDatabase", summary: "Make a new database of one from outside",
			about: "Of a source on a network that the site allows, or of an upload. Everything runs as the new database's owner. It is done when every table " +
				"has as many rows as in the source, as far as that could be counted; a failure leaves nothing. The source's password is kept, sealed, until the operation ends.",
			in: []any{idempotencyKey{}, core.Import{}}, out: core.Receipt{}, status: http.StatusAccepted,
			errors: []int{400, 403, 409, 413, 415, 503}, handle: s.apiImport,
		},
		{
			method: post, path: "/imports/uploads", id: "uploadDump", summary: "Upload a dump to be imported",
			about: "The body is the file: what pg_dump (SQL, custom, tar), mariadb-dump or mongodump --archive write, plain or packed with gzip, zstd or bzip2. " +
				"It is recognised by its content, kept sealed for a day, and goes when it was imported.",
			query: []string{"name"}, in: []any{fileBody{}}, out: core.Upload{}, status: http.StatusCreated,
			errors: []int{400, 403, 409, 413, 415, 503}, handle: s.apiUpload,
		},
		{
			method: get, path: "/imports/uploads", id: "listUploads", summary: "One's own uploads that wait to be imported",
			out: uploadList{}, status: http.StatusOK, errors: []int{403}, handle: s.apiUploads,
		},
		{
			method: http.MethodDelete, path: "/imports/uploads/{id}", id: "removeUpload", summary: "Remove one of one's own uploads",
			in: []any{idPath{}}, status: http.StatusNoContent, errors: []int{403, 404, 409}, handle: s.apiRemoveUpload,
		},
	}
}

func (s *Server) apiImport(w http.ResponseWriter, r *http.Request, c call) error {
	var command core.Import
	if err := decode(w, r, &command); err != nil {
		return err
	}
	c.Command = command
	return s.doJSON(w, r, c)
}

func (s *Server) apiUpload(w http.ResponseWriter, r *http.Request, c call) error {
	if media, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); media == "multipart/form-data" {
		return &problem{status: http.StatusUnsupportedMediaType, err: refuse("Content-Type", "Send the file itself as the body, such as with curl --upload-file, and not a form.")}
	}
	u, err := s.upload(w, r, c, r.URL.Query().Get("name"), r.Body, r.ContentLength)
	if err != nil {
		return err
	}
	s.writeJSON(w, http.StatusCreated, u)
	return nil
}

// upload takes a file for as long as its sender goes on sending. What is not read of a file that was refused is left unread.
func (s *Server) upload(w http.ResponseWriter, r *http.Request, c call, name string, file io.Reader, size int64) (core.Upload, error) {
	control := http.NewResponseController(w)
	ctx, cancel := context.WithTimeout(r.Context(), uploadLimit)
	defer cancel()
	stopped := context.AfterFunc(s.streams, cancel)
	defer stopped()
	cut := context.AfterFunc(ctx, func() { _ = control.SetReadDeadline(time.Now()) }) // ends a read that waits
	defer cut()
	return s.service.Upload(ctx, c.Request, short(plain(name), 100), &patientReader{ctx, file, control}, max(size, 0))
}

// patientReader waits for a sender that is slow, and not for one that sends nothing any more.
type patientReader struct {
	ctx     context.Context //nolint:containedctx // of one request
	r       io.Reader
	control *http.ResponseController
}

func (p *patientReader) Read(b []byte) (int, error) {
	_ = p.control.SetReadDeadline(time.Now().Add(uploadStall))
	if err := p.ctx.Err(); err != nil {
		return 0, err
	}
	return p.r.Read(b)
}

func (s *Server) apiUploads(w http.ResponseWriter, r *http.Request, c call) error {
	list, err := s.service.Uploads(r.Context(), c.Actor)
	if err != nil {
		return err
	}
	s.writeJSON(w, http.StatusOK, uploadList{Items: append([]core.Upload{}, list...)})
	return nil
}

func (s *Server) apiRemoveUpload(w http.ResponseWriter, r *http.Request, c call) error {
	if err := s.service.RemoveUpload(r.Context(), c.Request, c.item); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}
