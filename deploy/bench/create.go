package main

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/mydb-project/mydb/core"
	"github.com/mydb-project/mydb/core/engine"
)

const (
	atOnce      = 20               // databases that are asked for at the same moment
	idleAfter   = 10 * time.Second // how long a process has been left alone when it counts as idle
	ratioTarget = 1.25
	rssTarget   = 80 << 20
)

// measureCreates measures on one process of `mydb all`: creates one by one beside bare services, then many at once, and what
// memory that has left the process with.
func measureCreates(ctx context.Context, l *lab) error {
	p, err := l.start("all")
	if err != nil {
		return err
	}
	defer p.stop()
	if _, err := p.ready(ctx); err != nil {
		return err
	}
	for _, e := range engines {
		if !l.offered(e) {
			progress("%s is not measured: this machine has no image of it", e.Title())
			continue
		}
		if err := l.measurePairs(ctx, p, e); err != nil {
			return p.failure(fmt.Errorf("%s: %w", e.Name(), err))
		}
	}
	if err := l.measureMany(ctx, p); err != nil {
		return p.failure(err)
	}
	return nil
}

// measurePairs makes a database through MyDB and one without it in turns, so that both meet the same weather.
func (l *lab) measurePairs(ctx context.Context, p *process, e engine.Engine) error {
	first, err := l.createOne(ctx, p, e.Name(), "model-"+e.Name()) // a warm-up, and what the bare services are copied from
	if err != nil {
		return err
	}
	m, err := l.modelOf(ctx, e, first.instanceID)
	if err != nil {
		return err
	}
	var ours, bare durations
	var ratios []float64
	steps := map[string]durations{}
	for i := range l.pairs {
		pair := []func() error{
			func() error {
				c, err := l.createOne(ctx, p, e.Name(), "pair-"+e.Name()+"-"+strconv.Itoa(i))
				if err != nil {
					return err
				}
				ours = append(ours, c.took)
				c.addSteps(steps)
				return l.removeInstance(ctx, c.instanceID)
			},
			func() error {
				took, err := l.createBare(ctx, m, l.ports.Last-i)
				bare = append(bare, took)
				return err
			},
		}
		for turn := range pair {
			if err := pair[(turn+i)%2](); err != nil {
				return err
			}
		}
		ratios = append(ratios, ours[i].Seconds()/bare[i].Seconds())
		progress("create %d of %d: %s with MyDB, %s bare", i+1, l.pairs, inSeconds(ours[i]), inSeconds(bare[i]))
	}
	l.reportPairs(e, ours, bare, ratios)
	if e.Name() == mainEngine {
		l.cold = ours.median()
		l.report.steps(steps)
	}
	return l.removeInstance(ctx, first.instanceID)
}

func (l *lab) reportPairs(e engine.Engine, ours, bare durations, ratios []float64) {
	n := fmt.Sprintf("median of %d", l.pairs)
	l.report.add(e.Title()+": create to ready, through the API", n, ours.median(), "")
	l.report.add(e.Title()+": bare service of the same spec to its first login", n, bare.median(), "")
	ratio := float64(ours.median()) / float64(bare.median())
	l.report.addText("**Ratio of the two**", "of the medians", fmt.Sprintf("%.2f", ratio), fmt.Sprintf("≤ %.2f", ratioTarget), ratio <= ratioTarget)
	l.report.addText("", "pair by pair", fmt.Sprintf("%.2f to %.2f", slices.Min(ratios), slices.Max(ratios)), "", true)
}

// created is a create that was measured.
type created struct {
	instanceID string
	took       time.Duration
	operation  core.Operation
}

// createOne measures from before the POST until a GET says that the database is ready.
func (l *lab) createOne(ctx context.Context, p *process, engine, name string) (created, error) {
	return createAs(ctx, l.client(p, 0), engine, "bench-"+name)
}

func createAs(ctx context.Context, c *apiClient, engine, name string) (created, error) {
	start := time.Now()
	receipt, err := c.create(ctx, engine, name, name)
	if err != nil {
		return created{}, err
	}
	o, err := c.await(ctx, receipt.Operation.ID)
	if err != nil {
		return created{}, fmt.Errorf("create %s: %w", name, err)
	}
	return created{receipt.Database.ID, time.Since(start), o}, nil
}

// addSteps notes what the worker's time went on, by the times that it wrote itself.
func (c created) addSteps(to map[string]durations) {
	const queue = "from the request to the worker"
	o := c.operation
	to[queue] = append(to[queue], o.StartedAt.Sub(o.CreatedAt))
	for i, s := range o.Steps {
		name := s.Name
		if i == len(o.Steps)-1 {
			name = "log in, write and read as the scientist"
		}
		to[name] = append(to[name], s.FinishedAt.Sub(s.StartedAt))
	}
}

// measureMany asks for many databases at once, and reads the process's memory around that.
func (l *lab) measureMany(ctx context.Context, p *process) error {
	if err := idle(ctx); err != nil {
		return err
	}
	before, _, err := p.memory()
	if err != nil {
		return err
	}
	made := make([]created, atOnce)
	numbers := make([]int, atOnce)
	for i := range numbers {
		numbers[i] = i
	}
	start := time.Now()
	err = each(numbers, func(i int) (err error) {
		made[i], err = createAs(ctx, l.client(p, i), mainEngine, "bench-many-"+strconv.Itoa(i))
		return err
	})
	if err != nil {
		return err
	}
	total := time.Since(start)
	right, _, err := p.memory()
	if err != nil {
		return err
	}
	if err := l.removeInstances(ctx); err != nil {
		return err
	}
	if err := idle(ctx); err != nil {
		return err
	}
	after, peak, err := p.memory()
	if err != nil {
		return err
	}
	var took durations
	for _, c := range made {
		took = append(took, c.took)
	}
	l.report.add(fmt.Sprintf("%d creates at once: the median is ready", atOnce), "one run", took.median(), "")
	l.report.add(fmt.Sprintf("%d creates at once: the last is ready", atOnce), "one run", total, "")
	what := "Resident memory of `mydb all`, idle for 10 s"
	l.report.addText(what, "after the creates one by one", inMiB(before), "≤ "+inMiB(rssTarget), before <= rssTarget)
	l.report.addText(what, fmt.Sprintf("after the %d at once", atOnce), inMiB(after), "≤ "+inMiB(rssTarget), after <= rssTarget)
	l.report.addText("Resident memory of `mydb all`, busy", fmt.Sprintf("right after the %d", atOnce), inMiB(right), "", true)
	l.report.addText("", "at its highest", inMiB(peak), "", true)
	return nil
}

// idle leaves everything alone for a while.
func idle(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(idleAfter):
		return nil
	}
}
