package console

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/peterh/liner"

	"github.com/mydb-project/mydb/bot"
	"github.com/mydb-project/mydb/core"
	"github.com/mydb-project/mydb/core/engine"
)

// ChatOptions are what a conversation needs.
type ChatOptions struct {
	Client *Client
	Args   []string // one command, from the command line; none: as many as In has, a line each
	In     io.Reader
	Out    io.Writer
	Err    io.Writer
	Home   string // for the history of what was typed at a terminal; empty: none is kept
}

type conversation struct {
	ChatOptions
	screen
}

// Chat holds a conversation with the bot. It ends after the command in Args, at the end of In, or with the word exit or quit.
// Work that a command begins is followed to its end. Errors: ErrFailed when a command was refused or failed; at a terminal only
// the connection to it, because people see what happened.
func Chat(ctx context.Context, o ChatOptions) error {
	c := conversation{ChatOptions: o, screen: newScreen(o.Out, o.Err)}
	if len(o.Args) == 1 {
		return c.command(ctx, o.Args[0])
	}
	if len(o.Args) > 1 {
		return c.command(ctx, bot.Join(o.Args))
	}
	if _, ok := terminal(o.In); ok && c.width > 0 && o.In == os.Stdin {
		return c.atTerminal(ctx)
	}
	return c.lines(ctx)
}

// command does one command and everything that follows from it.
func (c conversation) command(ctx context.Context, text string) error {
	answer, err := c.Client.Chat(ctx, text, "")
	if err != nil {
		return c.fail(err)
	}
	c.say(answer.Text)
	if answer.OperationID == "" {
		return nil
	}
	return c.follow(ctx, answer)
}

// follow shows the work that an answer began, and how to connect to a database that was made.
func (c conversation) follow(ctx context.Context, answer bot.Answer) error {
	p := c.progress()
	op, err := c.Client.FollowOperation(ctx, answer.OperationID, p.tell)
	p.end()
	if err != nil {
		c.say(fmt.Sprintf("The work on %s goes on without this terminal. To look at it: status %s", answer.Name, answer.Name))
		return c.fail(err)
	}
	if op.State != core.OperationDone {
		return c.fail(errors.New(bot.Outcome(op)))
	}
	c.say(bot.Outcome(op))
	if op.Kind != "create" {
		return nil
	}
	card, err := c.Client.Chat(ctx, bot.Join([]string{"connect", answer.Name}), "")
	if err != nil {
		return c.fail(err)
	}
	c.say("\n" + card.Text)
	return nil
}

// lines does a command a line, for scripts. Every line is tried; the error tells whether one of them failed.
func (c conversation) lines(ctx context.Context) error {
	var failed error
	in := bufio.NewScanner(c.In)
	in.Buffer(nil, 1<<20)
	for ctx.Err() == nil && in.Scan() {
		text := strings.TrimSpace(in.Text())
		if leaves(text) {
			return failed
		}
		if text == "" {
			continue
		}
		if err := c.command(ctx, text); err != nil {
			failed = err
		}
	}
	if err := errors.Join(in.Err(), ctx.Err()); err != nil {
		return c.fail(fmt.Errorf("read the commands: %w", err))
	}
	return failed
}

func leaves(text string) bool {
	return strings.EqualFold(text, "exit") || strings.EqualFold(text, "quit")
}

// atTerminal reads with history and completion. Ctrl-D leaves, Ctrl-C only drops the line that is being typed.
func (c conversation) atTerminal(ctx context.Context) error {
	line := liner.NewLiner()
	defer line.Close()
	line.SetCtrlCAborts(true)
	line.SetTabCompletionStyle(liner.TabPrints)
	line.SetWordCompleter(complete)
	c.recall(line)
	defer c.remember(line)
	c.say("This is MyDB at " + c.Client.BaseURL + ". Type help to see what it understands, exit to leave.")
	for {
		text, err := prompt(ctx, line)
		switch {
		case errors.Is(err, liner.ErrPromptAborted):
			continue
		case errors.Is(err, io.EOF), ctx.Err() != nil:
			c.say("")
			return nil
		case err != nil:
			return c.fail(err)
		}
		if text = strings.TrimSpace(text); text == "" {
			continue
		}
		if leaves(text) {
			return nil
		}
		if !bot.HoldsPassword(text) {
			line.AppendHistory(text)
		}
		_ = c.command(ctx, text) // the person has read it
	}
}

// prompt reads a line. liner knows no contexts: when ctx ends, its read is left behind, and the terminal is given back by Close.
func prompt(ctx context.Context, line *liner.State) (string, error) {
	type typed struct {
		text string
		err  error
	}
	read := make(chan typed, 1)
	go func() {
		text, err := line.Prompt("mydb> ")
		read <- typed{text, err}
	}()
	select {
	case <-ctx.Done():
		return "", ctx.Err()
	case t := <-read:
		return t.text, t.err
	}
}

// complete proposes from MyDB's own catalogue; what a site has changed in it, the server knows better.
func complete(line string, pos int) (head string, words []string, tail string) {
	r := []rune(line)
	typed := string(r[:pos])
	cut := strings.LastIndexByte(typed, ' ') + 1
	for _, w := range bot.NewGrammar(engine.BuiltIn()).Complete(typed) {
		if !strings.HasSuffix(w, "=") {
			w += " "
		}
		words = append(words, w)
	}
	return typed[:cut], words, string(r[pos:])
}

func (c conversation) historyFile() string { return filepath.Join(c.Home, ".mydb", "chat_history") }

// recall reads what was typed in earlier conversations. Its loss does not matter.
func (c conversation) recall(line *liner.State) {
	if c.Home == "" {
		return
	}
	f, err := os.Open(c.historyFile())
	if err != nil {
		return
	}
	defer f.Close()
	_, _ = line.ReadHistory(f) // as far as it can be read
}

func (c conversation) remember(line *liner.State) {
	if c.Home == "" {
		return
	}
	var b strings.Builder
	if _, err := line.WriteHistory(&b); err == nil {
		_ = replaceFile(c.historyFile(), []byte(b.String()), 0o600) // its loss does not matter
	}
}
