package swarm

import (
	"testing"
	"time"

	"github.com/docker/docker/api/types/mount"
	"github.com/docker/docker/api/types/swarm"

	"github.com/mydb-project/mydb/jobs"
)

// task is one entry of a history: its state, its error, the seconds since it got there, and the spec that it ran.
type task struct {
	state swarm.TaskState
	err   string
	ago   int
	image string
}

func TestJudge(t *testing.T) {
	const crash = "task: non-zero exit (1)"
	for name, tc := range map[string]struct {
		tasks []task // the newest first
		state jobs.TaskState
		cause jobs.Cause
	}{
		"new":                {[]task{{state: swarm.TaskStateNew}}, jobs.TaskPending, ""},
		"preparing":          {[]task{{state: swarm.TaskStatePreparing}}, jobs.TaskStarting, ""},
		"running":            {[]task{{state: swarm.TaskStateRunning}}, jobs.TaskRunning, ""},
		"no room":            {[]task{{state: swarm.TaskStatePending, err: "no suitable node (insufficient resources on 3 nodes)"}}, jobs.TaskPending, jobs.CauseCapacity},
		"node down":          {[]task{{state: swarm.TaskStatePending, err: "no suitable node (1 node not available for new tasks; scheduling constraints not satisfied on 2 nodes)"}}, jobs.TaskPending, jobs.CauseCapacity},
		"port of a neighbor": {[]task{{state: swarm.TaskStatePending, err: "no suitable node (host-mode port already in use on 1 node; scheduling constraints not satisfied on 2 nodes)"}}, jobs.TaskPending, jobs.CausePort},
		"image":              {[]task{{state: swarm.TaskStateRejected, err: "No such image: postgres:17"}}, jobs.TaskFailing, jobs.CauseImage},
		"anything else":      {[]task{{state: swarm.TaskStateRejected, err: "invalid mount config"}}, jobs.TaskFailing, jobs.CauseRefused},
		"ended once":         {[]task{{state: swarm.TaskStateFailed, err: crash}}, jobs.TaskFailing, ""},
		"waits for its second attempt, the image still missing": {
			[]task{{state: swarm.TaskStateReady}, {state: swarm.TaskStateRejected, err: "No such image: postgres:17", ago: 2}},
			jobs.TaskFailing, jobs.CauseImage,
		},
		"ended three times": {
			[]task{{state: swarm.TaskStateReady}, {state: swarm.TaskStateFailed, err: crash, ago: 5}, {state: swarm.TaskStateFailed, err: crash, ago: 15}, {state: swarm.TaskStateComplete, ago: 20}},
			jobs.TaskFailing, jobs.CauseCrashLoop,
		},
		"up for a moment between ends": {
			[]task{{state: swarm.TaskStateRunning, ago: 1}, {state: swarm.TaskStateFailed, err: crash, ago: 5}, {state: swarm.TaskStateFailed, err: crash, ago: 15}, {state: swarm.TaskStateFailed, err: crash, ago: 20}},
			jobs.TaskFailing, jobs.CauseCrashLoop,
		},
		"settled": {
			[]task{{state: swarm.TaskStateRunning, ago: 40}, {state: swarm.TaskStateFailed, err: crash, ago: 45}, {state: swarm.TaskStateFailed, err: crash, ago: 55}, {state: swarm.TaskStateFailed, err: crash, ago: 60}},
			jobs.TaskRunning, "",
		},
		"long ago": {
			[]task{{state: swarm.TaskStateStarting}, {state: swarm.TaskStateFailed, err: crash, ago: 4000}, {state: swarm.TaskStateFailed, err: crash, ago: 5000}, {state: swarm.TaskStateFailed, err: crash, ago: 6000}},
			jobs.TaskStarting, "",
		},
		"the port has become free": {
			[]task{{state: swarm.TaskStateRunning, ago: 1}, {state: swarm.TaskStateFailed, err: "bind: address already in use", ago: 6}},
			jobs.TaskRunning, "",
		},
		"another image ended": {
			[]task{{state: swarm.TaskStateStarting, image: "new"}, {state: swarm.TaskStateRejected, err: "No such image: old", ago: 2, image: "old"}},
			jobs.TaskStarting, "",
		},
		"told to stop": {
			[]task{{state: swarm.TaskStateStarting}, {state: swarm.TaskStateShutdown, ago: 1}, {state: swarm.TaskStateShutdown, ago: 2}, {state: swarm.TaskStateShutdown, ago: 3}},
			jobs.TaskStarting, "",
		},
	} {
		t.Run(name, func(t *testing.T) {
			now := time.Now()
			r := &Runtime{now: func() time.Time { return now }}
			got := r.judge(history(now, tc.tasks))
			var cause jobs.Cause
			if got.Problem != nil {
				cause = got.Problem.Cause
			}
			if got.State != tc.state || cause != tc.cause {
				t.Errorf("state %s, cause %q; want %s, %q", got.State, cause, tc.state, tc.cause)
			}
		})
	}
}

func history(now time.Time, tasks []task) (out []swarm.Task) {
	for _, t := range tasks {
		out = append(out, swarm.Task{
			Spec:   swarm.TaskSpec{ContainerSpec: &swarm.ContainerSpec{Image: t.image}},
			Status: swarm.TaskStatus{State: t.state, Err: t.err, Timestamp: now.Add(-time.Duration(t.ago) * time.Second)},
		})
	}
	return out
}

// Sizes come from a catalogue of decimal fractions; the same size must always give the same spec.
func TestNanoCPUs(t *testing.T) {
	for cores, want := range map[float64]int64{0: 0, 0.05: 50_000_000, 0.1 + 0.2: 300_000_000, 1: 1_000_000_000} {
		if got := nanoCPUs(cores); got != want {
			t.Errorf("%v cores: %d, want %d", cores, got, want)
		}
	}
}

// TestCurrent takes no task of the spec before an update for one of what the service wants now.
func TestCurrent(t *testing.T) {
	spec := func(volume string, forced uint64) swarm.TaskSpec {
		return swarm.TaskSpec{ForceUpdate: forced, ContainerSpec: &swarm.ContainerSpec{Mounts: []mount.Mount{{Source: volume}}}}
	}
	service := swarm.Service{Spec: swarm.ServiceSpec{TaskTemplate: spec("new", 1)}}
	for name, c := range map[string]struct {
		have swarm.TaskSpec
		want bool
	}{
		"as it is wanted":         {spec("new", 1), true},
		"on the volume before":    {spec("old", 1), false},
		"before it was restarted": {spec("new", 0), false},
	} {
		if got := current(swarm.Task{Spec: c.have}, service); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}
