package jobs

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/mydb-project/mydb/core"
	"github.com/mydb-project/mydb/core/crypt"
)

// Recovering is how MyDB's own database is rebuilt from the store.
type Recovering struct {
	DB      *pgxpool.Pool // of the role that owns the schema; empty, or migrated and never used
	Service *core.Service
	Store   Store
	Runtime Runtime // nil: the cluster is not asked
	// InstanceHost is as in Options.
	InstanceHost string
	// Migrate brings the schema to a version within a transaction, and Current gives the version that it has. Newest is the version
	// that this program expects.
	Migrate func(ctx context.Context, tx pgx.Tx, version int) error
	Current func(ctx context.Context, tx pgx.Tx) (int, error)
	Newest  int
	// From is the id of a backup of MyDB's own database; empty: the newest good one.
	From string
	// Manifests says that there is none to be used: everything is taken from the manifests of the instances' backups, and from the cluster.
	Manifests bool
	// DryRun does everything, and takes it back in the end.
	DryRun bool
	By     string            // who asks for it
	Tell   func(line string) // what is being done
}

// errDryRun takes a transaction back that has served its purpose.
var errDryRun = errors.New("this was a dry run")

// Recover rebuilds MyDB's own database in one transaction: it is there as a whole, or as empty as before. No service is touched. An error
// is a sentence for the operator.
func Recover(ctx context.Context, o Recovering) (done core.Recovery, err error) {
	r := &recovery{Recovering: o}
	if !o.Manifests {
		if err := r.choose(ctx); err != nil {
			return done, err
		}
	}
	err = pgx.BeginFunc(ctx, o.DB, func(tx pgx.Tx) error {
		if err := r.rebuild(ctx, tx); err != nil {
			return err
		}
		if done, err = r.settle(ctx, tx); err == nil && o.DryRun {
			return errDryRun
		}
		return err
	})
	if errors.Is(err, errDryRun) {
		err = nil
	}
	return done, err
}

type recovery struct {
	Recovering
	from  *core.Manifest // the backup that is used; nil without one
	found core.Found
}

func (r *recovery) folder(id string) string { return path.Join(core.CatalogueFolder, id) }

// choose finds the backup to recover from: the newest that can be read to its end, or the one that was asked for.
func (r *recovery) choose(ctx context.Context) error {
	ids, err := catalogueIDs(ctx, r.Store)
	if err != nil {
		return err
	}
	switch {
	case len(ids) == 0:
		return fmt.Errorf("there is no backup of MyDB's own database in the store at %s. If MYDB_STORE_URL is right, everything that the manifests and the cluster tell "+
			"can be had with: mydb recover --from-manifests", r.Store.Location(""))
	case r.From != "" && !slices.Contains(ids, r.From):
		return fmt.Errorf("there is no backup %s of MyDB's own database in the store; there are: %s", r.From, strings.Join(ids[:min(10, len(ids))], ", "))
	case r.From != "":
		ids = []string{r.From}
	}
	var last error
	for _, id := range ids {
		if last = r.try(ctx, id); last == nil {
			return nil
		}
		if errors.Is(last, crypt.ErrOtherKey) || errors.Is(last, errNewer) || ctx.Err() != nil {
			return last // so it will be with those before
		}
		if r.From != "" {
			return fmt.Errorf("the backup %s cannot be used: %w", id, last)
		}
		r.Tell(fmt.Sprintf("the backup %s cannot be used: %v", id, last))
		r.found.Notes = append(r.found.Notes, core.Difference{Kind: core.DiffSource, Message: fmt.Sprintf("The newer backup %s of MyDB's own database could not be used: %v", id, last)})
	}
	return fmt.Errorf("no backup of MyDB's own database in the store can be used; of the last one: %w", last)
}

// errNewer says that a backup needs a later version of MyDB.
var errNewer = errors.New("it was made by a later version of MyDB; recover with that version")

