package console

import (
	"bufio"
	"cmp"
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
	"github.com/mydb-project/mydb/core/engine/postgres"
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
// password, so that `psql service=<name>` works; the password is shown nowhere. Errors: ErrFailed, also when all was written but
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
	if err := o.saveEntry(ctx, f, card); err != nil {
		return s.fail(err)
	}
	s.say(fmt.Sprintf("Wrote %s and the entry [%s] of %s.", f.ca, card.Name, f.services))
	if err := o.savePassword(ctx, s, f, card); err != nil {
		return s.fail(err)
	}
	s.say("To connect: psql service=" + card.Name)
	return nil
}

// files are where libpq looks.
type files struct{ ca, services, passwords string }

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
	home, err := filepath.Abs(home) // libpq would read a relative path from wherever it runs
	return files{
		ca:        filepath.Join(home, ".mydb", "ca.crt"),
		services:  cmp.Or(getenv("PGSERVICEFILE"), filepath.Join(home, ".pg_service.conf")),
		passwords: cmp.Or(getenv("PGPASSFILE"), filepath.Join(home, ".pgpass")),
	}, err
}

// savable refuses what nobody could connect to.
func savable(i core.Instance) error {
	switch {
	case i.Engine != "postgres":
		return core.Errorf(core.CodeInvalid, "%s is not a PostgreSQL database; --save writes the files of PostgreSQL's tools only.", i.Name)
	case i.State == core.StateCreating || !i.Placed():
		return core.Errorf(core.CodeBusy, "%s %s. Try again as soon as it is ready.", i.Name, bot.Condition(i.State))
	case i.State != core.StateReady && i.State != core.StateStopped && i.State != core.StateRestoring:
		return core.Errorf(core.CodeGone, "%s %s, so nobody can connect to it.", i.Name, bot.Condition(i.State))
	}
	return nil
}

// saveEntry writes all that is no secret. The certificate comes first: an entry without it would not work.
func (o ConnectOptions) saveEntry(ctx context.Context, f files, card engine.Card) error {
	ca, err := o.Client.CA(ctx)
	if err != nil {
		return err
	}
	if err := replaceFile(f.ca, ca, 0o644); err != nil {
		return err
	}
	return edit(f.services, func(old string) string { return withSection(old, card.Name, postgres.ServiceEntry(card)) })
}

// savePassword keeps the password where libpq looks for it. When the server has none to give any more, a password that is there
// already stays.
func (o ConnectOptions) savePassword(ctx context.Context, s screen, f files, card engine.Card) error {
	prefix := strings.TrimSuffix(postgres.PassfileLine(card, ""), "\n")
	password, err := o.password(ctx, card.Name)
	switch core.CodeOf(err) {
	case core.CodeGone, core.CodeForbidden:
		old, readErr := os.ReadFile(f.passwords)
		if readErr == nil && hasPassword(string(old), prefix) {
			s.say(fmt.Sprintf("The password in %s stays as it is.", f.passwords))
			return nil
		}
		return withAdvice(err, card.Name)
	}
	if err != nil {
		return err
	}
	err = edit(f.passwords, func(old string) string { return withPassword(old, prefix, postgres.PassfileLine(card, password)) })
	if err != nil {
		return fmt.Errorf("the password was not saved; within ten minutes this can be tried again: %w", err)
	}
	s.say("Saved the password in " + f.passwords + ".")
	return nil
}

func withAdvice(err error, name string) error {
	var e *core.Error
	errors.As(err, &e) // the codes above come from nothing else
	return &core.Error{Code: e.Code, Cause: e, Message: fmt.Sprintf(
		"%s The entry is written: psql service=%s asks for the password. To save one that you have: mydb connect %s --save --password-stdin", e.Message, name, name)}
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
