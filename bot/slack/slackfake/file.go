package slackfake

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// File is a file that was shared.
type File struct {
	ID      string `json:"id"`
	Name    string `json:"name"`
	Title   string `json:"title"`
	Alt     string `json:"alt_txt,omitempty"`
	Type    string `json:"mimetype"`
	Content []byte `json:"-"`
}

// file is one on its way: it gets an address, is uploaded there, and is shared.
type file struct {
	File
	length   int
	uploaded bool
	done     bool
}

func (file File) describe(f *Fake) object {
	return object{
		"id": file.ID, "name": file.Name, "title": file.Title, "mimetype": file.Type, "size": len(file.Content), "alt_txt": file.Alt,
		"user": BotUserID, "url_private": f.base + "/files/" + file.ID, "permalink": f.base + "/files/" + file.ID,
	}
}

// uploadURL is files.getUploadURLExternal.
func (f *Fake) uploadURL(a args) (object, error) {
	length, err := strconv.Atoi(a["length"])
	if a["filename"] == "" || err != nil || length < 1 || utf8.RuneCountInString(a["alt_txt"]) > 1000 {
		return nil, refuse("invalid_arguments")
	}
	id := f.id("F")
	f.files = append(f.files, &file{File: File{ID: id, Name: a["filename"], Title: a["filename"], Alt: a["alt_txt"]}, length: length})
	return object{"upload_url": f.base + "/upload/" + id, "file_id": id}, nil
}

func (f *Fake) serveUpload(w http.ResponseWriter, r *http.Request) {
	body := readBody(r)
	content := uploaded(r.Header.Get("Content-Type"), body)
	f.serve(w, r, Call{Method: "upload", Body: body}, func() (any, error) {
		file := f.file(r.PathValue("file"))
		if file == nil || file.uploaded {
			return nil, &apiError{code: "file_not_found", status: http.StatusNotFound}
		}
		if len(content) != file.length {
			return nil, &apiError{code: "wrong_length", status: http.StatusBadRequest}
		}
		file.Content, file.uploaded = content, true
		file.Type = http.DetectContentType(content)
		return fmt.Sprintf("OK - %d", len(content)), nil
	})
}

// uploaded is the file in a multipart form or in a plain body; Slack takes both.
func uploaded(contentType string, body []byte) []byte {
	kind, params, err := mime.ParseMediaType(contentType)
	if err != nil || kind != "multipart/form-data" {
		return body
	}
	for parts := multipart.NewReader(bytes.NewReader(body), params["boundary"]); ; {
		part, err := parts.NextPart()
		if err != nil {
			return nil
		}
		if part.FileName() == "" {
			continue
		}
		content, err := io.ReadAll(part)
		if err != nil {
			return nil
		}
		return content
	}
}

func (f *Fake) file(id string) *file {
	i := slices.IndexFunc(f.files, func(one *file) bool { return one.ID == id })
	if i < 0 {
		return nil
	}
	return f.files[i]
}

// completeUpload is files.completeUploadExternal: it shares files in a channel or a thread as one message.
func (f *Fake) completeUpload(a args) (object, error) {
	var wanted []struct{ ID, Title string }
	if err := json.Unmarshal(a.raw("files"), &wanted); err != nil || len(wanted) == 0 {
		return nil, refuse("invalid_arguments")
	}
	var shared []File
	var answer []object
	for _, w := range wanted {
		file := f.file(w.ID)
		if file == nil || file.done || !file.uploaded {
			return nil, refuse("file_not_found")
		}
		file.Title = cmp.Or(w.Title, file.Title)
		shared = append(shared, file.File)
		answer = append(answer, object{"id": file.ID, "title": file.Title})
	}
	channels := slices.DeleteFunc(strings.Split(cmp.Or(a["channel_id"], a["channels"]), ","), func(s string) bool { return s == "" })
	for _, id := range channels {
		if err := f.share(id, shared, a); err != nil {
			return nil, err
		}
	}
	for _, w := range wanted {
		f.file(w.ID).done = true
	}
	return object{"files": answer}, nil
}

func (f *Fake) share(id string, files []File, a args) error {
	c := f.channel(id) // users' ids are refused here
	if c == nil || c.room.Private && !c.bot || c.room.Archived {
		return refuse("invalid_channel")
	}
	if !c.bot {
		return refuse("posting_to_channel_denied")
	}
	m := Message{User: BotUserID, BotID: BotID, Text: a["initial_comment"], ThreadTS: a["thread_ts"], Files: files}
	if given := a["blocks"]; given != "" && m.Text == "" {
		blocks, err := f.content("", json.RawMessage(given), maxText)
		if err != nil {
			return err
		}
		m.RawBlocks = blocks
	}
	if m.ThreadTS != "" && c.message(m.ThreadTS) == nil {
		return refuse("invalid_thread_ts")
	}
	f.hears(c, c.add(m), nil)
	return nil
}

// serveFile gives a shared file to a browser, or to an app that shows its token.
func (f *Fake) serveFile(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	file := f.file(r.PathValue("file"))
	if file == nil || !file.done {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", file.Type)
	_, _ = w.Write(file.Content)
}
