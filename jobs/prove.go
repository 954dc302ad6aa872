package jobs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/rs/xid"

	"github.com/mydb-project/mydb/core"
	"github.com/mydb-project/mydb/core/crypt"
	"github.com/mydb-project/mydb/core/engine"
)

// Proof opens a backup with one key and nothing else: no catalogue, no worker. It is how an escrow key is proven, on any machine that
// can reach the store.
type Proof struct {
	Store     Store
	Keys      *crypt.Keyring // of the one identity
	Engines   []engine.Engine
	Catalogue engine.Catalogue
	Log       *slog.Logger
	Tell      func(line string) // is told what was done; not nil
}

// provePrefix begins the ids that stand in for an operation's on containers.
const provePrefix = "prove-"

// Find reads the manifest of a backup, or of the newest one that was made for the key when no id is given.
func (p Proof) Find(ctx context.Context, backupID string) (m core.Manifest, err error) {
	folders, err := p.folders(ctx)
	if err != nil {
		return m, err
	}
	public := p.Keys.Public()[0]
	for _, folder := range folders {
		if backupID != "" && path.Base(folder) != backupID {
			continue
		}
		if m, err = readManifest(ctx, p.Store, folder); err != nil {
			return m, fmt.Errorf("read the manifest of %s: %w", folder, err)
		}
		switch {
		case slices.Contains(m.Keys, public):
			return m, nil
		case backupID != "":
			return m, fmt.Errorf("the backup %s was not made for the key %s, but for: %s. A backup that was made after the key was added to policy.backup.escrow can be opened with it",
				backupID, public, strings.Join(m.Keys, ", "))
		}
	}
	switch {
	case backupID != "":
		return m, fmt.Errorf("there is no backup %s in the store at %s", backupID, p.Store.Location(""))
	case len(folders) == 0:
		return m, fmt.Errorf("there is no backup in the store at %s yet", p.Store.Location(""))
	}
	return m, fmt.Errorf("none of the %d backups in the store was made for the key %s. Is it the right identity, and listed in policy.backup.escrow? If so, make a backup, which is then for it, too",
		len(folders), public)
}

// folders lists where manifests lie, the newest backup first.
func (p Proof) folders(ctx context.Context) (out []string, err error) {
	for o, err := range p.Store.List(ctx, "") {
		if err != nil {
			return nil, fmt.Errorf("list the store: %w", err)
		}
		folder, name := path.Split(o.Key)
		if name == core.ManifestObject && strings.Count(folder, "/") == 2 && !reservedFolder(folder) {
			out = append(out, strings.TrimSuffix(folder, "/"))
		}
	}
	slices.SortFunc(out, func(a, b string) int { return strings.Compare(path.Base(b), path.Base(a)) })
	return out, nil
}

// readManifest reads the manifest of the backup in a folder. Errors: ErrNoObject.
func readManifest(ctx context.Context, s Store, folder string) (m core.Manifest, err error) {
	r, err := s.Get(ctx, path.Join(folder, core.ManifestObject))
	if err != nil {
		return m, err
	}
	defer r.Close()
	text, err := io.ReadAll(io.LimitReader(r, core.MaxManifest))
	if err != nil {
		return m, err
	}
	return parseManifest(text, folder)
}

// parseManifest reads the text of a manifest that lies in a folder.
func parseManifest(text []byte, folder string) (m core.Manifest, err error) {
	if err := json.Unmarshal(text, &m); err != nil {
		return m, err
	}
	if m.Format > core.ManifestFormat {
		return m, fmt.Errorf("it has the format %d, which only a later version of MyDB reads", m.Format)
	}
	if path.Join(m.Instance.ID, m.BackupID) != folder {
		return m, errors.New("it belongs to another folder")
	}
	return m, nil
}

