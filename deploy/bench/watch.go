package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strconv"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/mydb-project/mydb/core"
	"github.com/mydb-project/mydb/jobs"
)

const (
	watchedMost     = 1000
	reconcileTarget = 2 * time.Second
	linearTarget    = 1.5 // how much longer one of many may take than one of few
	sampled         = 100
	sampleTarget    = 5 * time.Second
)

// measureReconciler compares catalogues of several sizes with a cluster that is simulated: the services are a list in memory, one in
// ten with another image than the catalogue says. The first look writes the findings, the next ones keep them up.
func measureReconciler(ctx context.Context, l *lab) error {
	each := map[int]time.Duration{}
	for _, n := range []int{100, watchedMost} {
		first, later, err := l.reconcileTimes(ctx, n)
		if err != nil {
			return err
		}
		each[n] = later.median() / time.Duration(n)
		if n < watchedMost {
			continue
		}
		l.report.addText(fmt.Sprintf("Reconciler over %d instances", n), "the first look, 100 new findings", inSeconds(first), "< "+inSeconds(reconcileTarget), first < reconcileTarget)
		l.report.addText("", fmt.Sprintf("median of %d later looks", len(later)), inSeconds(later.median()), "< "+inSeconds(reconcileTarget), later.median() < reconcileTarget)
	}
	ratio := float64(each[watchedMost]) / float64(each[100])
	l.report.addText("", "one of 1,000 against one of 100", fmt.Sprintf("%.2f", ratio), fmt.Sprintf("≤ %.2f", linearTarget), ratio <= linearTarget)
	return nil
}

func (l *lab) reconcileTimes(ctx context.Context, n int) (first time.Duration, later durations, err error) {
	// What the real machine said of its volumes, while the databases of other figures were there, is history.
	if _, err := l.pool.Exec(ctx, "delete from inventories"); err != nil {
		return 0, nil, fmt.Errorf("forget the inventories: %w", err)
	}
	if err := l.fabricate(ctx, n); err != nil {
		return 0, nil, err
	}
	defer func() { err = errors.Join(err, l.forget(context.WithoutCancel(ctx))) }()
	cluster := core.Cluster{Nodes: []string{"simulated"}}
	inventory := core.Inventory{NodeID: "simulated"}
	for i := range n {
		s := core.ClusterService{InstanceID: fabricatedID(i), Name: "mydb-" + fabricatedID(i), Wanted: true, Image: "simulated", NodeID: "simulated", Port: 62000 + i}
		if i%10 == 0 {
			s.Image = "another"
		}
		cluster.Services = append(cluster.Services, s)
		inventory.Volumes = append(inventory.Volumes, core.ClusterThing{Name: "mydb-" + s.InstanceID + "-g1", InstanceID: s.InstanceID})
	}
	for round := range 6 {
		inventory.At, cluster.At = time.Now(), time.Now()
		if err := l.service.KeepInventory(ctx, inventory); err != nil {
			return 0, nil, err
		}
		began := time.Now()
		r, err := l.service.Reconcile(ctx, cluster)
		took := time.Since(began)
		if err != nil {
			return 0, nil, fmt.Errorf("compare %d instances: %w", n, err)
		}
		if r.Differences != (n+9)/10 {
			return 0, nil, fmt.Errorf("found %d differences of %d instances", r.Differences, n)
		}
		if round == 0 {
			first = took
			continue
		}
		later = append(later, took)
	}
	return first, later, nil
}

func fabricatedID(i int) string { return fmt.Sprintf("bench%015d", i) }

// fabricate writes instances into the catalogue that no machine runs.
func (l *lab) fabricate(ctx context.Context, n int) error {
	return pgx.BeginFunc(ctx, l.pool, func(tx pgx.Tx) error {
		for _, sql := range []string{
			`insert into instances (id, name, owner_id, engine, version, size, image, state, username, database, backup, node_id, host, created_at)
				select 'bench' || lpad(i::text, 15, '0'), 'bench-' || i, (select id from people where id <> 'mydb' limit 1), 'postgres', '17', 'small', 'simulated', 'ready', 'u', 'd', 'never',
				'simulated', '127.0.0.1', now() - interval '1 hour' from generate_series(0, $1::int - 1) i`,
			"insert into ports (port, instance_id) select 62000 + i, 'bench' || lpad(i::text, 15, '0') from generate_series(0, $1::int - 1) i",
		} {
			if _, err := tx.Exec(ctx, sql, n); err != nil {
				return fmt.Errorf("fabricate instances: %w", err)
			}
		}
		_, err := tx.Exec(ctx, `insert into operations (id, instance_id, kind, state, requested_by, door, created_at, started_at, finished_at)
			select id, id, 'create', 'done', owner_id, 'api', created_at, created_at, created_at from instances where id like 'bench%'`)
		return err
	})
}

