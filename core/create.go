package core

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/rs/xid"

	"github.com/mydb-project/mydb/core/crypt"
	"github.com/mydb-project/mydb/core/engine"
)

// Create asks for a new database instance. Only Engine and Name are needed.
type Create struct {
	Name              string            `json:"name" required:"true" pattern:"^[a-z][a-z0-9-]{1,38}[a-z0-9]$" description:"Unique among live databases"`
	Engine            string            `json:"engine" required:"true" description:"An engine of the catalogue, such as postgres"`
	Version           string            `json:"version,omitempty" description:"Default: the catalogue's first"`
	Size              string            `json:"size,omitempty" description:"A size class; default: the catalogue's first"`
	Username          string            `json:"username,omitempty" description:"Default: the name with - as _"`
	Password          string            `json:"password,omitempty" description:"12 to 128 characters; default: generated"`
	Backup            string            `json:"backup,omitempty" description:"daily, weekly, monthly, never, or a cron expression of five fields; default: daily"`
	Expires           string            `json:"expires,omitempty" description:"RFC 3339, or a number of days such as 90d; default: by the policy of the site, or never"`
	Description       string            `json:"description,omitempty"`
	Contact           string            `json:"contact,omitempty" description:"Whom to ask about it; default: the owner"`
	Department        string            `json:"department,omitempty"`
	PI                string            `json:"pi,omitempty" description:"Login or mail address of the principal investigator or manager"`
	Application       string            `json:"application,omitempty" description:"The program that uses it"`
	Project           string            `json:"project,omitempty" description:"Project or grant"`
	Support           string            `json:"support,omitempty" description:"A support level of this site; default: its first"`
	BackupWindow      string            `json:"backup_window,omitempty" description:"When backups are made, such as 01:00-05:00"`
	MaintenanceWindow string            `json:"maintenance_window,omitempty" description:"When it may restart, such as sun 02:00-06:00"`
	PHI               bool              `json:"phi,omitempty" description:"Holds health data about persons"`
	Extensions        []string          `json:"extensions,omitempty" description:"From the catalogue's list"`
	Template          string            `json:"template,omitempty" description:"A template of the catalogue, which chooses version, image and extensions"`
	Settings          map[string]string `json:"settings,omitempty" description:"Settings of the server, from the catalogue's list"`
	InitSQL           string            `json:"init_sql,omitempty" description:"Run once as the owner, at most 64 KiB"`
	Owner             string            `json:"owner,omitempty" description:"Login of another owner; administrators only"`
}

func (Create) action() string { return "create" }

// subject is what it is about.
func (c Create) subject() string { return c.Name }

// creation is a create command with every default filled in, and its secrets sealed.
type creation struct {
	Create
	version   engine.Version
	database  string
	class     string // of databases that are made together
	expiresAt *time.Time
	password  []byte // sealed
	initSQL   []byte // sealed; nil when there is none
}

func (c Create) prepare(s *Service, actor Actor) (decision, error) {
	if err := actor.needs(ScopeOperate); err != nil {
		return nil, err
	}
	if c.Owner != "" && !strings.EqualFold(c.Owner, actor.Login) && !actor.IsAdmin() {
		return nil, Errorf(CodeForbidden, "Only administrators create databases for somebody else. Leave the owner out to make it yours.")
	}
	d := &creation{Create: c}
	if err := d.choose(s.catalogue); err != nil {
		return nil, err
	}
	if err := d.describe(s); err != nil {
		return nil, err
	}
	if err := d.tenant(s); err != nil {
		return nil, err
	}
	return d, d.seal(s.keys)
}

// choose settles what runs: name, engine, version, size, extensions.
func (d *creation) choose(c engine.Catalogue) error {
	if err := CheckName(d.Name); err != nil {
		return err
	}
	template, err := d.template(c)
	if err != nil {
		return err
	}
	offer, ok := c.Offer(d.Engine)
	if !ok {
		return invalid("engine", "MyDB has no engine %q. Choose one of: %s.", clip(d.Engine), strings.Join(engineNames(c), ", "))
	}
	offered := offer.Offered()
	if len(offered) == 0 {
		return Errorf(CodeUnavailable, "No version of %s can be had on this site right now. Ask an administrator for its image.", d.Engine)
	}
	if d.Version == "" {
		d.Version = offered[0]
	}
	if !slices.Contains(offered, d.Version) {
		return invalid("version", "%s %q is not offered here. Choose one of: %s.", d.Engine, clip(d.Version), strings.Join(offered, ", "))
	}
	d.version, _ = offer.Version(d.Version)
	if d.Size == "" {
		d.Size = c.Sizes[0].Name
	}
	if _, ok := c.Size(d.Size); !ok {
		return invalid("size", "There is no size %q. Choose one of: %s.", clip(d.Size), strings.Join(c.SizeNames(), ", "))
	}
	if template.Image != "" {
		d.version.Image = template.Image
	}
	if len(d.Extensions) > 0 && len(offer.Extensions)+len(template.Extensions) == 0 {
		return invalid("extensions", "This site has no extensions for %s; leave them out.", d.Engine)
	}
	for _, x := range d.Extensions {
		if !slices.Contains(offer.Extensions, x) && !slices.Contains(template.Extensions, x) {
			return invalid("extensions", "The extension %q is not on this site's list: %s.", clip(x), strings.Join(offer.Extensions, ", "))
		}
	}
	return d.checkSettings(offer, template)
}

