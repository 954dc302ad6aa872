package jobs

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"path"
	"time"

	"github.com/riverqueue/river"

	"github.com/mydb-project/mydb/core"
)

const (
	// sealPause is how often the audit trail is sealed.
	sealPause = time.Second
	// anchorPause is how often the end of its chain is written into the store.
	anchorPause  = time.Hour
	anchorFolder = "audit"
)

// sealing seals the audit trail, in every worker: one at a time does something.
type sealing struct {
	service *core.Service
	log     *slog.Logger
}

func (s sealing) run(ctx context.Context) {
	tick := time.NewTicker(sealPause)
	defer tick.Stop()
	for {
		s.seal(ctx)
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

func (s sealing) seal(ctx context.Context) {
	limited, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	if _, err := s.service.SealAudit(limited); err != nil && ctx.Err() == nil {
		s.log.Warn("the audit trail could not be sealed", "error", err)
	}
}

// anchorArgs ask for an anchor of the audit trail.
type anchorArgs struct{}

// Kind implements river.JobArgs.
func (anchorArgs) Kind() string { return "anchor_audit" }

// InsertOpts implements river.JobArgsWithInsertOpts.
func (anchorArgs) InsertOpts() river.InsertOpts {
	return river.InsertOpts{Queue: managersQueue, MaxAttempts: 1, UniqueOpts: oneAtATime}
}

type anchorWorker struct {
	river.WorkerDefaults[anchorArgs]
	Options
}

// Work implements river.Worker.
func (w *anchorWorker) Work(ctx context.Context, _ *river.Job[anchorArgs]) error {
	return AnchorAudit(ctx, w.Options)
}

// AnchorAudit writes the end of the audit trail's chain into the store, where the metadata database cannot change it.
func AnchorAudit(ctx context.Context, o Options) error {
	if o.Store == nil {
		return nil
	}
	a, due, err := o.Service.NextAnchor(ctx)
	if err != nil || !due {
		return err
	}
	text, err := json.Marshal(a)
	if err != nil {
		return fmt.Errorf("encode the anchor: %w", err)
	}
	key := path.Join(anchorFolder, fmt.Sprintf("%020d-%s.json", a.Seq, a.At.Format("20060102T150405Z")))
	if err := o.Store.Put(ctx, key, bytes.NewReader(text), int64(len(text))); err != nil {
		return fmt.Errorf("write the anchor: %w", err)
	}
	return o.Service.KeepAnchor(ctx, a, o.Store.Location(key))
}

// maxAnchor is how long an anchor may be, in bytes.
const maxAnchor = 4096

// Anchors reads all anchors of the audit trail from the store.
func Anchors(ctx context.Context, s Store) (out []core.Anchor, err error) {
	for o, err := range s.List(ctx, anchorFolder) {
		if err != nil {
			return nil, fmt.Errorf("list the anchors: %w", err)
		}
		a, err := readAnchor(ctx, s, o.Key)
		if err != nil {
			return nil, err
		}
		out = append(out, a)
	}
	return out, nil
}

func readAnchor(ctx context.Context, s Store, key string) (a core.Anchor, err error) {
	r, err := s.Get(ctx, key)
	if err != nil {
		return a, fmt.Errorf("read the anchor %s: %w", key, err)
	}
	defer r.Close()
	if err := json.NewDecoder(io.LimitReader(r, maxAnchor)).Decode(&a); err != nil {
		return a, fmt.Errorf("read the anchor %s: %w", key, err)
	}
	return a, nil
}
