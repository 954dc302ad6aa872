package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

const (
	takeoverRuns   = 5
	takeoverTarget = 10 * time.Second
)

// worker is a process of `mydb work` and the name under which it works.
type worker struct {
	*process
	id string
}

// measureTakeovers kills the worker that creates a database while another one is up, and measures from there until the other
// has begun the work anew.
func measureTakeovers(ctx context.Context, l *lab) error {
	doors, err := l.start("serve")
	if err != nil {
		return err
	}
	defer doors.stop()
	if _, err := doors.ready(ctx); err != nil {
		return err
	}
	var began, ready durations
	var workers []worker
	for run := range takeoverRuns {
		for len(workers) < 2 {
			w, err := l.startWorker(ctx)
			if err != nil {
				return err
			}
			workers = append(workers, w)
		}
		var b, r time.Duration
		if workers, b, r, err = l.takeover(ctx, doors, workers, fmt.Sprintf("bench-takeover-%d", run)); err != nil {
			return doors.failure(err)
		}
		began, ready = append(began, b), append(ready, r)
		progress("takeover %d of %d: begun after %s, ready after %s", run+1, takeoverRuns, inSeconds(b), inSeconds(r))
	}
	for _, w := range workers {
		w.stop()
	}
	n := fmt.Sprintf("of %d kills", takeoverRuns)
	l.report.add("Worker killed during a create: another begins", "median "+n, began.median(), "")
	l.report.addText("", "**slowest "+n+"**", inSeconds(began.max()), "< "+inSeconds(takeoverTarget), began.max() < takeoverTarget)
	l.report.add("", "ready after the kill, median "+n, ready.median(), "")
	return nil
}

// startWorker starts a worker and finds out its name, which nobody else can have taken meanwhile.
func (l *lab) startWorker(ctx context.Context) (worker, error) {
	const known = "select client_id from workers"
	before, err := column[string](ctx, l, known)
	if err != nil {
		return worker{}, err
	}
	p, err := l.start("work")
	if err != nil {
		return worker{}, err
	}
	w := worker{process: p}
	err = until(ctx, time.Minute, func() (bool, error) {
		now, err := column[string](ctx, l, known)
		fresh := slices.DeleteFunc(now, func(id string) bool { return slices.Contains(before, id) })
		if len(fresh) == 1 {
			w.id = fresh[0]
		}
		return w.id != "", err
	})
	if err != nil {
		return w, p.failure(fmt.Errorf("wait until it is known: %w", err))
	}
	return w, nil
}

// takeover kills the worker that waits for a server which it has just started. It gives the workers that are left, and the times
// from the kill until another has begun and until the database is ready.
func (l *lab) takeover(ctx context.Context, doors *process, workers []worker, name string) ([]worker, time.Duration, time.Duration, error) {
	c := l.client(doors, 0)
	receipt, err := c.create(ctx, mainEngine, name, name)
	if err != nil {
		return workers, 0, 0, err
	}
	id := receipt.Operation.ID
	victim, err := l.holder(ctx, id, "wait until the server answers", "")
	if err != nil {
		return workers, 0, 0, err
	}
	at := slices.IndexFunc(workers, func(w worker) bool { return w.id == victim })
	if at < 0 {
		return workers, 0, 0, fmt.Errorf("worker %s was not started here", victim)
	}
	killed := time.Now()
	workers[at].kill()
	if _, err := l.holder(ctx, id, "choose a machine", victim); err != nil {
		return workers, 0, 0, fmt.Errorf("wait for another attempt: %w", err)
	}
	began := time.Since(killed)
	if _, err := c.await(ctx, id); err != nil {
		return workers, 0, 0, err
	}
	ready := time.Since(killed)
	return slices.Delete(workers, at, at+1), began, ready, l.removeInstance(ctx, receipt.Database.ID)
}

// holder waits until a worker other than one has an operation in hand and has come to a step, and names the worker.
func (l *lab) holder(ctx context.Context, operationID, step, other string) (string, error) {
	var holder string
	err := until(ctx, time.Minute, func() (bool, error) {
		list, err := column[string](ctx, l, `select attempted_by[array_upper(attempted_by, 1)] from river_job j
			where args->>'operation_id' = $1 and state = 'running' and exists (select from operation_steps s
				where s.operation_id = $1 and s.name = $2 and s.started_at >= j.attempted_at)`, operationID, step)
		if err != nil {
			return false, err
		}
		if len(list) > 1 {
			return false, errors.New("two attempts are under way")
		}
		if len(list) == 1 && list[0] != other {
			holder = list[0]
		}
		return holder != "", nil
	})
	return holder, err
}
