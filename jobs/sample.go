package jobs

import (
	"context"
	"errors"
	"time"

	"github.com/riverqueue/river"
	"golang.org/x/sync/errgroup"

	"github.com/mydb-project/mydb/core"
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
	return river.InsertOpts{Queue: managersQueue, MaxAttempts: 1}
}

type sampleWorker struct {
	river.WorkerDefaults[sampleArgs]
	Options
}

// Timeout implements river.Worker.
func (*sampleWorker) Timeout(*river.Job[sampleArgs]) time.Duration { return 10 * time.Minute }

// Work implements river.Worker.
func (w *sampleWorker) Work(ctx context.Context, _ *river.Job[sampleArgs]) error {
	targets, err := w.Service.Targets(ctx)
	if err != nil || len(targets) == 0 {
		return err
	}
	authority, err := w.Service.Authority(ctx)
	if err != nil {
		return err
	}
	var group errgroup.Group
	group.SetLimit(samplesAtOnce)
	for _, t := range targets {
		server := engine.Server{Host: t.Host, Port: t.Port, CA: authority.Pool()}
		group.Go(func() error { return w.sample(ctx, t, server) })
	}
	return group.Wait()
}

// sample measures one instance. What its server answers is for the log; the owner reads a sentence.
func (w *sampleWorker) sample(ctx context.Context, t core.Target, server engine.Server) error {
	limited, cancel := context.WithTimeout(ctx, sampleLimit)
	defer cancel()
	m, err := w.measure(limited, t, server)
	failure := ""
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(err, context.DeadlineExceeded):
		failure = "The server did not answer within 5 seconds."
	case err != nil:
		failure = "The server did not let MyDB in."
	}
	if err != nil {
		w.Log.Warn("an instance could not be measured", "instance", t.ID, "error", err)
	}
	return w.Service.Sampled(ctx, t.ID, m, failure)
}

func (w *sampleWorker) measure(ctx context.Context, t core.Target, server engine.Server) (engine.Sample, error) {
	e, err := w.Service.Engine(t.Engine)
	if err != nil {
		return engine.Sample{}, err
	}
	password, err := w.Service.AdminPassword(ctx, t.ID)
	if err != nil {
		return engine.Sample{}, err
	}
	return e.Sample(ctx, server, password)
}
