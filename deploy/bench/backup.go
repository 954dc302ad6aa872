package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/mydb-project/mydb/core"
)

const (
	backupRounds   = 3
	throughputGoal = 0.85
	ancestorGoal   = 1.5
	backupWait     = 20 * time.Minute
	// backupEvery is how often a backup is asked for: about as often as a person's script does. A backup takes seconds and tells itself how
	// long it took; asking as fast as possible would put hundreds of requests a second beside what is measured.
	backupEvery = 500 * time.Millisecond
)

// measureBackups measures backups into a real S3 server on this machine: against the raw tool through the same socket, whose output is
// thrown away, and against what is often done: the tool's own compression, uploaded as it comes.
func measureBackups(ctx context.Context, l *lab) error {
	p, err := l.measuringBackups(ctx, "")
	if err != nil || p == nil {
		return err
	}
	defer p.stop()
	for _, d := range l.measured() {
		if err := l.measureBackup(ctx, p, d); err != nil {
			return p.failure(fmt.Errorf("%s: %w", d.engine.Name(), err))
		}
	}
	_, peak, err := p.memory()
	if err != nil {
		return err
	}
	l.report.addText("Resident memory of `mydb all`, at its highest", "after these backups and their verifications", inMiB(peak), "≤ "+inMiB(workerMemory), peak <= workerMemory)
	return nil
}

// backups is what was measured of one engine.
type backups struct {
	ours, raw, usual durations
	size, usualSize  int64
	last             core.Backup
}

func (l *lab) measureBackup(ctx context.Context, p *process, data dataOf) error {
	if !l.offered(data.engine) {
		progress("backups of %s are not measured: this machine has no image of it", data.engine.Title())
		return nil
	}
	s, err := l.filled(ctx, p, data, "backup")
	if err != nil {
		return err
	}
	var b backups
	for range backupRounds {
		took, _, err := s.dump(ctx, io.Discard, nil)
		if err != nil {
			return err
		}
		b.raw = append(b.raw, took)
		if data.engine.Name() == mainEngine {
			took, n, err := s.usual(ctx)
			if err != nil {
				return err
			}
			b.usual, b.usualSize = append(b.usual, took), n
		}
		if b.last, took, b.size, err = l.backUp(ctx, l.client(p, 0), s.id, core.BackupVerified); err != nil {
			return err
		}
		b.ours = append(b.ours, took)
		progress("%s: %s raw, %s with MyDB", data.engine.Title(), inSeconds(b.raw[len(b.raw)-1]), inSeconds(took))
	}
	l.reportBackup(s.about, b)
	return l.removeInstance(ctx, s.id)
}

func (l *lab) reportBackup(about string, b backups) {
	n := fmt.Sprintf("median of %d", backupRounds)
	l.report.add(about+"backup, first byte to upload complete", n, b.ours.median(), "")
	l.report.add(about+"the raw tool through the same socket, output thrown away", n, b.raw.median(), "")
	ratio := b.raw.median().Seconds() / b.ours.median().Seconds()
	l.report.addText("**Throughput against the raw tool**", "of the medians", fmt.Sprintf("%.2f", ratio), fmt.Sprintf("≥ %.2f", throughputGoal), ratio >= throughputGoal)
	if len(b.usual) > 0 {
		l.report.add(about+"`pg_dump -Fc` with its own compression, uploaded as it comes", n, b.usual.median(), "")
		faster := b.usual.median().Seconds() / b.ours.median().Seconds()
		l.report.addText("**Times as fast as that**", "of the medians", fmt.Sprintf("%.1f", faster), fmt.Sprintf("≥ %.1f", ancestorGoal), faster >= ancestorGoal)
		l.report.addText("Size of the object", "against that", fmt.Sprintf("%s, %s", inMiB(b.size), inMiB(b.usualSize)), "not larger", b.size <= b.usualSize)
	}
	if b.last.Receipt != nil {
		l.report.addText(about+"verification", "restore and count of a copy, the last one", fmt.Sprintf("%.1f s", b.last.Receipt.Seconds), "", true)
	}
}
