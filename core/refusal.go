package core

import (
	"context"
	"errors"
	"slices"
	"strings"
)

// refusals are the codes of errors that say that somebody must not have something. Mistakes in a request, and what is busy, are not kept.
var refusals = []Code{CodeForbidden, CodeNotFound, CodeQuota}

// keepRefusal records that a command was refused.
func (s *Service) keepRefusal(ctx context.Context, req Request, refused error) {
	about := ""
	if on, ok := req.Command.(interface{ subject() string }); ok {
		about, _, _ = strings.Cut(on.subject(), "/")
	}
	s.noteRefusal(ctx, req, req.Command.action(), about, refused)
}

// noteRefusal records that somebody was refused an action on what they call about. What cannot be recorded is logged: the answer stays.
func (s *Service) noteRefusal(ctx context.Context, req Request, action, about string, refused error) {
	var e *Error
	if !errors.As(refused, &e) || !slices.Contains(refusals, e.Code) || req.Actor.ID == "" {
		return
	}
	entry := req.audit(OutcomeRefused)
	entry.Action, entry.Subject = action, clip(about)
	entry.Data = map[string]any{"code": e.Code, "reason": e.Message}
	s.meant(ctx, &entry)
	if err := writeAudit(ctx, s.db, entry); err != nil {
		s.log.Error("a refusal could not be recorded", "error", err)
	}
}

// refusing is noteRefusal for what is no command, to be deferred.
func (s *Service) refusing(ctx context.Context, req Request, action, about string, err *error) {
	if *err != nil {
		s.noteRefusal(ctx, req, action, about, *err)
	}
}

// meant finds the instance that a refusal is about: by its name or id, or by the id of an approval. There may be none.
func (s *Service) meant(ctx context.Context, e *AuditEntry) {
	if e.Subject == "" {
		return
	}
	var id, name string
	err := s.db.QueryRow(ctx, `select i.id, i.name from instances i where i.name = $1 or i.id = $1 or i.id = (select instance_id from approvals where id = $1)
		order by i.ended_at is null desc, i.id desc limit 1`, e.Subject).Scan(&id, &name)
	if err != nil {
		return // there is no such thing, or the database is away, which the writing tells
	}
	if e.Subject != name && e.Subject != id {
		e.Data["approval"] = e.Subject
	}
	e.InstanceID, e.Subject = id, name
}
