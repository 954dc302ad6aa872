package jobs_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/mydb-project/mydb/core"
	"github.com/mydb-project/mydb/core/config"
	"github.com/mydb-project/mydb/core/coretest"
	"github.com/mydb-project/mydb/core/crypt"
	"github.com/mydb-project/mydb/core/engine"
	"github.com/mydb-project/mydb/core/engine/postgres"
	"github.com/mydb-project/mydb/jobs"
	"github.com/mydb-project/mydb/jobs/mail"
	"github.com/mydb-project/mydb/jobs/mail/mailtest"
)

// mailEnv makes a worker process deliver mail and nothing else: the port of its mail server.
const mailEnv = "MYDB_TEST_WORKER_MAIL"

// bePostman is a worker process for mail, which can be killed.
func bePostman(ctx context.Context, pool *pgxpool.Pool, keys *crypt.Keyring) error {
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	queue, err := jobs.NewInserter(pool, log)
	if err != nil {
		return err
	}
	service := core.New(core.Options{DB: pool, Queue: queue, Keys: keys, Engines: []engine.Engine{postgres.Engine{}}, Catalogue: engine.BuiltIn(), Ports: testPorts, Log: log})
	port, err := strconv.Atoi(os.Getenv(mailEnv))
	if err != nil {
		return err
	}
	sender, err := newSender(config.MailServer{Host: "127.0.0.1", Port: port, Username: mailtest.Username, Password: mailtest.Password, TLS: config.TLSNone})
	if err != nil {
		return err
	}
	mailer := crashingMailer{sender, crasher{at: os.Getenv(crashEnv)}}
	if _, err := jobs.Start(ctx, jobs.Options{DB: pool, Service: service, Runtime: alone{}, Log: log, Mailer: mailer}); err != nil {
		return err
	}
	select {} // until it is killed
}

func newSender(server config.MailServer) (*mail.Sender, error) {
	return mail.New(mail.Options{Server: server, From: "mydb@example.org", Site: "https://mydb.example.org"})
}

type crashingMailer struct {
	jobs.Mailer
	crasher
}

func (m crashingMailer) Send(ctx context.Context, letter jobs.Mail) error {
	return m.around("send", func() error { return m.Mailer.Send(ctx, letter) })
}

// alone is a cluster of one manager that has no instances, for what needs none.
type alone struct{ jobs.Runtime }

func (alone) Self(context.Context) (jobs.Node, error) {
	return jobs.Node{ID: "alone", Manager: true}, nil
}

// onlyMail is a queue that leaves out all other work.
type onlyMail struct{ core.Queue }

func (q onlyMail) Enqueue(ctx context.Context, tx pgx.Tx, job core.Job) error {
	if job.Kind != "notify" {
		return nil
	}
	return q.Queue.Enqueue(ctx, tx, job)
}

// office is a MyDB that tells people things, and their mail server.
type office struct {
	t       *testing.T
	url     string
	key     string
	pool    *pgxpool.Pool
	service *core.Service
	server  *mailtest.Server
	mailer  jobs.Mailer
	ada     core.Actor
	root    core.Actor
}

func newOffice(t *testing.T) *office {
	t.Helper()
	_, appURL := coretest.Database(t)
	o := &office{t: t, url: appURL, pool: coretest.Pool(t, appURL), server: mailtest.Start(t, config.TLSNone)}
	var err error
	if o.key, err = crypt.NewKey(); err != nil {
		t.Fatal(err)
	}
	keys, err := crypt.ParseKeyring(o.key)
	if err != nil {
		t.Fatal(err)
	}
	queue, err := jobs.NewInserter(o.pool, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if o.mailer, err = newSender(o.server.MailServer); err != nil {
		t.Fatal(err)
	}
	o.service = coretest.Service(t, o.pool, core.Options{Keys: keys, Queue: onlyMail{queue}})
	if err := o.service.PreparePorts(t.Context()); err != nil {
		t.Fatal(err)
	}
	o.ada, o.root = coretest.Actor(t, o.service, "ada", false), coretest.Actor(t, o.service, "root", true)
	return o
}

// tell makes MyDB tell ada that a create failed, and gives the letter.
func (o *office) tell(name string) core.Letter {
	o.t.Helper()
	r, err := o.service.Do(o.t.Context(), core.Request{Actor: o.ada, Door: core.DoorAPI, Command: core.Create{Engine: "postgres", Name: name}})
	if err != nil {
		o.t.Fatal(err)
	}
	err = pgx.BeginFunc(o.t.Context(), o.pool, func(tx pgx.Tx) error {
		return o.service.FinishCreate(o.t.Context(), tx, r.Operation.ID, r.Database, &core.Explanation{Code: core.CodeInvalid, Message: "Your script failed."})
	})
	if err != nil {
		o.t.Fatal(err)
	}
	return o.letters()[0]
}

func (o *office) letters() []core.Letter {
	o.t.Helper()
	list, _, err := o.service.Letters(o.t.Context(), o.root, "", core.Page{Limit: core.MaxPage})
	if err != nil {
		o.t.Fatal(err)
	}
	return list
}

func (o *office) letter(id string) core.Letter {
	o.t.Helper()
	all := o.letters()
	return all[slices.IndexFunc(all, func(l core.Letter) bool { return l.ID == id })]
}

func (o *office) work(mailer jobs.Mailer) *jobs.Workers {
	o.t.Helper()
	w, err := jobs.Start(o.t.Context(), jobs.Options{
		DB: o.pool, Service: o.service, Runtime: alone{}, Log: slog.New(slog.DiscardHandler), Mailer: mailer,
	})
	if err != nil {
		o.t.Fatal(err)
	}
	o.t.Cleanup(func() { o.stop(w) })
	return w
}

func (o *office) stop(w *jobs.Workers) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(o.t.Context()), 20*time.Second)
	defer cancel()
	if err := w.Stop(ctx); err != nil {
		o.t.Error(err)
	}
}

