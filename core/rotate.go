package core

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/mydb-project/mydb/core/crypt"
	"github.com/mydb-project/mydb/core/engine"
)

// Rotate gives the owner's account a new password. The old one stops working at once; the new one is collected once.
type Rotate struct {
	On
	Password string `json:"password,omitempty" description:"12 to 128 characters; default: generated"`
}

func (Rotate) action() string { return "rotate" }

// secretNext is the owner's new password until it has been set and proven.
const secretNext = "next"

func (c Rotate) prepare(s *Service, actor Actor) (decision, error) {
	if err := actor.needs(ScopeOperate); err != nil {
		return nil, err
	}
	password := c.Password
	if password == "" {
		password = crypt.NewPassword()
	}
	sealed, err := s.keys.Seal([]byte(password))
	if err != nil {
		return nil, err
	}
	return change{
		on: c.Database, kind: "rotate", states: []State{StateReady},
		allow: func(actor Actor, i Instance) error {
			if err := ownerOrAdmin(actor, i); err != nil {
				return err
			}
			return s.checkPassword(i, password)
		},
		write: func(ctx context.Context, _ *Service, tx pgx.Tx, _ Request, i Instance, _ string) error {
			_, err := tx.Exec(ctx, `insert into secrets (instance_id, kind, sealed) values ($1, $2, $3)
				on conflict (instance_id, kind) do update set sealed = excluded.sealed, created_at = now()`, i.ID, secretNext, sealed)
			return err
		},
	}, nil
}

// checkPassword applies the engine's rules to a password that somebody chose.
func (s *Service) checkPassword(i Instance, password string) error {
	e, err := s.Engine(i.Engine)
	if err != nil {
		return err
	}
	err = e.CheckTenant(engine.Tenant{Username: i.Username, Password: password, Database: i.Database})
	var field *engine.FieldError
	if errors.As(err, &field) {
		return invalid(field.Field, "%s", field.Message)
	}
	return err
}

// NextTenant gives the owner's account with the password that a rotation sets.
func (s *Service) NextTenant(ctx context.Context, i Instance) (engine.Tenant, error) {
	password, err := s.readSecret(ctx, i.ID, secretNext)
	if err == nil && password == nil {
		err = fmt.Errorf("instance %s has no next password", i.ID)
	}
	return engine.Tenant{Username: i.Username, Password: string(password), Database: i.Database}, err
}

// FinishRotate records the end of a rotation. set says that the server has the new password: then it is the one to collect, even
// if what came after failed.
func (s *Service) FinishRotate(ctx context.Context, tx pgx.Tx, operationID string, i Instance, set bool, failure *Explanation) error {
	var rows together
	if set {
		_, _ = rows.Exec(ctx, "delete from secrets where instance_id = $1 and kind = $2", i.ID, secretOwner)
		_, _ = rows.Exec(ctx, "update secrets set kind = $2, collected_at = null where instance_id = $1 and kind = $3", i.ID, secretOwner, secretNext)
	} else {
		_, _ = rows.Exec(ctx, "delete from secrets where instance_id = $1 and kind = $2", i.ID, secretNext)
	}
	if err := rows.send(ctx, tx); err != nil {
		return fmt.Errorf("exchange the password: %w", err)
	}
	if set && failure == nil {
		if err := s.offerPassword(ctx, tx, operationID, i); err != nil {
			return err
		}
		if err := s.tellOfRotation(ctx, tx, operationID, i, i.Username, nil); err != nil {
			return err
		}
	}
	return s.finishOperation(ctx, tx, operationID, i, failure)
}

// tellOfRotation tells the colleague whose account it is, or else the owner, that it has a new password. Nobody can switch that off: who
// has not asked for it learns that somebody else did.
func (s *Service) tellOfRotation(ctx context.Context, tx pgx.Tx, operationID string, i Instance, username string, person *string) error {
	var by string
	err := tx.QueryRow(ctx, "select p.login from operations o join people p on p.id = o.requested_by where o.id = $1", operationID).Scan(&by)
	if err != nil {
		return fmt.Errorf("look who has asked for a new password: %w", err)
	}
	n := Notification{
		News: NewsRotated{Username: username, By: by, Own: person != nil || username == i.Username}, InstanceID: i.ID, OperationID: operationID,
		To: []Audience{ToOwner},
	}
	if person != nil {
		n.To, n.People = []Audience{ToPerson}, []string{*person}
	}
	return s.notify(ctx, tx, n)
}
