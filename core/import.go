package core

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/rs/xid"

	"github.com/mydb-project/mydb/core/engine"
)

// Import makes a new database of one from outside: of a source on a network that the site allows, or of an upload.
type Import struct {
	Create
	Engine string `json:"engine,omitempty" description:"Default: that of the source or the upload"`
	Source string `json:"source,omitempty" description:"Address of the database, such as postgres://user:password@host:5432/genomes; percent-encode what is no letter or digit"`
	Upload string `json:"upload,omitempty" description:"Id of an upload, in place of a source"`
	// IncompleteOK takes a dump that does not show that it is whole.
	IncompleteOK bool `json:"incomplete_ok,omitempty" description:"Take an upload without the last line that its program writes; whether all is there is for you to say"`
}

func (Import) action() string { return "import" }

// secretSource is the password of a source, until the import has ended.
const secretSource = "source"

// ImportArgs is what the worker needs to know: a source without its password, or an upload.
type ImportArgs struct {
	Source *engine.Source `json:"source,omitempty"`
	Upload string         `json:"upload,omitempty"`
	Format string         `json:"format,omitempty"`
}

// incoming is an import with every default filled in, and its secrets sealed.
type incoming struct {
	*creation
	ImportArgs
	sealed []byte // the source's password
}

// lookupTimeout is how long it may take to find what an import is of.
const lookupTimeout = 5 * time.Second

func (c Import) prepare(s *Service, actor Actor) (decision, error) {
	if err := actor.needs(ScopeOperate); err != nil {
		return nil, err
	}
	if c.InitSQL != "" {
		return nil, invalid("init_sql", "An import brings its own tables. Leave the init script out, and run it when the database is ready.")
	}
	if (c.Source == "") == (c.Upload == "") {
		return nil, invalid("source", "Give either the address of a database or the id of an upload.")
	}
	c.Engine = cmp.Or(c.Engine, c.Create.Engine)
	ctx, cancel := context.WithTimeout(context.Background(), lookupTimeout)
	defer cancel()
	d := &incoming{}
	var err error
	if c.Source != "" {
		err = d.fromSource(ctx, s, &c)
	} else {
		err = d.fromUpload(ctx, s, actor, &c)
	}
	if err != nil {
		return nil, err
	}
	c.Create.Engine = c.Engine
	made, err := c.Create.prepare(s, actor)
	if err != nil {
		return nil, err
	}
	d.creation = made.(*creation) //nolint:forcetypeassert // what Create prepares
	return d, nil
}

// fromSource takes the address apart and finds out where the source is, once and for all.
func (d *incoming) fromSource(ctx context.Context, s *Service, c *Import) error {
	forms := map[string]engine.SourceForm{}
	for name, e := range s.engines {
		forms[name] = e.SourceForm()
	}
	src, err := engine.ParseSource(c.Source, forms)
	var field *engine.FieldError
	if errors.As(err, &field) {
		return invalid(field.Field, "%s", field.Message)
	}
	if err != nil {
		return err
	}
	if c.Engine == "" {
		c.Engine = src.Engine
	}
	if c.Engine != src.Engine {
		return invalid("engine", "The address is of %s, which cannot be brought into %s. Leave the engine out.", src.Engine, clip(c.Engine))
	}
	if err := s.locate(ctx, &src); err != nil {
		return err
	}
	if d.sealed, err = s.keys.Seal([]byte(src.Password)); err != nil {
		return err
	}
	d.Source = &src
	return nil
}

// locate resolves the host of a source. Every address that it has must be allowed; the first is the one that is dialled, by everybody.
func (s *Service) locate(ctx context.Context, src *engine.Source) error {
	if len(s.policy.Import.Networks) == 0 {
		return Errorf(CodeForbidden, "On this site, databases are not brought in by address. An administrator can allow networks (policy.import.networks); or upload a dump.")
	}
	addresses, err := net.DefaultResolver.LookupNetIP(ctx, "ip", src.Host)
	if err != nil || len(addresses) == 0 {
		return &Error{Code: CodeInvalid, Field: "source", Cause: err, Message: fmt.Sprintf("The host %s is not known here. Look at its name, or write its number.", clip(src.Host))}
	}
	for _, a := range addresses {
		if !s.policy.Import.Allows(a) {
			return Errorf(CodeForbidden, "The host %s (%s) is not on a network from which databases may be brought in. Ask an administrator to allow it (policy.import.networks).", clip(src.Host), a.Unmap())
		}
	}
	src.Address = addresses[0].Unmap().String()
	return s.notOwn(ctx, *src)
}

