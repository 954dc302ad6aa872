package core

import (
	"errors"
	"fmt"
	"log/slog"

	"github.com/rs/xid"
)

// Code classes an error for programs. Doors map it to what their protocol knows.
type Code string

// The codes. See Error for what comes with them.
const (
	CodeInvalid         Code = "invalid"         // the request breaks a rule; Field says where
	CodeUnauthenticated Code = "unauthenticated" // nobody is logged in, or the token is no good
	CodeForbidden       Code = "forbidden"
	CodeNotFound        Code = "not_found" // also for what is not the caller's to see
	CodeTaken           Code = "taken"     // somebody has the name
	CodeBusy            Code = "busy"      // another operation is under way, or it is too early
	CodeQuota           Code = "quota"     // a limit of the site; who asks can make room, or somebody raise it
	CodeKeyReused       Code = "key_reused"
	CodeGone            Code = "gone"
	CodeTooLarge        Code = "too_large"
	CodeTooMany         Code = "too_many" // slow down
	CodeUnavailable     Code = "unavailable"
	CodeInternal        Code = "internal"
)

// Error is an error with a sentence for the person who asked: what happened and what to do. Cause is for the log.
type Error struct {
	Code    Code
	Message string
	Field   string // of the request, for CodeInvalid
	Cause   error
}

func (e *Error) Error() string {
	if e.Cause != nil {
		return fmt.Sprintf("%s: %s (%v)", e.Code, e.Message, e.Cause)
	}
	return fmt.Sprintf("%s: %s", e.Code, e.Message)
}

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Cause }

// Errorf makes an Error with a sentence for the person.
func Errorf(code Code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

func invalid(field, format string, args ...any) *Error {
	return &Error{Code: CodeInvalid, Field: field, Message: fmt.Sprintf(format, args...)}
}

// CodeOf is the code of any error; unknown ones are internal.
func CodeOf(err error) Code {
	var e *Error
	if errors.As(err, &e) {
		return e.Code
	}
	return CodeInternal
}

// Explanation is the face that an error shows to a person or a program.
type Explanation struct {
	Code      Code   `json:"code"`
	Message   string `json:"message"`
	Field     string `json:"field,omitempty"`
	Reference string `json:"reference,omitempty"` // found in the log, for internal errors
}

// Explain turns any error into what may be shown. An error that is not ours is logged under a new reference, and only the
// reference is shown.
func Explain(log *slog.Logger, err error) Explanation {
	var e *Error
	if errors.As(err, &e) && e.Code != CodeInternal {
		return Explanation{Code: e.Code, Message: e.Message, Field: e.Field}
	}
	if isUnreachable(err) {
		log.Warn("the metadata database does not answer", "error", err)
		return Explanation{Code: CodeUnavailable, Message: "MyDB cannot reach its own database right now. Try again in a minute; what did get through is not done twice."}
	}
	reference := xid.New().String()
	log.Error("internal error", "reference", reference, "error", err)
	return Explanation{
		Code: CodeInternal, Reference: reference,
		Message: "internal error, reference " + reference + ". Tell an administrator this reference; nothing was lost.",
	}
}
