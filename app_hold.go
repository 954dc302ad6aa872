package main

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// holdLook is how often is looked whether something is still held.
const holdLook = 2 * time.Second

// holder gives a function that waits until this process alone, of all that use this database, has a thing. It is held by a session of its
// own, so whoever dies gives it back. The context that it gives ends when the session is lost, because then another may have it.
func holder(pool *pgxpool.Pool, thing string) func(context.Context) (context.Context, func(), error) {
	return func(ctx context.Context) (context.Context, func(), error) {
		config := pool.Config().ConnConfig.Copy()
		// A host that vanishes closes no connection: let the server ask after a few seconds.
		for name, value := range map[string]string{"tcp_keepalives_idle": "3", "tcp_keepalives_interval": "1", "tcp_keepalives_count": "3"} {
			config.RuntimeParams[name] = value
		}
		config.RuntimeParams["application_name"] = "mydb " + thing
		conn, err := pgx.ConnectConfig(ctx, config)
		if err != nil {
			return nil, nil, fmt.Errorf("connect to hold %s: %w", thing, err)
		}
		if _, err := conn.Exec(ctx, "select pg_advisory_lock(hashtextextended($1, 0))", "mydb "+thing); err != nil {
			conn.Close(context.WithoutCancel(ctx))
			return nil, nil, fmt.Errorf("wait to hold %s: %w", thing, err)
		}
		held, cancel := context.WithCancel(ctx)
		gone := make(chan struct{})
		go func() {
			defer close(gone)
			defer cancel()
			keepHeld(held, conn)
		}()
		return held, func() {
			cancel()
			<-gone
			ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), holdLook)
			defer cancel()
			conn.Close(ctx)
		}, nil
	}
}

// keepHeld returns when the session is lost, or ctx ends.
func keepHeld(ctx context.Context, conn *pgx.Conn) {
	for ctx.Err() == nil {
		// Nobody notifies here: this waits for the connection to break, and looks at it now and then.
		quiet, cancel := context.WithTimeout(ctx, holdLook)
		_, err := conn.WaitForNotification(quiet)
		cancel()
		if err != nil && !pgconn.Timeout(err) {
			return
		}
		ask, cancel := context.WithTimeout(ctx, holdLook)
		err = conn.Ping(ask)
		cancel()
		if err != nil {
			return
		}
	}
}