// template fills in what a template chooses. Without one, it gives an empty one.
func (d *creation) template(c engine.Catalogue) (engine.Template, error) {
	if d.Template == "" {
		return engine.Template{}, nil
	}
	t, ok := c.Template(d.Template)
	if !ok && len(c.TemplateNames()) == 0 {
		return t, invalid("template", "This site has no templates; leave it out.")
	}
	if !ok {
		return t, invalid("template", "There is no template %q. Choose one of: %s.", clip(d.Template), strings.Join(c.TemplateNames(), ", "))
	}
	if d.Engine != "" && d.Engine != t.Engine || d.Version != "" && d.Version != t.Version {
		return t, invalid("template", "The template %s is for %s %s. Choose that, or leave the template out.", t.Name, t.Engine, t.Version)
	}
	d.Engine, d.Version = t.Engine, t.Version
	if d.Size == "" {
		d.Size = t.Size
	}
	for _, x := range t.Extensions {
		if !slices.Contains(d.Extensions, x) {
			d.Extensions = append(slices.Clone(d.Extensions), x)
		}
	}
	settings := maps.Clone(t.Settings)
	if settings == nil {
		settings = map[string]string{}
	}
	maps.Copy(settings, d.Settings)
	d.Settings = settings
	return t, nil
}

// settingPattern keeps a setting's value to one line of plain signs.
var settingPattern = regexp.MustCompile(`^[A-Za-z0-9_.,:/ @+-]{1,200}$`)

func (d *creation) checkSettings(offer engine.Offer, template engine.Template) error {
	for _, name := range slices.Sorted(maps.Keys(d.Settings)) {
		_, known := template.Settings[name]
		switch {
		case len(offer.Settings) == 0 && !known:
			return invalid("settings", "This site has no settings for %s; leave them out.", d.Engine)
		case !slices.Contains(offer.Settings, name) && !known:
			return invalid("settings", "The setting %q is not on this site's list: %s.", clip(name), strings.Join(offer.Settings, ", "))
		case !settingPattern.MatchString(d.Settings[name]):
			return invalid("settings", "The value of %s is not understood. Write 1 to 200 letters, digits and signs, such as 64MB.", name)
		}
	}
	return nil
}

// describe settles what is said about it.
func (d *creation) describe(s *Service) (err error) {
	if d.Backup == "" {
		d.Backup = BackupDaily
	}
	if d.Support == "" {
		d.Support = s.policy.Support[0]
	}
	said := Describe{
		Description: &d.Description, Contact: &d.Contact, Department: &d.Department, PI: &d.PI, Application: &d.Application, Project: &d.Project,
		Support: &d.Support, Backup: &d.Backup, BackupWindow: &d.BackupWindow, MaintenanceWindow: &d.MaintenanceWindow,
	}
	if err := said.check(s.policy.Support); err != nil {
		return err
	}
	switch d.Expires {
	case "":
		d.expiresAt = s.defaultExpiry()
		return nil
	case "never":
	default:
		if d.expiresAt, err = parseExpiry(d.Expires, s.now()); err != nil {
			return err
		}
	}
	return s.checkExpiry(d.expiresAt)
}

// tenant settles the scientist's account and lets the engine refuse what it cannot have.
func (d *creation) tenant(s *Service) error {
	if d.Username == "" {
		d.Username = strings.ReplaceAll(d.Name, "-", "_")
	}
	d.database = strings.ReplaceAll(d.Name, "-", "_")
	if d.Password == "" {
		d.Password = crypt.NewPassword()
	}
	e, err := s.Engine(d.Engine)
	if err != nil {
		return err
	}
	err = e.CheckTenant(engine.Tenant{
		Username: d.Username, Password: d.Password, Database: d.database, Extensions: d.Extensions, InitSQL: d.InitSQL,
	})
	var field *engine.FieldError
	if errors.As(err, &field) {
		return invalid(field.Field, "%s", field.Message)
	}
	return err
}

func (d *creation) seal(keys *crypt.Keyring) (err error) {
	if d.password, err = keys.Seal([]byte(d.Password)); err != nil {
		return err
	}
	if d.InitSQL != "" {
		d.initSQL, err = keys.Seal([]byte(d.InitSQL))
	}
	return err
}

