package core

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/rs/xid"

	"github.com/mydb-project/mydb/core/crypt"
	"github.com/mydb-project/mydb/core/engine"
)

// Restore makes a new instance of a backup. The one that was backed up may live, be in the trash, or be gone; it is not touched.
// In place, it gives the instance itself the data of the backup instead; see restore_inplace.go.
type Restore struct {
	On
	Backup  string `json:"backup,omitempty" description:"A backup's id; default: the newest good one"`
	As      string `json:"as,omitempty" description:"Name of the new database; default: the name with -restored"`
	Version string `json:"version,omitempty" description:"The same version as that of the backup, or a later one; default: the same"`
	Size    string `json:"size,omitempty" description:"A size class; default: that of the backup"`
	InPlace bool   `json:"in_place,omitempty" description:"Put the backup in the place of what the database holds now, which can be undone for a while"`
	Confirm string `json:"confirm,omitempty" description:"The database's name, typed, for a restore in place"`

	approved bool // by somebody else
}

func (Restore) action() string { return "restore" }

// RestoreArgs is what the worker needs to know.
type RestoreArgs struct {
	BackupID string `json:"backup_id"`
}

// restoration is a restore with what can be looked at before the transaction.
type restoration struct {
	Restore
	create *creation // set by decide
}

func (c Restore) prepare(s *Service, actor Actor) (decision, error) {
	if err := actor.needs(ScopeOperate); err != nil {
		return nil, err
	}
	if !s.backups.On {
		return nil, noStore()
	}
	if c.InPlace {
		return c.replacement()
	}
	if c.Confirm != "" {
		return nil, invalid("confirm", "A restore into a new database needs no confirmation. If %s itself shall get the data of the backup, say in_place, too.", clip(c.Database))
	}
	if c.As != "" {
		if err := CheckName(c.As); err != nil {
			e := *err.(*Error) //nolint:errorlint,forcetypeassert // CheckName makes no other
			e.Field = "as"
			return nil, &e
		}
	}
	return &restoration{Restore: c}, nil
}

func (r *restoration) decide(ctx context.Context, s *Service, tx pgx.Tx, req Request) (Receipt, error) {
	source, err := s.target(ctx, tx, req.Actor, r.Database)
	if err != nil {
		return Receipt{}, err
	}
	if err := ownerOrAdmin(req.Actor, source); err != nil {
		return Receipt{}, err
	}
	b, m, err := s.chooseBackup(ctx, tx, source, r.Backup)
	if err != nil {
		return Receipt{}, err
	}
	if r.As == "" {
		if r.As, err = freeName(ctx, tx, source.Name+"-restored"); err != nil {
			return Receipt{}, err
		}
	}
	if r.create, err = r.plan(s, source, b, m); err != nil {
		return Receipt{}, err
	}
	if err := s.mayCreate(req.Actor, r.create.Engine, r.create.Size); err != nil {
		return Receipt{}, err
	}
	if r.Size != "" && r.create.Size != source.Size && s.needsSizeApproval(req.Actor, r.create.Size) {
		return Receipt{}, Errorf(CodeForbidden, "On this site, the size %s needs an approval. Restore without a size, and ask for another one when the new database is ready.", r.create.Size)
	}
	owner := ownerOf(source)
	if err := s.checkQuota(ctx, tx, req.Actor, owner, s.amount(r.create.Size)); err != nil {
		return Receipt{}, err
	}
	return r.insert(ctx, s, tx, req, owner, b)
}

// chooseBackup finds the backup that was asked for, or the newest good one, and reads its manifest.
func (s *Service) chooseBackup(ctx context.Context, tx pgx.Tx, source Instance, id string) (b Backup, m Manifest, err error) {
	if id == "" {
		b, err = one[Backup](ctx, tx, selectBackup+"where b.instance_id = $1 and b.state in ('done', 'verified') order by b.id desc limit 1", source.ID)
		if notFound(err) {
			return b, m, Errorf(CodeNotFound, "%s has no backup that could be restored yet. Make one with: backup %[1]s", source.Name)
		}
	} else {
		b, err = s.backupOf(ctx, tx, source, id)
	}
	if err == nil {
		err = b.usable()
	}
	if err != nil {
		return b, m, err
	}
	var text []byte
	if err := tx.QueryRow(ctx, "select manifest from backups where id = $1 and state in ('done', 'verified') for share", b.ID).Scan(&text); err != nil {
		if notFound(err) {
			return b, m, Errorf(CodeGone, "The backup %s has just expired. Choose another one.", b.ID)
		}
		return b, m, fmt.Errorf("read the manifest: %w", err)
	}
	if err := json.Unmarshal(text, &m); err != nil {
		return b, m, fmt.Errorf("decode the manifest: %w", err)
	}
	return b, m, nil
}