// notOwn refuses MyDB's own database, which holds everybody's secrets, wherever the networks allow.
func (s *Service) notOwn(ctx context.Context, src engine.Source) error {
	own := s.db.Config().ConnConfig
	if src.Port != int(own.Port) {
		return nil
	}
	addresses, err := net.DefaultResolver.LookupNetIP(ctx, "ip", own.Host)
	if err != nil {
		return nil //nolint:nilerr // it is behind a socket; the worker asks the server who it is
	}
	for _, a := range addresses {
		if a.Unmap().String() == src.Address {
			return errOwnDatabase
		}
	}
	return nil
}

var errOwnDatabase = Errorf(CodeForbidden, "This is the address of MyDB's own database, which cannot be imported.")

// fromUpload finds out what an upload is.
func (d *incoming) fromUpload(ctx context.Context, s *Service, actor Actor, c *Import) error {
	if _, err := s.store(); err != nil {
		return err
	}
	u, err := s.findUpload(ctx, s.db, actor, c.Upload)
	if err != nil {
		return err
	}
	if c.Engine == "" {
		c.Engine = u.Engine
	}
	switch {
	case c.Engine == "":
		return invalid("engine", "The dump does not say of which engine it is. Choose one.")
	case u.Engine != "" && c.Engine != u.Engine:
		return invalid("engine", "The dump is of %s, which cannot be brought into %s. Leave the engine out.", u.Engine, clip(c.Engine))
	case u.Engine == "" && c.Engine == "mongodb":
		return invalid("engine", "The dump is SQL text, which cannot be brought into MongoDB.")
	case u.Whole != nil && !*u.Whole && !c.IncompleteOK:
		return invalid("upload", "The dump lacks the last line that its program writes, so it breaks off, or was made without such lines (--skip-comments, --compact, or by another program). Upload all of it; or say incomplete_ok, and look yourself whether everything is there.")
	}
	d.Upload, d.Format = u.ID, u.Format
	return nil
}

func (d *incoming) decide(ctx context.Context, s *Service, tx pgx.Tx, req Request) (Receipt, error) {
	owner, err := d.owner(ctx, tx, req.Actor)
	if err != nil {
		return Receipt{}, err
	}
	if err := s.mayCreate(req.Actor, d.creation.Engine, d.Size); err != nil {
		return Receipt{}, err
	}
	if d.PHI {
		if err := s.mayHoldPHI(ctx, tx, req.Actor); err != nil {
			return Receipt{}, err
		}
	}
	if err := s.checkQuota(ctx, tx, req.Actor, owner, s.amount(d.Size)); err != nil {
		return Receipt{}, err
	}
	if d.Upload != "" {
		if err := s.claimUpload(ctx, tx, req.Actor, d.Upload); err != nil {
			return Receipt{}, err
		}
	}
	if s.createNeedsApproval(req.Actor, d.creation) {
		return d.ask(ctx, s, tx, req, owner, d)
	}
	id, opID := xid.New().String(), xid.New().String()
	if err := d.record(ctx, tx, req, owner, id, opID); err != nil {
		return Receipt{}, err
	}
	if _, err := s.ports.take(ctx, tx, id, s.now()); err != nil {
		return Receipt{}, err
	}
	if err := s.queue.Enqueue(ctx, tx, Job{Kind: "import", OperationID: opID, InstanceID: id}); err != nil {
		return Receipt{}, fmt.Errorf("enqueue the import: %w", err)
	}
	return receiptOf(ctx, tx, opID)
}