// await waits until done says so. Pauses between attempts at mail are cut short.
func (o *office) await(what string, done func() bool) {
	o.t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for !done() {
		if time.Now().After(deadline) {
			o.t.Fatalf("%s did not happen; the outbox is %+v", what, o.letters())
		}
		<-tick.C
		if _, err := o.pool.Exec(o.t.Context(), "update river_job set state = 'available', scheduled_at = now() where kind = 'notify' and state in ('scheduled', 'retryable')"); err != nil {
			o.t.Fatal(err)
		}
	}
}

// checkDone makes sure that no job for mail is left.
func (o *office) checkDone() {
	o.t.Helper()
	o.await("the end of all jobs", func() bool {
		var left int
		if err := o.pool.QueryRow(o.t.Context(), "select count(*) from river_job where kind = 'notify' and finalized_at is null").Scan(&left); err != nil {
			o.t.Fatal(err)
		}
		return left == 0
	})
}

// TestMailSurvivesMailServers delivers one letter through each kind of trouble.
func TestMailSurvivesMailServers(t *testing.T) {
	for _, c := range []struct {
		name     string
		next     []mailtest.Behaviour
		state    core.LetterState
		attempts int
		arrived  []string // recipients
		why      string
	}{
		{name: "none", state: core.LetterSent, attempts: 1, arrived: []string{"ada"}},
		{name: "greylisting", next: []mailtest.Behaviour{mailtest.Greylist, mailtest.Greylist}, state: core.LetterSent, attempts: 3, arrived: []string{"ada"}},
		{name: "connection dropped", next: []mailtest.Behaviour{mailtest.Drop}, state: core.LetterSent, attempts: 2, arrived: []string{"ada"}},
		{name: "wrong sender, put right", next: []mailtest.Behaviour{mailtest.NoSender}, state: core.LetterSent, attempts: 2, arrived: []string{"ada"}},
		{name: "answer lost", next: []mailtest.Behaviour{mailtest.AcceptDrop}, state: core.LetterSent, attempts: 2, arrived: []string{"ada", "ada"}},
		{name: "address refused", next: []mailtest.Behaviour{mailtest.NoUser}, state: core.LetterFailed, attempts: 1, arrived: []string{"root"}, why: "no such user"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			o := newOffice(t)
			o.server.Next(c.next...)
			l := o.tell("genomes")
			o.work(o.mailer)
			o.await("the end of the letter", func() bool { return o.letter(l.ID).State != core.LetterPending })
			o.checkDone()
			if got := o.letter(l.ID); got.State != c.state || got.Attempts != c.attempts || !strings.Contains(got.LastError, c.why) || (got.SentAt != nil) != (c.state == core.LetterSent) {
				t.Errorf("letter = %+v; want %s after %d attempts", got, c.state, c.attempts)
			}
			var arrived, ids []string
			for _, m := range o.server.Received() {
				to, _, _ := strings.Cut(strings.Trim(m.Header.Get("To"), `"`), `"`)
				arrived, ids = append(arrived, to), append(ids, m.Header.Get("Message-Id"))
			}
			if !slices.Equal(arrived, c.arrived) || len(slices.Compact(ids)) != 1 {
				t.Errorf("mails for %v with the ids %v; want %v with one id", arrived, ids, c.arrived)
			}
		})
	}
}

// TestMailIsGivenUp has a letter that was tried for two days already.
func TestMailIsGivenUp(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	l := o.tell("genomes")
	if _, err := o.pool.Exec(t.Context(), "update notifications set not_before = now() - interval '49 hours'"); err != nil {
		t.Fatal(err)
	}
	o.server.Next(mailtest.Greylist)
	o.work(o.mailer)
	o.await("the end of the letter", func() bool { return o.letter(l.ID).State == core.LetterFailed })
	o.checkDone()
	if n := len(o.letters()); n != 1 { // no word to administrators through a server that takes none
		t.Errorf("%d letters; want 1", n)
	}
	if _, err := o.service.RetryLetter(t.Context(), core.Request{Actor: o.root, Door: core.DoorAPI}, l.ID); err != nil {
		t.Fatal(err)
	}
	o.await("the mail that was sent again", func() bool { return o.letter(l.ID).State == core.LetterSent })
}

