package console

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"unicode"

	"golang.org/x/term"

	"github.com/mydb-project/mydb/bot"
	"github.com/mydb-project/mydb/core"
)

// ErrFailed says that something was refused or failed, and that the person has been told all about it.
var ErrFailed = errors.New("failed")

// screen is where a person reads.
type screen struct {
	out, err io.Writer
	width    int // of a terminal; 0 when out is none
}

func newScreen(out, err io.Writer) screen {
	s := screen{out: out, err: err}
	if fd, ok := terminal(out); ok {
		s.width = 80
		if w, _, sizeErr := term.GetSize(fd); sizeErr == nil && w > 0 {
			s.width = w
		}
	}
	return s
}

// terminal tells whether a stream is a terminal, and its file descriptor.
func terminal(stream any) (fd int, ok bool) {
	f, isFile := stream.(*os.File)
	if !isFile {
		return 0, false
	}
	fd = int(f.Fd())
	return fd, term.IsTerminal(fd)
}

func (s screen) say(text string) { fmt.Fprintln(s.out, plain(text)) }

// fail tells an error and gives ErrFailed.
func (s screen) fail(err error) error {
	message := err.Error()
	var e *core.Error
	if errors.As(err, &e) {
		message = e.Message
	}
	fmt.Fprintln(s.err, plain(message))
	return ErrFailed
}

// plain is a text for a terminal: without fences, which only chat programs need, and without control characters, which could
// make a terminal do things.
func plain(text string) string {
	var lines []string
	for line := range strings.SplitSeq(text, "\n") {
		if strings.TrimSpace(line) != "```" {
			lines = append(lines, strings.Map(printable, line))
		}
	}
	return strings.Join(lines, "\n")
}

func printable(r rune) rune {
	if r == '\t' {
		return ' '
	}
	if unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) {
		return -1
	}
	return r
}

// progress shows an operation while it goes on: on a terminal in one line that changes, elsewhere a line for each step that ended.
type progress struct {
	screen
	told map[string]bool
}

func (s screen) progress() *progress { return &progress{screen: s, told: map[string]bool{}} }

const eraseLine = "\r\x1b[2K"

func (p *progress) tell(op core.Operation) {
	if p.width > 0 {
		line := bot.Outcome(op)
		if n := len(op.Steps); n > 0 && !op.Finished() {
			line += " " + bot.StepLine(op.Steps[n-1])
		}
		line = plain(line)
		if r := []rune(line); len(r) >= p.width {
			line = string(r[:p.width-1]) // a line that wraps could not be erased
		}
		fmt.Fprint(p.out, eraseLine+line)
		return
	}
	for n, s := range op.Steps {
		// An operation that begins anew after a crash repeats its steps, at other times.
		key := fmt.Sprint(n, s.StartedAt.UnixNano())
		if s.FinishedAt == nil || p.told[key] {
			continue
		}
		p.told[key] = true
		p.say(bot.StepLine(s))
	}
}

// end removes the line that changes.
func (p *progress) end() {
	if p.width > 0 {
		fmt.Fprint(p.out, eraseLine)
	}
}
