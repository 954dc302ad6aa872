package core

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/docker/go-units"
	"github.com/jackc/pgx/v5"
	"github.com/rs/xid"

	"github.com/mydb-project/mydb/core/engine"
	"github.com/mydb-project/mydb/core/policy"
)

// Uploads of one process at the same moment, and those of one person that wait to be imported.
const (
	uploadsAtOnce = 4
	uploadsEach   = 5
	// uploadLife is how long a file is kept that nobody imports.
	uploadLife = 24 * time.Hour
	// unpackedLimit is how many times as large as what may be uploaded its content may be.
	unpackedLimit = 20
)

// Upload is a file that somebody has brought to be imported. Sizes are bytes.
type Upload struct {
	ID        string    `json:"id"`
	Name      string    `json:"name,omitempty"`    // as the sender calls it
	Engine    string    `json:"engine,omitempty"`  // empty: SQL text that does not say for what
	Format    string    `json:"format"`            // such as sql, custom, tar, archive
	Packing   string    `json:"packing,omitempty"` // such as gzip
	Size      int64     `json:"size"`              // as sent
	Unpacked  int64     `json:"unpacked"`
	Whole     *bool     `json:"whole"` // null: only the engine's tool can tell, when it is imported
	CreatedAt time.Time `json:"created_at"`
	EndsAt    time.Time `json:"ends_at"`
}

const selectUpload = `select id, name, engine, format, packing, size, unpacked, whole, created_at, ends_at from uploads `

// UploadKey is where the store has an upload.
func UploadKey(id string) string { return path.Join("uploads", id) }

// MaxUpload is how many bytes an upload may have.
func (s *Service) MaxUpload() int64 {
	if s.policy.Import.MaxUpload == 0 {
		return policy.DefaultMaxUpload
	}
	return int64(s.policy.Import.MaxUpload)
}

// Upload takes a dump: it is unpacked, looked at, and put into the store of backups, sealed. It never lies anywhere in the clear. size is
// how many bytes will come, 0 when nobody knows.
//
// Errors: CodeInvalid for what is not understood, damaged or cut off; CodeTooLarge, CodeQuota, CodeUnavailable.
func (s *Service) Upload(ctx context.Context, req Request, name string, in io.Reader, size int64) (_ Upload, err error) {
	defer s.refusing(ctx, req, "upload", name, &err)
	if err := req.Actor.needs(ScopeOperate); err != nil {
		return Upload{}, err
	}
	store, err := s.store()
	if err != nil {
		return Upload{}, err
	}
	if size > s.MaxUpload() {
		return Upload{}, tooLarge(s.MaxUpload())
	}
	select {
	case s.uploads <- struct{}{}:
		defer func() { <-s.uploads }()
	default:
		return Upload{}, Errorf(CodeUnavailable, "%d files are being uploaded at this moment, as many as at once are possible. Try again in a few minutes.", uploadsAtOnce)
	}
	u, err := s.beginUpload(ctx, req, name)
	if err != nil {
		return u, err
	}
	if err = s.takeUpload(ctx, store, &u, in, size); err == nil {
		err = s.endUpload(ctx, req, u)
	}
	if err != nil {
		// What the store has of it, nobody may ever read.
		ctx := context.WithoutCancel(ctx)
		return Upload{}, errors.Join(err, store.Remove(ctx, UploadKey(u.ID)), s.forgetUpload(ctx, u.ID))
	}
	return u, nil
}

func tooLarge(limit int64) error {
	return Errorf(CodeTooLarge, "The file, or what is packed in it, is larger than the %s that this site takes. Bring the database by its address, or ask an administrator.", units.BytesSize(float64(limit)))
}

