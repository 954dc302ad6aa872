package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// What the figures of chat are measured with, at full scale.
const (
	commandRate   = 100 // in a second
	commandTime   = 30 * time.Second
	commandTarget = 500 * time.Millisecond
	decisions     = 20
	decisionRead  = 1500 * time.Millisecond // until somebody has read what they are asked
	decideTarget  = time.Second
	drops         = 2 // close together: Discord allows a thousand sessions a day, so each further pause is twice as long until a connection lasts
	dropTarget    = 5 * time.Second
	duplicated    = 0.2 // of all events
	chatLimit     = 3 * time.Minute
)

// workspace is a fake of a chat service as people use it, with no limit of how often MyDB may write. People go by their number.
type workspace interface {
	name() string
	settings() []string // with which MyDB reaches it
	// enter lets the lab's people in, and one more who is an administrator, and makes them known to MyDB.
	enter(ctx context.Context, l *lab) error
	connected(ctx context.Context) error
	// command gives a command that asks for nothing but an answer. again is of a kind that the service brings once more when nobody hears.
	command(person int, again bool) acknowledgement
	askDeletion(person int, database string) acknowledgement
	// asked waits until the administrator is asked for a decision, and gives what presses the button and waits until the message says so.
	asked(ctx context.Context) (decide func(context.Context) error, err error)
	duplicate(share float64)
	drop()
	pending() int // events without an acknowledgement, for which there is still time
	// acknowledged tells how long each acknowledgement of a command has taken so far, and how many events got none in time.
	acknowledged() (took durations, none int)
	// refused is how many commands were told that they were not accepted, because MyDB could not keep up.
	refused() int
	close() error
}

// notAccepted is how the sentence for what was not accepted begins.
const notAccepted = "MyDB did not accept this"

// acknowledgement waits until the service has got it.
type acknowledgement func(context.Context) error

// measureChat measures both chat services, each against a `mydb all` of its own.
func measureChat(ctx context.Context, l *lab) error {
	for _, open := range []func() (workspace, error){newDiscord, newSlack} {
		w, err := open()
		if err != nil {
			return err
		}
		if err := errors.Join(l.measureWorkspace(ctx, w), w.close()); err != nil {
			return fmt.Errorf("%s: %w", w.name(), err)
		}
	}
	return nil
}

func (l *lab) measureWorkspace(ctx context.Context, w workspace) (err error) {
	if err := w.enter(ctx, l); err != nil {
		return err
	}
	if err := l.chatDatabases(ctx); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.forgetChat(context.WithoutCancel(ctx))) }()
	p, err := l.start("all", w.settings()...)
	if err != nil {
		return err
	}
	defer p.stop()
	if _, err := p.ready(ctx); err != nil {
		return err
	}
	ready, cancel := context.WithTimeout(ctx, chatLimit)
	defer cancel()
	if err := w.connected(ready); err != nil {
		return p.failure(err)
	}
	for _, measure := range []func(context.Context, workspace) error{l.measureCommands, l.measureDecisions, l.measureDrops} {
		if err := measure(ctx, w); err != nil {
			return p.failure(err)
		}
	}
	return nil
}

// chatDatabases writes databases into the catalogue that no machine runs, all of the first person's, while MyDB heals nothing.
func (l *lab) chatDatabases(ctx context.Context) error {
	if err := l.fabricate(ctx, decisions); err != nil {
		return err
	}
	_, err := l.pool.Exec(ctx, `with paused as (insert into site (key, value, sealed) values ('paused', convert_to(jsonb_build_object('by', 'bench', 'at', now())::text, 'UTF8'), false) on conflict do nothing)
		update instances set owner_id = (select id from people where login = 'person0') where id like 'bench%'`)
	return err
}

func (l *lab) forgetChat(ctx context.Context) error {
	for _, sql := range []string{
		"delete from chat_messages", "delete from inbox", "delete from approval_votes", "delete from approvals", "delete from chat_identities", "delete from site where key = 'paused'",
		"delete from river_job where kind in ('chat', 'chat_message')",
		"delete from operation_steps where operation_id in (select id from operations where instance_id like 'bench%')",
	} {
		if _, err := l.pool.Exec(ctx, sql); err != nil {
			return fmt.Errorf("forget what was chatted: %w", err)
		}
	}
	return l.forget(ctx)
}

// measureCommands sends commands at a steady rate, a part of them twice.
func (l *lab) measureCommands(ctx context.Context, w workspace) error {
	w.duplicate(duplicated)
	defer w.duplicate(0)
	total := max(int(commandRate*commandTime.Seconds()*l.scale), commandRate)
	began := time.Now()
	for n := range total {
		if err := at(ctx, began.Add(time.Duration(n)*time.Second/commandRate)); err != nil {
			return err
		}
		w.command(n%people, false)
	}
	sending := time.Since(began)
	if err := l.answered(ctx, w); err != nil {
		return err
	}
	behind := time.Since(began) - sending
	took, none := w.acknowledged()
	if none > 0 {
		return fmt.Errorf("%d events of %d were not acknowledged in time", none, total)
	}
	refused := w.refused()
	if err := l.exactly(ctx, total, refused); err != nil {
		return err
	}
	what := fmt.Sprintf("%s: %.0f commands a second for %.0f s, %.0f %% of them brought twice", w.name(), float64(total)/sending.Seconds(), sending.Seconds(), 100*duplicated)
	p99 := took.percentile(99)
	l.report.addText(what, "to the acknowledgement, p50", inMilliseconds(took.median()), "", true)
	l.report.addText("", "**p99**", inMilliseconds(p99), "< "+inMilliseconds(commandTarget), p99 < commandTarget)
	l.report.addText("", "from the last command until the last answer", inSeconds(behind), "", true)
	l.report.addText("", "not accepted, lost, doubled", fmt.Sprintf("%d, 0, 0", refused), "0, 0, 0", refused == 0)
	return nil
}

