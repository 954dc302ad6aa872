package core

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/rs/xid"
)

// A recovery loads a copy of the catalogue, which is of some moment before the loss, and brings it up to date from what is still there:
// the manifests in the store, and the services in the cluster. What it finds to be otherwise it notes as differences. It touches no
// service, and nothing is taken away afterwards until somebody has accepted the differences.

// Found is what a recovery has found beside the copy of the catalogue.
type Found struct {
	Backups   []FoundBackup     // of instances
	Catalogue []FoundBackup     // of MyDB's own database
	Cluster   *Cluster          // nil: was not asked
	Volumes   []ClusterThing    // on the machine where the recovery runs
	Hosts     map[string]string // by node: what people connect to
	Notes     []Difference      // what went otherwise on the way here
}

// FoundBackup is a backup of which the manifest is in the store. Manifest is nil when nobody had to read it.
type FoundBackup struct {
	InstanceID, ID string
	Manifest       *Manifest
	Text           []byte // of the manifest
	SHA256         string // of that text
	Location       string
}

// The kinds of differences.
const (
	DiffOperation = "operation" // was under way
	DiffInstance  = "instance"  // was found again, without the catalogue knowing of it
	DiffGone      = "gone"      // the catalogue has it, and the cluster does not
	DiffState     = "state"     // runs, or rests, otherwise than the catalogue says
	DiffSpec      = "spec"      // has another version, size, volume or port
	DiffBackups   = "backups"   // are in the store and not in the catalogue, or the other way round
	DiffStranger  = "stranger"  // bears an instance's label, and is left alone
	DiffSource    = "source"    // about the backup that was recovered from
)

// interruptedByRecovery is what people read of an operation that the control plane has not outlived.
const interruptedByRecovery = "MyDB was recovered from a backup of itself, and this was under way when the backup was made. How it ended is not known. Look at the database, and ask again for what is missing."

// KnownBackups gives the backups that need no look at their manifests, because the catalogue knows how they ended.
func (s *Service) KnownBackups(ctx context.Context, tx pgx.Tx) (map[string]bool, error) {
	rows, err := tx.Query(ctx, "select id from backups where state <> 'running' union all select id from catalogue_backups where state <> 'running'")
	if err != nil {
		return nil, fmt.Errorf("list the backups: %w", err)
	}
	ids, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return nil, fmt.Errorf("list the backups: %w", err)
	}
	known := make(map[string]bool, len(ids))
	for _, id := range ids {
		known[id] = true
	}
	return known, nil
}

// recovering is a recovery that is being settled.
type recovering struct {
	s     *Service
	tx    pgx.Tx
	by    string
	found Found
	rows  map[string]*recovered // instances, by id
	out   []Difference
}

// SettleRecovery brings a catalogue that was just loaded up to date, in the caller's transaction, and records the recovery. backupID is
// that of the backup that was loaded, and at its moment; empty and nil when there was none. by is who asks for it.
func (s *Service) SettleRecovery(ctx context.Context, tx pgx.Tx, by, backupID string, at *time.Time, found Found) (Recovery, error) {
	r := &recovering{s: s, tx: tx, by: by, found: found, out: found.Notes}
	for _, step := range []func(context.Context) error{r.operations, r.messages, r.load, r.instances, r.strangers, r.backups, r.vanished, r.catalogue} {
		if err := step(ctx); err != nil {
			return Recovery{}, err
		}
	}
	return r.record(ctx, backupID, at)
}

func (r *recovering) note(kind, instanceID, name, format string, args ...any) {
	r.out = append(r.out, Difference{Kind: kind, InstanceID: instanceID, Database: name, Message: fmt.Sprintf(format, args...)})
}

// run runs a statement, and says what for when it fails.
func (r *recovering) run(ctx context.Context, what, sql string, args ...any) error {
	if _, err := r.tx.Exec(ctx, sql, args...); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}