// TestMailOff tells people with no mail server at all.
func TestMailOff(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	l := o.tell("genomes")
	o.work(nil)
	o.await("the end of the letter", func() bool { return o.letter(l.ID).State == core.LetterCancelled })
	o.checkDone()
	if got := o.letter(l.ID); got.LastError != "not sent: mail is off (MYDB_SMTP_URL is not set)" || o.server.Attempts() != 0 {
		t.Errorf("letter = %+v, %d attempts", got, o.server.Attempts())
	}
}

// TestManyMailsOnce delivers many letters with several workers. Each arrives once.
func TestManyMailsOnce(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	for i := range 20 {
		o.tell(fmt.Sprintf("genomes-%d", i))
	}
	o.work(o.mailer)
	o.work(o.mailer)
	o.await("the end of all letters", func() bool {
		return !slices.ContainsFunc(o.letters(), func(l core.Letter) bool { return l.State != core.LetterSent })
	})
	ids := map[string]bool{}
	for _, m := range o.server.Received() {
		ids[m.Header.Get("Message-Id")] = true
	}
	if n := len(o.server.Received()); n != 20 || len(ids) != 20 {
		t.Errorf("%d mails, %d different; want 20", n, len(ids))
	}
}

// TestStopWhileTheMailServerHangs stops a worker that waits for a mail server. It ends in time, and another delivers the mail.
func TestStopWhileTheMailServerHangs(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	o.server.Next(mailtest.Hang)
	l := o.tell("genomes")
	w := o.work(o.mailer)
	o.await("the attempt", func() bool { return o.server.Attempts() == 1 })
	start := time.Now()
	o.stop(w)
	if d := time.Since(start); d > 8*time.Second {
		t.Errorf("stopping took %s", d)
	}
	if got := o.letter(l.ID); got.State != core.LetterPending {
		t.Errorf("letter = %+v; want pending", got)
	}
	o.work(o.mailer)
	o.await("the mail", func() bool { return o.letter(l.ID).State == core.LetterSent })
}

// TestMailSurvivesKill kills the worker before and after it has handed a mail over. In the second case nobody can know, so the mail
// is sent again: with the same Message-ID.
func TestMailSurvivesKill(t *testing.T) {
	for crash, mails := range map[string]int{"before send": 1, "after send": 2} {
		t.Run(crash, func(t *testing.T) {
			t.Parallel()
			o := newOffice(t)
			l := o.tell("genomes")
			cmd := exec.Command(os.Args[0])
			cmd.Env = append(os.Environ(), workerEnv+"="+o.url, keyEnv+"="+o.key, crashEnv+"="+crash, mailEnv+"="+strconv.Itoa(o.server.Port))
			if out, err := cmd.CombinedOutput(); err == nil || !strings.Contains(err.Error(), "killed") {
				t.Fatalf("the worker ended with %v; want killed\n%s", err, out)
			}
			o.work(o.mailer)
			o.await("the mail", func() bool { return o.letter(l.ID).State == core.LetterSent })
			o.checkDone()
			got := o.server.Received()
			if len(got) != mails || got[0].Header.Get("Message-Id") != got[len(got)-1].Header.Get("Message-Id") {
				t.Errorf("%d mails; want %d, with one Message-ID", len(got), mails)
			}
			if l := o.letter(l.ID); l.Attempts != 2 {
				t.Errorf("%d attempts; want 2", l.Attempts)
			}
		})
	}
}

// TestDigestComesOnce has two workers after a night without any. Administrators get one mail.
func TestDigestComesOnce(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	o.tell("genomes")
	yesterday := time.Now().Add(-25 * time.Hour).UTC().Format(time.RFC3339Nano)
	if _, err := o.pool.Exec(t.Context(), "insert into site (key, value, sealed) values ('digest', $1, false)", []byte(yesterday)); err != nil {
		t.Fatal(err)
	}
	o.work(o.mailer)
	o.work(o.mailer)
	o.await("the digest", func() bool {
		return slices.ContainsFunc(o.letters(), func(l core.Letter) bool { return l.Kind == "digest" && l.State == core.LetterSent })
	})
	o.checkDone()
	var subjects []string
	for _, m := range o.server.Received() {
		if m.Header.Get("X-Mydb-Notification") == "digest" {
			subjects = append(subjects, m.Header.Get("Subject")+" to "+m.Header.Get("To"))
		}
	}
	if len(subjects) != 1 || !strings.HasSuffix(subjects[0], `needs attention to "root" <root@example.com>`) {
		t.Errorf("received %q", subjects)
	}
}
