package swarm

import (
	"bytes"
	"context"
	"io"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/mount"
	"github.com/docker/docker/api/types/swarm"
	"github.com/docker/docker/pkg/stdcopy"

	"github.com/mydb-project/mydb/jobs"
)

const (
	// Swarm keeps the last five tasks of an instance, so that three ends can still be counted.
	crashLoopEnds   = 3
	crashLoopWindow = 5 * time.Minute
	// A server that has run for this long has got over what ended its predecessors.
	settledAfter = 30 * time.Second

	logLines = 15
	// The lines come from the task's node, which may be slow or gone; a diagnosis without them is better than none.
	logTimeout = 3 * time.Second
	logBytes   = 64 << 10
)

// Status implements jobs.Runtime.
func (r *Runtime) Status(ctx context.Context, instanceID string) (jobs.Status, error) {
	name := ServiceName(instanceID)
	service, _, err := r.docker.ServiceInspectWithRaw(ctx, name, swarm.ServiceInspectOptions{})
	if errdefs.IsNotFound(err) {
		return jobs.Status{State: jobs.TaskAbsent}, nil
	}
	if err != nil {
		return jobs.Status{}, failed("inspect service "+name, err)
	}
	tasks, err := r.tasks(ctx, instanceID)
	if err != nil {
		return jobs.Status{}, failed("list tasks of "+name, err)
	}
	if wantsNone(service) {
		return stopping(tasks), nil
	}
	if len(tasks) == 0 {
		return jobs.Status{State: jobs.TaskPending}, nil
	}
	out := jobs.Status{State: jobs.TaskPending} // Swarm has not made the task yet that the service wants now
	var last *swarm.Task
	if current(tasks[0], service) {
		out, last = r.judge(tasks), lastEnded(tasks)
	}
	out.NodeID, out.Settled = tasks[0].NodeID, settled(tasks, service)
	if out.State == jobs.TaskPending && leaving(tasks) && !r.nodeAway(ctx, service) {
		out.Problem = nil // it waits for its predecessor's port and memory
	}
	r.explain(ctx, &out, last, service)
	return out, nil
}

// tasks lists an instance's tasks, the newest first. They are found by name, which works after the service has gone.
func (r *Runtime) tasks(ctx context.Context, instanceID string) ([]swarm.Task, error) {
	name := ServiceName(instanceID)
	// The engine takes the name for a prefix; the dot keeps out services whose name only begins alike.
	tasks, err := r.docker.TaskList(ctx, swarm.TaskListOptions{Filters: filters.NewArgs(filters.Arg("name", name+"."))})
	if err != nil {
		return nil, err
	}
	slices.SortStableFunc(tasks, func(a, b swarm.Task) int { return b.CreatedAt.Compare(a.CreatedAt) })
	return tasks, nil
}

func wantsNone(s swarm.Service) bool {
	replicated := s.Spec.Mode.Replicated
	return replicated != nil && replicated.Replicas != nil && *replicated.Replicas == 0
}

func stopping(tasks []swarm.Task) jobs.Status {
	if slices.ContainsFunc(tasks, func(t swarm.Task) bool { return !ended(t) }) {
		return jobs.Status{State: jobs.TaskStopping, NodeID: tasks[0].NodeID}
	}
	return jobs.Status{State: jobs.TaskStopped, Settled: true}
}

// settled says that the newest task is what the service wants now, and that all before it have ended.
func settled(tasks []swarm.Task, service swarm.Service) bool {
	return current(tasks[0], service) && !ended(tasks[0]) && !slices.ContainsFunc(tasks[1:], func(t swarm.Task) bool { return !ended(t) })
}

// current says that a task is what the service wants now. For a moment after an update, the newest task is still of the spec before, and
// how it ended says nothing about what comes.
func current(t swarm.Task, service swarm.Service) bool {
	want, have := service.Spec.TaskTemplate, t.Spec
	return have.ForceUpdate == want.ForceUpdate && reflect.DeepEqual(have.Resources, want.Resources) && reflect.DeepEqual(mountsOf(have), mountsOf(want))
}

// leaving says that a task of an earlier spec has been told to end and has not yet.
func leaving(tasks []swarm.Task) bool {
	return slices.ContainsFunc(tasks[1:], func(t swarm.Task) bool { return t.DesiredState == swarm.TaskStateShutdown && !ended(t) })
}

func mountsOf(t swarm.TaskSpec) []mount.Mount {
	if t.ContainerSpec == nil {
		return nil
	}
	return t.ContainerSpec.Mounts
}

// judge draws the state from the tasks alone. While a new task is on its way, what ended the last one still stands: between
// two attempts a hopeless instance looks like a starting one.
func (r *Runtime) judge(tasks []swarm.Task) jobs.Status {
	newest := tasks[0]
	state := stateOf(newest)
	if state == jobs.TaskPending && newest.Status.Err != "" {
		return jobs.Status{State: state, Problem: diagnose(newest)}
	}
	last := lastEnded(tasks)
	recent := last != nil && r.now().Sub(last.Status.Timestamp) < crashLoopWindow
	if !recent || state == jobs.TaskRunning && r.now().Sub(newest.Status.Timestamp) > settledAfter {
		return jobs.Status{State: state}
	}
	problem := diagnose(*last)
	if problem == nil && r.recentEnds(tasks) >= crashLoopEnds {
		problem = &jobs.Problem{Cause: jobs.CauseCrashLoop, Detail: errorOf(*last)}
	}
	if state == jobs.TaskRunning && (problem == nil || problem.Cause != jobs.CauseCrashLoop) {
		return jobs.Status{State: state}
	}
	return jobs.Status{State: jobs.TaskFailing, Problem: problem}
}