// try reads a backup to its end. Errors: crypt.ErrOtherKey, errNewer.
func (r *recovery) try(ctx context.Context, id string) error {
	m, err := readManifest(ctx, r.Store, r.folder(id))
	if err != nil {
		return fmt.Errorf("read its manifest: %w", err)
	}
	if schema, err := strconv.Atoi(m.Instance.Version); err != nil || len(m.Parts) != 1 {
		return errors.New("its manifest is not that of a backup of MyDB's own database")
	} else if schema > r.Newest {
		return fmt.Errorf("%w (its schema is %d, this version knows %d)", errNewer, schema, r.Newest)
	}
	r.Tell(fmt.Sprintf("reading the backup %s of %s", id, m.StartedAt.UTC().Format("2006-01-02 15:04 UTC")))
	err = r.open(ctx, m, func(data io.Reader) error {
		_, err := core.CheckCatalogue(data)
		return err
	})
	if errors.Is(err, crypt.ErrOtherKey) {
		return fmt.Errorf("the backup %s was made for the keys %s, and MYDB_KEY_FILE has none of them. Put the key file of the lost control plane there, or name the identity "+
			"file of an escrow key with --identity: %w", id, strings.Join(m.Keys, ", "), crypt.ErrOtherKey)
	}
	if err != nil {
		return told(err)
	}
	r.from = &m
	return nil
}

// open gives what the part of a backup of MyDB's own database holds to use.
func (r *recovery) open(ctx context.Context, m core.Manifest, use func(io.Reader) error) error {
	a := &attempt{Options: Options{Service: r.Service, Store: r.Store}}
	return a.openPart(ctx, r.folder(m.BackupID), m.Parts[0], use)
}

// rebuild loads the backup into a database that nobody has used, and brings the schema up to date.
func (r *recovery) rebuild(ctx context.Context, tx pgx.Tx) error {
	have, err := r.unused(ctx, tx)
	if err != nil {
		return err
	}
	if r.from != nil {
		schema, _ := strconv.Atoi(r.from.Instance.Version) // try has looked at it
		if have > schema {
			return fmt.Errorf("the metadata database has the schema %d already, and the backup is of schema %d. Recover into a new, empty database: `mydb recover` makes the schema itself", have, schema)
		}
		if err := r.Migrate(ctx, tx, schema); err != nil {
			return err
		}
		r.Tell("loading it")
		err := r.open(ctx, *r.from, func(data io.Reader) error {
			_, err := core.LoadCatalogue(ctx, tx, data)
			return err
		})
		if err != nil {
			return told(err)
		}
	}
	return r.Migrate(ctx, tx, r.Newest)
}

// unused refuses a database that holds something, and gives the version of its schema, 0 for none.
func (r *recovery) unused(ctx context.Context, tx pgx.Tx) (have int, err error) {
	var tables []string
	err = tx.QueryRow(ctx, "select coalesce(array_agg(tablename::text order by tablename), '{}') from pg_tables where schemaname = 'public'").Scan(&tables)
	if err != nil {
		return 0, fmt.Errorf("look whether the metadata database is empty: %w", err)
	}
	if len(tables) == 0 {
		return 0, nil
	}
	if have, err = r.Current(ctx, tx); err != nil {
		return 0, err
	}
	used := true
	if have > 0 {
		err = tx.QueryRow(ctx, "select exists (select from people where id <> 'mydb') or exists (select from instances) or exists (select from audit)").Scan(&used)
		if err != nil {
			return 0, fmt.Errorf("look whether the metadata database was used: %w", err)
		}
	}
	if used {
		return 0, fmt.Errorf("the metadata database is not empty: it has %s, such as %s. Nothing was changed. Keep it as it is, and recover into a new, empty database: "+
			"create one, and name it in MYDB_DATABASE_URL and MYDB_MIGRATE_URL", counted(len(tables), "table"), tables[0])
	}
	return have, nil
}

// settle looks at what there is beside the backup, and brings the catalogue up to date.
func (r *recovery) settle(ctx context.Context, tx pgx.Tx) (core.Recovery, error) {
	known, err := r.Service.KnownBackups(ctx, tx)
	if err != nil {
		return core.Recovery{}, err
	}
	r.Tell("looking at the manifests in the store")
	if err := r.lookAtStore(ctx, known); err != nil {
		return core.Recovery{}, err
	}
	if r.Runtime != nil {
		r.Tell("looking at the cluster")
		if err := r.lookAtCluster(ctx); err != nil {
			return core.Recovery{}, err
		}
	}
	if r.from == nil {
		return r.Service.SettleRecovery(ctx, tx, r.By, "", nil, r.found)
	}
	return r.Service.SettleRecovery(ctx, tx, r.By, r.from.BackupID, &r.from.StartedAt, r.found)
}