func (d *creation) decide(ctx context.Context, s *Service, tx pgx.Tx, req Request) (Receipt, error) {
	owner, err := d.owner(ctx, tx, req.Actor)
	if err != nil {
		return Receipt{}, err
	}
	if err := s.mayCreate(req.Actor, d.Engine, d.Size); err != nil {
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
	if s.createNeedsApproval(req.Actor, d) {
		return d.ask(ctx, s, tx, req, owner, nil)
	}
	id, err := s.claim(ctx, tx, d)
	if err != nil {
		return Receipt{}, err
	}
	claimed := id != ""
	if !claimed {
		id = xid.New().String()
	}
	opID := xid.New().String()
	var rows together
	if err := d.insert(ctx, &rows, id, owner); err != nil {
		return Receipt{}, err
	}
	if err := insertOperation(ctx, &rows, opID, id, "create", req); err != nil {
		return Receipt{}, err
	}
	e := req.audit(OutcomeAccepted)
	e.InstanceID, e.Subject = id, d.Name
	e.Data = map[string]any{
		"operation": opID, "engine": d.Engine, "version": d.Version, "size": d.Size, "owner": owner.Login, "username": d.Username,
		"backup": d.Backup, "phi": d.PHI, "extensions": d.Extensions, "template": d.Template, "settings": d.Settings, "init_sql": d.InitSQL != "",
	}
	if err := writeAudit(ctx, &rows, e); err != nil {
		return Receipt{}, err
	}
	if err := rows.send(ctx, tx); err != nil {
		return Receipt{}, fmt.Errorf("insert the instance: %w", err)
	}
	if !claimed {
		if _, err := s.ports.take(ctx, tx, id, s.now()); err != nil {
			return Receipt{}, err
		}
	}
	if err := s.queue.Enqueue(ctx, tx, Job{Kind: "create", OperationID: opID, InstanceID: id}); err != nil {
		return Receipt{}, fmt.Errorf("enqueue the create job: %w", err)
	}
	return receiptOf(ctx, tx, opID)
}

func (d *creation) owner(ctx context.Context, tx pgx.Tx, actor Actor) (Person, error) {
	if d.Owner == "" || strings.EqualFold(d.Owner, actor.Login) {
		return actor.Person, nil
	}
	p, err := one[Person](ctx, tx, "select "+personColumns+" from people where login = lower($1) and disabled_at is null", d.Owner)
	if notFound(err) {
		return p, invalid("owner", "Nobody here has the login %q. People appear once they have logged in.", clip(d.Owner))
	}
	return p, err
}

func (d *creation) insert(ctx context.Context, rows execer, id string, owner Person) error {
	extensions := d.Extensions
	if extensions == nil {
		extensions = []string{}
	}
	settings, err := json.Marshal(maps.Collect(maps.All(d.Settings)))
	if err != nil {
		return fmt.Errorf("encode the settings: %w", err)
	}
	_, err = rows.Exec(ctx, `insert into instances (id, name, owner_id, engine, version, size, image, state, username, database,
			extensions, description, contact, phi, backup, expires_at, department, pi, application, project, support, backup_window, maintenance_window, class, template, settings)
		values ($1, $2, $3, $4, $5, $6, $7, 'creating', $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24, $25)
		on conflict (id) do update set created_at = now(), name = excluded.name, owner_id = excluded.owner_id, state = 'creating', username = excluded.username,
			database = excluded.database, extensions = excluded.extensions, description = excluded.description, contact = excluded.contact,
			phi = excluded.phi, backup = excluded.backup, expires_at = excluded.expires_at, department = excluded.department, pi = excluded.pi,
			application = excluded.application, project = excluded.project, support = excluded.support, backup_window = excluded.backup_window,
			maintenance_window = excluded.maintenance_window, class = excluded.class, template = excluded.template, settings = excluded.settings`, // of a spare that was claimed: its row begins anew
		id, d.Name, owner.ID, d.Engine, d.Version, d.Size, d.version.Image, d.Username, d.database,
		extensions, d.Description, d.Contact, d.PHI, d.Backup, d.expiresAt,
		d.Department, d.PI, d.Application, d.Project, d.Support, d.BackupWindow, d.MaintenanceWindow, d.class, d.Template, string(settings))
	if err != nil {
		return fmt.Errorf("insert the instance: %w", err)
	}
	for kind, sealed := range map[string][]byte{secretOwner: d.password, secretInitSQL: d.initSQL} {
		if sealed == nil {
			continue
		}
		if err := insertSecret(ctx, rows, id, kind, sealed); err != nil {
			return err
		}
	}
	return nil
}

func (d *creation) explain(ctx context.Context, s *Service, err error) error {
	if violates(err) != "instances_live_name" {
		return err
	}
	var login string
	if s.db.QueryRow(ctx, `select login from instances i join people p on p.id = i.owner_id
		where i.name = $1 and ended_at is null`, d.Name).Scan(&login) != nil {
		return &Error{Code: CodeTaken, Message: fmt.Sprintf("The name %s was taken a moment ago. Try again or choose another name.", d.Name), Cause: err}
	}
	return &Error{Code: CodeTaken, Message: fmt.Sprintf("The name %s is taken: %s has a database of that name. Choose another name.", d.Name, login), Cause: err}
}

func engineNames(c engine.Catalogue) []string {
	out := make([]string, len(c.Engines))
	for i, o := range c.Engines {
		out[i] = o.Engine
	}
	return out
}