// operations ends what was under way: its jobs are gone with the queue.
func (r *recovering) operations(ctx context.Context) error {
	// A verification is no loss: without its arguments, the backup counts as one that was never verified, and its turn comes again.
	if err := r.run(ctx, "end the verifications", "update operations set args = '{}' where kind = 'verify' and finished_at is null"); err != nil {
		return err
	}
	type ended struct{ Kind, InstanceID, Name string }
	list, err := many[ended](ctx, r.tx, `with e as (update operations set state = 'failed', started_at = coalesce(started_at, $1), finished_at = $1, error_code = $2, error = $3
			where finished_at is null returning id, kind, instance_id)
		select e.kind, e.instance_id, i.name from e join instances i on i.id = e.instance_id order by i.name, e.id`, r.s.now(), CodeUnavailable, interruptedByRecovery)
	if err != nil {
		return fmt.Errorf("end what was under way: %w", err)
	}
	for _, e := range list {
		r.note(DiffOperation, e.InstanceID, e.Name, "The %s was under way and counts as failed.", e.Kind)
	}
	for what, sql := range map[string]string{
		"end the steps":                  "update operation_steps set state = 'failed', finished_at = now() where state = 'running'",
		"forget passwords that were due": "delete from secrets where kind = '" + secretNext + "'",
		"end accounts half made":         "update accounts set ends_at = now() where made_at is null and revoked_at is null",
		"date volumes that are left":     "update kept_volumes set remove_at = now() + interval '30 days' where remove_at is null and removed_at is null",
		"revoke links":                   "update links set revoked_at = now() where revoked_at is null and done_at is null", // some were used since
	} {
		if err := r.run(ctx, what, sql); err != nil {
			return err
		}
	}
	return nil
}

// messages takes back what was not told yet: some of it has been told since the backup, and most of it is old. It can be sent again by hand.
func (r *recovering) messages(ctx context.Context) error {
	err := r.run(ctx, "take messages back", `update notifications set state = 'cancelled', last_error = 'not sent: MyDB was recovered from a backup meanwhile' where state = 'pending'`)
	if err != nil {
		return err
	}
	return r.run(ctx, "forget unanswered chat", "update inbox set answered_at = now(), sealed = null where answered_at is null")
}

// catalogue makes the list of the backups of MyDB's own database that of the store.
func (r *recovering) catalogue(ctx context.Context) error {
	ids := []string{}
	for _, b := range r.found.Catalogue {
		ids = append(ids, b.ID)
		if b.Manifest == nil {
			continue
		}
		err := r.run(ctx, "record a backup of MyDB's own database", `insert into catalogue_backups (id, state, created_at, finished_at, schema, rows, size, sha256, location)
			values ($1, 'done', $2, $3, $4::int, $5, $6, $7, $8) on conflict (id) do update set state = 'done', finished_at = excluded.finished_at, schema = excluded.schema,
				rows = excluded.rows, size = excluded.size, sha256 = excluded.sha256, location = excluded.location, error = ''`,
			b.ID, b.Manifest.StartedAt, b.Manifest.FinishedAt, b.Manifest.Instance.Version, b.Manifest.rows(), b.Manifest.size(), b.SHA256, b.Location)
		if err != nil {
			return err
		}
	}
	if err := r.run(ctx, "forget backups that are gone", "delete from catalogue_backups where state in ('done', 'expired') and id <> all($1)", ids); err != nil {
		return err
	}
	return r.run(ctx, "end backups under way", "update catalogue_backups set state = 'failed', finished_at = now(), error = $1 where state = 'running'", interruptedByRecovery)
}

func (m Manifest) rows() (n int64) {
	for _, d := range m.Contents.Databases {
		for _, t := range d.Tables {
			n += t.Rows
		}
	}
	return n
}

func (m Manifest) size() (n int64) {
	for _, p := range m.Parts {
		n += p.Size
	}
	return n
}

// record writes the recovery down. One that was never accepted is part of the one that follows it.
func (r *recovering) record(ctx context.Context, backupID string, at *time.Time) (Recovery, error) {
	err := r.run(ctx, "end the recovery before", "update recoveries set accepted_at = $1, accepted_by = $2 where accepted_at is null", r.s.now(), systemPerson)
	if err != nil {
		return Recovery{}, err
	}
	differences, err := json.Marshal(append([]Difference{}, r.out...))
	if err != nil {
		return Recovery{}, fmt.Errorf("encode the differences: %w", err)
	}
	out, err := one[Recovery](ctx, r.tx, `insert into recoveries (id, at, backup_id, backup_at, differences) values ($1, $2, $3, $4, $5)
		returning id, at, backup_id, backup_at, differences, accepted_at, accepted_by`, xid.New().String(), r.s.now(), backupID, at, string(differences))
	if err != nil {
		return Recovery{}, fmt.Errorf("record the recovery: %w", err)
	}
	e := Operator(r.by).audit(OutcomeDone)
	e.Action, e.Subject, e.Data = "recovery", out.ID, map[string]any{"backup": backupID, "differences": len(r.out)}
	return out, writeAudit(ctx, r.tx, e)
}

