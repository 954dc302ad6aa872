package swarm

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/docker/docker/api/types/swarm"

	"github.com/mydb-project/mydb/jobs"
)

// diagnose reads the cause from a task's own error. It is nil for a server that started and then ended, which says something
// only when it happens again and again. Causes are asked for from the narrowest on: Swarm's scheduler reports a busy port in
// the same sentence as a full node.
func diagnose(t swarm.Task) *jobs.Problem {
	text := errorOf(t)
	p := &jobs.Problem{Detail: text}
	switch {
	case mentions(text, "address already in use", "port is already allocated", "host-mode port already in use"):
		p.Cause = jobs.CausePort
	case mentions(text, "no such image", "manifest unknown", "pull access denied", "repository does not exist"):
		p.Cause, p.Permanent = jobs.CauseImage, true
	case mentions(text, "oom", "out of memory"):
		p.Cause = jobs.CauseMemory
	case mentions(text, "insufficient resources", "no suitable node"):
		p.Cause = jobs.CauseCapacity
	case t.Status.State == swarm.TaskStateRejected:
		p.Cause = jobs.CauseRefused
	default:
		return nil
	}
	return p
}

func errorOf(t swarm.Task) string { return cmp.Or(t.Status.Err, t.Status.Message) }

// The sentences for people: what happened, and what to do. They name no node and no container, which mean nothing to a
// scientist; the engine's own words follow in brackets for whoever helps them.
const (
	messageEngine = "The container engine does not answer at the moment. Nothing is lost; MyDB tries again by itself. " +
		"If this lasts, an administrator must look at the Docker engine."
	messageNotManager = "The part of MyDB that tried this is not on a manager of the Docker Swarm. An administrator must let " +
		"a worker on a manager do it."
	messageStillThere = "The database server has not stopped yet, or its machine is not available to say so. MyDB tries again by " +
		"itself; if this lasts, an administrator must look at the machine."
	messageNoSwarm = "The Docker engine is not part of a Swarm. An administrator must run \"docker swarm init\" or join it to one."
)

func messageRefused(text string) string {
	return "The cluster refused to run the database. Ask an administrator for help" + bracket(text) + "."
}

func messageForeign(kind, name string) string {
	return fmt.Sprintf("There is a %s called %s that MyDB did not make for this database, so MyDB leaves it alone. "+
		"An administrator must rename or remove it.", kind, name)
}

func messageNodeAway(text string) string {
	return "The machine of this database is not available at the moment. Nothing is lost; ask an administrator to bring it back" +
		bracket(text) + "."
}

func messageFor(cause jobs.Cause, text string, port uint32) string {
	switch cause {
	case jobs.CauseImage:
		return "The software for this version is not on the machine and could not be fetched. Choose another version, or ask an " +
			"administrator to make the image available" + bracket(text) + "."
	case jobs.CausePort:
		return fmt.Sprintf("Another program on the machine already uses port %d, so the database cannot start. Ask an "+
			"administrator to free the port", port) + bracket(text) + "."
	case jobs.CauseMemory:
		return "The database needed more memory than its size allows and was stopped. Choose a larger size, or run smaller " +
			"queries at a time" + bracket(text) + "."
	case jobs.CauseCapacity:
		return "The machine of this database has no room left for its size. Choose a smaller size, or ask an administrator to " +
			"make room" + bracket(text) + "."
	case jobs.CauseCrashLoop:
		return "The database server keeps stopping soon after it starts. The last lines of its log say why; an administrator can " +
			"help" + bracket(text) + "."
	}
	return messageRefused(text)
}

// bracket quotes the engine's words, cut to what fits into a chat message. The end is kept, where the innermost cause stands.
func bracket(text string) string {
	const most = 200
	text = strings.Join(strings.Fields(text), " ")
	if text == "" {
		return ""
	}
	if runes := []rune(text); len(runes) > most {
		text = "…" + string(runes[len(runes)-most+1:])
	}
	return " (" + text + ")"
}