func (r *recovery) lookAtCluster(ctx context.Context) error {
	cluster, err := r.Runtime.List(ctx)
	if err != nil {
		return fmt.Errorf("the cluster cannot be asked what runs in it: %w. Run this on a manager of the Swarm; or, where there is none any more, with --without-cluster", err)
	}
	r.found.Cluster, r.found.Hosts = &cluster, map[string]string{}
	nodes, err := r.Runtime.Nodes(ctx)
	if err != nil {
		return fmt.Errorf("ask the cluster for its machines: %w", err)
	}
	for _, n := range nodes {
		if r.found.Hosts[n.ID] = n.Addr; r.InstanceHost != "" {
			r.found.Hosts[n.ID] = r.InstanceHost
		}
	}
	if r.found.Volumes, err = r.Runtime.Volumes(ctx); err != nil {
		return fmt.Errorf("ask this machine for its volumes: %w", err)
	}
	return nil
}

// lookAtStore lists all backups, and reads the manifests of those that the catalogue does not know.
func (r *recovery) lookAtStore(ctx context.Context, known map[string]bool) error {
	for o, err := range r.Store.List(ctx, "") {
		if err != nil {
			return fmt.Errorf("list the store: %w", err)
		}
		folder, name := path.Split(o.Key)
		folder = strings.TrimSuffix(folder, "/")
		instance, id := path.Split(folder)
		instance = strings.TrimSuffix(instance, "/")
		own := instance == core.CatalogueFolder
		if name != core.ManifestObject || instance == "" || strings.Contains(instance, "/") || !own && reservedFolder(instance+"/") {
			continue
		}
		b := core.FoundBackup{InstanceID: instance, ID: id, Location: r.Store.Location(folder)}
		if !known[id] {
			if err := r.readFound(ctx, folder, &b); err != nil {
				r.found.Notes = append(r.found.Notes, core.Difference{
					Kind: core.DiffBackups, InstanceID: instance, Message: fmt.Sprintf("The manifest of the backup %s in the store cannot be used: %v", id, err),
				})
				continue
			}
		}
		if own {
			r.found.Catalogue = append(r.found.Catalogue, b)
		} else {
			r.found.Backups = append(r.found.Backups, b)
		}
	}
	return nil
}

func (r *recovery) readFound(ctx context.Context, folder string, b *core.FoundBackup) error {
	object, err := r.Store.Get(ctx, path.Join(folder, core.ManifestObject))
	if err != nil {
		return err
	}
	defer object.Close()
	if b.Text, err = io.ReadAll(io.LimitReader(object, core.MaxManifest)); err != nil {
		return err
	}
	m, err := parseManifest(b.Text, folder)
	if err != nil {
		return err
	}
	sum := sha256.Sum256(b.Text)
	b.Manifest, b.SHA256 = &m, hex.EncodeToString(sum[:])
	return nil
}

// catalogueIDs lists the backups of MyDB's own database that have a manifest, the newest first.
func catalogueIDs(ctx context.Context, s Store) (ids []string, err error) {
	for o, err := range s.List(ctx, core.CatalogueFolder) {
		if err != nil {
			return nil, fmt.Errorf("list the store at %s: %w", s.Location(""), err)
		}
		if folder, name := path.Split(o.Key); name == core.ManifestObject {
			ids = append(ids, path.Base(folder))
		}
	}
	slices.Sort(ids)
	slices.Reverse(ids)
	return ids, nil
}

// TakeOverKey finds the key file in the newest backup of MyDB's own database, or the one that is named, and opens it with the content
// of an escrow key's identity file.
func TakeOverKey(ctx context.Context, s Store, from, identity string) (string, error) {
	ids, err := catalogueIDs(ctx, s)
	if err != nil {
		return "", err
	}
	if from != "" {
		ids = []string{from}
	}
	for _, id := range ids {
		sealed, err := s.Get(ctx, path.Join(core.CatalogueFolder, id, keyObject))
		if errors.Is(err, ErrNoObject) {
			continue
		}
		if err != nil {
			return "", fmt.Errorf("read the key that was handed over: %w", err)
		}
		defer sealed.Close()
		content, err := crypt.TakeOver(sealed, identity)
		if err != nil {
			return "", fmt.Errorf("the backup %s of MyDB's own database: %w", id, err)
		}
		return content, nil
	}
	return "", fmt.Errorf("no backup of MyDB's own database in the store at %s was made for an escrow key", s.Location(""))
}
