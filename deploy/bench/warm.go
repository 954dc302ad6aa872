package main

import (
	"context"
	"fmt"
	"strconv"
	"time"
)

const (
	warmRuns        = 9
	warmRatioTarget = 0.25
	warmTarget      = 500 * time.Millisecond
)

// measureWarm creates from a warm pool, whenever it is full, and compares with the cold creates of the same run.
func measureWarm(ctx context.Context, l *lab) error {
	p, err := l.start("all", "MYDB_WARM_POOL="+mainEngine+"=1")
	if err != nil {
		return err
	}
	defer p.stop()
	if _, err := p.ready(ctx); err != nil {
		return err
	}
	var warm durations
	steps := map[string]durations{}
	for i := range warmRuns {
		if err := l.poolFull(ctx); err != nil {
			return p.failure(fmt.Errorf("wait for a spare: %w", err))
		}
		c, err := l.createOne(ctx, p, mainEngine, "warm-"+strconv.Itoa(i))
		if err != nil {
			return p.failure(err)
		}
		warm = append(warm, c.took)
		c.addSteps(steps)
		progress("create from the pool %d of %d: %s", i+1, warmRuns, inMilliseconds(c.took))
	}
	p.stop() // before its spares go, or it would make new ones
	if err := l.removeInstances(ctx); err != nil {
		return err
	}
	median := warm.median()
	l.report.addText("Create to ready, from the warm pool", fmt.Sprintf("median of %d", warmRuns), inMilliseconds(median), "< "+inMilliseconds(warmTarget), median < warmTarget)
	if l.cold > 0 {
		ratio := float64(median) / float64(l.cold)
		l.report.addText("**Ratio to a cold create**", "of the medians", fmt.Sprintf("%.2f", ratio), fmt.Sprintf("≤ %.2f", warmRatioTarget), ratio <= warmRatioTarget)
	}
	return nil
}

// poolFull waits until there is a spare and nothing else is being made.
func (l *lab) poolFull(ctx context.Context) error {
	return until(ctx, createLimit, func() (full bool, err error) {
		err = l.pool.QueryRow(ctx, `select exists (select from instances where state = 'spare') and not exists (select from instances where state = 'creating')`).Scan(&full)
		return full, err
	})
}
