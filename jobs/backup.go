package jobs

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"path"
	"time"

	"github.com/docker/go-units"
	"github.com/jackc/pgx/v5"

	"github.com/mydb-project/mydb/core"
	"github.com/mydb-project/mydb/core/engine"
)

// How a backup is made: in at most so long, tried so often, and with checksums of tables up to this size.
const (
	backupLimit   = 24 * time.Hour
	backupTries   = 3
	checksumBelow = 64 << 20
)

var backupPlan = plan{
	limit: backupLimit, tries: backupTries,
	steps: func(ctx context.Context, a *attempt) ([]step, error) {
		if err := a.needStore(); err != nil {
			return nil, err
		}
		b, err := a.Service.BackupOfOperation(ctx, a.steps.operationID)
		if err != nil {
			return nil, err
		}
		a.backup = &backup{attempt: a, id: b.ID}
		return a.backup.work(ctx)
	},
	undo: func(ctx context.Context, a *attempt) error {
		if a.backup == nil {
			return nil
		}
		return a.backup.undo(ctx)
	},
	finish: func(ctx context.Context, tx pgx.Tx, a *attempt, failure *core.Explanation) error {
		return a.Service.FinishBackup(ctx, tx, a.steps.operationID, a.instance, a.backup.made(), failure)
	},
}

// backup is one attempt at a backup. What an earlier attempt has left in the store is written over.
type backup struct {
	*attempt
	id       string
	manifest core.Manifest
	text     []byte // of the manifest, once it is in the store and everything was read back
	beside   bool   // what is backed up is a server that runs for this operation
}

// needStore refuses work on backups where this worker has no place for them, although the portal thinks that there is one.
func (a *attempt) needStore() error {
	if a.Store != nil {
		return nil
	}
	return &Problem{Cause: CauseEngine, Permanent: true, Message: "The worker that took this up has no place for backups. An administrator must set MYDB_STORE_URL for all processes."}
}

// work is what is left to do: nothing when an earlier attempt has written the manifest, which comes after everything else.
func (b *backup) work(ctx context.Context) ([]step, error) {
	there, err := b.resume(ctx)
	if err != nil || there {
		return nil, err
	}
	return []step{
		{"write the backup into the store", b.write},
		{"read it back and check it", b.readBack},
		{"write its manifest", b.finish},
	}, nil
}

func (b *backup) resume(ctx context.Context) (bool, error) {
	r, err := b.Store.Get(ctx, path.Join(b.folder(), core.ManifestObject))
	if errors.Is(err, ErrNoObject) {
		return false, nil
	}
	if err != nil {
		return false, storeProblem("MyDB could not read from the store of backups.", err)
	}
	defer r.Close()
	text, err := io.ReadAll(io.LimitReader(r, core.MaxManifest))
	if err != nil {
		return false, storeProblem("MyDB could not read from the store of backups.", err)
	}
	if err := json.Unmarshal(text, &b.manifest); err != nil || b.manifest.BackupID != b.id {
		return false, nil //nolint:nilerr // it is written anew
	}
	b.text = text
	return true, nil
}

func (b *backup) folder() string { return core.BackupFolder(b.instance.ID, b.id) }

// tools runs tools in containers of the instance's own image.
func (a *attempt) tools(image string) engine.RunTool {
	return func(ctx context.Context, t engine.Tool, stdin io.Reader, stdout io.Writer) error {
		err := a.Runtime.Tool(ctx, ToolSpec{OperationID: a.steps.operationID, PHI: a.private, Image: image, Tool: t, Stdin: stdin, Stdout: stdout})
		var ended *engine.ToolError
		if errors.As(err, &ended) {
			ended.Stderr = core.MaskSecrets(ended.Stderr)
		}
		return err
	}
}

