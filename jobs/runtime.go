package jobs

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/mydb-project/mydb/core"
	"github.com/mydb-project/mydb/core/engine"
)

// Runtime runs instances as containers. jobs/swarm is the one that people's data lives on. Every method is idempotent: it may
// be repeated after a crash anywhere, finds what exists by deterministic name and label, and goes on. Errors that a retry
// cannot mend are a *Problem with Permanent set.
type Runtime interface {
	// Self says which node this process is on, and whether it may use the cluster's API (a manager).
	Self(ctx context.Context) (Node, error)
	// Nodes lists the nodes that can run instances, with what is free on them.
	Nodes(ctx context.Context) ([]Node, error)
	// FreeDisk tells how many bytes the volumes of the node that this process is on may still grow by together. known is false where that
	// cannot be seen.
	FreeDisk(ctx context.Context) (bytes int64, known bool, err error)
	// Ensure makes the instance's secret, configs and service exist as the spec says, on the spec's node. It does not wait for
	// the server. A service whose spec differs is updated, stop-first; its volume is kept.
	Ensure(ctx context.Context, spec Spec) error
	// Status tells how the instance's current task is doing, without waiting. An absent instance has state TaskAbsent.
	Status(ctx context.Context, instanceID string) (Status, error)
	// Remove removes the service and waits until its containers have gone, then the secret and configs that nothing else uses.
	// The volume stays. Absent is success.
	Remove(ctx context.Context, instanceID string) error
	// RemoveVolume removes the instance's volume from the node that this process is on. It refuses a volume without our label
	// for that instance. Absent is success.
	RemoveVolume(ctx context.Context, instanceID string) error
	// RemoveGeneration removes the volume of one generation of an instance from the node that this process is on, and what is left there of
	// containers that used it. It refuses a volume without our label for that instance, and waits while a server runs on it, for as long as
	// ctx allows. Absent is success.
	RemoveGeneration(ctx context.Context, instanceID string, generation int) error
	// List tells of everything in the cluster that bears an instance's label, and which nodes take tasks.
	List(ctx context.Context) (core.Cluster, error)
	// Volumes lists the volumes with an instance's label on the node that this process is on.
	Volumes(ctx context.Context) ([]core.ClusterThing, error)
	// Logs gives the last lines that the instance's server wrote, oldest first, as it wrote them: they may hold secrets. At the end of
	// ctx it gives what there is. An absent instance has none.
	Logs(ctx context.Context, instanceID string, lines int) (string, error)
	// ReadSecret gives the content of the file with an instance's secret, as its running container on this node has it.
	ReadSecret(ctx context.Context, instanceID, path string) ([]byte, error)
	// Tool runs a tool in a container on the node that this process is on, with that node's network, until it ends. The container is
	// gone afterwards. Errors: *engine.ToolError for an exit code that is not 0; the error of the writer or reader that failed.
	Tool(ctx context.Context, t ToolSpec) error
	// Scratch runs a server on this node that is no instance: it is not published beyond the node, and nothing starts it again. It
	// gives the port on the loopback interface, and does not wait for the server.
	Scratch(ctx context.Context, s ScratchSpec) (port int, err error)
	// Retire stops the scratch servers of an operation on this node as an instance's would be stopped, and removes them. clean says that each
	// has ended by itself, and in good order, within the time that it was given. Absent is success, and clean.
	Retire(ctx context.Context, operationID string, grace time.Duration) (clean bool, err error)
	// Sweep removes tools and scratch servers of an operation from this node, with their volumes that have no name. Absent is success.
	Sweep(ctx context.Context, operationID string) error
	// Leftovers lists the operations that tools and scratch servers on this node are of.
	Leftovers(ctx context.Context) (operationIDs []string, err error)
}

// ToolSpec is a tool to be run for an operation. Stdin and Stdout may be nil. PHI says that it works on health data about persons.
type ToolSpec struct {
	OperationID string
	PHI         bool
	Image       string
	Tool        engine.Tool
	Stdin       io.Reader
	Stdout      io.Writer
}

