package main

import (
	"testing"
	"time"
)

func TestPercentile(t *testing.T) {
	var hundred durations
	for i := range 100 {
		hundred = append(hundred, time.Duration(100-i))
	}
	for _, c := range []struct {
		of   durations
		p    float64
		want time.Duration
	}{
		{hundred, 50, 50},
		{hundred, 99, 99},
		{hundred, 100, 100},
		{hundred, 0, 1},
		{durations{7}, 50, 7},
		{durations{7}, 99, 7},
		{durations{3, 1, 2}, 50, 2},
		{hundred[:50], 99, 100},
	} {
		if got := c.of.percentile(c.p); got != c.want {
			t.Errorf("p%g of %v: %d, want %d", c.p, c.of, got, c.want)
		}
	}
}

func TestReplaceFigures(t *testing.T) {
	text := "# Benchmarks\n" + beginMark + "\nold\n" + endMark + "\nwords\n"
	for range 2 { // replacing what was replaced gives the same
		got, err := replaceFigures(text, "new\n")
		text = got
		if want := "# Benchmarks\n" + beginMark + "\nnew\n" + endMark + "\nwords\n"; err != nil || got != want {
			t.Errorf("got %q, %v", got, err)
		}
	}
	if _, err := replaceFigures("no marks", "new"); err == nil {
		t.Error("a document without marks was accepted")
	}
}
