package core

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/rs/xid"
)

// strangers makes instances of what the catalogue does not know: of services, and of backups of instances that are gone.
func (r *recovering) strangers(ctx context.Context) error {
	manifests := r.newestManifests()
	var others, volumes []string
	if r.found.Cluster != nil {
		for _, s := range r.found.Cluster.Services {
			if r.rows[s.InstanceID] != nil {
				continue
			}
			if m := manifests[s.InstanceID]; m == nil && !r.s.ports.has(s.Port) {
				others = append(others, s.Name)
				continue
			}
			if err := r.stranger(ctx, s, manifests[s.InstanceID]); err != nil {
				return fmt.Errorf("service %s: %w", s.Name, err)
			}
		}
	}
	for _, id := range sorted(manifests) {
		if r.rows[id] != nil {
			continue
		}
		if err := r.ghost(ctx, *manifests[id]); err != nil {
			return fmt.Errorf("instance %s: %w", id, err)
		}
	}
	for _, v := range r.found.Volumes {
		if r.rows[v.InstanceID] == nil {
			volumes = append(volumes, v.Name)
		}
	}
	r.left(others, "service", "have no backup in the store, and none of the ports of MYDB_PORT_RANGE. They seem to be another MyDB's")
	r.left(volumes, "volume", "on this machine bear the labels of instances that neither the backup nor the store nor a service of this MyDB tells anything of")
	return nil
}

// left notes what is left alone.
func (r *recovering) left(names []string, what, why string) {
	const most = 20
	if len(names) == 0 {
		return
	}
	list := strings.Join(names[:min(most, len(names))], ", ")
	if len(names) > most {
		list += " and more"
	}
	r.note(DiffStranger, "", "", "%s %s, and are left alone: %s.", count(len(names), what), why, list)
}

// newestManifests are those of instances that were read, by instance.
func (r *recovering) newestManifests() map[string]*Manifest {
	out := map[string]*Manifest{}
	for _, b := range r.found.Backups {
		if b.Manifest != nil && (out[b.InstanceID] == nil || b.Manifest.BackupID > out[b.InstanceID].BackupID) {
			out[b.InstanceID] = b.Manifest
		}
	}
	return out
}

// stranger makes an instance of a service that is ours: it has a backup in our store, or a port of our range. Another MyDB may use the
// same cluster.
func (r *recovering) stranger(ctx context.Context, s ClusterService, m *Manifest) error {
	if m == nil && s.Label == "mydb-"+s.InstanceID {
		r.note(DiffStranger, "", "", "The service %s is a spare of the warm pool that the catalogue does not know. It is left alone; remove it by hand.", s.Name)
		return nil
	}
	i, err := r.describe(ctx, s, m)
	if err != nil || i == nil {
		return err
	}
	i.NodeID, i.Host = &s.NodeID, r.host(s.NodeID, nil)
	i.Generation, i.Restarts = max(s.Generation, 1), s.Restarts
	i.State = StateRestoring // until it was measured
	if err := r.insert(ctx, *i, s.CreatedAt); err != nil {
		return err
	}
	r.rows[i.ID] = &i.recovered
	from := "its labels alone; it belongs to an administrator, and counts as holding health data, until somebody says otherwise"
	if m != nil {
		from = "its newest backup; it belongs to " + m.Instance.Owner
	}
	r.note(DiffInstance, i.ID, i.Name, "It was made after the backup. What is known of it is from %s. It runs on as it was.", from)
	return r.port(ctx, &i.recovered, s.Port)
}

// remade is an instance of which the catalogue knew nothing.
type remade struct {
	recovered
	Username, Database, Description, Backup string
	Extensions                              []string
	Settings                                map[string]string
	PHI                                     bool
	CreatedAt                               time.Time
	EndedAt                                 *time.Time
}

// describe says of a service what its newest manifest tells, or else its labels and its spec; nil when that is not enough.
func (r *recovering) describe(ctx context.Context, s ClusterService, m *Manifest) (i *remade, err error) {
	if m != nil {
		if i, err = r.ofManifest(ctx, *m); err != nil {
			return nil, err
		}
	} else {
		i = &remade{recovered: recovered{ID: s.InstanceID, Engine: s.Engine}, Backup: BackupDaily, PHI: true, CreatedAt: s.CreatedAt}
		i.Name = s.Label
		i.Username, i.Database = strings.ReplaceAll(s.Label, "-", "_"), strings.ReplaceAll(s.Label, "-", "_")
		if i.Owner, err = r.admin(ctx); err != nil {
			return nil, err
		}
	}
	var sized bool
	if i.Image = s.Image; i.Version == "" || m.Instance.Image != s.Image {
		i.Version, _ = r.s.versionOf(i.Engine, s.Image)
	}
	if size, known := r.s.sizeOf(s); known {
		i.Size = size
	}
	_, sized = r.s.catalogue.Size(i.Size)
	if i.Version == "" || i.Owner == "" || !sized {
		r.note(DiffStranger, "", "", "The service %s seems to be ours, but neither its labels nor its backups tell enough of it: the version of the image %s, its size, or an administrator "+
			"whom it could belong to, is not known. It is left alone.", s.Name, s.Image)
		return nil, nil //nolint:nilnil // what cannot be made again is left alone
	}
	i.Name, err = r.freeName(ctx, i.Name, i.ID)
	return i, err
}

