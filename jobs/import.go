package jobs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"

	"github.com/mydb-project/mydb/core"
	"github.com/mydb-project/mydb/core/engine"
)

// lookLimit is how long the first look at a source may take.
const lookLimit = 30 * time.Second

// incoming is what an import brings into the instance that is made: a source's content, or an upload's.
type incoming struct {
	*creation
	core.ImportArgs
	source  engine.Source // with its password
	tenant  engine.Tenant
	brought engine.Brought
}

// incoming reads what an import is of.
func (w *createWorker) incoming(ctx context.Context, c *creation) (*incoming, error) {
	in := &incoming{creation: c}
	err := w.Service.Args(ctx, c.steps.operationID, &in.ImportArgs)
	return in, err
}

// around puts the steps of an import around those that make the server. The look comes before anything is made: what is wrong with an
// address leaves nothing behind.
func (in *incoming) around(server []step, tenant engine.Tenant) []step {
	in.tenant = tenant
	look, bring := step{"look at the source", in.look}, step{"copy the database", in.copy}
	if in.Source != nil {
		bring.name = "copy the database " + in.Source.String()
	} else {
		look, bring = step{"look for the upload", in.lookForUpload}, step{"load the dump", in.load}
	}
	return append(append([]step{look}, server...), []step{
		{"make user and database", in.prepare},
		bring,
		{"count every table", in.count},
		{"log in, write and read as " + tenant.Username, func(ctx context.Context) (string, error) { return "", in.engine.Prove(ctx, in.server, tenant) }},
	}...)
}

func (in *incoming) look(ctx context.Context) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, lookLimit)
	defer cancel()
	var err error
	if in.source, err = in.Service.ImportSource(ctx, in.instance.ID, *in.Source); err != nil {
		return "", err
	}
	found, err := in.engine.Look(ctx, in.source, in.instance.Version)
	if err != nil {
		return "", in.hide(err)
	}
	if err := in.Service.NotOwnServer(ctx, found); err != nil {
		return "", err
	}
	return fmt.Sprintf("%s %s, %s", in.engine.Title(), found.ServerVersion, counted(found.Tables, "table")), nil
}

func (in *incoming) lookForUpload(ctx context.Context) (string, error) {
	if err := in.needStore(); err != nil {
		return "", err
	}
	_, err := in.Store.Head(ctx, core.UploadKey(in.Upload))
	if errors.Is(err, ErrNoObject) {
		return "", &Problem{Cause: CauseData, Permanent: true, Err: err, Message: "The upload is not in the store any more. Upload the file again."}
	}
	if err != nil {
		return "", storeProblem("MyDB could not look into the store of backups.", err)
	}
	return "", nil
}

// prepare makes the tenant's side on a server that has nothing else: what an earlier attempt has brought goes.
func (in *incoming) prepare(ctx context.Context) (string, error) {
	if err := in.Runtime.Sweep(ctx, in.steps.operationID); err != nil {
		return "", err
	}
	if err := in.engine.Clear(ctx, in.server, in.secrets); err != nil {
		return "", fmt.Errorf("remove what an earlier attempt has left: %w", err)
	}
	return in.provision(ctx, in.tenant)
}

func (in *incoming) target() engine.Target {
	return engine.Target{Server: in.server, Secrets: in.secrets, Tenant: in.tenant, Extensions: in.Service.ImportExtensions(in.instance)}
}

func (in *incoming) copy(ctx context.Context) (string, error) {
	var err error
	in.brought, err = in.engine.Copy(ctx, in.source, in.target(), in.tools(in.version.Image))
	if err != nil {
		return "", in.hide(importProblem(err, false))
	}
	return in.leftOut(), nil
}

// load reads an upload from the store into the database. All of it has to be read, and in order, for it to count.
func (in *incoming) load(ctx context.Context) (string, error) {
	object, err := in.Store.Get(ctx, core.UploadKey(in.Upload))
	if err != nil {
		return "", storeProblem("MyDB could not read the upload from the store of backups.", err)
	}
	defer object.Close()
	plain, err := in.Service.OpenArchive(object)
	if err != nil {
		return "", &Problem{Cause: CauseData, Permanent: true, Message: "The upload cannot be opened. Upload the file again.", Err: err}
	}
	defer plain.Close()
	whole := &watchedReader{r: plain}
	in.brought, err = in.engine.Load(ctx, in.Format, whole, in.target(), in.tools(in.version.Image))
	if err == nil {
		_, err = io.Copy(io.Discard, whole)
	}
	if whole.err != nil {
		return "", storeProblem("MyDB could not read all of the upload from the store of backups.", whole.err)
	}
	if err != nil {
		return "", importProblem(err, true)
	}
	return in.leftOut(), nil
}

