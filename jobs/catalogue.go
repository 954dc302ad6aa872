package jobs

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"strconv"
	"time"

	"github.com/riverqueue/river"

	"github.com/mydb-project/mydb/core"
	"github.com/mydb-project/mydb/core/engine"
)

// What a backup of MyDB's own database is made of: a part like those of other backups, and the key file for the holders of escrow keys,
// when there are any.
const (
	cataloguePart  = "catalogue.sql"
	keyObject      = "key.age"
	catalogueLimit = 2 * time.Hour
)

// cataloguePause is how often is looked whether a backup of MyDB's own database is due.
const cataloguePause = time.Minute

// catalogueArgs ask for a backup of MyDB's own database, if one is due.
type catalogueArgs struct{}

// Kind implements river.JobArgs.
func (catalogueArgs) Kind() string { return "backup_catalogue" }

// InsertOpts implements river.JobArgsWithInsertOpts.
func (catalogueArgs) InsertOpts() river.InsertOpts {
	return river.InsertOpts{Queue: managersQueue, MaxAttempts: 1, UniqueOpts: oneAtATime}
}

type catalogueWorker struct {
	river.WorkerDefaults[catalogueArgs]
	Options
}

// Timeout implements river.Worker.
func (*catalogueWorker) Timeout(*river.Job[catalogueArgs]) time.Duration { return catalogueLimit }

// Work implements river.Worker.
func (w *catalogueWorker) Work(ctx context.Context, _ *river.Job[catalogueArgs]) error {
	_, err := BackupCatalogue(ctx, w.Options)
	return err
}

// BackupCatalogue backs up MyDB's own database if that is due, and gives the id of the backup, or else nothing.
func BackupCatalogue(ctx context.Context, o Options) (id string, err error) {
	if o.Store == nil {
		return "", nil
	}
	if id, err = o.Service.BeginCatalogueBackup(ctx); id == "" || err != nil {
		return "", err
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	b := &backup{attempt: &attempt{Options: o, instance: core.Instance{ID: core.CatalogueFolder, Name: core.CatalogueFolder, Engine: "mydb"}}, id: id}
	dump := &catalogueDump{service: o.Service}
	if err = b.copyCatalogue(ctx, dump); err == nil {
		err = o.Service.KeepCatalogueBackup(ctx, *b.made(), dump.held)
	}
	if err == nil {
		return id, nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second) // the end of it is worth writing when the process is being stopped
	defer cancel()
	return "", errors.Join(fmt.Errorf("back up MyDB's own database: %w", err),
		o.Service.FailCatalogueBackup(ctx, id, sentence(err).Message), removeFolder(ctx, o.Store, b.folder()))
}

// copyCatalogue writes the parts, reads back, and writes the manifest last: without it there is no backup.
func (b *backup) copyCatalogue(ctx context.Context, dump *catalogueDump) error {
	b.manifest = core.Manifest{Format: core.ManifestFormat, BackupID: b.id, StartedAt: b.Now().UTC(), Instance: core.ManifestOf(b.instance), Packing: core.Packing}
	part, err := b.writePart(ctx, dump, dump.Parts()[0], 0)
	if err != nil {
		return err
	}
	if err := b.handOverKey(ctx); err != nil {
		return err
	}
	b.manifest.Instance.Version, b.manifest.Parts = strconv.Itoa(dump.held.Schema), []core.ManifestPart{part}
	if b.manifest.Contents, err = dump.Contents(ctx, 0); err != nil {
		return err
	}
	err = b.openPart(ctx, b.folder(), part, func(data io.Reader) error {
		read, err := core.CheckCatalogue(data)
		if err == nil && read.Rows() != dump.held.Rows() {
			err = fmt.Errorf("%d rows were written, and %d are there", dump.held.Rows(), read.Rows())
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("read %s back: %w", part.Object, err)
	}
	b.manifest.FinishedAt = b.Now().UTC()
	_, err = b.finish(ctx)
	return err
}

// handOverKey lays the key file beside, for the holders of escrow keys: what is sealed within the catalogue is so with MyDB's own key,
// without which they could open the backup and use nothing of it.
func (b *backup) handOverKey(ctx context.Context) error {
	var sealed bytes.Buffer
	there, err := b.Service.HandOverKey(&sealed)
	if err != nil || !there {
		return err
	}
	if err := b.Store.Put(ctx, path.Join(b.folder(), keyObject), &sealed, int64(sealed.Len())); err != nil {
		return storeProblem("MyDB could not write into the store of backups.", err)
	}
	return nil
}

// catalogueDump is MyDB's own database as something to back up.
type catalogueDump struct {
	service *core.Service
	held    core.CatalogueCopy
}

var _ engine.Dump = (*catalogueDump)(nil)

// Parts implements engine.Dump.
func (*catalogueDump) Parts() []engine.Part {
	return []engine.Part{{File: cataloguePart, Kind: engine.PartDatabase, Database: core.CatalogueFolder}}
}

// Write implements engine.Dump.
func (d *catalogueDump) Write(ctx context.Context, _ engine.Part, w io.Writer) (err error) {
	d.held, err = d.service.CopyCatalogue(ctx, w)
	return err
}

// Contents implements engine.Dump.
func (d *catalogueDump) Contents(context.Context, int64) (engine.Contents, error) {
	return engine.Contents{
		ServerVersion: "schema " + strconv.Itoa(d.held.Schema), Exact: true,
		Databases: []engine.ContentDatabase{{Name: core.CatalogueFolder, Tables: d.held.Tables}},
	}, nil
}

// Close implements engine.Dump.
func (*catalogueDump) Close() {}

// retainCatalogue takes those backups of MyDB's own database out of the store that no rule keeps.
func retainCatalogue(ctx context.Context, o Options) error {
	leaving, err := o.Service.ExpireCatalogueBackups(ctx)
	if err != nil {
		return err
	}
	var errs []error
	for _, id := range leaving {
		err := removeFolder(ctx, o.Store, path.Join(core.CatalogueFolder, id))
		if locked := (*LockedError)(nil); errors.As(err, &locked) {
			continue // the next round looks again
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("remove the backup %s of MyDB's own database: %w", id, err))
			continue
		}
		errs = append(errs, o.Service.CatalogueBackupLeft(ctx, id))
	}
	return errors.Join(errs...)
}
