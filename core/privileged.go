package core

import (
	"context"
	"slices"
)

// Being an administrator, and deciding what others ask for, rests on what the directory has said of somebody. An answer holds for
// knownFor; after that it is asked again at the moment of the act. While it does not answer, an administrator goes on with what is their
// own as anybody does, and what only an administrator may do is refused with the reason.

// privileged makes sure of an actor who acts as an administrator, or decides. Errors: CodeUnavailable for a decision while the directory
// does not answer, CodeForbidden for somebody whom it does not let in any more.
func (s *Service) privileged(ctx context.Context, req Request) (Request, error) {
	_, decides := req.Command.(Decide)
	if s.lookup == nil || req.Actor.ID == "" || req.Actor.ID == systemPerson || !decides && !req.Actor.IsAdmin() {
		return req, nil
	}
	if at := req.Actor.AnsweredAt; at != nil && s.now().Sub(*at).Abs() < knownFor {
		return req, nil
	}
	p, gone, err := s.ask(ctx, req.Actor.Person)
	switch {
	case err != nil:
		s.log.Warn("the directory could not be asked about who acts", "login", req.Actor.Login, "error", err)
		req.unsure = &Error{Code: CodeUnavailable, Cause: err, Message: "The directory does not answer, and only it knows whether you may still do this. " +
			"Try again when it does. What you own yourself you use as always."}
	case gone != "":
		req.unsure = Errorf(CodeForbidden, "The directory does not let you in any more, so you cannot do this. Ask those who keep it.")
	default:
		req.Actor.Person = p
		return req, nil
	}
	if decides {
		return req, req.unsure
	}
	req.Actor.Admin, req.Actor.Auditor = false, false
	return req, nil
}

// sure is privileged for what only administrators do.
func (s *Service) sure(ctx context.Context, req *Request) (err error) {
	if *req, err = s.privileged(ctx, *req); err == nil {
		err = req.unsure
	}
	return err
}

// unsure gives the reason for a refusal that somebody gets only because the directory was not sure of them.
func unsure(req Request, err error) error {
	if req.unsure != nil && slices.Contains([]Code{CodeForbidden, CodeNotFound}, CodeOf(err)) {
		return req.unsure
	}
	return err
}
