package bot_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/mydb-project/mydb/bot"
	"github.com/mydb-project/mydb/core"
	"github.com/mydb-project/mydb/core/coretest"
)

// talk is a conversation with a bot over a real catalogue database.
type talk struct {
	*testing.T
	service *core.Service
	db      *pgxpool.Pool
	bot     *bot.Bot
	log     bytes.Buffer
}

func newTalk(t *testing.T) *talk {
	k := &talk{T: t}
	k.service, k.db = coretest.New(t)
	k.bot = bot.New(bot.Options{
		Service: k.service, PublicURL: "https://mydb.example.org/",
		Log: slog.New(slog.NewTextHandler(&k.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	})
	return k
}

func (k *talk) person(login string) core.Actor { return coretest.Actor(k.T, k.service, login, false) }

func (k *talk) say(who core.Actor, key, text string) (bot.Answer, error) {
	return k.bot.Run(k.Context(), bot.In{Actor: who, Door: core.DoorTerminal, Address: "192.0.2.1", Key: key, Text: text})
}

// hear says something and wants an answer with these texts in it.
func (k *talk) hear(who core.Actor, text string, want ...string) bot.Answer {
	k.Helper()
	answer, err := k.say(who, "", text)
	if err != nil {
		k.Fatalf("%s: %v", text, err)
	}
	for _, w := range want {
		if !strings.Contains(answer.Text, w) {
			k.Errorf("%s: %q is missing in\n%s", text, w, answer.Text)
		}
	}
	if n := utf8.RuneCountInString(answer.Text); n > bot.MaxAnswer {
		k.Errorf("%s: the answer has %d characters", text, n)
	}
	return answer
}

// refused says something and wants a refusal with this code and text.
func (k *talk) refused(who core.Actor, text string, code core.Code, want string) {
	k.Helper()
	answer, err := k.say(who, "", text)
	var e *core.Error
	if !errors.As(err, &e) || e.Code != code || !strings.Contains(e.Message, want) {
		k.Errorf("%s: %+v, %v; want %s with %q", text, answer, err, code, want)
	}
}

// make does what a worker does to make a database, without a server.
func (k *talk) make(answer bot.Answer, failure *core.Explanation) {
	k.Helper()
	ctx := context.WithoutCancel(k.Context())
	i, _, err := k.service.Begin(ctx, answer.OperationID)
	if err != nil {
		k.Fatal(err)
	}
	_, _, err = k.service.Place(ctx, i.ID, func([]core.Placed) (string, string, error) { return "node1", "db1.example.org", nil })
	if err == nil {
		err = k.service.StartStep(ctx, answer.OperationID, 1, "start the server")
	}
	if err == nil {
		err = k.service.EndStep(ctx, answer.OperationID, 1, failure == nil, "")
	}
	if err == nil {
		err = pgx.BeginFunc(ctx, k.db, func(tx pgx.Tx) error { return k.service.FinishCreate(ctx, tx, answer.OperationID, i, failure) })
	}
	if err != nil {
		k.Fatal(err)
	}
}

func TestDatabaseFromCreateToConnect(t *testing.T) {
	k := newTalk(t)
	ada := k.person("ada")
	k.hear(ada, "list", "You have no databases yet.")
	answer := k.hear(ada, `create pg genomes size=medium user=ada expires=90d ext=pg_trgm phi=yes "variants of the cohort"`,
		"Creating genomes (PostgreSQL 17, medium).", "health data", "It expires on", "https://mydb.example.org/databases/genomes")
	if answer.Name != "genomes" || answer.OperationID == "" {
		t.Errorf("the answer is about %q, operation %q", answer.Name, answer.OperationID)
	}
	k.hear(ada, "list", "You have 1 database.", "genomes  creating  PostgreSQL 17")
	k.hear(ada, "status genomes", "genomes is being created", "variants of the cohort", "pg_trgm", "user ada", "Creating genomes is about to begin.")
	waiting := k.hear(ada, "connect genomes", "genomes is being created. You can connect as soon as it is ready.")
	if waiting.OperationID != answer.OperationID {
		t.Error("connect does not tell which operation to wait for")
	}
	k.make(answer, nil)
	k.hear(ada, "STATUS Genomes", "genomes is ready", "db1.example.org:25", "✓ start the server")
	card := k.hear(ada, "connect genomes", "db1.example.org", "psql service=genomes", "postgresql:///?service=genomes", "import psycopg",
		"mydb connect genomes --save", "Its password waits for you")
	if card.OperationID != "" {
		t.Error("there is nothing to wait for any more")
	}
	credentials, err := k.service.Collect(t.Context(), core.Request{Actor: ada, Door: core.DoorTerminal}, "genomes")
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(card.Text+k.log.String(), credentials.Password) {
		t.Error("the password is in a message or in the log")
	}
}

func TestFailedCreateIsExplained(t *testing.T) {
	k := newTalk(t)
	ada := k.person("ada")
	answer := k.hear(ada, "create postgres genomes")
	k.make(answer, &core.Explanation{Code: core.CodeUnavailable, Message: "No machine has room for it."})
	k.hear(ada, "status genomes", "genomes could not be created (2", "No machine has room for it.", "✗ start the server")
	k.hear(ada, "connect genomes", "so nobody can connect to it. No machine has room for it.")
	k.hear(ada, "create postgres genomes", "Creating genomes")
}

func TestRefusals(t *testing.T) {
	k := newTalk(t)
	ada, grace := k.person("ada"), k.person("grace")
	k.hear(ada, "create postgres genomes")
	k.refused(grace, "create postgres genomes", core.CodeTaken, "The name genomes is taken: ada has")
	k.refused(grace, "status genomes", core.CodeNotFound, `You have no database "genomes".`)
	k.refused(grace, "connect genomes", core.CodeNotFound, `You have no database "genomes".`)
	k.refused(ada, "status genoms", core.CodeNotFound, "Did you mean genomes?")
	k.refused(ada, "list all", core.CodeForbidden, "Only administrators")
	k.refused(ada, "create postgres x", core.CodeInvalid, `The name "x" does not fit`)
	k.refused(ada, "create postgres other version=9", core.CodeInvalid, `postgres "9" is not offered here`)
	k.refused(ada, "upgrade genomes 18", core.CodeInvalid, "not available yet")
	k.refused(core.Actor{}, "whoami", core.CodeUnauthenticated, "Log in first")
	k.refused(core.Actor{}, "list", core.CodeUnauthenticated, "Log in first")
	reading := ada
	reading.Scope = core.ScopeRead
	k.refused(reading, "create postgres other", core.CodeForbidden, "This token may only read")
	k.refused(ada, "create postgres other password=canary-4711", core.CodeInvalid, "Passwords are never taken in chat")
	if strings.Contains(k.log.String(), "canary") {
		t.Error("a password that was typed is in the log")
	}
}

func TestAdministratorsSeeAll(t *testing.T) {
	k := newTalk(t)
	ada, root := k.person("ada"), coretest.Actor(t, k.service, "boss", true)
	answer := k.hear(ada, "create postgres genomes")
	k.make(answer, nil)
	k.hear(root, "list", "You have no databases yet.")
	k.hear(root, "list all", "There is 1 database.", "ada")
	k.hear(root, "connect genomes", "Its password is for ada alone.")
	k.hear(root, "whoami", "an administrator")
}

func TestRepeatedMessageIsDoneOnce(t *testing.T) {
	k := newTalk(t)
	ada := k.person("ada")
	first, err := k.say(ada, "key-1", "create postgres genomes")
	if err != nil {
		t.Fatal(err)
	}
	again, err := k.say(ada, "key-1", "/mydb create pg GENOMES")
	if err != nil || !reflect.DeepEqual(again, first) {
		t.Errorf("the same key again gives %+v, %v; want %+v", again, err, first)
	}
	if _, err := k.say(ada, "key-1", "create postgres other"); core.CodeOf(err) != core.CodeKeyReused {
		t.Errorf("the same key for something else: %v", err)
	}
}

func TestLongListSaysThatThereIsMore(t *testing.T) {
	k := newTalk(t)
	ada := k.person("ada")
	for _, r := range "abcdefghijklmnopqrstuvwxyz" {
		k.hear(ada, "create pg study-"+string(r))
	}
	k.hear(ada, "list", "The newest 25 databases; all of them are at https://mydb.example.org\n", "study-z", "study-b")
}
