package portal

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"github.com/mydb-project/mydb/core"
)

// defaultStall is for how long a client of a download may take nothing at all.
const defaultStall = time.Minute

// sendDownload sends a backup for as long as its client takes it. When something goes wrong on the way, the connection is cut: nobody
// takes a part for the whole.
func (s *Server) sendDownload(w http.ResponseWriter, r *http.Request, c call, part string) error {
	control := http.NewResponseController(w)
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	stopped := context.AfterFunc(s.streams, cancel)
	defer stopped()
	d, err := s.openDownload(ctx, r, c, part)
	if err != nil {
		return err
	}
	cut := context.AfterFunc(ctx, func() { _ = control.SetWriteDeadline(time.Now()) }) // ends a write that waits
	defer cut()
	begun, err := d.Send(ctx, c.Request, &patientWriter{ctx, w, control, s.stall}, func() {
		h := w.Header()
		h.Set("Content-Type", d.Type)
		h.Set("Content-Disposition", `attachment; filename="`+d.Name+`"`)
		h.Set("Content-Length", strconv.FormatInt(d.Size, 10))
		h.Set("Cache-Control", "no-store")
		h.Set("Accept-Ranges", "none")
		h.Set("X-Accel-Buffering", "no") // nginx would write it to its disk
		w.WriteHeader(http.StatusOK)
	})
	if !begun {
		return err
	}
	if err != nil {
		s.logOf(r).Warn("a download broke off", "link", d.Link.ID, "error", err)
		if ctx.Err() == nil {
			panic(http.ErrAbortHandler)
		}
		return nil // less than Content-Length was written, so the connection is closed
	}
	_ = control.SetWriteDeadline(time.Time{}) // the connection may carry another request
	return nil
}

// openDownload is what comes before the stream, and is as patient as with every other request.
func (s *Server) openDownload(ctx context.Context, r *http.Request, c call, part string) (*core.Download, error) {
	ctx, cancel := context.WithTimeout(ctx, s.patience)
	defer cancel()
	return s.service.OpenDownload(ctx, c.Request, tokenOf(r), part)
}

// patientWriter waits for a client that is slow, and not for one that takes nothing any more.
type patientWriter struct {
	ctx     context.Context //nolint:containedctx // of one answer
	w       http.ResponseWriter
	control *http.ResponseController
	stall   time.Duration
}

func (p *patientWriter) Write(b []byte) (int, error) {
	_ = p.control.SetWriteDeadline(time.Now().Add(p.stall))
	if err := p.ctx.Err(); err != nil {
		return 0, err
	}
	return p.w.Write(b)
}
