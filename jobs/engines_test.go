package jobs_test

import (
	"context"
	"crypto/tls"
	"database/sql"
	"fmt"
	"net"
	"strconv"
	"strings"
	"testing"

	"github.com/go-sql-driver/mysql"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/mydb-project/mydb/core"
	"github.com/mydb-project/mydb/core/coretest"
)

// store is a client of an engine that writes a row and counts what is there.
type store struct {
	put   func(ctx context.Context, i core.Instance, c core.Credentials) error
	count func(ctx context.Context, i core.Instance, c core.Credentials) (int64, error)
}

var anyCertificate = &tls.Config{InsecureSkipVerify: true} // who vouches for the server is what the conformance suite is about

func inMariaDB(do func(ctx context.Context, db *sql.DB) error) func(context.Context, core.Instance, core.Credentials) error {
	return func(ctx context.Context, i core.Instance, c core.Credentials) error {
		cfg := mysql.NewConfig()
		cfg.Net, cfg.Addr = "tcp", net.JoinHostPort(*i.Host, strconv.Itoa(*i.Port))
		cfg.User, cfg.Passwd, cfg.DBName, cfg.TLS, cfg.Logger = c.Username, c.Password, i.Database, anyCertificate, &mysql.NopLogger{}
		connector, err := mysql.NewConnector(cfg)
		if err != nil {
			return err
		}
		db := sql.OpenDB(connector)
		defer db.Close()
		return do(ctx, db)
	}
}

func inMongoDB(do func(ctx context.Context, genes *mongo.Collection) error) func(context.Context, core.Instance, core.Credentials) error {
	return func(ctx context.Context, i core.Instance, c core.Credentials) error {
		client, err := mongo.Connect(options.Client().SetHosts([]string{net.JoinHostPort(*i.Host, strconv.Itoa(*i.Port))}).SetDirect(true).
			SetTLSConfig(anyCertificate).SetAuth(options.Credential{Username: c.Username, Password: c.Password, AuthSource: "admin"}))
		if err != nil {
			return err
		}
		defer func() { _ = client.Disconnect(context.WithoutCancel(ctx)) }()
		return do(ctx, client.Database(i.Database).Collection("genes"))
	}
}

var stores = map[string]store{
	"mariadb": {
		put: inMariaDB(func(ctx context.Context, db *sql.DB) error {
			_, err := db.ExecContext(ctx, "create table if not exists genes (id int) engine=InnoDB")
			if err == nil {
				_, err = db.ExecContext(ctx, "insert into genes values (1)")
			}
			return err
		}),
		count: func(ctx context.Context, i core.Instance, c core.Credentials) (n int64, err error) {
			err = inMariaDB(func(ctx context.Context, db *sql.DB) error {
				return db.QueryRowContext(ctx, "select count(*) from genes").Scan(&n)
			})(ctx, i, c)
			return n, err
		},
	},
	"mongodb": {
		put: inMongoDB(func(ctx context.Context, genes *mongo.Collection) error {
			_, err := genes.InsertOne(ctx, bson.D{{Key: "gene", Value: "BRCA1"}})
			return err
		}),
		count: func(ctx context.Context, i core.Instance, c core.Credentials) (n int64, err error) {
			err = inMongoDB(func(ctx context.Context, genes *mongo.Collection) error {
				n, err = genes.CountDocuments(ctx, bson.D{})
				return err
			})(ctx, i, c)
			return n, err
		},
	},
}

// forEachStore makes a database named genomes of each engine that this machine has, with a worker, and goes on with it.
func forEachStore(t *testing.T, do func(t *testing.T, s *site, client store)) {
	for name, client := range stores {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t)
			offer, _ := s.service.Catalogue().Offer(name)
			if len(offer.Offered()) == 0 {
				t.Skipf("this machine has no image of %s", name)
			}
			s.worker("")
			r := s.create(core.Create{Engine: name})
			if o := s.await(r.Operation.ID); o.State != core.OperationDone {
				t.Fatalf("create ended as %+v: %+v", o, o.Error)
			}
			do(t, s, client)
		})
	}
}

// TestLifeOfEachEngine takes MariaDB and MongoDB through what TestLifecycle and TestDelete take PostgreSQL through. What was written
// before is there after each.
func TestLifeOfEachEngine(t *testing.T) {
	forEachStore(t, func(t *testing.T, s *site, client store) {
		i, cred, on := s.instance("genomes"), s.collect("genomes"), core.On{Database: "genomes"}
		if err := client.put(t.Context(), i, cred); err != nil {
			t.Fatalf("write: %v", err)
		}
		written := int64(1)
		keeps := func(after string) {
			t.Helper()
			if n, err := client.count(t.Context(), i, cred); err != nil || n != written {
				t.Errorf("after %s: %d rows, %v; want %d", after, n, err, written)
			}
		}
		s.must(core.Restart{On: on})
		keeps("restart")
		s.must(core.Stop{On: on})
		s.must(core.Start{On: on})
		keeps("stop and start")
		s.must(core.Resize{On: on, Size: "medium"})
		keeps("resize")
		s.docker("service", "rm", "mydb-"+i.ID)
		s.eventually("the service is deployed again", func() error {
			s.reconcile()
			if n := len(strings.Fields(s.docker("service", "ls", "--quiet", "--filter", "name=mydb-"+i.ID))); n != 1 {
				return fmt.Errorf("%d services", n)
			}
			return nil
		})
		s.awaitIdle(i.ID)
		keeps("its service was removed")

		grace := coretest.Actor(t, s.service, "hopper", false)
		s.must(core.Share{On: on, With: "hopper", Right: core.RightWrite})
		hers, err := s.service.Collect(t.Context(), core.Request{Actor: grace, Door: core.DoorAPI}, "genomes")
		if err != nil {
			t.Fatal(err)
		}
		if err := client.put(t.Context(), i, hers); err != nil {
			t.Errorf("a colleague writes: %v", err)
		}
		written++
		keeps("a colleague has written")
		s.must(core.Unshare{On: on, With: "hopper"})
		if err := client.put(t.Context(), i, hers); err == nil {
			t.Error("the colleague still gets in")
		}
		s.must(core.Rotate{On: on})
		if _, err := client.count(t.Context(), i, cred); err == nil {
			t.Error("the old password still works")
		}
		cred = s.collect("genomes")
		keeps("rotate")
		if o := s.approved("genomes"); o.State != core.OperationDone {
			t.Fatalf("delete ended as %+v", o)
		}
		s.must(core.Undelete{On: on})
		keeps("undelete")
	})
}

// TestVersionThatTheCatalogueLost explains what an administrator has to put back, and touches nothing.
func TestVersionThatTheCatalogueLost(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.worker("")
	i, cred := s.made("genomes")
	s.sql("update instances set version = '9.6'")
	o := s.do(core.Restart{On: core.On{Database: "genomes"}})
	if o.State != core.OperationFailed || !strings.Contains(o.Error.Message, "no longer has postgres 9.6") {
		t.Errorf("ended as %+v: %+v", o, o.Error)
	}
	s.sql("update instances set version = '17'")
	s.keeps(i, cred, "a restart that was refused")
}