func (b *backup) write(ctx context.Context) (string, error) {
	if !b.beside {
		if err := b.Runtime.Sweep(ctx, b.attempt.steps.operationID); err != nil {
			return "", err
		}
	}
	b.endUploads(ctx)
	b.manifest = core.Manifest{Format: core.ManifestFormat, BackupID: b.id, StartedAt: b.Now().UTC(), Instance: core.ManifestOf(b.instance), Packing: core.Packing}
	dump, err := b.engine.Dump(ctx, b.server, b.secrets, b.tools(b.instance.Image))
	if err != nil {
		return "", fmt.Errorf("begin the backup: %w", err)
	}
	defer dump.Close()
	expected := b.Service.SizeOnDisk(ctx, b.instance.ID)
	for _, p := range dump.Parts() {
		part, err := b.writePart(ctx, dump, p, expected)
		if err != nil {
			return "", problemOf(p, err)
		}
		b.manifest.Parts = append(b.manifest.Parts, part)
	}
	if b.manifest.Contents, err = dump.Contents(ctx, checksumBelow); err != nil {
		return "", fmt.Errorf("count what the backup holds: %w", err)
	}
	b.manifest.FinishedAt = b.Now().UTC()
	return fmt.Sprintf("%s in %s", units.BytesSize(float64(b.size())), counted(len(b.manifest.Parts), "part")), nil
}

