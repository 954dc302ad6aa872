package console

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mydb-project/mydb/core"
)

func TestPlainKeepsTerminalsSafe(t *testing.T) {
	got := plain("```\nHost\tdb1\n```\nred \x1b[31m\u202eevil\x07\u009b2J é ✓")
	if want := "Host db1\nred [31mevil2J é ✓"; got != want {
		t.Errorf("plain gives %q, want %q", got, want)
	}
}

func TestProgressOnATerminalIsOneLine(t *testing.T) {
	var out bytes.Buffer
	p := screen{out: &out, width: 40}.progress()
	op := core.Operation{Kind: "create", State: core.OperationRunning, Database: "genomes"}
	p.tell(op)
	op.Steps = []core.Step{{Name: "wait until the server answers", State: "running", StartedAt: time.Unix(1, 0)}}
	p.tell(op)
	p.end()
	want := eraseLine + "Creating genomes ..." + eraseLine + "Creating genomes ... … wait until the s" + eraseLine
	if got := out.String(); got != want {
		t.Errorf("the terminal got %q, want %q", got, want)
	}
}

// A step that begins anew after a crash is told again; nothing else is told twice.
func TestProgressElsewhereIsALineForEachStep(t *testing.T) {
	var out bytes.Buffer
	p := screen{out: &out}.progress()
	one, two, three := time.Unix(1, 0), time.Unix(2, 0), time.Unix(3, 0)
	op := core.Operation{Kind: "create", State: core.OperationRunning, Database: "genomes"}
	for _, s := range []core.Step{
		{Name: "start", State: "running", StartedAt: one},
		{Name: "start", State: "failed", StartedAt: one, FinishedAt: &two, Detail: "no answer"},
		{Name: "start", State: "failed", StartedAt: one, FinishedAt: &two, Detail: "no answer"},
		{Name: "start", State: "done", StartedAt: two, FinishedAt: &three},
	} {
		op.Steps = []core.Step{s}
		p.tell(op)
	}
	if got, want := out.String(), "✗ start (1.0 s): no answer\n✓ start (1.0 s)\n"; got != want {
		t.Errorf("told %q, want %q", got, want)
	}
}

func TestComplete(t *testing.T) {
	head, words, tail := complete("create pg genomes size=s version", 24)
	if head != "create pg genomes " || !slices.Equal(words, []string{"size=small "}) || tail != " version" {
		t.Errorf("complete gives %q %q %q", head, words, tail)
	}
	if _, words, _ = complete("conn", 4); !slices.Equal(words, []string{"connect "}) {
		t.Errorf("complete gives %q", words)
	}
}

func TestReadEvents(t *testing.T) {
	var got []string
	alive := 0
	stream := "retry: 2000\n\n: comment\n\nevent:operation\r\ndata: one\r\ndata:  two\r\n\r\ndata\n\nevent: empty\n\nevent: unfinished\ndata: x\n"
	err := readEvents(strings.NewReader(stream), func() { alive++ }, func(name string, data []byte) error {
		got = append(got, name+"="+string(data))
		return nil
	})
	if want := []string{"operation=one\n two", "="}; err != nil || !slices.Equal(got, want) || alive < 10 {
		t.Errorf("readEvents gives %q after %d lines, %v; want %q", got, alive, err, want)
	}
}