func (s *Service) beginUpload(ctx context.Context, req Request, name string) (Upload, error) {
	now := s.now().UTC()
	u := Upload{ID: xid.New().String(), Name: fileName(name), CreatedAt: now, EndsAt: now.Add(uploadLife)}
	var waiting int
	if err := s.db.QueryRow(ctx, "select count(*) from uploads where person_id = $1 and ends_at > $2", req.Actor.ID, now).Scan(&waiting); err != nil {
		return u, fmt.Errorf("count the uploads: %w", err)
	}
	if waiting >= uploadsEach {
		return u, Errorf(CodeQuota, "You have %d uploads that wait to be imported, which is the most. Import or remove one of them first.", waiting)
	}
	_, err := s.db.Exec(ctx, "insert into uploads (id, person_id, name, created_at, ends_at) values ($1, $2, $3, $4, $5)", u.ID, req.Actor.ID, u.Name, u.CreatedAt, u.EndsAt)
	if err != nil {
		return u, fmt.Errorf("insert the upload: %w", err)
	}
	return u, nil
}

// fileName is what may be kept of a name that somebody gave a file.
func fileName(name string) string {
	name = path.Base("/" + name)
	if name == "/" || !utf8.ValidString(name) {
		return ""
	}
	plain := []rune{}
	for _, r := range name {
		if unicode.IsPrint(r) && len(plain) < 100 {
			plain = append(plain, r)
		}
	}
	return string(plain)
}

// takeUpload is the stream of an upload: unpack, look at it, seal, store.
func (s *Service) takeUpload(ctx context.Context, store Objects, u *Upload, in io.Reader, size int64) error {
	sent := &metered{Reader: in, limit: s.MaxUpload()}
	plain, packing, err := unpack(sent)
	if err != nil {
		return sent.blame(err)
	}
	u.Packing = packing
	content := &metered{Reader: plain, limit: unpackedLimit * s.MaxUpload()}
	tail := &engine.Tail{Reader: content}
	whole, err := s.recognise(u, tail)
	if err != nil {
		return sent.blame(err)
	}
	if err := s.sealUpload(ctx, store, u.ID, whole, size); err != nil {
		if content.err != nil {
			return sent.blame(unpackProblem(packing, content.err))
		}
		return fmt.Errorf("store the upload: %w", err)
	}
	u.Size, u.Unpacked = sent.n, content.n
	u.Whole = s.wholeUpload(*u, tail.Bytes())
	return nil
}

// wholeUpload looks whether a dump ends as its tool ends it. SQL text of another program says nothing of its end.
func (s *Service) wholeUpload(u Upload, tail []byte) *bool {
	if u.Engine == "" {
		return new(bool)
	}
	whole, known := s.engines[u.Engine].Whole(u.Format, tail)
	if !known {
		return nil
	}
	return &whole
}

func (s *Service) sealUpload(ctx context.Context, store Objects, id string, in io.Reader, size int64) error {
	_, err := engine.Through(ctx,
		func(_ context.Context, w io.Writer) error {
			archive, _, err := s.SealArchive(w)
			if err != nil {
				return err
			}
			if _, err := io.CopyBuffer(archive, in, make([]byte, 256<<10)); err != nil {
				return err // the archive stays open, and so is none
			}
			return archive.Close()
		},
		func(r io.Reader) (struct{}, error) { return struct{}{}, store.Put(ctx, UploadKey(id), r, size) })
	return err
}

func (s *Service) endUpload(ctx context.Context, req Request, u Upload) error {
	_, err := s.db.Exec(ctx, `update uploads set engine = $2, format = $3, packing = $4, size = $5, unpacked = $6, whole = $7, arrived_at = $8 where id = $1`,
		u.ID, u.Engine, u.Format, u.Packing, u.Size, u.Unpacked, u.Whole, s.now())
	if err != nil {
		return fmt.Errorf("record the upload: %w", err)
	}
	e := req.audit(OutcomeDone)
	e.Action, e.Subject = "upload", u.ID
	e.Data = map[string]any{"name": u.Name, "size": u.Size, "engine": u.Engine, "format": u.Format}
	return writeAudit(ctx, s.db, e)
}

// Uploads lists a person's uploads that wait to be imported, newest first.
func (s *Service) Uploads(ctx context.Context, actor Actor) ([]Upload, error) {
	if err := actor.needs(ScopeRead); err != nil {
		return nil, err
	}
	list, err := many[Upload](ctx, s.db, selectUpload+"where person_id = $1 and arrived_at is not null and ends_at > $2 order by id desc", actor.ID, s.now())
	if err != nil {
		return nil, fmt.Errorf("list the uploads: %w", err)
	}
	return list, nil
}

