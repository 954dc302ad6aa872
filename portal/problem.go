package portal

import (
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/mydb-project/mydb/core"
)

// statuses maps the codes of core to HTTP. A code that is missing here is a mistake of ours, so it becomes 500.
var statuses = map[core.Code]int{
	core.CodeInvalid:         http.StatusBadRequest,
	core.CodeUnauthenticated: http.StatusUnauthorized,
	core.CodeForbidden:       http.StatusForbidden,
	core.CodeNotFound:        http.StatusNotFound,
	core.CodeTaken:           http.StatusConflict,
	core.CodeQuota:           http.StatusConflict,
	core.CodeBusy:            http.StatusConflict,
	core.CodeKeyReused:       http.StatusConflict,
	core.CodeGone:            http.StatusGone,
	core.CodeTooLarge:        http.StatusRequestEntityTooLarge,
	core.CodeTooMany:         http.StatusTooManyRequests,
	core.CodeUnavailable:     http.StatusServiceUnavailable,
	core.CodeInternal:        http.StatusInternalServerError,
}

// retryUnavailable is how long a client should wait before it asks again for what could not be had.
const retryUnavailable = 10 * time.Second

// maxMessage bounds, in characters, what is said about an error.
const maxMessage = 1500

// problem is an error that only HTTP knows, with its own status or the time after which to try again.
type problem struct {
	err    *core.Error
	status int           // 0: the code's
	after  time.Duration // 0: the code's
}

func (p *problem) Error() string { return p.err.Error() }
func (p *problem) Unwrap() error { return p.err }

// answer is how an error is shown.
type answer struct {
	core.Explanation
	status int
	after  time.Duration
}

// explain turns any error into an answer, and logs what is not the person's to know.
func (s *Server) explain(r *http.Request, err error) answer {
	var tooLong *http.MaxBytesError
	if errors.As(err, &tooLong) {
		err = core.Errorf(core.CodeTooLarge, "The request is larger than %d KiB. Send less at once.", tooLong.Limit>>10)
	}
	a := answer{Explanation: core.Explain(s.logOf(r), err)}
	a.Message = short(a.Message, maxMessage) // some repeat what they refuse, however long it is
	var p *problem
	if errors.As(err, &p) {
		a.status, a.after = p.status, p.after
	}
	if a.status == 0 {
		a.status = statuses[a.Code]
	}
	if a.status == 0 {
		a.status = http.StatusInternalServerError
	}
	if a.after == 0 && a.Code == core.CodeUnavailable {
		a.after = retryUnavailable
	}
	return a
}

// setHeaders sets what belongs to the status. It must come before WriteHeader.
func (a answer) setHeaders(h http.Header) {
	if a.after > 0 {
		h.Set("Retry-After", strconv.Itoa(int((a.after+time.Second-1)/time.Second)))
	}
	h.Set("Cache-Control", "no-store")
}
