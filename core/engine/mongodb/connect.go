package mongodb

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"math"
	"net"
	"slices"
	"strconv"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/mydb-project/mydb/core/engine"
)

const (
	adminDB = "admin" // holds all accounts
	appName = "mydb"  // by which the server's list of connections shows MyDB's own

	// connectTimeout covers the whole way to a login: name lookup, TLS and authentication.
	connectTimeout = 5 * time.Second
)

// Codes of the server's errors.
const (
	errUserNotFound       = 11
	errAlreadyInitialized = 23
	errNamespaceNotFound  = 26
	errUserExists         = 51003
)

// session runs do as somebody who is logged in over TLS, to the server alone whose certificate the instance's CA has signed for
// s.Host. The driver would try for as long as it may; here the first connection that fails is the end.
func session(ctx context.Context, s engine.Server, user, password string, do func(context.Context, *mongo.Client) error) error {
	if s.Port <= 0 || s.Port > math.MaxUint16 {
		return fmt.Errorf("port %d is no port", s.Port)
	}
	ctx, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	client, err := mongo.Connect(options.Client().
		SetHosts([]string{net.JoinHostPort(s.Host, strconv.Itoa(s.Port))}).
		SetDirect(true).
		SetAppName(appName).
		SetAuth(options.Credential{AuthMechanism: "SCRAM-SHA-256", AuthSource: adminDB, Username: user, Password: password}).
		SetDialer(&dialer{server: s, fail: fail}).
		SetServerSelectionTimeout(connectTimeout).
		SetServerMonitoringMode("poll").
		SetRetryWrites(false).SetRetryReads(false))
	if err != nil {
		return fmt.Errorf("prepare a connection: %w", err)
	}
	defer hangUp(client)
	err = do(ctx, client)
	var failed *dialError
	if err != nil && errors.As(context.Cause(ctx), &failed) {
		return fmt.Errorf("log in as %s: %w", user, failed)
	}
	return err
}

// asAdmin is a session of MyDB's admin.
func asAdmin(ctx context.Context, s engine.Server, password string, do func(context.Context, *mongo.Client) error) error {
	return session(ctx, s, AdminUser, password, do)
}

// dialer makes TLS connections, and ends the whole session when one cannot be made.
type dialer struct {
	server engine.Server
	fail   context.CancelCauseFunc
}

// dialError is why there was no connection.
type dialError struct{ cause error }

func (e *dialError) Error() string { return e.cause.Error() }
func (e *dialError) Unwrap() error { return e.cause }

// DialContext implements options.ContextDialer.
func (d *dialer) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	plain := tls.Dialer{
		NetDialer: &net.Dialer{Timeout: connectTimeout},
		Config:    &tls.Config{RootCAs: d.server.CA, ServerName: d.server.Host, MinVersion: tls.VersionTLS12},
	}
	conn, err := plain.DialContext(ctx, network, address)
	if err != nil && ctx.Err() == nil {
		d.fail(&dialError{err})
	}
	return conn, err
}

// hangUp closes the connections. The server notices a lost one by itself, so errors do not matter, but waiting for a dead host would.
func hangUp(client *mongo.Client) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = client.Disconnect(ctx)
}

// hasCode tells whether the server answered with one of these codes.
func hasCode(err error, codes ...int) bool {
	var e mongo.ServerError
	return errors.As(err, &e) && slices.ContainsFunc(codes, e.HasErrorCode)
}

// run runs a command for its effect.
func run(ctx context.Context, db *mongo.Database, command bson.D) error {
	return db.RunCommand(ctx, command).Err()
}
