package mongodb

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.mongodb.org/mongo-driver/v2/mongo/writeconcern"

	"github.com/mydb-project/mydb/core/engine"
)

// Prove logs in as the tenant and takes a collection through its life. Every step counts at once, so an interrupted proof leaves its
// collection; a later one takes such leftovers away.
//
// MyDB's probe account has the scientist's rights: with its name and password in t, Prove measures without the scientist's.
func (Engine) Prove(ctx context.Context, s engine.Server, t engine.Tenant) error {
	err := session(ctx, s, t.Username, t.Password, func(ctx context.Context, c *mongo.Client) error {
		journal := true
		durable := options.Database().SetWriteConcern(&writeconcern.WriteConcern{W: "majority", Journal: &journal})
		db := c.Database(t.Database, durable)
		if err := writeAndRead(ctx, db); err != nil {
			return err
		}
		return clearProofs(ctx, db, time.Now())
	})
	if err != nil {
		return fmt.Errorf("prove %s: %w", t.Database, err)
	}
	return nil
}

// proofPrefix is followed by the time of the proof in seconds, "_" and a word.
const proofPrefix = "mydb_proof_"

func writeAndRead(ctx context.Context, db *mongo.Database) error {
	word := rand.Text()
	collection := db.Collection(proofPrefix + strconv.FormatInt(time.Now().Unix(), 10) + "_" + strings.ToLower(word))
	if err := db.CreateCollection(ctx, collection.Name()); err != nil {
		return fmt.Errorf("create a collection: %w", err)
	}
	if _, err := collection.InsertOne(ctx, bson.D{{Key: "_id", Value: word}}); err != nil {
		return fmt.Errorf("write a document: %w", err)
	}
	var read struct {
		Word string `bson:"_id"`
	}
	if err := collection.FindOne(ctx, bson.D{}).Decode(&read); err != nil {
		return fmt.Errorf("read a document: %w", err)
	}
	if read.Word != word {
		return errors.New("read a document: it is not the one that was written")
	}
	if err := collection.Drop(ctx); err != nil {
		return fmt.Errorf("drop the collection: %w", err)
	}
	return nil
}

// clearProofs drops what interrupted proofs have left; not the collection of one that may be running now.
func clearProofs(ctx context.Context, db *mongo.Database, now time.Time) error {
	all, err := collections(ctx, db)
	if err != nil {
		return fmt.Errorf("look for proofs that were interrupted: %w", err)
	}
	for _, c := range all {
		if !leftover(c.Name, now) {
			continue
		}
		if err := db.Collection(c.Name).Drop(ctx); err != nil {
			return fmt.Errorf("drop what an interrupted proof has left: %w", err)
		}
	}
	return nil
}

// leftover tells whether a collection is that of a proof from at least ten minutes ago.
func leftover(name string, now time.Time) bool {
	rest, isProof := strings.CutPrefix(name, proofPrefix)
	stamp, _, _ := strings.Cut(rest, "_")
	seconds, err := strconv.ParseInt(stamp, 10, 64)
	return isProof && err == nil && now.Sub(time.Unix(seconds, 0)) > 10*time.Minute
}
