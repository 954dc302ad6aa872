package swarm

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/client"

	"github.com/mydb-project/mydb/jobs"
)

// failed wraps an error of the Docker API with what was being done. An engine that cannot be reached, and a cluster without a
// leader, become a *jobs.Problem that a retry may mend; so does a request that the engine calls invalid, which it cannot.
func failed(doing string, err error) error {
	if err == nil {
		return nil
	}
	var p *jobs.Problem
	if errors.As(err, &p) {
		return err
	}
	wrapped := fmt.Errorf("%s: %w", doing, err)
	switch {
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return wrapped
	case unreachable(err):
		return &jobs.Problem{Cause: jobs.CauseEngine, Message: messageEngine, Detail: err.Error(), Err: wrapped}
	case notManager(err):
		return &jobs.Problem{Cause: jobs.CauseEngine, Message: messageNotManager, Detail: err.Error(), Err: wrapped}
	case errdefs.IsInvalidArgument(err):
		return &jobs.Problem{Cause: jobs.CauseRefused, Message: messageRefused(err.Error()), Detail: err.Error(), Permanent: true, Err: wrapped}
	}
	return wrapped
}

// unreachable also counts a Swarm that has lost its quorum: its API answers, but can neither read nor change anything.
func unreachable(err error) bool {
	return client.IsErrConnectionFailed(err) || mentions(err.Error(),
		"does not have a leader", "manager stopped", "context deadline exceeded while dialing", "connection reset by peer", "unexpected EOF")
}

func notManager(err error) bool { return mentions(err.Error(), "not a swarm manager") }

// raced says that somebody else changed the same object between our reading and our writing: made it, updated it, or removed
// a shared config in the moment before our service came to use it. Reading again mends it.
func raced(err error) bool {
	return errdefs.IsAlreadyExists(err) || errdefs.IsConflict(err) ||
		mentions(err.Error(), "update out of sequence", "already exists", "name conflicts") ||
		mentions(err.Error(), "config") && mentions(err.Error(), "not found")
}

func inUse(err error) bool { return errdefs.IsConflict(err) || mentions(err.Error(), "in use") }

// mentions says whether text holds one of the phrases, in whatever case.
func mentions(text string, phrases ...string) bool {
	text = strings.ToLower(text)
	for _, p := range phrases {
		if strings.Contains(text, strings.ToLower(p)) {
			return true
		}
	}
	return false
}