// at waits for a moment.
func at(ctx context.Context, moment time.Time) error {
	select {
	case <-time.After(time.Until(moment)):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// lookPause is how often is looked whether all is answered. Each look reads everything, and so is not to be had for nothing.
const lookPause = 250 * time.Millisecond

// answered waits until all commands were acknowledged, and those that were taken are answered.
func (l *lab) answered(ctx context.Context, w workspace) error {
	ctx, cancel := context.WithTimeout(ctx, chatLimit)
	defer cancel()
	for {
		if w.pending() == 0 {
			var open int
			err := l.pool.QueryRow(ctx, `select count(*) from inbox i where answered_at is null or not exists (select from chat_messages m where m.inbox_key = i.key and m.state = 'posted')`).Scan(&open)
			if err != nil || open == 0 {
				return err
			}
		}
		if err := at(ctx, time.Now().Add(lookPause)); err != nil {
			return fmt.Errorf("wait for all answers: %w", err)
		}
	}
}

// exactly makes sure that each command was taken, worked on and answered once, or refused.
func (l *lab) exactly(ctx context.Context, want, refused int) error {
	var inbox, jobs, messages int
	err := l.pool.QueryRow(ctx, `select count(*), (select count(*) from river_job where kind = 'chat'), (select count(*) from chat_messages where kind = 'answer') from inbox`).Scan(&inbox, &jobs, &messages)
	if err != nil || inbox > want || inbox+refused < want || jobs != inbox || messages != inbox {
		return errors.Join(err, fmt.Errorf("%d commands, of which %d were refused, left %d events in the inbox with %d jobs and %d messages", want, refused, inbox, jobs, messages))
	}
	return nil
}

// measureDecisions measures from the click to the message that says how it was decided.
func (l *lab) measureDecisions(ctx context.Context, w workspace) error {
	ctx, cancel := context.WithTimeout(ctx, chatLimit)
	defer cancel()
	var took durations
	for n := range max(int(decisions*l.scale), 2) {
		if err := w.askDeletion(0, fmt.Sprintf("bench-%d", n))(ctx); err != nil {
			return err
		}
		decide, err := w.asked(ctx)
		if err != nil {
			return err
		}
		if err := at(ctx, time.Now().Add(decisionRead)); err != nil {
			return err
		}
		began := time.Now()
		if err := decide(ctx); err != nil {
			return err
		}
		took = append(took, time.Since(began))
	}
	p95 := took.percentile(95)
	l.report.addText(w.name()+": from the click on Approve to the message that says so", fmt.Sprintf("p50 of %d", len(took)), inMilliseconds(took.median()), "", true)
	l.report.addText("", "**p95**", inMilliseconds(p95), "< "+inMilliseconds(decideTarget), p95 < decideTarget)
	return nil
}

// measureDrops cuts the connection while commands come in. From there, it is measured until the next one was acknowledged.
func (l *lab) measureDrops(ctx context.Context, w workspace) error {
	ctx, cancel := context.WithTimeout(ctx, chatLimit)
	defer cancel()
	var before int
	if err := l.pool.QueryRow(ctx, "select count(*) from inbox").Scan(&before); err != nil {
		return err
	}
	const around = 10 // commands, half of them after the cut
	var took durations
	rounds := max(int(drops*l.scale), 2)
	for range rounds {
		var back time.Duration
		errs, done := make([]error, around), sync.WaitGroup{}
		var cut time.Time
		for n := range around {
			if n == around/2 {
				cut = time.Now()
				w.drop()
			}
			wait := w.command(n%people, true)
			done.Go(func() {
				errs[n] = wait(ctx)
				if n == around/2 {
					back = time.Since(cut)
				}
			})
			if err := at(ctx, time.Now().Add(20*time.Millisecond)); err != nil {
				return err
			}
		}
		done.Wait()
		if err := errors.Join(errs...); err != nil {
			return err
		}
		took = append(took, back)
	}
	var after int
	if err := l.pool.QueryRow(ctx, "select count(*) from inbox").Scan(&after); err != nil {
		return err
	}
	if after-before != rounds*around {
		return fmt.Errorf("%d commands around a dropped connection left %d events in the inbox", rounds*around, after-before)
	}
	l.report.addText(w.name()+": from a dropped connection to the next acknowledgement", fmt.Sprintf("slowest of %d", len(took)), inSeconds(took.max()), "< "+inSeconds(dropTarget), took.max() < dropTarget)
	l.report.addText("", fmt.Sprintf("lost, doubled of %d commands around it", rounds*around), "0, 0", "0, 0", true)
	return nil
}