// backups makes the store's backups known that the catalogue does not have, and settles those that were under way.
func (r *recovering) backups(ctx context.Context) error {
	fresh := map[string]int{}
	for _, b := range r.found.Backups {
		i := r.rows[b.InstanceID]
		if b.Manifest == nil || i == nil {
			continue
		}
		added, err := r.backup(ctx, b)
		if err != nil {
			return err
		}
		if added {
			fresh[b.InstanceID]++
		}
	}
	for _, id := range sorted(fresh) {
		r.note(DiffBackups, id, r.rows[id].Name, "%s in the store that the catalogue did not have; now it does.", count(fresh[id], "backup"))
	}
	return nil
}

// backup records one backup of the store. Its manifest was written after it had been read back, so it is done.
func (r *recovering) backup(ctx context.Context, b FoundBackup) (added bool, err error) {
	tag, err := r.tx.Exec(ctx, `update backups set state = 'done', finished_at = $2, size = $3, sha256 = $4, location = $5, manifest = $6, error = ''
		where id = $1 and state = 'running'`, b.ID, b.Manifest.FinishedAt, b.Manifest.size(), b.SHA256, b.Location, string(b.Text))
	if err != nil || tag.RowsAffected() == 1 {
		return err == nil, err
	}
	operation := xid.New().String()
	var rows together
	_, _ = rows.Exec(ctx, `insert into operations (id, instance_id, kind, state, requested_by, door, created_at, started_at, finished_at)
		values ($1, $2, 'backup', 'done', $3, $4, $5, $5, $6)`, operation, b.InstanceID, systemPerson, DoorSystem, b.Manifest.StartedAt, b.Manifest.FinishedAt)
	_, _ = rows.Exec(ctx, `insert into backups (id, instance_id, operation_id, reason, requested_by, state, created_at, finished_at, size, sha256, location, manifest)
		values ($1, $2, $3, 'schedule', $4, 'done', $5, $6, $7, $8, $9, $10)`, b.ID, b.InstanceID, operation, systemPerson, b.Manifest.StartedAt, b.Manifest.FinishedAt,
		b.Manifest.size(), b.SHA256, b.Location, string(b.Text))
	if err := rows.send(ctx, r.tx); err != nil {
		return false, fmt.Errorf("record the backup %s: %w", b.ID, err)
	}
	return true, nil
}

// vanished marks the catalogue's backups that the store does not have.
func (r *recovering) vanished(ctx context.Context) error {
	ids := []string{}
	for _, b := range r.found.Backups {
		ids = append(ids, b.ID)
	}
	err := r.run(ctx, "end backups under way", "update backups set state = 'failed', finished_at = $1, error = $2 where state = 'running'", r.s.now(), interruptedByRecovery)
	if err != nil {
		return err
	}
	type gone struct {
		InstanceID, Name string
		N                int
	}
	list, err := many[gone](ctx, r.tx, `with e as (update backups set state = 'expired', expired_at = $1, error = 'It was not in the store any more when MyDB was recovered.'
			where state in ('done', 'verified') and id <> all($2) returning instance_id)
		select e.instance_id, i.name, count(*)::int as n from e join instances i on i.id = e.instance_id group by 1, 2 order by 2`, r.s.now(), ids)
	if err != nil {
		return fmt.Errorf("mark backups that are gone: %w", err)
	}
	for _, g := range list {
		r.note(DiffBackups, g.InstanceID, g.Name, "%s that the catalogue has, and the store does not; they count as expired.", count(g.N, "backup"))
	}
	return nil
}

// sorted gives the keys of a map in their order.
func sorted[T any](m map[string]T) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
