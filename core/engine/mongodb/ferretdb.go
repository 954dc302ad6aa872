package mongodb

import (
	"context"
	"fmt"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"github.com/mydb-project/mydb/core/engine"
)

// FerretDB stands in for MongoDB in development images, on machines where no registry answers. It speaks the protocol and asks for
// passwords, but knows no roles: who may log in may do everything. So it is for trying MyDB out and for tests, and never for data
// that matters. Nothing outside this file knows how to tell; see also "MongoDB" in docs/operator.md.

// isFerretDB asks the server what it is.
func isFerretDB(ctx context.Context, c *mongo.Client) (bool, error) {
	answer, err := c.Database(adminDB).RunCommand(ctx, bson.D{{Key: "buildInfo", Value: 1}}).Raw()
	if err != nil {
		return false, fmt.Errorf("ask for the server's version: %w", err)
	}
	_, err = answer.LookupErr("ferretdbVersion")
	return err == nil, nil
}

// StandInLacks says what the server at s lacks in addition to what Lacks says. For MongoDB itself that is nothing.
func (Engine) StandInLacks(ctx context.Context, s engine.Server, adminPassword string) (lacks map[engine.Capability]string, err error) {
	err = asAdmin(ctx, s, adminPassword, func(ctx context.Context, c *mongo.Client) error {
		ferret, err := isFerretDB(ctx, c)
		if ferret {
			lacks = map[engine.Capability]string{
				engine.CanLimitRoles:  "FerretDB, which stands in for MongoDB, has no roles",
				engine.CanSeeSessions: "FerretDB, which stands in for MongoDB, neither lists sessions nor ends them",
				engine.CanMakeViews:   "FerretDB, which stands in for MongoDB, has no views",
			}
		}
		return err
	})
	return lacks, err
}

// rolesFor gives the roles as the server takes them: FerretDB takes an account only without any.
func rolesFor(ctx context.Context, c *mongo.Client, wanted ...role) ([]role, error) {
	ferret, err := isFerretDB(ctx, c)
	if err != nil || ferret {
		return []role{}, err
	}
	return wanted, nil
}
