package core

import (
	"context"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
)

// Describe changes what is said about an instance. What is absent stays as it is; an empty text takes it away.
type Describe struct {
	On
	Description       *string `json:"description,omitempty" description:"What it is for; at most 2,000 characters"`
	Contact           *string `json:"contact,omitempty" description:"Whom to ask about it; default: the owner"`
	Department        *string `json:"department,omitempty"`
	PI                *string `json:"pi,omitempty" description:"Login or mail address of the principal investigator or manager, who is told what its owner is told"`
	Application       *string `json:"application,omitempty" description:"The program that uses it"`
	Project           *string `json:"project,omitempty" description:"Project or grant"`
	Support           *string `json:"support,omitempty" description:"A support level of this site"`
	Backup            *string `json:"backup,omitempty" description:"daily, weekly, monthly, never, or a cron expression of five fields"`
	BackupWindow      *string `json:"backup_window,omitempty" description:"When backups are made, such as 01:00-05:00, in the site's time zone"`
	MaintenanceWindow *string `json:"maintenance_window,omitempty" description:"When it may restart for maintenance, such as sun 02:00-06:00"`
	PHI               *bool   `json:"phi,omitempty" description:"Holds health data about persons; only administrators take the mark off"`
}

func (Describe) action() string { return "describe" }

// windowPattern is a span of time on every day, or on one day of the week.
var windowPattern = regexp.MustCompile(`^((mon|tue|wed|thu|fri|sat|sun) )?([01][0-9]|2[0-3]):[0-5][0-9]-([01][0-9]|2[0-3]):[0-5][0-9]$`)

func checkWindow(field, text string) error {
	if text == "" {
		return nil
	}
	span := text[strings.LastIndex(text, " ")+1:]
	from, to, _ := strings.Cut(span, "-")
	if !windowPattern.MatchString(text) || from == to {
		return invalid(field, "The %s %q is not understood. Write a time of day such as 01:00-05:00, or one of a week such as sun 02:00-06:00.", strings.ReplaceAll(field, "_", " "), clip(text))
	}
	return nil
}

// check applies the rules to what is said.
func (c Describe) check(support []string) error {
	for _, f := range []struct {
		name  string
		text  *string
		limit int
	}{
		{"description", c.Description, 2000},
		{"contact", c.Contact, 200},
		{"department", c.Department, 200},
		{"pi", c.PI, 200},
		{"application", c.Application, 200},
		{"project", c.Project, 200},
	} {
		if err := checkText(f.name, value(f.text), f.limit); err != nil {
			return err
		}
	}
	if c.Backup != nil {
		if err := checkSchedule(*c.Backup); err != nil {
			return err
		}
	}
	if l := value(c.Support); c.Support != nil && !slices.Contains(support, l) {
		return invalid("support", "There is no support level %q. Choose one of: %s.", clip(l), strings.Join(support, ", "))
	}
	if err := checkWindow("backup_window", value(c.BackupWindow)); err != nil {
		return err
	}
	return checkWindow("maintenance_window", value(c.MaintenanceWindow))
}

func (c Describe) prepare(s *Service, _ Actor) (decision, error) {
	if err := c.check(s.policy.Support); err != nil {
		return nil, err
	}
	return change{
		on: c.Database, kind: "describe", states: []State{StateCreating, StateReady, StateStopped, StateRestoring, StateTrashed}, immediate: true,
		write: func(ctx context.Context, s *Service, tx pgx.Tx, req Request, i Instance, _ string) error {
			if err := c.phi(ctx, s, tx, req.Actor, i); err != nil {
				return err
			}
			_, err := tx.Exec(ctx, `update instances set description = coalesce($2, description), contact = coalesce($3, contact), department = coalesce($4, department),
				pi = coalesce($5, pi), application = coalesce($6, application), project = coalesce($7, project), support = coalesce($8, support),
				backup = coalesce($9, backup), backup_window = coalesce($10, backup_window), maintenance_window = coalesce($11, maintenance_window),
				phi = coalesce($12, phi), next_backup_at = case when $9::text is null and $10::text is null then next_backup_at end where id = $1`, i.ID, c.Description, c.Contact, c.Department, c.PI, c.Application, c.Project, c.Support,
				c.Backup, c.BackupWindow, c.MaintenanceWindow, c.PHI)
			if err != nil {
				return fmt.Errorf("write what is said about it: %w", err)
			}
			return nil
		},
		audit:  c.changed(),
		before: c.was,
	}, nil
}

// phi applies the rules for the mark of health data.
func (c Describe) phi(ctx context.Context, s *Service, tx pgx.Tx, actor Actor, i Instance) error {
	switch {
	case c.PHI == nil || *c.PHI == i.PHI:
		return nil
	case *c.PHI:
		return s.mayHoldPHI(ctx, tx, actor)
	case !actor.IsAdmin() || !s.seesPHI(actor):
		return &Error{Code: CodeForbidden, Field: "phi", Message: "The mark of health data protects people; only an administrator takes it off."}
	}
	return nil
}

// was is how what changes was before.
func (c Describe) was(i Instance) map[string]any {
	now := map[string]any{
		"description": i.Description, "contact": i.Contact, "department": i.Department, "pi": i.PI, "application": i.Application, "project": i.Project,
		"support": i.Support, "backup": i.Backup, "backup_window": i.BackupWindow, "maintenance_window": i.MaintenanceWindow, "phi": i.PHI,
	}
	changed := c.changed()
	maps.DeleteFunc(now, func(k string, _ any) bool { _, changes := changed[k]; return !changes })
	return now
}

// changed is what the audit trail tells of a change.
func (c Describe) changed() map[string]any {
	out := map[string]any{}
	for name, text := range map[string]*string{
		"description": c.Description, "contact": c.Contact, "department": c.Department, "pi": c.PI, "application": c.Application, "project": c.Project,
		"support": c.Support, "backup": c.Backup, "backup_window": c.BackupWindow, "maintenance_window": c.MaintenanceWindow,
	} {
		if text != nil {
			out[name] = *text
		}
	}
	if c.PHI != nil {
		out["phi"] = *c.PHI
	}
	return out
}
