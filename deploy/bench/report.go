package main

import (
	"bufio"
	"errors"
	"fmt"
	"maps"
	"math"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"time"
)

// durations are several measurements of one thing.
type durations []time.Duration

func (d durations) median() time.Duration { return d.percentile(50) }
func (d durations) max() time.Duration    { return slices.Max(d) }

// percentile is the smallest measurement that at least p percent do not exceed.
func (d durations) percentile(p float64) time.Duration {
	sorted := slices.Sorted(slices.Values(d))
	return sorted[max(int(math.Ceil(float64(len(sorted))*p/100))-1, 0)]
}

// report collects the table.
type report struct {
	rows      []row
	stepLines []string
}

type row struct {
	what, how, value, target string
	met                      bool
}

func (r *report) add(what, how string, value time.Duration, target string) {
	r.addText(what, how, inSeconds(value), target, true)
}

func (r *report) addText(what, how, value, target string, met bool) {
	r.rows = append(r.rows, row{what, how, value, target, met})
	progress("%s, %s: %s", what, how, value)
}

// steps adds the medians of a create's steps, the longest first.
func (r *report) steps(of map[string]durations) {
	names := slices.SortedFunc(maps.Keys(of), func(a, b string) int { return int(of[b].median() - of[a].median()) })
	for _, name := range names {
		r.stepLines = append(r.stepLines, fmt.Sprintf("| %s | %s |", name, inMilliseconds(of[name].median())))
	}
}

// table writes all figures in Markdown.
func (r *report) table() string {
	var b strings.Builder
	b.WriteString("| what | how | figure | target | |\n|---|---|---:|---:|---|\n")
	for _, x := range r.rows {
		verdict := ""
		if x.target != "" {
			verdict = map[bool]string{true: "met", false: "**missed**"}[x.met]
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s |\n", x.what, x.how, x.value, x.target, verdict)
	}
	if len(r.stepLines) > 0 {
		b.WriteString("\n| where the time of one create goes | median |\n|---|---:|\n" + strings.Join(r.stepLines, "\n") + "\n")
	}
	return b.String()
}

func inSeconds(d time.Duration) string      { return fmt.Sprintf("%.2f s", d.Seconds()) }
func inMilliseconds(d time.Duration) string { return fmt.Sprintf("%.1f ms", d.Seconds()*1000) }
func inMiB(bytes int64) string              { return fmt.Sprintf("%.1f MiB", float64(bytes)/(1<<20)) }

func progress(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "bench: "+format+"\n", args...)
}

// describeMachine says where and when a table was measured.
func describeMachine(now time.Time) string {
	system := "an unknown system"
	if f, err := os.Open("/etc/os-release"); err == nil {
		defer f.Close()
		for s := bufio.NewScanner(f); s.Scan(); {
			if name, found := strings.CutPrefix(s.Text(), "PRETTY_NAME="); found {
				system = strings.Trim(name, `"`)
			}
		}
	}
	var kib int64
	if b, err := os.ReadFile("/proc/meminfo"); err == nil {
		_, _ = fmt.Sscanf(string(b), "MemTotal: %d", &kib)
	}
	engine := "an unknown version"
	if out, err := exec.Command("docker", "version", "--format", "{{.Server.Version}}").Output(); err == nil {
		engine = strings.TrimSpace(string(out))
	}
	return fmt.Sprintf("Measured on %s, on one machine with %d cores and %.0f GiB, %s, Docker %s.",
		now.UTC().Format(time.DateOnly), runtime.NumCPU(), math.Ceil(float64(kib)/(1<<20)), system, engine)
}

// The part of a document between these is the program's.
const (
	beginMark = "<!-- figures: written by deploy/dev/bench.sh -write -->"
	endMark   = "<!-- end of figures -->"
)

// writeInto replaces the figures in a document.
func writeInto(path, figures string) error {
	b, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	text, err := replaceFigures(string(b), figures)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return os.WriteFile(path, []byte(text), 0o644)
}

func replaceFigures(text, figures string) (string, error) {
	head, rest, found := strings.Cut(text, beginMark)
	_, tail, ended := strings.Cut(rest, endMark)
	if !found || !ended {
		return "", errors.New("the marks around the figures are missing")
	}
	return head + beginMark + "\n" + figures + endMark + tail, nil
}