// plan is the new instance: as the backup says it was, with the mark of health data if either has it.
func (r *restoration) plan(s *Service, source Instance, b Backup, m Manifest) (*creation, error) {
	from := m.Instance
	d := &creation{Create: Create{
		Name: r.As, Engine: from.Engine, Version: from.Version, Size: from.Size, Username: from.Username, Extensions: from.Extensions, Settings: from.Settings,
		Description: clipText(fmt.Sprintf("%s as of %s. %s", source.Name, moment(b.CreatedAt), source.Description), 2000),
		Contact:     source.Contact, Department: source.Department, PI: source.PI, Application: source.Application, Project: source.Project,
		Support: source.Support, Backup: source.Backup, BackupWindow: source.BackupWindow, MaintenanceWindow: source.MaintenanceWindow,
		PHI: source.PHI || from.PHI,
	}, database: from.Database}
	if r.Size != "" {
		d.Size = r.Size
	}
	if _, known := s.catalogue.Size(d.Size); !known {
		return nil, invalid("size", "There is no size %q. Choose one of: %s.", clip(d.Size), strings.Join(s.catalogue.SizeNames(), ", "))
	}
	if err := r.chooseVersion(s.catalogue, from, d); err != nil {
		return nil, err
	}
	if missing := missingExtensions(s.catalogue, m, d.version.Image); len(missing) > 0 {
		return nil, invalid("version", "%s", LacksExtensions(missing, engineTitle(from.Engine), d.Version))
	}
	d.Expires, d.expiresAt = "", s.defaultExpiry()
	d.Password = crypt.NewPassword()
	return d, d.seal(s.keys)
}

// chooseVersion takes the backup's own version with its own image, also when it is not offered any more, or a later one that is.
func (r *restoration) chooseVersion(c engine.Catalogue, from ManifestInstance, d *creation) error {
	offer, known := c.Offer(from.Engine)
	if !known {
		return Errorf(CodeUnavailable, "This site has no %s any more. Ask an administrator to put it back into the catalogue.", from.Engine)
	}
	if r.Version == "" || r.Version == from.Version {
		v, known := offer.Version(from.Version)
		if !known {
			return invalid("version", "This site has no %s %s any more. Choose a later version: %s.", from.Engine, from.Version, strings.Join(offer.Offered(), ", "))
		}
		d.version = v
		if from.Image != "" {
			d.version.Image = from.Image
		}
		return nil
	}
	if !slices.Contains(offer.Offered(), r.Version) {
		return invalid("version", "%s %q is not offered here. Choose one of: %s.", from.Engine, clip(r.Version), strings.Join(offer.Offered(), ", "))
	}
	if compareVersions(r.Version, from.Version) < 0 {
		return invalid("version", "The backup is of %s %s and cannot be restored into the older %s. Choose %[2]s or a later version.", from.Engine, from.Version, r.Version)
	}
	d.Version = r.Version
	d.version, _ = offer.Version(r.Version)
	return nil
}

// compareVersions compares versions such as 10.11 and 11.8 number by number.
func compareVersions(a, b string) int {
	as, bs := strings.Split(a, "."), strings.Split(b, ".")
	for n := range max(len(as), len(bs)) {
		var x, y int
		if n < len(as) {
			x, _ = strconv.Atoi(as[n])
		}
		if n < len(bs) {
			y, _ = strconv.Atoi(bs[n])
		}
		if x != y {
			return x - y
		}
	}
	return 0
}

func (r *restoration) insert(ctx context.Context, s *Service, tx pgx.Tx, req Request, owner Person, b Backup) (Receipt, error) {
	id, opID := xid.New().String(), xid.New().String()
	args, err := json.Marshal(RestoreArgs{BackupID: b.ID})
	if err != nil {
		return Receipt{}, err
	}
	var rows together
	if err := r.create.insert(ctx, &rows, id, owner); err != nil {
		return Receipt{}, err
	}
	_, _ = rows.Exec(ctx, "update instances set state = 'restoring', restored_from = $2 where id = $1", id, b.ID)
	_, _ = rows.Exec(ctx, "insert into operations (id, instance_id, kind, requested_by, door, args) values ($1, $2, 'restore', $3, $4, $5)",
		opID, id, req.Actor.ID, req.Door, string(args))
	e := req.audit(OutcomeAccepted)
	e.InstanceID, e.Subject = id, r.As
	e.Data = map[string]any{"operation": opID, "backup": b.ID, "from": b.InstanceID, "version": r.create.Version, "size": r.create.Size, "phi": r.create.PHI}
	if err := writeAudit(ctx, &rows, e); err != nil {
		return Receipt{}, err
	}
	if err := rows.send(ctx, tx); err != nil {
		return Receipt{}, fmt.Errorf("insert the instance: %w", err)
	}
	if _, err := s.ports.take(ctx, tx, id, s.now()); err != nil {
		return Receipt{}, err
	}
	if err := s.queue.Enqueue(ctx, tx, Job{Kind: "restore", OperationID: opID, InstanceID: id}); err != nil {
		return Receipt{}, fmt.Errorf("enqueue the restore: %w", err)
	}
	return receiptOf(ctx, tx, opID)
}

func (r *restoration) explain(ctx context.Context, s *Service, err error) error {
	if r.create == nil {
		return err
	}
	return r.create.explain(ctx, s, err)
}

// freeName finds a name that no live instance has.
func freeName(ctx context.Context, tx pgx.Tx, base string) (string, error) {
	const longest = 40
	for n := 1; n < 100; n++ {
		name := base
		if n > 1 {
			name = fmt.Sprintf("%s-%d", base, n)
		}
		if over := len(name) - longest; over > 0 {
			tail := name[strings.LastIndex(base, "-restored"):]
			name = strings.TrimRight(base[:longest-len(tail)], "-") + tail
		}
		var taken bool
		if err := tx.QueryRow(ctx, "select exists (select from instances where name = $1 and ended_at is null)", name).Scan(&taken); err != nil {
			return "", fmt.Errorf("look for a free name: %w", err)
		}
		if !taken {
			return name, nil
		}
	}
	return "", invalid("as", "There are a hundred databases named like %s. Choose a name.", base)
}

func clipText(text string, limit int) string {
	if r := []rune(strings.TrimSpace(text)); len(r) > limit {
		return string(r[:limit])
	}
	return strings.TrimSpace(text)
}