func (d *incoming) record(ctx context.Context, tx pgx.Tx, req Request, owner Person, id, opID string) error {
	args, err := json.Marshal(d.ImportArgs)
	if err != nil {
		return fmt.Errorf("encode the operation's arguments: %w", err)
	}
	var rows together
	if err := d.creation.insert(ctx, &rows, id, owner); err != nil {
		return err
	}
	if d.sealed != nil {
		if err := insertSecret(ctx, &rows, id, secretSource, d.sealed); err != nil {
			return err
		}
	}
	_, _ = rows.Exec(ctx, "insert into operations (id, instance_id, kind, requested_by, door, args) values ($1, $2, 'import', $3, $4, $5)", opID, id, req.Actor.ID, req.Door, string(args))
	e := req.audit(OutcomeAccepted)
	e.InstanceID, e.Subject = id, d.Name
	e.Data = map[string]any{
		"operation": opID, "engine": d.Engine, "version": d.Version, "size": d.Size, "owner": owner.Login, "username": d.Username,
		"backup": d.Backup, "phi": d.PHI, "extensions": d.Extensions, "template": d.Template, "settings": d.Settings,
	}
	if d.Source != nil {
		e.Data["source"], e.Data["address"] = d.Source.String(), d.Source.Address
	} else {
		e.Data["upload"] = d.Upload
	}
	if err := writeAudit(ctx, &rows, e); err != nil {
		return err
	}
	if err := rows.send(ctx, tx); err != nil {
		return fmt.Errorf("insert the instance: %w", err)
	}
	return nil
}

// CheckImport looks whether an import would be accepted now but for its upload, before somebody sends a large file for nothing.
func (s *Service) CheckImport(ctx context.Context, actor Actor, c Import) error {
	if err := actor.needs(ScopeOperate); err != nil {
		return err
	}
	if _, err := s.store(); err != nil {
		return err
	}
	if err := CheckName(c.Name); err != nil {
		return err
	}
	var taken bool
	if err := s.db.QueryRow(ctx, "select exists (select from instances where name = $1 and ended_at is null)", c.Name).Scan(&taken); err != nil {
		return fmt.Errorf("look for the name: %w", err)
	}
	if taken {
		return Errorf(CodeTaken, "The name %s is taken. Choose another name.", c.Name)
	}
	return nil
}

// ImportSource gives the source of an import with its password, if it is still allowed.
func (s *Service) ImportSource(ctx context.Context, instanceID string, src engine.Source) (engine.Source, error) {
	a, err := netip.ParseAddr(src.Address)
	if err != nil || !s.policy.Import.Allows(a) {
		return src, Errorf(CodeForbidden, "The host %s (%s) is not on a network from which databases may be brought in any more.", src.Host, src.Address)
	}
	if err := s.notOwn(ctx, src); err != nil {
		return src, err
	}
	password, err := s.readSecret(ctx, instanceID, secretSource)
	src.Password = string(password)
	return src, err
}

// NotOwnServer refuses a source behind which MyDB's own database turns out to be.
func (s *Service) NotOwnServer(ctx context.Context, found engine.Found) error {
	if found.System == "" {
		return nil
	}
	var own string
	err := s.db.QueryRow(ctx, "select system_identifier::text from pg_control_system()").Scan(&own)
	if err == nil && own == found.System {
		return errOwnDatabase
	}
	return nil //nolint:nilerr // who may not ask cannot know
}

// ImportExtensions lists the extensions that an import may bring into an instance.
func (s *Service) ImportExtensions(i Instance) []string {
	offer, _ := s.catalogue.Offer(i.Engine)
	return append(append([]string{}, offer.Extensions...), i.Extensions...)
}

// FinishImport records the end of an import, inside the transaction that completes its job: as that of a create, and with the source's
// password forgotten. An upload that was imported has had its time.
func (s *Service) FinishImport(ctx context.Context, tx pgx.Tx, operationID string, i Instance, failure *Explanation) error {
	if _, err := tx.Exec(ctx, "delete from secrets where instance_id = $1 and kind = $2", i.ID, secretSource); err != nil {
		return fmt.Errorf("forget the source's password: %w", err)
	}
	if failure == nil {
		_, err := tx.Exec(ctx, "update uploads set ends_at = $2 where id = (select args->>'upload' from operations where id = $1)", operationID, s.now())
		if err != nil {
			return fmt.Errorf("end the upload: %w", err)
		}
	}
	return s.FinishCreate(ctx, tx, operationID, i, failure)
}
