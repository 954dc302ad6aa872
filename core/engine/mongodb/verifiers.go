package mongodb

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"github.com/mydb-project/mydb/core/engine"
)

// Accounts implements engine.Archiver, without verifiers: MongoDB has no command to set one. Accounts that an
// owner has made in their own database are not among them; they are the owner's to know.
func (Engine) Accounts(ctx context.Context, s engine.Server, secrets engine.Secrets) (out []engine.Account, err error) {
	err = asAdmin(ctx, s, secrets.Admin, func(ctx context.Context, c *mongo.Client) error {
		all, err := accounts(ctx, c, bson.D{{Key: "forAllDBs", Value: true}})
		for _, a := range all {
			if a.Database == adminDB && !strings.HasPrefix(a.User, "mydb_") {
				out = append(out, engine.Account{Username: a.User})
			}
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read the accounts: %w", err)
	}
	return out, nil
}

// PutAccounts implements engine.Archiver.
func (Engine) PutAccounts(_ context.Context, _ engine.Server, _ engine.Secrets, accounts []engine.Account) error {
	if len(accounts) == 0 {
		return nil
	}
	return errors.New("MongoDB takes a password, and nothing in its place")
}
