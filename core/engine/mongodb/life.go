package mongodb

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"github.com/mydb-project/mydb/core/engine"
)

// Probe implements engine.Engine. A database that somebody dropped is no refusal: it is there again with the first write.
func (e Engine) Probe(ctx context.Context, s engine.Server, secrets engine.Secrets, t engine.Tenant) error {
	probe := engine.Tenant{Username: ProbeUser, Password: secrets.Probe, Database: t.Database}
	if err := e.Prove(ctx, s, probe); err != nil {
		return fmt.Errorf("probe: %w", err)
	}
	return asAdmin(ctx, s, secrets.Admin, func(ctx context.Context, c *mongo.Client) error { return checkOwner(ctx, c, t) })
}

// checkOwner makes sure that the owner may log in and has the rights that the probe was measured with.
func checkOwner(ctx context.Context, c *mongo.Client, t engine.Tenant) error {
	found, err := accounts(ctx, c, bson.D{{Key: "user", Value: t.Username}, {Key: "db", Value: adminDB}})
	if err != nil {
		return fmt.Errorf("probe the account %s: %w", t.Username, err)
	}
	if len(found) == 0 {
		return absent(t.Username, mongo.ErrNoDocuments)
	}
	wanted, err := rolesFor(ctx, c, role{ownerRole, t.Database})
	if err != nil {
		return err
	}
	for _, r := range wanted {
		if !slices.Contains(found[0].Roles, r) {
			return &engine.RefusedError{
				Message: fmt.Sprintf("The account %s has lost its rights on the database %s; an admin can give them again.", t.Username, t.Database),
				Err:     fmt.Errorf("the role %s is missing", r.Role),
			}
		}
	}
	return nil
}

// account is what the server tells of an account.
type account struct {
	User     string `bson:"user"`
	Database string `bson:"db"`
	Roles    []role `bson:"roles"`
}

// accounts asks for the accounts that which selects, in terms of the command usersInfo.
func accounts(ctx context.Context, c *mongo.Client, which bson.D) ([]account, error) {
	var answer struct {
		Users []account `bson:"users"`
	}
	err := c.Database(adminDB).RunCommand(ctx, bson.D{{Key: "usersInfo", Value: which}}).Decode(&answer)
	return answer.Users, err
}

func absent(user string, err error) error {
	return &engine.RefusedError{Message: fmt.Sprintf("There is no account %s on this server: somebody has dropped it. An admin can make it again.", user), Err: err}
}

// SetPassword implements engine.Engine.
func (Engine) SetPassword(ctx context.Context, s engine.Server, adminPassword, username, password string) error {
	if err := checkAccount(username, password); err != nil {
		return err
	}
	err := asAdmin(ctx, s, adminPassword, func(ctx context.Context, c *mongo.Client) error {
		return run(ctx, c.Database(adminDB), bson.D{
			{Key: "updateUser", Value: username},
			{Key: "pwd", Value: password},
			{Key: "mechanisms", Value: bson.A{"SCRAM-SHA-256"}},
		})
	})
	if hasCode(err, errUserNotFound) {
		return absent(username, err)
	}
	if err != nil {
		return refusal(fmt.Errorf("set the password of %s: %w", username, err))
	}
	return nil
}

// Grant implements engine.Engine. The account may log in and has its role from one moment to the next.
func (Engine) Grant(ctx context.Context, s engine.Server, adminPassword string, t engine.Tenant, a engine.Access) error {
	if err := checkAccess(t, a.Username); err != nil {
		return err
	}
	if a.Password != "" {
		if err := checkAccount(a.Username, a.Password); err != nil {
			return err
		}
	}
	right := role{readRole, t.Database}
	if a.Write {
		right.Role = writeRole
	}
	err := asAdmin(ctx, s, adminPassword, func(ctx context.Context, c *mongo.Client) error {
		if a.Password == "" {
			return setRole(ctx, c, a.Username, right)
		}
		return ensureAccount(ctx, c, a.Username, a.Password, right)
	})
	if err != nil {
		return refusal(fmt.Errorf("give %s access to %s: %w", a.Username, t.Database, err))
	}
	return nil
}

// setRole gives an account that exists this role and no other.
func setRole(ctx context.Context, c *mongo.Client, user string, r role) error {
	roles, err := rolesFor(ctx, c, r)
	if err != nil || len(roles) == 0 {
		return err // a server without roles has nothing to change
	}
	return run(ctx, c.Database(adminDB), bson.D{{Key: "updateUser", Value: user}, {Key: "roles", Value: roles}})
}

// Login implements engine.Engine.
func (Engine) Login(ctx context.Context, s engine.Server, t engine.Tenant) error {
	err := session(ctx, s, t.Username, t.Password, func(ctx context.Context, c *mongo.Client) error {
		return run(ctx, c.Database(t.Database), bson.D{{Key: "ping", Value: 1}})
	})
	if err != nil {
		return fmt.Errorf("log in as %s: %w", t.Username, err)
	}
	return nil
}

// Revoke implements engine.Engine. The account goes first, so that it cannot come back while its sessions end. Nothing is to be
// handed over: what an account wrote belongs to the database.
func (Engine) Revoke(ctx context.Context, s engine.Server, adminPassword string, t engine.Tenant, username string) error {
	if err := checkAccess(t, username); err != nil {
		return err
	}
	err := asAdmin(ctx, s, adminPassword, func(ctx context.Context, c *mongo.Client) error {
		err := run(ctx, c.Database(adminDB), bson.D{{Key: "dropUser", Value: username}})
		if err != nil && !hasCode(err, errUserNotFound) {
			return err
		}
		return endSessions(ctx, c, username)
	})
	if err != nil {
		return fmt.Errorf("take the access to %s from %s: %w", t.Database, username, err)
	}
	return nil
}

// endSessions stops what an account is doing at this moment. Its connections stay, but they are no longer logged in.
func endSessions(ctx context.Context, c *mongo.Client, username string) error {
	ferret, err := isFerretDB(ctx, c)
	if err != nil || ferret {
		return err
	}
	who := bson.A{bson.D{{Key: "user", Value: username}, {Key: "db", Value: adminDB}}}
	return run(ctx, c.Database(adminDB), bson.D{{Key: "killAllSessions", Value: who}})
}

// checkAccount refuses a name or a password that no account can have, or that one of MyDB's own has.
func checkAccount(username, password string) error {
	if m := nameProblem("user name", username, reservedUsers); m != "" {
		return &engine.RefusedError{Message: m, Err: errors.New("unusable name")}
	}
	if m := passwordProblem(password); m != "" {
		return &engine.RefusedError{Message: "The password " + m + ".", Err: errors.New("unusable password")}
	}
	return nil
}

// checkAccess keeps further accounts apart from the owner's and from the server's own.
func checkAccess(t engine.Tenant, username string) error {
	if m := nameProblem("user name", username, reservedUsers); m != "" {
		return &engine.RefusedError{Message: m, Err: errors.New("unusable name")}
	}
	if username == t.Username {
		return &engine.RefusedError{Message: fmt.Sprintf("The account %s owns the database; choose another name.", username), Err: errors.New("the owner's name")}
	}
	return nil
}

// EndSessions implements engine.Engine.
func (Engine) EndSessions(ctx context.Context, s engine.Server, adminPassword, username string) error {
	return asAdmin(ctx, s, adminPassword, func(ctx context.Context, c *mongo.Client) error { return endSessions(ctx, c, username) })
}