// leftOut tells what was not taken along.
func (in *incoming) leftOut() string {
	if len(in.brought.LeftOut) == 0 {
		return ""
	}
	return "left out: " + strings.Join(in.brought.LeftOut, ", ")
}

// importProblem puts the end of a tool into words. What a tool does not like about a file, it will not like the next time.
func importProblem(err error, permanent bool) error {
	var ended *engine.ToolError
	if !errors.As(err, &ended) || errors.As(err, new(*engine.RefusedError)) {
		return err // or it has words already
	}
	return &Problem{Cause: CauseData, Permanent: permanent, Message: fmt.Sprintf("%s ended with exit code %d.", ended.Tool, ended.ExitCode), Detail: ended.Stderr, Err: err}
}

// hide makes sure that nothing that is said of an error holds the source's password. No tool or driver is known to repeat one.
func (in *incoming) hide(err error) error {
	if in.source.Password == "" || !strings.Contains(err.Error()+sentence(err).Message, in.source.Password) {
		return err
	}
	return &Problem{Cause: CauseData, Permanent: permanent(err), Message: strings.ReplaceAll(sentence(err).Message, in.source.Password, "***")}
}

// listedTables is how many tables the step names, with their rows. The report of the database has all.
const listedTables = 20

// count compares what is there now with what the source held, and tells what was brought.
func (in *incoming) count(ctx context.Context) (string, error) {
	got, err := in.engine.Contents(ctx, in.server, in.secrets, -1)
	if err != nil {
		return "", fmt.Errorf("count what was brought: %w", err)
	}
	of := "source"
	if in.Source == nil {
		of = "dump"
	}
	want, how := got, ", as the dump has brought them"
	if in.brought.Contents != nil {
		want, how = *in.brought.Contents, ", as many as the "+of+" has"
	}
	r := core.CompareCopy(want, got, of)
	if !r.OK {
		return "", &Problem{Cause: CauseData, Permanent: true, Message: "The copy is not what the " + of + " holds.", Detail: strings.Join(r.Problems, "\n")}
	}
	if in.brought.Contents != nil && r.NotCompared != "" {
		how = ". They could not be compared exactly: " + r.NotCompared
	}
	return fmt.Sprintf("%s with %s%s%s", counted(r.Tables, "table"), counted(int(r.Rows), "row"), how, listTables(got)), nil
}

func listTables(c engine.Contents) string {
	var lines []string
	for _, d := range c.Databases {
		for _, t := range d.Tables {
			name := t.Name
			if t.Schema != "" && t.Schema != "public" {
				name = t.Schema + "." + name
			}
			lines = append(lines, fmt.Sprintf("%s: %d", name, t.Rows))
		}
	}
	if more := len(lines) - listedTables; more > 0 {
		lines = append(lines[:listedTables], fmt.Sprintf("and %d more; the report of the database has all", more))
	}
	if len(lines) == 0 {
		return ""
	}
	return "\n" + strings.Join(lines, "\n")
}

// sweepUploads takes uploads away whose time is over, such as that of an import which has ended.
func (w *createWorker) sweepUploads(ctx context.Context) {
	if w.Store == nil {
		return
	}
	if _, err := w.Service.SweepUploads(ctx, w.Store); err != nil {
		w.Log.Warn("uploads whose time is over could not be removed; this is tried again", "error", err)
	}
}

// finish writes the end of a create, in the way of its kind.
func (c *creation) finish(ctx context.Context, tx pgx.Tx, failure *core.Explanation) error {
	if c.incoming != nil {
		return c.Service.FinishImport(ctx, tx, c.steps.operationID, c.instance, failure)
	}
	return c.Service.FinishCreate(ctx, tx, c.steps.operationID, c.instance, failure)
}

// uploadPause is how often is looked for uploads whose time is over.
const uploadPause = 10 * time.Minute

// uploadArgs ask for the end of uploads that nobody imports.
type uploadArgs struct{}

// Kind implements river.JobArgs.
func (uploadArgs) Kind() string { return "sweep_uploads" }

// InsertOpts implements river.JobArgsWithInsertOpts.
func (uploadArgs) InsertOpts() river.InsertOpts {
	return river.InsertOpts{Queue: managersQueue, MaxAttempts: 1, UniqueOpts: oneAtATime}
}

type uploadWorker struct {
	river.WorkerDefaults[uploadArgs]
	Options
}

// Work implements river.Worker.
func (w *uploadWorker) Work(ctx context.Context, _ *river.Job[uploadArgs]) error {
	if w.Store == nil {
		return nil
	}
	_, err := w.Service.SweepUploads(ctx, w.Store)
	return err
}

// watchedReader keeps the error of its reader, which a tool that is fed with it would hide.
type watchedReader struct {
	r   io.Reader
	err error
}

// Read implements io.Reader.
func (w *watchedReader) Read(p []byte) (int, error) {
	n, err := w.r.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		w.err = err
	}
	return n, err
}
