// Command bench measures MyDB on this machine's engine and prints a table. It starts the real program, bin/mydb, against a
// metadata Postgres of its own, and removes all it made, also when it is interrupted. docs/benchmarks.md explains each figure.
//
// The way through: main lists the figures; lab is what they share (engine, Postgres, people); process is a running mydb; client
// speaks to its API; there is a file for each group of figures.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"
)

// figures are measured in this order, each on a process of its own where that matters.
var figures = []struct {
	name    string
	measure func(context.Context, *lab) error
}{
	{"start", measureStart},
	{"create", measureCreates}, // one at a time, many at once, and the memory of the process that did it
	{"warm", measureWarm},      // after create, whose cold creates it is compared with
	{"reconcile", measureReconciler},
	{"sample", measureSampling},
	{"backup", measureBackups},
	{"restore", measureRestores},
	{"memory", measureMemory},
	{"small", measureSmallBackups},
	{"chat", measureChat},
	{"takeover", measureTakeovers},
	{"login", measureLogins},
	{"audit", measureAudit},
	{"burst", measureBursts}, // the last, because it leaves a queue that nobody works on
}

type options struct {
	binary string
	only   string
	pairs  int
	scale  float64
	engine string
	write  string
}

func main() {
	var o options
	flag.StringVar(&o.binary, "mydb", "bin/mydb", "the program to measure")
	flag.StringVar(&o.only, "only", "", "measure only these, with commas between: "+names())
	flag.IntVar(&o.pairs, "pairs", 9, "how many databases to create each way for the ratio")
	flag.Float64Var(&o.scale, "scale", 1, "how much data backups are measured with, and how much chat, of what the targets are about: 0.02 shows only that it works")
	flag.StringVar(&o.engine, "engine", "", "measure backups and restores of this engine only, such as mongodb")
	flag.StringVar(&o.write, "write", "", "also put the table into this file, such as docs/benchmarks.md")
	flag.Parse()
	if err := o.check(); err != nil {
		fmt.Fprintf(os.Stderr, "bench: %v\n", err)
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, o); err != nil {
		fmt.Fprintf(os.Stderr, "bench: %v\n", err)
		os.Exit(1)
	}
}

// check refuses the name of a figure or an engine that there is not: nothing at all would be measured, without a word.
func (o options) check() error {
	for name := range strings.SplitSeq(o.only, ",") {
		if o.only != "" && !slices.Contains(strings.Split(names(), ", "), name) {
			return fmt.Errorf("-only: there is no %q; there are %s", name, names())
		}
	}
	var engines []string
	for _, d := range measuredData {
		engines = append(engines, d.engine.Name())
	}
	if o.engine != "" && !slices.Contains(engines, o.engine) {
		return fmt.Errorf("-engine: there is no %q; there are %s", o.engine, strings.Join(engines, ", "))
	}
	return nil
}

func run(ctx context.Context, o options) (err error) {
	l, err := openLab(ctx, o)
	defer func() { err = errors.Join(err, l.close()) }()
	if err != nil {
		return err
	}
	for _, f := range figures {
		if o.only != "" && !slices.Contains(strings.Split(o.only, ","), f.name) {
			continue
		}
		if err := f.measure(ctx, l); err != nil {
			return fmt.Errorf("measure %s: %w", f.name, err)
		}
	}
	table := l.report.table()
	fmt.Print("\n" + table)
	if o.write == "" {
		return nil
	}
	return writeInto(o.write, describeMachine(time.Now())+"\n\n"+table)
}

func names() string {
	out := make([]string, len(figures))
	for i, f := range figures {
		out[i] = f.name
	}
	return strings.Join(out, ", ")
}
