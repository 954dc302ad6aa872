package portal

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"strings"
	"time"
)

// The folder may lack static/vendor, which the build copies from npm packages: the pages work without it.
//
//go:embed all:static
var staticEmbedded embed.FS

// staticFiles are served under addresses that change with their content, so that browsers may keep them for good.
type staticFiles struct {
	byName map[string]staticFile
}

type staticFile struct {
	content []byte
	hash    string
	mime    string
}

func loadStatic() (*staticFiles, error) {
	files := &staticFiles{byName: map[string]staticFile{}}
	err := fs.WalkDir(staticEmbedded, "static", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.HasPrefix(d.Name(), ".") {
			return err
		}
		content, err := staticEmbedded.ReadFile(name)
		if err != nil {
			return err
		}
		sum := sha256.Sum256(content)
		kind := mime.TypeByExtension(path.Ext(name))
		if kind == "" {
			kind = "application/octet-stream"
		}
		files.byName[strings.TrimPrefix(name, "static/")] = staticFile{content, hex.EncodeToString(sum[:8]), kind}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read the static files: %w", err)
	}
	return files, nil
}

func (f *staticFiles) has(name string) bool {
	_, ok := f.byName[name]
	return ok
}

// address is where a page finds a file.
func (f *staticFiles) address(name string) (string, error) {
	file, ok := f.byName[name]
	if !ok {
		return "", fmt.Errorf("there is no static file %s", name)
	}
	return "/static/" + name + "?v=" + file.hash, nil
}

func (s *Server) serveStatic(w http.ResponseWriter, r *http.Request) {
	file, ok := s.pages.static.byName[strings.TrimPrefix(r.URL.Path, "/static/")]
	if !ok {
		s.notFound(w, r)
		return
	}
	h := w.Header()
	h.Set("Content-Type", file.mime)
	h.Set("ETag", `"`+file.hash+`"`)
	h.Set("Cache-Control", "no-cache")
	if r.URL.Query().Get("v") == file.hash {
		h.Set("Cache-Control", "public, max-age=31536000, immutable")
	}
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(file.content))
}