func stateOf(t swarm.Task) jobs.TaskState {
	switch t.Status.State {
	case swarm.TaskStateNew, swarm.TaskStateAllocated, swarm.TaskStatePending:
		return jobs.TaskPending
	case swarm.TaskStateAssigned, swarm.TaskStateAccepted, swarm.TaskStatePreparing, swarm.TaskStateReady, swarm.TaskStateStarting:
		return jobs.TaskStarting
	case swarm.TaskStateRunning:
		return jobs.TaskRunning
	}
	return jobs.TaskFailing
}

// ended says that a task has ended for good, by itself or because it was told to.
func ended(t swarm.Task) bool {
	switch t.Status.State {
	case swarm.TaskStateComplete, swarm.TaskStateFailed, swarm.TaskStateRejected, swarm.TaskStateShutdown, swarm.TaskStateOrphaned:
		return true
	}
	return false
}

// endedByItself leaves out tasks that Swarm was told to stop, for those end as "shutdown".
func endedByItself(t swarm.Task) bool {
	switch t.Status.State {
	case swarm.TaskStateComplete, swarm.TaskStateFailed, swarm.TaskStateRejected:
		return true
	}
	return false
}

// lastEnded is the newest task that ended by itself and ran what the current one runs. What came of an earlier spec says
// nothing about this one.
func lastEnded(tasks []swarm.Task) *swarm.Task {
	for i := range tasks {
		if endedByItself(tasks[i]) && reflect.DeepEqual(tasks[i].Spec, tasks[0].Spec) {
			return &tasks[i]
		}
	}
	return nil
}

func (r *Runtime) recentEnds(tasks []swarm.Task) int {
	n := 0
	for _, t := range tasks {
		if endedByItself(t) && reflect.DeepEqual(t.Spec, tasks[0].Spec) && r.now().Sub(t.Status.Timestamp) < crashLoopWindow {
			n++
		}
	}
	return n
}

// explain adds what a task's own error does not say: whether the kernel killed the server, its last words, and whether its node
// is there at all.
func (r *Runtime) explain(ctx context.Context, st *jobs.Status, last *swarm.Task, service swarm.Service) {
	endless := st.Problem != nil && st.Problem.Cause == jobs.CauseCrashLoop
	unexplained := st.Problem == nil && st.State == jobs.TaskFailing
	if last != nil && (endless || unexplained) && r.killedForMemory(ctx, *last) {
		st.Problem = &jobs.Problem{Cause: jobs.CauseMemory, Detail: errorOf(*last)}
	}
	if st.Problem == nil {
		return
	}
	text := st.Problem.Detail
	if endless {
		st.Problem.Detail = strings.TrimSpace(text + "\n" + r.lastLines(ctx, *last))
	}
	if st.Problem.Cause == jobs.CauseCapacity && r.nodeAway(ctx, service) {
		st.Problem.Message = messageNodeAway(text)
		return
	}
	st.Problem.Message = messageFor(st.Problem.Cause, text, publishedPort(service))
}

// nodeAway asks the cluster: the scheduler's sentence counts nodes and does not say which one is away and which one is full.
func (r *Runtime) nodeAway(ctx context.Context, service swarm.Service) bool {
	if service.Spec.TaskTemplate.Placement == nil {
		return false
	}
	for _, c := range service.Spec.TaskTemplate.Placement.Constraints {
		id, ok := strings.CutPrefix(c, nodeConstraint)
		if !ok {
			continue
		}
		n, _, err := r.docker.NodeInspectWithRaw(ctx, id)
		return errdefs.IsNotFound(err) || err == nil && !takesTasks(n)
	}
	return false
}

// killedForMemory is only known where the container is: for a task on another node the answer is no.
func (r *Runtime) killedForMemory(ctx context.Context, t swarm.Task) bool {
	if t.Status.ContainerStatus == nil || t.Status.ContainerStatus.ContainerID == "" {
		return false
	}
	c, err := r.docker.ContainerInspect(ctx, t.Status.ContainerStatus.ContainerID)
	return err == nil && c.State != nil && c.State.OOMKilled
}

func (r *Runtime) lastLines(ctx context.Context, t swarm.Task) string {
	ctx, cancel := context.WithTimeout(ctx, logTimeout)
	defer cancel()
	logs, err := r.docker.TaskLogs(ctx, t.ID, container.LogsOptions{ShowStdout: true, ShowStderr: true, Tail: strconv.Itoa(logLines)})
	if err != nil {
		r.log.DebugContext(ctx, "no log lines of the ended task", "task", t.ID, "error", err)
		return ""
	}
	defer logs.Close()
	var text bytes.Buffer
	if _, err := stdcopy.StdCopy(&text, &text, io.LimitReader(logs, logBytes)); err != nil {
		r.log.DebugContext(ctx, "the log lines of the ended task broke off", "task", t.ID, "error", err)
	}
	return strings.TrimSpace(strings.ToValidUTF8(text.String(), "?"))
}

func publishedPort(s swarm.Service) uint32 {
	if s.Spec.EndpointSpec == nil || len(s.Spec.EndpointSpec.Ports) == 0 {
		return 0
	}
	return s.Spec.EndpointSpec.Ports[0].PublishedPort
}
