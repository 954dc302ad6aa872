package mongodb

import (
	"context"
	"errors"
	"fmt"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
)

// setName is the name of the replica set that every server is: the only one that tools assume by themselves.
const setName = "rs0"

// errNotPrimary is what Ping reports until the server takes writes, a second or so after its start.
var errNotPrimary = errors.New("the server does not take writes yet: its replica set is starting")

// ensurePrimary makes a server that was just initialised a replica set of one member. A server that was told so before, also by an
// attempt that died, only has to elect itself.
func ensurePrimary(ctx context.Context, admin *mongo.Database) error {
	var hello struct {
		Primary bool   `bson:"isWritablePrimary"`
		Set     string `bson:"setName"`
	}
	if err := admin.RunCommand(ctx, bson.D{{Key: "hello", Value: 1}}).Decode(&hello); err != nil {
		return err
	}
	if hello.Primary {
		return nil
	}
	if hello.Set != "" {
		return errNotPrimary
	}
	// A server that is only just reading its configuration looks the same as one that has none: the command tells them apart.
	err := run(ctx, admin, bson.D{{Key: "replSetInitiate", Value: bson.D{
		{Key: "_id", Value: setName},
		{Key: "members", Value: bson.A{bson.D{{Key: "_id", Value: 0}, {Key: "host", Value: fmt.Sprintf("127.0.0.1:%d", port)}}}},
	}}})
	if err != nil && !hasCode(err, errAlreadyInitialized) {
		return fmt.Errorf("start the replica set: %w", err)
	}
	return errNotPrimary
}