// Read reads every part to its end: its hash is that of the manifest, and it can be decrypted and decompressed.
func (p Proof) Read(ctx context.Context, m core.Manifest) error {
	a := p.attempt(m, nil)
	for _, part := range m.Parts {
		var plain int64
		err := a.openPart(ctx, path.Join(m.Instance.ID, m.BackupID), part, func(data io.Reader) (err error) {
			plain, err = io.Copy(io.Discard, data)
			return err
		})
		if err != nil {
			return told(err)
		}
		if plain != part.Plain {
			return fmt.Errorf("%s holds %d bytes, and not the %d that the tool wrote", part.Object, plain, part.Plain)
		}
		p.Tell(fmt.Sprintf("%s: opened and read to its end, %s, the hash is that of the manifest", part.Object, engine.Bytes(plain)))
	}
	return nil
}

// ErrNoEngine says that nothing can be restored here.
var ErrNoEngine = errors.New("no container engine answers here")

// Restore restores the backup into a throw-away server and counts every table. Errors: ErrNoEngine.
func (p Proof) Restore(ctx context.Context, r Runtime, m core.Manifest) (receipt core.BackupReceipt, err error) {
	if err := sweepProofs(ctx, r); err != nil {
		return receipt, fmt.Errorf("%w: %w", ErrNoEngine, err)
	}
	v := &verification{attempt: p.attempt(m, r), backupID: m.BackupID, manifest: m}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), undoLimit)
		defer cancel()
		err = errors.Join(err, r.Sweep(ctx, v.attempt.steps.operationID))
	}()
	if err := v.outfit(p); err != nil {
		return receipt, err
	}
	for _, s := range v.work() {
		detail, err := s.do(ctx)
		if err != nil {
			return receipt, told(fmt.Errorf("%s: %w", s.name, err))
		}
		p.Tell(strings.TrimSuffix(s.name+": "+detail, ": "))
	}
	return *v.receipt, nil
}

// sweepProofs removes what proofs have left that were killed long ago.
func sweepProofs(ctx context.Context, r Runtime) error {
	left, err := r.Leftovers(ctx)
	if err != nil {
		return err
	}
	for _, id := range left {
		made, err := xid.FromString(strings.TrimPrefix(id, provePrefix))
		if err != nil || !strings.HasPrefix(id, provePrefix) || time.Since(made.Time()) < backupLimit {
			continue
		}
		if err := r.Sweep(ctx, id); err != nil {
			return err
		}
	}
	return nil
}

// attempt is one without a catalogue.
func (p Proof) attempt(m core.Manifest, r Runtime) *attempt {
	i := m.Instance
	return &attempt{
		Options: Options{Store: p.Store, Runtime: r, Log: p.Log, Now: time.Now}, keys: p.Keys, private: i.PHI,
		instance: core.Instance{ID: i.ID, Name: i.Name, Engine: i.Engine, Version: i.Version, Image: i.Image, Size: i.Size, PHI: i.PHI},
		steps:    steps{operationID: provePrefix + xid.New().String()},
	}
}

// outfit chooses what the throw-away server runs with. Its certificate is of an authority that nobody else knows.
func (v *verification) outfit(p Proof) (err error) {
	i := v.instance
	n := slices.IndexFunc(p.Engines, func(e engine.Engine) bool { return e.Name() == i.Engine })
	offer, _ := p.Catalogue.Offer(i.Engine)
	var known bool
	if v.version, known = offer.Version(i.Version); n < 0 || !known {
		return fmt.Errorf("the catalogue on this machine (MYDB_CONFIG) has no %s %s, of which the backup is", i.Engine, i.Version)
	}
	v.engine, v.version.Image = p.Engines[n], i.Image
	if v.size, known = p.Catalogue.Size(i.Size); !known {
		v.size = p.Catalogue.Sizes[0]
	}
	cert, key, err := crypt.NewAuthority(v.Now())
	if err != nil {
		return err
	}
	v.authority, err = crypt.ParseAuthority(cert, key)
	return err
}

// told puts an error into the words for people, where there are any.
func told(err error) error {
	var problem *Problem
	if errors.As(err, &problem) {
		return errors.New(strings.ReplaceAll(sentence(err).Message, "\n", ": "))
	}
	return err
}
