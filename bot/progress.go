package bot

import (
	"fmt"
	"strings"
	"time"

	"github.com/mydb-project/mydb/core"
)

// verb is how an operation is talked about.
type verb struct {
	doing, done, failed string // formats; %s is the database's name
}

var verbs = map[string]verb{
	"create":           {doing: "Creating %s", done: "%s is ready", failed: "%s could not be created"},
	"restore_in_place": {doing: "Restoring %s in place", done: "%s holds the data of the backup", failed: "%s could not be restored in place"},
	"undo":             {doing: "Undoing the restore of %s", done: "%s holds what it held before", failed: "The restore of %s could not be undone"},
}

func verbOf(kind string) verb {
	if v, ok := verbs[kind]; ok {
		return v
	}
	return verb{doing: "Working on %s: " + kind, done: "%s: " + kind + " is done", failed: "%s: " + kind + " failed"}
}

// Follow tells how far an operation is: a line on the whole, then one for each step.
func Follow(op core.Operation) string {
	lines := []string{Outcome(op)}
	for _, s := range op.Steps {
		lines = append(lines, StepLine(s))
	}
	return strings.Join(lines, "\n")
}

// Outcome tells in one line where an operation is, and why it failed if it did.
func Outcome(op core.Operation) string {
	v := verbOf(op.Kind)
	switch op.State {
	case core.OperationDone:
		return fmt.Sprintf(v.done, op.Database) + took(op) + "."
	case core.OperationFailed:
		out := fmt.Sprintf(v.failed, op.Database) + "."
		if op.Error != nil {
			out += " " + clip(oneLine(op.Error.Message), 600)
		}
		return out
	case core.OperationCancelled:
		return fmt.Sprintf(v.doing, op.Database) + " was cancelled."
	case core.OperationQueued:
		return fmt.Sprintf(v.doing, op.Database) + " is about to begin."
	}
	return fmt.Sprintf(v.doing, op.Database) + " ..."
}

// took counts from the request, because that is how long the person waited.
func took(op core.Operation) string {
	if op.FinishedAt == nil {
		return ""
	}
	return " after " + seconds(op.FinishedAt.Sub(op.CreatedAt))
}

// StepLine tells how one step is doing.
func StepLine(s core.Step) string {
	mark := map[string]string{"running": "…", "done": "✓", "failed": "✗"}[s.State]
	out := mark + " " + s.Name
	if s.FinishedAt != nil {
		out += " (" + seconds(s.FinishedAt.Sub(s.StartedAt)) + ")"
	}
	if s.Detail != "" {
		out += ": " + clip(oneLine(s.Detail), 200)
	}
	return out
}

// seconds writes a short time with a tenth of a second, and a long one in minutes.
func seconds(d time.Duration) string {
	if d < time.Minute {
		return fmt.Sprintf("%.1f s", max(d, 0).Seconds())
	}
	return fmt.Sprintf("%d min %d s", int(d.Minutes()), int(d.Seconds())%60)
}
