package main

import (
	"context"
	"fmt"

	"github.com/mydb-project/mydb/core"
)

const (
	workerMemory = 200 << 20
	memoryGrowth = 1.1 // of the larger backup against the smaller
	largerBy     = 4.0 // times as much is added to the smaller
)

// measureMemory reads what a process has needed at most that made one backup, of a database and of one that is five times as large. Each
// backup has a process of its own.
func measureMemory(ctx context.Context, l *lab) error {
	data := measuredData[0]
	first, err := l.measuringBackups(ctx, unverified)
	if err != nil || first == nil {
		return err
	}
	defer first.stop()
	s, err := l.filled(ctx, first, data, "memory")
	if err != nil {
		return first.failure(err)
	}
	first.stop()
	smaller, err := l.peakOfBackup(ctx, s)
	if err != nil {
		return err
	}
	if err := data.fill(ctx, s.server, s.secrets.Admin, s.database, largerBy*data.size*l.scale); err != nil {
		return fmt.Errorf("make more data: %w", err)
	}
	larger, err := l.peakOfBackup(ctx, s)
	if err != nil {
		return err
	}
	for n, peak := range []int64{smaller, larger} {
		size := data.size * l.scale * (1 + float64(n)*largerBy)
		l.report.addText("Resident memory of `mydb all` at its highest", fmt.Sprintf("one backup of %.3g GB", size), inMiB(peak), "≤ "+inMiB(workerMemory), peak <= workerMemory)
	}
	growth := float64(larger) / float64(smaller)
	l.report.addText("**Ratio of the two**", "one run", fmt.Sprintf("%.2f", growth), fmt.Sprintf("≤ %.2f", memoryGrowth), growth <= memoryGrowth)
	return l.removeInstance(ctx, s.id)
}

func (l *lab) peakOfBackup(ctx context.Context, s subject) (int64, error) {
	p, err := l.measuringBackups(ctx, unverified)
	if err != nil {
		return 0, err
	}
	defer p.stop()
	_, took, size, err := l.backUp(ctx, l.client(p, 0), s.id, core.BackupDone)
	if err != nil {
		return 0, p.failure(err)
	}
	progress("a backup of %s was made in %s", inMiB(size), inSeconds(took))
	_, peak, err := p.memory()
	return peak, err
}
