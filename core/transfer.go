package core

import (
	"context"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/mydb-project/mydb/core/crypt"
)

// Transfer gives an instance to another person. The password of the owner's account becomes a new one, which the new owner collects;
// shares stay.
type Transfer struct {
	On
	To string `json:"to" required:"true" description:"Login or mail address of the new owner"`
}

func (Transfer) action() string { return "transfer" }

// TransferArgs are what the worker of a transfer needs to know.
type TransferArgs struct {
	To    string       `json:"to"` // id of the new owner
	Login string       `json:"login"`
	Drop  []AccessWork `json:"drop,omitempty"` // accounts that the new owner had by a share
}

func (c Transfer) prepare(s *Service, _ Actor) (decision, error) {
	if strings.TrimSpace(c.To) == "" {
		return nil, invalid("to", "Say who shall own it, by login or mail address.")
	}
	sealed, err := s.keys.Seal([]byte(crypt.NewPassword()))
	if err != nil {
		return nil, err
	}
	var args TransferArgs
	owned := false
	audit := map[string]any{"to": c.To}
	return change{
		on: c.Database, kind: "transfer", states: []State{StateReady},
		write: func(ctx context.Context, s *Service, tx pgx.Tx, _ Request, i Instance, _ string) error {
			p, err := findPerson(ctx, tx, "to", c.To)
			if err != nil {
				return err
			}
			if args.To, args.Login, owned = p.ID, p.Login, p.ID == i.OwnerID; owned {
				return nil
			}
			audit["owner"] = p.Login
			if err := s.checkTransfer(ctx, tx, i, p); err != nil {
				return err
			}
			args.Drop, err = many[AccessWork](ctx, tx, "select "+workColumns+" from accounts a where a.instance_id = $1 and a.person_id = $2 and a.revoked_at is null", i.ID, p.ID)
			if err != nil {
				return fmt.Errorf("find the accounts of the new owner: %w", err)
			}
			_, err = tx.Exec(ctx, `insert into secrets (instance_id, kind, sealed) values ($1, $2, $3)
				on conflict (instance_id, kind) do update set sealed = excluded.sealed, created_at = now()`, i.ID, secretNext, sealed)
			return err
		},
		nothing: func() bool { return owned },
		args:    func(Instance) any { return args },
		before:  func(i Instance) map[string]any { return map[string]any{"owner": i.Owner} },
		audit:   audit,
	}, nil
}

// FinishTransfer records the new owner. set says that the server has the new password.
func (s *Service) FinishTransfer(ctx context.Context, tx pgx.Tx, operationID string, i Instance, args TransferArgs, set bool, failure *Explanation) error {
	if failure == nil {
		if err := s.exchangeOwner(ctx, tx, operationID, i, args); err != nil {
			return err
		}
	}
	return s.FinishRotate(ctx, tx, operationID, i, set, failure)
}

func (s *Service) exchangeOwner(ctx context.Context, tx pgx.Tx, operationID string, i Instance, args TransferArgs) error {
	for _, w := range args.Drop {
		_, err := tx.Exec(ctx, "update accounts set revoked_at = coalesce(revoked_at, now()) where id = $1", w.ID)
		if err == nil {
			_, err = tx.Exec(ctx, "delete from secrets where instance_id = $1 and kind = $2", i.ID, secretOfAccount(w.ID))
		}
		if err != nil {
			return fmt.Errorf("record the end of the account %s: %w", w.Username, err)
		}
	}
	var by string
	err := tx.QueryRow(ctx, `with changed as (update instances set owner_id = $2 where id = $1)
		select p.login from operations o join people p on p.id = o.requested_by where o.id = $3`, i.ID, args.To, operationID).Scan(&by)
	if err != nil {
		return fmt.Errorf("record the new owner: %w", err)
	}
	return s.notify(ctx, tx, Notification{
		News:       NewsTransferred{By: by, From: i.Owner, To: args.Login},
		InstanceID: i.ID, OperationID: operationID, To: []Audience{ToPerson}, People: []string{i.OwnerID, args.To},
	})
}
