package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/mydb-project/mydb/core"
	"github.com/mydb-project/mydb/core/engine"
)

const (
	restoreGoal   = 0.85
	restoreRounds = 3
)

// measureRestores measures restores into new instances, beside the raw tool that reads the same dump, neither compressed nor encrypted, from
// its standard input, and puts it into an instance that is as new.
func measureRestores(ctx context.Context, l *lab) error {
	p, err := l.measuringBackups(ctx, unverified)
	if err != nil || p == nil {
		return err
	}
	defer p.stop()
	for _, d := range l.measured() {
		if err := l.measureRestore(ctx, p, d); err != nil {
			return p.failure(fmt.Errorf("%s: %w", d.engine.Name(), err))
		}
	}
	return nil
}

func (l *lab) measureRestore(ctx context.Context, p *process, data dataOf) error {
	if !l.offered(data.engine) {
		return nil
	}
	s, err := l.filled(ctx, p, data, "original")
	if err != nil {
		return err
	}
	if _, _, _, err := l.backUp(ctx, l.client(p, 0), s.id, core.BackupDone); err != nil {
		return err
	}
	r := restorer{lab: l, process: p, of: s, file: l.path("dump")}
	if err := r.keepDump(ctx); err != nil {
		return err
	}
	if err := l.removeServer(ctx, s.id); err != nil { // its server only: it takes memory and time
		return err
	}
	var ours, raw, parallel durations
	for n := range restoreRounds {
		both := []func() error{
			func() error { return keep(&ours, func() (time.Duration, error) { return r.restore(ctx) }) },
			func() error { return keep(&raw, func() (time.Duration, error) { return r.raw(ctx, nil) }) },
		}
		for turn := range both {
			if err := both[(turn+n)%2](); err != nil {
				return err
			}
		}
		if more := inParallel[data.engine.Name()]; more != nil {
			if err := keep(&parallel, func() (time.Duration, error) { return r.raw(ctx, more) }); err != nil {
				return err
			}
		}
		progress("%s: %s raw, %s with MyDB", data.engine.Title(), inSeconds(raw[n]), inSeconds(ours[n]))
	}
	l.reportRestore(s.about, ours, raw, parallel)
	return l.removeInstance(ctx, s.id)
}

func keep(in *durations, measure func() (time.Duration, error)) error {
	took, err := measure()
	*in = append(*in, took)
	return err
}

func (l *lab) reportRestore(about string, ours, raw, parallel durations) {
	n := fmt.Sprintf("median of %d", restoreRounds)
	l.report.add(about+"restore into a new database, from the store", n, ours.median(), "")
	l.report.add(about+"the raw tool reads the dump from its standard input", n, raw.median(), "")
	ratio := raw.median().Seconds() / ours.median().Seconds()
	l.report.addText("**Throughput against the raw tool**", "of the medians", fmt.Sprintf("%.2f", ratio), fmt.Sprintf("≥ %.2f", restoreGoal), ratio >= restoreGoal)
	if len(parallel) > 0 {
		l.report.add(about+"the raw tool with more workers", n, parallel.median(), "")
		l.report.addText("What a parallel restore gains", "of the medians", fmt.Sprintf("%.2f times as fast", raw.median().Seconds()/parallel.median().Seconds()), "", true)
	}
}

// restorer restores one backup again and again.
type restorer struct {
	*lab
	process *process
	of      subject
	file    string // the dump as its tool wrote it
	part    engine.Part
	made    int
}

func (r *restorer) keepDump(ctx context.Context) error {
	f, err := os.Create(r.file)
	if err != nil {
		return err
	}
	_, r.part, err = r.of.dump(ctx, f, nil)
	return errors.Join(err, f.Close())
}

// restore restores as people do, and tells how long that step of the operation took.
func (r *restorer) restore(ctx context.Context) (time.Duration, error) {
	r.made++
	body := []byte(`{"as": "bench-restored-` + r.of.engine.Name() + `-` + strconv.Itoa(r.made) + `"}`)
	c := r.client(r.process, 0)
	var receipt core.Receipt
	if err := c.call(ctx, http.MethodPost, "/databases/"+r.of.id+"/restore", "", body, http.StatusAccepted, &receipt); err != nil {
		return 0, err
	}
	o, err := c.await(ctx, receipt.Operation.ID)
	if err != nil {
		return 0, err
	}
	if err := r.removeInstance(ctx, receipt.Database.ID); err != nil {
		return 0, err
	}
	for _, s := range o.Steps {
		if strings.HasPrefix(s.Name, "restore the backup") {
			return s.FinishedAt.Sub(s.StartedAt), nil
		}
	}
	return 0, errors.New("no step of the operation restored anything")
}

// raw gives the dump to the tool as it is. With more, the tool is told to use several workers.
func (r *restorer) raw(ctx context.Context, more func(*engine.Tool)) (time.Duration, error) {
	r.made++
	to, err := r.empty(ctx, r.process, r.of.engine, "raw-"+r.of.engine.Name()+"-"+strconv.Itoa(r.made))
	if err != nil {
		return 0, err
	}
	if err := r.accounts(ctx, to); err != nil {
		return 0, fmt.Errorf("make the accounts: %w", err)
	}
	f, err := os.Open(r.file)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	began := time.Now()
	if err := to.engine.RestorePart(ctx, to.server, to.secrets, r.part, f, to.tool(more)); err != nil {
		return 0, err
	}
	return time.Since(began), r.removeInstance(ctx, to.id)
}

// accounts makes the owner of what is in the dump, by the backup of a server that has only that.
func (r *restorer) accounts(ctx context.Context, to subject) error {
	if r.of.engine.Name() == "mongodb" {
		return nil // its archives have no owners
	}
	dump, err := to.engine.Dump(ctx, to.server, to.secrets, to.tool(nil))
	if err != nil {
		return err
	}
	defer dump.Close()
	var text bytes.Buffer
	p := dump.Parts()[0]
	if err := dump.Write(ctx, p, &text); err != nil {
		return err
	}
	dump.Close()
	owner := strings.ReplaceAll(text.String(), to.database, r.of.database)
	return to.engine.RestorePart(ctx, to.server, to.secrets, p, strings.NewReader(owner), to.tool(nil))
}

// inParallel tells tools that can do several things at once to do so. That of PostgreSQL needs a file for it, which is written in the time that
// is measured.
var inParallel = map[string]func(*engine.Tool){
	"postgres": func(t *engine.Tool) {
		t.Command = append([]string{"sh", "-c", `cat >/tmp/dump && "$@" --jobs=2 /tmp/dump`, "sh"}, t.Command...)
	},
	"mongodb": func(t *engine.Tool) { t.Command = append(t.Command, "--numInsertionWorkersPerCollection=2") },
}
