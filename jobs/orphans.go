package jobs

import (
	"context"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/riverqueue/river"

	"github.com/mydb-project/mydb/core"
)

// orphansPause is how often is looked whether a look at the whole store is due. When the last one was is in the catalogue.
const orphansPause = time.Hour

// reservedFolders of the store hold what is no backup of an instance: that of MyDB's own catalogue, what people bring or take away, and
// anchors of the audit trail.
var reservedFolders = []string{"catalogue", "uploads", "downloads", anchorFolder}

func reservedFolder(key string) bool {
	first, _, _ := strings.Cut(key, "/")
	return slices.Contains(reservedFolders, first)
}

// orphansArgs ask for a look at everything that is in the store.
type orphansArgs struct{}

// Kind implements river.JobArgs.
func (orphansArgs) Kind() string { return "find_orphans" }

// InsertOpts implements river.JobArgsWithInsertOpts.
func (orphansArgs) InsertOpts() river.InsertOpts {
	return river.InsertOpts{Queue: managersQueue, MaxAttempts: 1, UniqueOpts: oneAtATime}
}

type orphansWorker struct {
	river.WorkerDefaults[orphansArgs]
	Options
}

// Timeout implements river.Worker.
func (*orphansWorker) Timeout(*river.Job[orphansArgs]) time.Duration { return 6 * time.Hour }

// Work implements river.Worker.
func (w *orphansWorker) Work(ctx context.Context, _ *river.Job[orphansArgs]) error {
	due, err := w.Service.LookDue(ctx)
	if err != nil || !due || w.Store == nil {
		return err
	}
	return FindOrphans(ctx, w.Options)
}

// FindOrphans compares all that is in the store with the catalogue, and keeps the list of what belongs to nothing. It deletes nothing.
func FindOrphans(ctx context.Context, o Options) error {
	began := o.now()
	var (
		folders []core.StoreFolder
		place   = map[string]int{}
	)
	for object, err := range o.Store.List(ctx, "") {
		if err != nil {
			return err
		}
		if reservedFolder(object.Key) {
			continue
		}
		f := folderOf(object.Key)
		n, seen := place[f.Name]
		if !seen {
			n = len(folders)
			place[f.Name], folders = n, append(folders, f)
		}
		at := &folders[n]
		at.Objects, at.Bytes = at.Objects+1, at.Bytes+object.Size
		at.Manifest = at.Manifest || path.Base(object.Key) == core.ManifestObject
		if object.At.After(at.WrittenAt) {
			at.WrittenAt = object.At
		}
	}
	return o.Service.KeepOrphans(ctx, folders, began)
}

// folderOf is the place of a backup that an object is in, or the object itself when it is somewhere else.
func folderOf(key string) core.StoreFolder {
	parts := strings.Split(key, "/")
	if len(parts) != 3 {
		return core.StoreFolder{Name: key}
	}
	return core.StoreFolder{Name: parts[0] + "/" + parts[1], InstanceID: parts[0], BackupID: parts[1]}
}
