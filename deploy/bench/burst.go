package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/mydb-project/mydb/core"
)

const (
	burstSize   = 50
	burstRounds = 7
	burstTarget = 100 * time.Millisecond
)

// measureBursts measures how long a server takes to accept many requests that arrive together. No worker runs, so that only
// the acceptance is measured: what was accepted stays in the queue.
func measureBursts(ctx context.Context, l *lab) error {
	p, err := l.start("serve")
	if err != nil {
		return err
	}
	defer p.stop()
	if _, err := p.ready(ctx); err != nil {
		return err
	}
	if _, err := l.burst(ctx, p, people, "warmup"); err != nil {
		return p.failure(err)
	}
	var all, worst durations
	for round := range burstRounds {
		name := fmt.Sprintf("round%d", round)
		took, err := l.burstTwice(ctx, p, name)
		if err != nil {
			return p.failure(fmt.Errorf("%s: %w", name, err))
		}
		all, worst = append(all, took...), append(worst, took.percentile(99))
		progress("burst %d of %d: p50 %s, p99 %s", round+1, burstRounds, inMilliseconds(took.median()), inMilliseconds(took.percentile(99)))
	}
	n := fmt.Sprintf("%d bursts", burstRounds)
	what := fmt.Sprintf("%d creates at once by %d people accepted (202)", burstSize, people)
	l.report.addText(what, "p50 of "+n, inMilliseconds(all.median()), "", true)
	p99 := all.percentile(99)
	l.report.addText("", "**p99 of "+n+"**", inMilliseconds(p99), "< "+inMilliseconds(burstTarget), p99 < burstTarget)
	l.report.addText("", "slowest of each burst, median (worst)", inMilliseconds(worst.median())+" ("+inMilliseconds(worst.max())+")", "", true)
	l.report.addText("", "lost, doubled, repeated with another receipt", "0, 0, 0", "0, 0, 0", true)
	return nil
}

// burstTwice sends a burst, then each of its requests twice more at once, and makes sure that each was done exactly once.
func (l *lab) burstTwice(ctx context.Context, p *process, name string) (durations, error) {
	first, err := l.burst(ctx, p, burstSize, name)
	if err != nil {
		return nil, err
	}
	if err := l.checkExact(ctx, name); err != nil {
		return nil, err
	}
	repeated := make([]answers, 2)
	err = each([]int{0, 1}, func(i int) (err error) {
		repeated[i], err = l.burst(ctx, p, burstSize, name)
		return err
	})
	if err != nil {
		return nil, err
	}
	for _, r := range repeated {
		if !slices.Equal(r.ids, first.ids) {
			return nil, errors.New("a repeated request was answered with another receipt")
		}
	}
	return first.took, l.checkExact(ctx, name)
}

// answers are those to one burst, by the number of the request.
type answers struct {
	took durations
	ids  []string // of instance and operation
}

// burst sends n requests at the same moment, each over a connection of its own, which it has to open.
func (l *lab) burst(ctx context.Context, p *process, n int, name string) (answers, error) {
	a := answers{make(durations, n), make([]string, n)}
	transport := &http.Transport{MaxIdleConnsPerHost: n}
	defer transport.CloseIdleConnections()
	var gate, done sync.WaitGroup
	gate.Add(1)
	errs := make([]error, n)
	for i := range n {
		c := l.client(p, i)
		c.http = &http.Client{Transport: transport}
		done.Go(func() {
			gate.Wait()
			start := time.Now()
			var r core.Receipt
			r, errs[i] = c.create(ctx, mainEngine, fmt.Sprintf("bench-%s-%d", name, i), fmt.Sprintf("%s-%d", name, i))
			a.took[i], a.ids[i] = time.Since(start), r.Database.ID+" "+r.Operation.ID
		})
	}
	gate.Done()
	done.Wait()
	return a, errors.Join(errs...)
}

// checkExact counts in the metadata database what a burst has left there.
func (l *lab) checkExact(ctx context.Context, name string) error {
	var instances, operations, ports, jobs int
	err := l.pool.QueryRow(ctx, `with i as (select id from instances where name like 'bench-' || $1 || '-%'),
			o as (select o.id from operations o join i on i.id = o.instance_id)
		select (select count(*) from i), (select count(*) from o), (select count(distinct port) from ports where instance_id in (select id from i)),
			(select count(*) from river_job where args->>'operation_id' in (select id from o))`, name).Scan(&instances, &operations, &ports, &jobs)
	if err != nil {
		return err
	}
	if instances != burstSize || operations != burstSize || ports != burstSize || jobs != burstSize {
		return fmt.Errorf("%d requests left %d instances, %d operations, %d ports, %d jobs", burstSize, instances, operations, ports, jobs)
	}
	return nil
}
