package mongodb

import (
	"context"
	"fmt"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"github.com/mydb-project/mydb/core/engine"
)

// role is a right as MongoDB writes it: one of its built-in roles on a database.
type role struct {
	Role     string `bson:"role"`
	Database string `bson:"db"`
}

// The roles of accounts on a tenant's database.
const (
	ownerRole = "dbOwner"
	readRole  = "read"
	writeRole = "readWrite"
)

// Provision makes the scientist's account, which is all that there is to make: the database comes with the first write. A second run
// with the same tenant finds the account and sets its password and role again.
func (e Engine) Provision(ctx context.Context, s engine.Server, adminPassword string, t engine.Tenant) error {
	if err := e.CheckTenant(t); err != nil {
		return &engine.RefusedError{Message: "MongoDB cannot have this database as it was asked for.", Err: err}
	}
	err := asAdmin(ctx, s, adminPassword, func(ctx context.Context, c *mongo.Client) error {
		owner := role{ownerRole, t.Database}
		if err := ensureAccount(ctx, c, t.Username, t.Password, owner); err != nil {
			return err
		}
		return addRole(ctx, c, ProbeUser, owner)
	})
	if err != nil {
		return refusal(fmt.Errorf("provision %s: %w", t.Database, err))
	}
	return nil
}

// ensureAccount makes an account that can log in with the password and has exactly this role.
func ensureAccount(ctx context.Context, c *mongo.Client, user, password string, r role) error {
	roles, err := rolesFor(ctx, c, r)
	if err != nil {
		return err
	}
	account := bson.D{{Key: "pwd", Value: password}, {Key: "roles", Value: roles}, {Key: "mechanisms", Value: bson.A{"SCRAM-SHA-256"}}}
	admin := c.Database(adminDB)
	err = run(ctx, admin, append(bson.D{{Key: "createUser", Value: user}}, account...))
	if hasCode(err, errUserExists) {
		err = run(ctx, admin, append(bson.D{{Key: "updateUser", Value: user}}, account...))
	}
	if err != nil {
		return fmt.Errorf("make the account %s: %w", user, err)
	}
	return nil
}

// addRole gives an account a further role, if it does not have it yet.
func addRole(ctx context.Context, c *mongo.Client, user string, r role) error {
	roles, err := rolesFor(ctx, c, r)
	if err != nil || len(roles) == 0 {
		return err
	}
	if err := run(ctx, c.Database(adminDB), bson.D{{Key: "grantRolesToUser", Value: user}, {Key: "roles", Value: roles}}); err != nil {
		return fmt.Errorf("give a role to %s: %w", user, err)
	}
	return nil
}

// refusal marks errors that a retry cannot mend: the server found the command itself wrong. Everything else may be a server that is
// just going down or coming up.
func refusal(err error) error {
	const badValue, failedToParse, typeMismatch, invalidOptions, invalidNamespace, roleNotFound = 2, 9, 14, 72, 73, 31
	if hasCode(err, badValue, failedToParse, typeMismatch, invalidOptions, invalidNamespace, roleNotFound) {
		return &engine.RefusedError{Message: "MongoDB refused the account or the database; choose other names, or ask an admin to look into the log.", Err: err}
	}
	return err
}
