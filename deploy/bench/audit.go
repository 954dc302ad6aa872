package main

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/mydb-project/mydb/core"
)

const (
	auditTarget  = 2 * time.Millisecond // that it may add to a command
	sealTarget   = 500                  // rows a second that it has to keep up with
	verifyTarget = 50_000               // rows a second
	auditPairs   = 400
	sealRows     = 20_000
	verifyRows   = 200_000
)

// withoutAudit lets a connection that says so write no audit entry, so that a command can be measured with and without.
const withoutAudit = `
create function bench_without_audit() returns trigger language plpgsql as $$ begin
	if current_setting('bench.without_audit', true) = 'on' then return null; end if;
	return new;
end $$;
create trigger bench_without_audit before insert on audit for each row execute function bench_without_audit()`

// measureAudit measures what the audit trail costs a command, and how fast it is sealed and proven.
func measureAudit(ctx context.Context, l *lab) error {
	for _, measure := range []func(context.Context) error{l.auditCost, l.sealSpeed, l.verifySpeed} {
		if err := measure(ctx); err != nil {
			return err
		}
	}
	return nil
}

// auditCost gives the same command over one connection, by turns with and without its audit entry.
func (l *lab) auditCost(ctx context.Context) error {
	if _, err := l.pool.Exec(ctx, withoutAudit); err != nil {
		return fmt.Errorf("prepare commands without audit: %w", err)
	}
	config := l.pool.Config().Copy()
	config.MinConns, config.MaxConns = 1, 1
	single, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return err
	}
	defer single.Close()
	service := core.New(core.Options{
		DB: single, Keys: l.keys, Engines: engines, Catalogue: l.catalogue, Ports: l.ports, Log: slog.New(slog.DiscardHandler), Queue: noQueue{},
	})
	person, err := service.SavePerson(ctx, core.Account{Login: "person0", Email: "person0@example.com", Name: "person0"})
	if err != nil {
		return err
	}
	if err := service.PreparePorts(ctx); err != nil {
		return err
	}
	actor := core.Actor{Person: person, Scope: core.ScopeOperate}
	if _, err := service.Do(ctx, core.Request{Actor: actor, Door: core.DoorAPI, Command: core.Create{Name: "bench-audit", Engine: mainEngine}}); err != nil {
		return err
	}
	var with, without durations
	for n := range 2 * auditPairs {
		mode, into := "off", &with
		if n%2 == 1 {
			mode, into = "on", &without
		}
		if _, err := single.Exec(ctx, "select set_config('bench.without_audit', $1, false)", mode); err != nil {
			return err
		}
		department := fmt.Sprintf("department %d", n)
		start := time.Now()
		_, err := service.Do(ctx, core.Request{Actor: actor, Door: core.DoorAPI, Command: core.Describe{On: core.On{Database: "bench-audit"}, Department: &department}})
		if err != nil {
			return err
		}
		*into = append(*into, time.Since(start))
	}
	cost := with.median() - without.median()
	l.report.addText("Audit: what it adds to a command", fmt.Sprintf("difference of the p50 of %d with and %d without", auditPairs, auditPairs),
		inMilliseconds(cost)+" of "+inMilliseconds(with.median()), "< "+inMilliseconds(auditTarget), cost < auditTarget)
	return nil
}

// fillAudit writes rows, a hundred in each transaction.
func (l *lab) fillAudit(ctx context.Context, rows int) error {
	for range rows / 100 {
		_, err := l.pool.Exec(ctx, `insert into audit (actor_id, actor, door, address, action, instance_id, subject, outcome, data)
			select 'bench', 'person0', 'api', '192.0.2.1', 'restart', '', 'genomes', 'done', jsonb_build_object('operation', n, 'reason', 'for the benchmark') from generate_series(1, 100) n`)
		if err != nil {
			return fmt.Errorf("fill the audit trail: %w", err)
		}
	}
	return nil
}

func (l *lab) sealSpeed(ctx context.Context) error {
	if _, err := l.service.SealAudit(ctx); err != nil {
		return err
	}
	if err := l.fillAudit(ctx, sealRows); err != nil {
		return err
	}
	start := time.Now()
	sealed, err := l.service.SealAudit(ctx)
	if err != nil {
		return err
	}
	speed := float64(sealed) / time.Since(start).Seconds()
	l.report.addText("Audit: sealing", fmt.Sprintf("%d rows that wait", sealed), fmt.Sprintf("%.0f rows/s", speed), fmt.Sprintf("≥ %d rows/s", sealTarget), speed >= sealTarget)
	return nil
}

func (l *lab) verifySpeed(ctx context.Context) error {
	if err := l.fillAudit(ctx, verifyRows-sealRows); err != nil {
		return err
	}
	if _, err := l.service.SealAudit(ctx); err != nil {
		return err
	}
	start := time.Now()
	proof, err := l.service.VerifyAudit(ctx, nil)
	if err != nil {
		return err
	}
	if len(proof.Problems) > 0 || proof.Rows < verifyRows {
		return fmt.Errorf("the trail of %d rows is not as it was sealed: %v", proof.Rows, proof.Problems)
	}
	speed := float64(proof.Rows) / time.Since(start).Seconds()
	l.report.addText("Audit: `mydb audit verify`", fmt.Sprintf("%d rows", proof.Rows), fmt.Sprintf("%.0f rows/s", speed), fmt.Sprintf("≥ %d rows/s", verifyTarget), speed >= verifyTarget)
	return nil
}