// ScratchSpec is a throw-away server for an operation.
type ScratchSpec struct {
	OperationID string
	PHI         bool // it holds health data about persons
	Engine      string
	Size        engine.Size
	Recipe      engine.Recipe
	Secret      []byte
	// InstanceID and Generation name a volume of an instance for its data, which stays when the server goes, and is made and labelled as
	// Ensure would. Zero: a volume without a name, which goes with the server.
	InstanceID string
	Generation int
}

// Node is a machine of the cluster. CPU counts cores, memory is in bytes; the free amounts are what no service has reserved.
type Node struct {
	ID         string
	Name       string
	Addr       string // where the ports published on it can be reached
	Manager    bool
	FreeCPU    float64
	FreeMemory int64
	Instances  []string // ids of the instances that have set something aside on it
}

// Spec is one instance as the runtime should run it.
type Spec struct {
	InstanceID string
	Name       string // the instance's name, for a label that helps people; may change without a restart
	Engine     string
	Generation int // counts exchanges of the volume, from 1; the volume is named mydb-<id>-g<generation>
	NodeID     string
	Port       int // published on the node
	Size       engine.Size
	Recipe     engine.Recipe
	Secret     []byte // content of the secret at Recipe.SecretPath
	// SecretVersion counts the contents that the secret has had, from 0. Another one is another secret, with which the task is restarted.
	SecretVersion int
	Restarts      int  // another number than before restarts the task
	Stopped       bool // the service stays, and no task runs
}

// TaskState is the state of an instance's current task, as far as MyDB cares.
type TaskState string

// The states of a task. Only the port tells whether the server answers: a health check delays Running by its interval.
const (
	TaskAbsent   TaskState = "absent"   // there is no service
	TaskPending  TaskState = "pending"  // not placed yet
	TaskStarting TaskState = "starting" // placed, image or container being prepared, or health check not yet passed
	TaskRunning  TaskState = "running"
	TaskStopping TaskState = "stopping" // told to stop, and not gone yet
	TaskStopped  TaskState = "stopped"  // there is a service, it wants no task, and none is left
	TaskFailing  TaskState = "failing"  // the last task ended by itself; the orchestrator will try again
)

// Status is how an instance's current task is doing. Problem is nil while nothing speaks against it. Settled says that the task is
// of the spec that was ensured last, and that no task of an earlier one is left, which might still answer.
type Status struct {
	State   TaskState
	Settled bool
	NodeID  string
	Problem *Problem
}

// Cause says why a runtime cannot run an instance.
type Cause string

// The causes that a person or the worker can do something about.
const (
	CauseImage     Cause = "image"      // the image is missing and cannot be pulled
	CausePort      Cause = "port"       // something else on the node holds the port
	CauseMemory    Cause = "memory"     // killed for using more memory than its limit
	CauseCapacity  Cause = "capacity"   // no node has room, or the pinned node is gone
	CauseCrashLoop Cause = "crash_loop" // the server ended again and again
	CauseEngine    Cause = "engine"     // the container engine did not answer
	CauseData      Cause = "data"       // the instance's data is not where it should be
	CauseRefused   Cause = "refused"    // anything else the orchestrator refused
)

// Problem is why a runtime cannot run an instance, in a sentence for the person. Detail holds what a person may want to read
// next: the task's own error, and the last lines of the server's log for a crash loop.
type Problem struct {
	Cause     Cause
	Message   string
	Detail    string
	Permanent bool // a retry cannot mend it
	Err       error
}

func (p *Problem) Error() string {
	if p.Err != nil {
		return fmt.Sprintf("%s: %v", p.Message, p.Err)
	}
	return p.Message
}

// Unwrap gives the cause below.
func (p *Problem) Unwrap() error { return p.Err }