func counted(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// storeProblem is what people read of a store that does not do what it should.
func storeProblem(message string, err error) error {
	return &Problem{Cause: CauseEngine, Message: message + " An administrator must look at it.", Detail: core.MaskSecrets(err.Error()), Err: err}
}

// problemOf puts the end of a tool into words.
func problemOf(p engine.Part, err error) error {
	var ended *engine.ToolError
	if !errors.As(err, &ended) {
		return err
	}
	what := "the accounts"
	if p.Database != "" {
		what = "the database " + p.Database
	} else if p.Kind == engine.PartAll {
		what = "the databases"
	}
	message := fmt.Sprintf("%s of %s ended with exit code %d.", ended.Tool, what, ended.ExitCode)
	if ended.ExitCode == 0 {
		message = fmt.Sprintf("%s of %s said that all is well, but what it wrote is not whole.", ended.Tool, what)
	}
	return &Problem{Cause: CauseData, Message: message, Detail: ended.Stderr, Err: err}
}

// writePart is the stream of a backup: tool, compression, encryption, hash, upload. It takes as much memory whatever the size. The
// object gets its name only after the tool has ended well and everything has arrived.
func (b *backup) writePart(ctx context.Context, dump engine.Dump, p engine.Part, expected int64) (core.ManifestPart, error) {
	out := core.ManifestPart{Part: p, Object: p.File + core.PartSuffix}
	read, write := io.Pipe()
	uploaded := make(chan error, 1)
	go func() {
		err := b.Store.Put(ctx, path.Join(b.folder(), out.Object), read, expected)
		_ = read.CloseWithError(errors.Join(err, io.ErrClosedPipe)) // a tool that is still writing learns of it
		uploaded <- err
	}()
	sealed := &counter{w: write, hash: sha256.New()}
	plain, began, err := b.pack(ctx, dump, p, sealed)
	_ = write.CloseWithError(err) // nil is the end of the object
	if putErr := <-uploaded; putErr != nil && (err == nil || errors.Is(err, io.ErrClosedPipe)) {
		return out, storeProblem("MyDB could not write into the store of backups.", putErr)
	}
	if err != nil {
		return out, err
	}
	out.Size, out.SHA256, out.Plain, out.Seconds = sealed.n, sealed.sum(), plain, time.Since(began).Seconds()
	return out, nil
}

func (b *backup) pack(ctx context.Context, dump engine.Dump, p engine.Part, to io.Writer) (plain int64, began time.Time, err error) {
	archive, keys, err := b.Service.SealArchive(to)
	if err != nil {
		return 0, began, err
	}
	b.manifest.Keys = keys
	in := &counter{w: archive}
	if err := dump.Write(ctx, p, in); err != nil {
		return in.n, in.began, err
	}
	return in.n, in.began, archive.Close()
}

// counter counts, and hashes, what goes through.
type counter struct {
	w    io.Writer
	hash hash.Hash
	n    int64

	began time.Time // at the first byte
}

func (c *counter) Write(p []byte) (int, error) {
	if c.n == 0 {
		c.began = time.Now()
	}
	n, err := c.w.Write(p)
	c.n += int64(n)
	if c.hash != nil {
		c.hash.Write(p[:n])
	}
	return n, err
}

func (c *counter) sum() string { return hex.EncodeToString(c.hash.Sum(nil)) }

func (b *backup) size() (n int64) {
	for _, p := range b.manifest.Parts {
		n += p.Size
	}
	return n
}

// readBack reads every part from the store: its size and hash must be those that were written, it must open with the key, and the
// engine's own tool must read it to its end.
func (b *backup) readBack(ctx context.Context) (string, error) {
	for _, p := range b.manifest.Parts {
		err := b.openPart(ctx, b.folder(), p, func(data io.Reader) error {
			return b.engine.CheckPart(ctx, b.server, b.secrets, p.Part, data, b.tools(b.instance.Image))
		})
		if err != nil {
			return "", problemOf(p.Part, fmt.Errorf("read %s back: %w", p.Object, err))
		}
	}
	return "", nil
}

// openPart gives what a part holds to use, and compares its size and hash. Nothing that use did counts before openPart returns.
func (a *attempt) openPart(ctx context.Context, folder string, p core.ManifestPart, use func(io.Reader) error) error {
	object, err := a.Store.Get(ctx, path.Join(folder, p.Object))
	if errors.Is(err, ErrNoObject) {
		lost := core.LostPart(p.Object, err)
		return &Problem{Cause: CauseData, Permanent: true, Message: lost.Message, Err: lost}
	}
	if err != nil {
		return storeProblem("MyDB could not read from the store of backups.", err)
	}
	defer object.Close()
	err = core.ReadPart(a.openArchive, object, p, use)
	var bad *core.PartError
	switch {
	case errors.Is(err, core.ErrStoreAway):
		return storeProblem("MyDB could not read from the store of backups.", err)
	case errors.As(err, &bad):
		return &Problem{Cause: CauseData, Message: bad.Message, Detail: bad.Err.Error(), Err: bad}
	}
	return err
}

// openArchive opens what was packed, with the site's keys or with those of a proof.
func (a *attempt) openArchive(r io.Reader) (io.ReadCloser, error) {
	if a.keys != nil {
		return a.keys.OpenArchive(r)
	}
	return a.Service.OpenArchive(r)
}

// finish writes the manifest: from now on there is a backup.
func (b *backup) finish(ctx context.Context) (string, error) {
	text, err := json.MarshalIndent(b.manifest, "", " ")
	if err != nil {
		return "", fmt.Errorf("encode the manifest: %w", err)
	}
	key := path.Join(b.folder(), core.ManifestObject)
	if err := b.Store.Put(ctx, key, bytes.NewReader(text), int64(len(text))); err != nil {
		return "", storeProblem("MyDB could not write the manifest into the store of backups.", err)
	}
	r, err := b.Store.Get(ctx, key)
	if err != nil {
		return "", fmt.Errorf("read the manifest back: %w", err)
	}
	defer r.Close()
	read, err := io.ReadAll(io.LimitReader(r, int64(len(text))+1))
	if err != nil {
		return "", fmt.Errorf("read the manifest back: %w", err)
	}
	if !bytes.Equal(read, text) {
		return "", errors.New("the manifest is not in the store as it was written")
	}
	b.text = text
	return "", nil
}

func (b *backup) made() *core.MadeBackup {
	if b == nil || b.text == nil {
		return nil
	}
	sum := sha256.Sum256(b.text)
	return &core.MadeBackup{
		ID: b.id, Manifest: b.manifest, Text: b.text, SHA256: hex.EncodeToString(sum[:]), Size: b.size(), Location: b.Store.Location(b.folder()),
	}
}

// undo takes away what a backup that failed has left.
func (b *backup) undo(ctx context.Context) error {
	if err := b.Runtime.Sweep(ctx, b.attempt.steps.operationID); err != nil {
		return err
	}
	b.endUploads(ctx)
	if err := removeFolder(ctx, b.Store, b.folder()); err != nil {
		// The store may be what failed. What stays there has no manifest, and is found by the list of orphans.
		b.Log.Warn("what a failed backup has left could not be removed", "backup", b.id, "error", err)
	}
	return nil
}

// endUploads ends what an attempt has left that was killed or could not tell the store. Nobody else writes there, so it does not matter
// when they began; the store's clock may be wrong. What cannot be ended now is ended with all stale uploads.
func (b *backup) endUploads(ctx context.Context) {
	if _, err := b.Store.Sweep(ctx, b.folder(), b.Now().Add(uploadLife)); err != nil {
		b.Log.Warn("unfinished uploads could not be ended", "backup", b.id, "error", err)
	}
}