func (r *recovering) ofManifest(ctx context.Context, m Manifest) (*remade, error) {
	d := m.Instance
	i := &remade{
		recovered: recovered{ID: d.ID, Name: d.Name, Engine: d.Engine, Version: d.Version, Image: d.Image, Size: d.Size, Generation: 1},
		Username:  d.Username, Database: d.Database, Description: d.Description, Backup: cmp.Or(d.Backup, BackupDaily), Extensions: d.Extensions, Settings: d.Settings,
		PHI: d.PHI, CreatedAt: d.CreatedAt,
	}
	var err error
	i.Owner, err = r.person(ctx, d.Owner)
	return i, err
}

// ghost makes an ended instance of a backup, so that it can be restored: what it was a backup of is gone.
func (r *recovering) ghost(ctx context.Context, m Manifest) error {
	i, err := r.ofManifest(ctx, m)
	if err != nil {
		return err
	}
	if !namePattern.MatchString(i.Name) || i.Owner == "" {
		r.note(DiffStranger, "", "", "The backups of %s in the store tell neither a name nor an owner that could be. They are left alone.", i.ID)
		return nil
	}
	i.State, i.Ended, i.EndedAt = StateDeleted, true, &m.FinishedAt
	if err := r.insert(ctx, *i, m.FinishedAt); err != nil {
		return err
	}
	r.rows[i.ID] = &i.recovered
	r.note(DiffInstance, i.ID, i.Name, "Its backups are in the store, but neither the catalogue nor the cluster has it. It counts as deleted; its backups can be restored by %s.", m.Instance.Owner)
	return nil
}

// insert makes the row. A server that is there has been initialised long ago.
func (r *recovering) insert(ctx context.Context, i remade, initialised time.Time) error {
	settings, err := json.Marshal(i.Settings)
	if err != nil || i.Settings == nil {
		settings = []byte("{}")
	}
	var found *time.Time
	if now := r.s.now(); !i.Ended {
		found = &now
	}
	return r.run(ctx, "make the instance again", `insert into instances (id, name, owner_id, engine, version, size, image, state, node_id, host, generation, username, database, extensions,
			description, phi, backup, created_at, settings, init_until, restarts, recovered_at, ended_at)
		values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23)`,
		i.ID, i.Name, i.Owner, i.Engine, i.Version, i.Size, i.Image, i.State, i.NodeID, i.Host, i.Generation, i.Username, i.Database, append([]string{}, i.Extensions...),
		i.Description, i.PHI, i.Backup, i.CreatedAt, string(settings), initialised, i.Restarts, found, i.EndedAt)
}

// claimed makes an instance of a spare that somebody has claimed since the backup.
func (r *recovering) claimed(ctx context.Context, i *recovered, s ClusterService) error {
	m := r.newestManifests()[i.ID]
	d, err := r.describe(ctx, s, m)
	if err != nil || d == nil {
		return err
	}
	d.Generation, d.Restarts, d.NodeID, d.Host, d.Port = i.Generation, i.Restarts, i.NodeID, i.Host, i.Port
	r.note(DiffInstance, i.ID, d.Name, "It is a spare of the warm pool in the backup, and was claimed since as %s.", d.Name)
	err = r.run(ctx, "take the spare for claimed", `update instances set name = $2, owner_id = $3, username = $4, database = $5, extensions = $6, description = $7, phi = $8, backup = $9,
		created_at = $10 where id = $1`, i.ID, d.Name, d.Owner, d.Username, d.Database, append([]string{}, d.Extensions...), d.Description, d.PHI, d.Backup, d.CreatedAt)
	if err != nil {
		return err
	}
	i.Name, i.Owner = d.Name, d.Owner
	if err := r.spec(ctx, i, s); err != nil {
		return err
	}
	return r.state(ctx, i, s.Wanted)
}

// person finds somebody by login, and makes them known if need be: a directory recognises them when they log in. Empty for what is no login.
func (r *recovering) person(ctx context.Context, login string) (id string, err error) {
	if !validLogin.MatchString(login) {
		return r.admin(ctx)
	}
	err = r.tx.QueryRow(ctx, `with made as (insert into people (id, login, name) values ($1, $2, $2) on conflict (login) do nothing returning id)
		select id from made union all select id from people where login = $2`, xid.New().String(), login).Scan(&id)
	if err != nil {
		return "", fmt.Errorf("find %s: %w", login, err)
	}
	return id, nil
}

var validLogin = regexp.MustCompile(`^[a-z0-9][a-z0-9._@-]{0,127}$`)

// admin is the administrator who has been there the longest; empty without any.
func (r *recovering) admin(ctx context.Context) (id string, err error) {
	err = r.tx.QueryRow(ctx, "select id from people where admin and disabled_at is null order by id limit 1").Scan(&id)
	if notFound(err) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("find an administrator: %w", err)
	}
	return id, nil
}

// freeName is the name itself, or one made of it and the id when another live instance has it.
func (r *recovering) freeName(ctx context.Context, name, id string) (string, error) {
	if !namePattern.MatchString(name) {
		name = "recovered"
	}
	var taken bool
	if err := r.tx.QueryRow(ctx, "select exists (select from instances where name = $1 and ended_at is null and id <> $2)", name, id).Scan(&taken); err != nil {
		return "", fmt.Errorf("look for a free name: %w", err)
	}
	if !taken && name != "recovered" {
		return name, nil
	}
	return fmt.Sprintf("%.31s-%s", name, strings.ToLower(id[max(0, len(id)-8):])), nil
}
