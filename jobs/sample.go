package jobs

import (
	"context"
	"errors"
	"time"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"
	"golang.org/x/sync/errgroup"

	"github.com/mydb-project/mydb/core"
	"github.com/mydb-project/mydb/core/crypt"
	"github.com/mydb-project/mydb/core/engine"
)

// How instances are measured: each in a few seconds or not at all, and so many at once that one that hangs delays no other.
const (
	samplePause   = time.Minute
	sampleLimit   = 5 * time.Second
	samplesAtOnce = 8
)

// sampleArgs ask for a measurement of all instances.
type sampleArgs struct{}

// Kind implements river.JobArgs.
func (sampleArgs) Kind() string { return "sample" }

// InsertOpts implements river.JobArgsWithInsertOpts.
func (sampleArgs) InsertOpts() river.InsertOpts {
	return river.InsertOpts{Queue: managersQueue, MaxAttempts: 1, UniqueOpts: oneAtATime}
}

// oneAtATime keeps a round from beginning while the one before goes on.
var oneAtATime = river.UniqueOpts{ByState: []rivertype.JobState{
	rivertype.JobStateAvailable, rivertype.JobStatePending, rivertype.JobStateRunning, rivertype.JobStateScheduled,
}}

type sampleWorker struct {
	river.WorkerDefaults[sampleArgs]
	Options
}

// Timeout implements river.Worker.
func (*sampleWorker) Timeout(*river.Job[sampleArgs]) time.Duration { return 10 * time.Minute }

// Work implements river.Worker.
func (w *sampleWorker) Work(ctx context.Context, _ *river.Job[sampleArgs]) error {
	return Sample(ctx, w.Options)
}

// Sample measures all instances that should be answering, once, and judges what it has measured.
func Sample(ctx context.Context, o Options) error {
	targets, err := o.Service.Targets(ctx)
	if err != nil || len(targets) == 0 {
		return err
	}
	r := round{Options: o, services: map[string]core.ClusterService{}}
	if r.authority, err = o.Service.Authority(ctx); err != nil {
		return err
	}
	cluster, err := o.Runtime.List(ctx)
	if err != nil {
		o.Log.Warn("the cluster could not be asked for restarts", "error", err)
	}
	for _, s := range cluster.Services {
		r.services[s.InstanceID] = s
	}
	measured := make([]core.Measured, len(targets))
	var group errgroup.Group
	group.SetLimit(samplesAtOnce)
	for i, t := range targets {
		group.Go(func() (err error) {
			measured[i], err = r.sample(ctx, t)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	return o.Service.Alarm(ctx, measured)
}

// round is one measurement of all instances.
type round struct {
	Options
	authority *crypt.Authority
	services  map[string]core.ClusterService // by instance
}

// sample measures one instance. What its server answers is for the log; the owner reads a sentence.
func (r *round) sample(ctx context.Context, t core.Target) (core.Measured, error) {
	limited, cancel := context.WithTimeout(ctx, sampleLimit)
	defer cancel()
	m, err := r.measure(limited, t)
	if ctx.Err() != nil {
		return core.Measured{}, ctx.Err()
	}
	failure, ends := "", r.ends(t)
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		failure = "The server did not answer within 5 seconds."
	case err != nil:
		failure = "The server did not let MyDB in."
	}
	out := core.Measured{ID: t.ID}
	if err != nil {
		r.Log.Warn("an instance could not be measured", "instance", t.ID, "error", err)
	}
	if err != nil || ends.Restarts > 0 {
		var said string
		if out.Cause, said = r.cause(ctx, t.ID); err != nil && said != "" {
			failure = said
		}
	}
	return out, r.Service.Sampled(ctx, t.ID, m, ends, failure)
}

func (r *round) measure(ctx context.Context, t core.Target) (engine.Sample, error) {
	e, err := r.Service.Engine(t.Engine)
	if err != nil {
		return engine.Sample{}, err
	}
	password, err := r.Service.AdminPassword(ctx, t.ID)
	if err != nil {
		return engine.Sample{}, err
	}
	return e.Sample(ctx, engine.Server{Host: t.Host, Port: t.Port, CA: r.authority.Pool()}, password)
}

// ends counts the ends of the instance's tasks that were not counted before. The cluster remembers only a few; those from before the
// first measurement are history.
func (r *round) ends(t core.Target) (e core.Ends) {
	if t.LastEnd != nil {
		e.Last = *t.LastEnd
	}
	for _, end := range r.services[t.ID].Ends {
		end = end.Truncate(time.Microsecond) // as finely as the catalogue remembers
		if t.LastEnd != nil && end.After(*t.LastEnd) {
			e.Restarts++
		}
		if end.After(e.Last) {
			e.Last = end
		}
	}
	return e
}

// cause asks the cluster what keeps a server from running, if that is the server itself, and for a sentence about it.
func (r *round) cause(ctx context.Context, instanceID string) (cause, sentence string) {
	st, err := r.Runtime.Status(ctx, instanceID)
	if err != nil || st.Problem == nil {
		return "", ""
	}
	switch st.Problem.Cause {
	case CauseMemory:
		cause = core.AlarmMemory
	case CauseCrashLoop:
		cause = core.AlarmCrashLoop
	}
	return cause, st.Problem.Message
}