// findUpload finds an upload of a person. Errors: CodeInvalid when there is none, or its time is over.
func (s *Service) findUpload(ctx context.Context, db DB, actor Actor, id string) (Upload, error) {
	u, err := one[Upload](ctx, db, selectUpload+"where id = $1 and person_id = $2 and arrived_at is not null and ends_at > $3", id, actor.ID, s.now())
	if notFound(err) {
		return u, invalid("upload", "You have no upload %q. Uploads are kept for a day, and go when they were imported. Upload the file again.", clip(id))
	}
	if err != nil {
		return u, fmt.Errorf("find the upload: %w", err)
	}
	return u, nil
}

// claimUpload makes sure that an upload is there, and stays until the transaction ends.
func (s *Service) claimUpload(ctx context.Context, tx pgx.Tx, actor Actor, id string) error {
	if err := lockUpload(ctx, tx, id); err != nil {
		return err
	}
	_, err := s.findUpload(ctx, tx, actor, id)
	return err
}

// RemoveUpload removes an upload of the caller's. Errors: CodeNotFound, CodeBusy while it is imported.
func (s *Service) RemoveUpload(ctx context.Context, req Request, id string) (err error) {
	defer s.refusing(ctx, req, "upload.remove", id, &err)
	if err := req.Actor.needs(ScopeOperate); err != nil {
		return err
	}
	store, err := s.store()
	if err != nil {
		return err
	}
	u, err := s.findUpload(ctx, s.db, req.Actor, id)
	if CodeOf(err) == CodeInvalid {
		return Errorf(CodeNotFound, "You have no upload %q.", clip(id))
	}
	if err != nil {
		return err
	}
	err = pgx.BeginFunc(ctx, s.db, func(tx pgx.Tx) error {
		if err := lockUpload(ctx, tx, u.ID); err != nil {
			return err
		}
		tag, err := tx.Exec(ctx, "update uploads set ends_at = $2 where id = $1 and not "+uploadInUse, u.ID, s.now())
		if err == nil && tag.RowsAffected() == 0 {
			return Errorf(CodeBusy, "The upload is being imported right now. It goes by itself when that has ended well.")
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("end the upload: %w", err)
	}
	e := req.audit(OutcomeDone)
	e.Action, e.Subject, e.Data = "upload.remove", u.ID, map[string]any{"name": u.Name}
	if err := writeAudit(ctx, s.db, e); err != nil {
		return err
	}
	_, err = s.SweepUploads(ctx, store)
	return err
}

// lockUpload comes first, in a statement of its own: the next one then sees an import, or a removal, that had the lock before.
func lockUpload(ctx context.Context, tx pgx.Tx, id string) error {
	if _, err := tx.Exec(ctx, "select from uploads where id = $1 for update", id); err != nil {
		return fmt.Errorf("lock the upload: %w", err)
	}
	return nil
}

// uploadInUse is true of an upload that an import reads.
const uploadInUse = `exists (select from operations o where o.kind = 'import' and o.finished_at is null and o.args->>'upload' = uploads.id)`

// SweepUploads takes uploads out of the store whose time is over, and gives how many.
func (s *Service) SweepUploads(ctx context.Context, store Objects) (swept int, err error) {
	type row struct{ ID string }
	list, err := many[row](ctx, s.db, "select id from uploads where ends_at <= $1 and not "+uploadInUse+" order by id limit 500", s.now())
	if err != nil {
		return 0, fmt.Errorf("list uploads whose time is over: %w", err)
	}
	for _, u := range list {
		if err := store.Remove(ctx, UploadKey(u.ID)); err != nil {
			return swept, fmt.Errorf("remove upload %s: %w", u.ID, err)
		}
		if err := s.forgetUpload(ctx, u.ID); err != nil {
			return swept, err
		}
		swept++
	}
	return swept, nil
}

func (s *Service) forgetUpload(ctx context.Context, id string) error {
	if _, err := s.db.Exec(ctx, "delete from uploads where id = $1", id); err != nil {
		return fmt.Errorf("forget upload %s: %w", id, err)
	}
	return nil
}
