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
	"unicode"

	"github.com/mydb-project/mydb/bot"
	"github.com/mydb-project/mydb/core"
	"github.com/mydb-project/mydb/core/engine"
)

// ConnectOptions say what to do about a database.
type ConnectOptions struct {
	Client *Client
	Name   string
	Save   bool   // write what tools need to connect into the person's files
	Home   string // whose files; default: the person's home directory
	// PasswordStdin takes the password from the first line of In, for a password that was collected elsewhere. Otherwise Save
	// collects it.
	PasswordStdin bool
	In            io.Reader
	Out           io.Writer
	Err           io.Writer
	Getenv        func(string) string // default: os.Getenv
}

// Connect shows how to connect to a database. With Save it also writes the certificate, the entry of the service file and the
// password, so that for example `psql service=<name>` works; the password is shown nowhere. Errors: ErrFailed, also when all was written but
// the password, because that was collected elsewhere.
func Connect(ctx context.Context, o ConnectOptions) error {
	s := newScreen(o.Out, o.Err)
	if !o.Save {
		answer, err := o.Client.Chat(ctx, bot.Join([]string{"connect", o.Name}), "")
		if err != nil {
			return s.fail(err)
		}
		s.say(answer.Text)
		if answer.OperationID != "" {
			return ErrFailed // the database is not there yet
		}
		return nil
	}
	f, err := o.files()
	if err != nil {
		return s.fail(err)
	}
	i, err := o.Client.Database(ctx, o.Name)
	if err != nil {
		return s.fail(err)
	}
	if err := savable(i); err != nil {
		return s.fail(err)
	}
	card := engine.Card{Name: i.Name, Host: *i.Host, Port: *i.Port, Database: i.Database, Username: i.Username, CAPath: f.ca}
	k, err := o.keeperOf(i.Engine, f, card)
	if err != nil {
		return s.fail(err)
	}
	if err := o.saveEntry(ctx, f, k); err != nil {
		return s.fail(err)
	}
	s.say(fmt.Sprintf("Wrote %s and %s of %s.", f.ca, k.entry, k.settings))
	if err := o.savePassword(ctx, s, k, card.Name); err != nil {
		return s.fail(err)
	}
	s.say("To connect: " + k.command)
	return nil
}

func (o ConnectOptions) files() (files, error) {
	getenv, home := o.Getenv, o.Home
	if getenv == nil {
		getenv = os.Getenv
	}
	if home == "" {
		var err error
		if home, err = os.UserHomeDir(); err != nil {
			return files{}, errors.New("there is no home directory to write to; set HOME")
		}
	}
	home, err := filepath.Abs(home) // tools would read a relative path from wherever they run
	return filesOf(home, getenv), err
}

// savable refuses what nobody could connect to.
func savable(i core.Instance) error {
	switch {
	case i.State == core.StateCreating || !i.Placed():
		return core.Errorf(core.CodeBusy, "%s %s. Try again as soon as it is ready.", i.Name, bot.Condition(i.State))
	case i.State != core.StateReady && i.State != core.StateStopped && i.State != core.StateRestoring:
		return core.Errorf(core.CodeGone, "%s %s, so nobody can connect to it.", i.Name, bot.Condition(i.State))
	}
	return nil
}

// saveEntry writes all that is no secret. The certificate comes first: an entry without it would not work.
func (o ConnectOptions) saveEntry(ctx context.Context, f files, k keeper) error {
	ca, err := o.Client.CA(ctx)
	if err != nil {
		return err
	}
	if err := replaceFile(f.ca, ca, 0o644); err != nil {
		return err
	}
	return edit(k.settings, k.saveEntry)
}

// savePassword keeps the password where the tools look for it. When the server has none to give any more, a password that is there
// already stays.
func (o ConnectOptions) savePassword(ctx context.Context, s screen, k keeper, name string) error {
	password, err := o.password(ctx, name)
	switch core.CodeOf(err) {
	case core.CodeGone, core.CodeForbidden:
		old, readErr := os.ReadFile(k.passwords)
		if readErr == nil && k.hasPassword(string(old)) {
			s.say(fmt.Sprintf("The password in %s stays as it is.", k.passwords))
			return nil
		}
		return withAdvice(err, name, k)
	}
	if err != nil {
		return err
	}
	err = edit(k.passwords, func(old string) string { return k.savePassword(old, password) })
	if err != nil {
		return fmt.Errorf("the password was not saved; within ten minutes this can be tried again: %w", err)
	}
	s.say("Saved the password in " + k.passwords + ".")
	return nil
}

func withAdvice(err error, name string, k keeper) error {
	var e *core.Error
	errors.As(err, &e) // the codes above come from nothing else
	return &core.Error{Code: e.Code, Cause: e, Message: fmt.Sprintf(
		"%s The entry is written: %s. To save one that you have: mydb connect %s --save --password-stdin", e.Message, k.prompting, name)}
}

func (o ConnectOptions) password(ctx context.Context, name string) (string, error) {
	if !o.PasswordStdin {
		credentials, err := o.Client.Credentials(ctx, name)
		return credentials.Password, err
	}
	line, err := bufio.NewReader(io.LimitReader(o.In, 4096)).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return "", fmt.Errorf("read the password: %w", err)
	}
	password := strings.TrimRight(line, "\r\n")
	if password == "" || strings.ContainsFunc(password, unicode.IsControl) {
		return "", core.Errorf(core.CodeInvalid, "The first line of the input is no password.")
	}
	return password, nil
}
