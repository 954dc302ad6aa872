package core

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/mydb-project/mydb/core/engine"
)

// Inspector looks at what runs. A process without a container runtime has none.
type Inspector interface {
	// Logs gives the last lines of an instance's server, oldest first, as it wrote them: they may hold secrets.
	Logs(ctx context.Context, instanceID string, lines int) (string, error)
}

// ErrCannotInspect is the answer of a process that has no runtime.
var ErrCannotInspect = Errorf(CodeUnavailable, "This part of MyDB has no access to the machines, so it cannot read logs. Ask an administrator to run the portal "+
	"together with a worker on a manager (mydb all), or to read the log there.")

// Limits of what is read for somebody who waits.
const (
	MaxLogLines     = 1000
	DefaultLogLines = 100
	reportLimit     = 10 * time.Second
	reportsAtOnce   = 4 // each keeps a server busy
)

// Logs are the last lines that an instance's server wrote, oldest first, with all that looks like a secret masked.
type Logs struct {
	Lines []string `json:"lines"`
}

// Logs reads the log of an instance, for its owner and administrators: it may hold what people wrote in queries. Each reading is in
// the audit trail. Errors: CodeNotFound, CodeForbidden, CodeGone, CodeUnavailable.
func (s *Service) Logs(ctx context.Context, req Request, name string, lines int) (_ Logs, err error) {
	defer s.refusing(ctx, req, "logs.read", name, &err)
	i, err := s.inspected(ctx, req.Actor, name)
	if err != nil {
		return Logs{}, err
	}
	if s.inspector == nil {
		return Logs{}, ErrCannotInspect
	}
	if err := s.auditRead(ctx, req, i, "logs.read"); err != nil {
		return Logs{}, err
	}
	text, err := s.inspector.Logs(ctx, i.ID, min(max(lines, 1), MaxLogLines))
	var known *Error
	if err != nil && !errors.As(err, &known) {
		return Logs{}, &Error{Code: CodeUnavailable, Cause: err, Message: "The log cannot be read at the moment. Try again in a minute; if it stays so, tell an administrator."}
	}
	if err != nil {
		return Logs{}, err
	}
	out := Logs{Lines: []string{}}
	if text = strings.TrimRight(MaskSecrets(text), "\n"); text != "" {
		out.Lines = strings.Split(text, "\n")
	}
	return out, nil
}

// inspected finds an instance of which somebody wants to see the inside.
func (s *Service) inspected(ctx context.Context, actor Actor, name string) (Instance, error) {
	i, err := s.Instance(ctx, actor, name)
	if err != nil {
		return i, err
	}
	if actor.onlyAudits() {
		return i, Errorf(CodeForbidden, "Auditors read what is known of a database: neither its log nor what it holds.")
	}
	if i.OwnerID != actor.ID && !actor.IsAdmin() {
		return i, Errorf(CodeForbidden, "Only %s, who owns %s, and administrators may see this.", i.Owner, i.Name)
	}
	if i.State == StateDeleted || i.State == StateFailed {
		return i, Errorf(CodeGone, "%s is %s: nothing of it is left to look at.", i.Name, i.State)
	}
	return i, nil
}

func (s *Service) auditRead(ctx context.Context, req Request, i Instance, action string) error {
	e := req.audit(OutcomeDone)
	e.Action, e.InstanceID, e.Subject = action, i.ID, i.Name
	return writeAudit(ctx, s.db, e)
}

// Report reads what an instance holds, under its owner's rights, for its owner and administrators. It takes at most ten seconds; then
// it gives what it has, marked as not complete. Errors: CodeNotFound, CodeForbidden, CodeGone, CodeBusy while it does not run,
// CodeTooMany, CodeUnavailable when the server does not answer.
func (s *Service) Report(ctx context.Context, req Request, name string) (_ engine.Report, err error) {
	defer s.refusing(ctx, req, "report.read", name, &err)
	i, err := s.inspected(ctx, req.Actor, name)
	if err != nil {
		return engine.Report{}, err
	}
	if i.State != StateReady || !i.Placed() {
		return engine.Report{}, Errorf(CodeBusy, "%s is %s. A report can be read while it is ready.", i.Name, i.State)
	}
	select {
	case s.reports <- struct{}{}:
		defer func() { <-s.reports }()
	default:
		return engine.Report{}, Errorf(CodeTooMany, "Others are having reports read right now. Try again in ten seconds.")
	}
	if err := s.auditRead(ctx, req, i, "report.read"); err != nil {
		return engine.Report{}, err
	}
	r, err := s.report(ctx, i)
	var refused *engine.RefusedError
	switch {
	case errors.As(err, &refused):
		return r, &Error{Code: CodeBusy, Message: refused.Message, Cause: err}
	case err != nil:
		return r, &Error{Code: CodeUnavailable, Cause: err, Message: fmt.Sprintf("%s did not answer in time, so there is no report. Look at its status and its log, then try again.", i.Name)}
	}
	return r, nil
}

func (s *Service) report(ctx context.Context, i Instance) (engine.Report, error) {
	e, err := s.Engine(i.Engine)
	if err != nil {
		return engine.Report{}, err
	}
	ca, err := s.Authority(ctx)
	if err != nil {
		return engine.Report{}, err
	}
	secrets, err := s.ServerSecrets(ctx, i.ID, func() (engine.Secrets, error) {
		return engine.Secrets{}, fmt.Errorf("the secrets of instance %s are lost", i.ID)
	})
	if err != nil {
		return engine.Report{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, reportLimit)
	defer cancel()
	server := engine.Server{Host: *i.Host, Port: *i.Port, CA: ca.Pool()}
	return e.Report(ctx, server, secrets, engine.Tenant{Username: i.Username, Database: i.Database, Extensions: i.Extensions})
}