// forget takes fabricated instances out of the catalogue.
func (l *lab) forget(ctx context.Context) error {
	for _, table := range []string{"notifications", "findings", "samples", "secrets", "ports", "operations"} {
		if _, err := l.pool.Exec(ctx, "delete from "+table+" where instance_id like 'bench%'"); err != nil {
			return fmt.Errorf("forget what was fabricated: %w", err)
		}
	}
	_, err := l.pool.Exec(ctx, "delete from instances where id like 'bench%'")
	return err
}

// measureSampling measures 100 instances in one round: one real server, known to the catalogue a hundred times, each with a port of
// its own that leads to it. Every sample logs in over TLS and asks the server.
func measureSampling(ctx context.Context, l *lab) error {
	p, err := l.start("all")
	if err != nil {
		return err
	}
	defer p.stop()
	if _, err := p.ready(ctx); err != nil {
		return err
	}
	made, err := l.createOne(ctx, p, mainEngine, "sampled")
	if err != nil {
		return p.failure(err)
	}
	p.stop() // its own rounds would be in the way
	if err := l.fabricate(ctx, sampled-1); err != nil {
		return err
	}
	defer func() { _ = l.forget(context.WithoutCancel(ctx)) }()
	closeAll, err := l.lead(ctx, made.instanceID, sampled-1)
	if err != nil {
		return err
	}
	defer closeAll()
	var took durations
	for range 3 {
		if _, err := l.pool.Exec(ctx, "delete from samples"); err != nil {
			return err
		}
		began := time.Now()
		err := jobs.Sample(ctx, jobs.Options{Service: l.service, Runtime: l.runtime, Log: slog.New(slog.DiscardHandler)})
		took = append(took, time.Since(began))
		var up int
		if err == nil {
			err = l.pool.QueryRow(ctx, "select count(*) from samples where up").Scan(&up)
		}
		if err != nil || up != sampled {
			return fmt.Errorf("%d of %d instances answered, %w", up, sampled, err)
		}
	}
	l.report.addText(fmt.Sprintf("Sampling %d instances, 8 at a time", sampled), fmt.Sprintf("slowest of %d rounds", len(took)), inSeconds(took.max()), "< "+inSeconds(sampleTarget), took.max() < sampleTarget)
	return l.removeInstance(ctx, made.instanceID)
}

// lead gives every fabricated instance a port that leads to a real server, and that server's secrets.
func (l *lab) lead(ctx context.Context, instanceID string, n int) (closeAll func(), err error) {
	var host string
	var port int
	err = l.pool.QueryRow(ctx, "select i.host, p.port from instances i join ports p on p.instance_id = i.id where i.id = $1", instanceID).Scan(&host, &port)
	if err != nil {
		return nil, err
	}
	_, err = l.pool.Exec(ctx, `with hosts as (update instances set host = $2 where id like 'bench%')
		insert into secrets (instance_id, kind, sealed) select i.id, s.kind, s.sealed from instances i, secrets s where i.id like 'bench%' and s.instance_id = $1 and s.kind = 'server'`, instanceID, host)
	if err != nil {
		return nil, err
	}
	var open []net.Listener
	closeAll = func() {
		for _, listener := range open {
			listener.Close()
		}
	}
	target := net.JoinHostPort(host, strconv.Itoa(port))
	for i := range n {
		listener, err := net.Listen("tcp", ":"+strconv.Itoa(62000+i))
		if err != nil {
			closeAll()
			return nil, err
		}
		open = append(open, listener)
		go forward(listener, target)
	}
	return closeAll, nil
}

// forward hands every connection on, until the listener is closed.
func forward(listener net.Listener, target string) {
	for {
		in, err := listener.Accept()
		if err != nil {
			return
		}
		go func() {
			defer in.Close()
			out, err := net.Dial("tcp", target)
			if err != nil {
				return
			}
			defer out.Close()
			var both sync.WaitGroup
			for _, pair := range [][2]net.Conn{{in, out}, {out, in}} {
				both.Go(func() {
					_, _ = io.Copy(pair[0], pair[1])
					pair[0].Close()
				})
			}
			both.Wait()
		}()
	}
}
