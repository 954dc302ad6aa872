package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strconv"
	"sync"
	"time"

	"github.com/mydb-project/mydb/core"
	"github.com/mydb-project/mydb/core/directory/local"
	"github.com/mydb-project/mydb/core/engine/postgres"
)

const (
	smallDatabases = 10
	smallBackups   = 50
	smallSize      = 0.005 // GB
	smallAtOnce    = 4
	pageEvery      = 50 * time.Millisecond
	pageTarget     = 100 * time.Millisecond
	readerPassword = "a-reader-of-pages"
)

// measureSmallBackups has several databases backed up again and again, more at once than are made at a time, while somebody reads the portal's pages.
func measureSmallBackups(ctx context.Context, l *lab) error {
	p, err := l.measuringBackups(ctx, fmt.Sprintf("\npolicy: {backup: {verify: never, at_once: %d, at_once_per_node: %[1]d}}\n", smallAtOnce))
	if err != nil || p == nil {
		return err
	}
	defer p.stop()
	ids, err := l.smallDatabases(ctx, p)
	if err != nil {
		return p.failure(err)
	}
	r, err := l.reader(ctx, p, "bench-small-0")
	if err != nil {
		return err
	}
	rounds := max(int(smallBackups*l.scale)/smallDatabases, 1)
	stop := r.read(ctx)
	began := time.Now()
	err = each(ids, func(id string) error {
		for range rounds {
			if _, _, _, err := l.backUp(ctx, l.client(p, 0), id, core.BackupDone); err != nil {
				return err
			}
		}
		return nil
	})
	took := time.Since(began)
	if err = errors.Join(err, stop()); err != nil {
		return p.failure(err)
	}
	about := fmt.Sprintf("%d small backups, %d at a time", rounds*len(ids), smallAtOnce)
	l.report.add(about+": the last is done", "one run, read back", took, "")
	slow := r.took.percentile(95)
	l.report.addText(about+": the portal's pages meanwhile", fmt.Sprintf("p50 of %d", len(r.took)), inMilliseconds(r.took.median()), "", true)
	l.report.addText("", "**p95**", inMilliseconds(slow), "< "+inMilliseconds(pageTarget), slow < pageTarget)
	return l.removeInstances(ctx)
}

// smallDatabases makes databases with a little data, all of the first person.
func (l *lab) smallDatabases(ctx context.Context, p *process) (ids []string, err error) {
	for i := range smallDatabases {
		s, err := l.empty(ctx, p, postgres.Engine{}, "small-"+strconv.Itoa(i))
		if err != nil {
			return nil, err
		}
		if err := fillPostgres(ctx, s.server, s.secrets.Admin, s.database, smallSize); err != nil {
			return nil, err
		}
		ids = append(ids, s.id)
	}
	return ids, nil
}

// reader is somebody who is logged in and reads pages.
type reader struct {
	http  *http.Client
	pages []string
	took  durations
}

// reader logs in as the first person, as a browser does.
func (l *lab) reader(ctx context.Context, p *process, database string) (*reader, error) {
	hash, err := local.Hash(readerPassword)
	if err != nil {
		return nil, err
	}
	const login = "person0"
	if _, err := l.service.SavePerson(ctx, core.Account{Login: login, Email: login + "@example.com", Name: login, PasswordHash: hash}); err != nil {
		return nil, err
	}
	jar, err := cookiejar.New(nil)
	if err != nil {
		return nil, err
	}
	r := &reader{http: &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
	for _, path := range []string{"/", "/databases/" + database, "/history", "/account"} {
		r.pages = append(r.pages, p.url+path)
	}
	resp, err := r.http.PostForm(p.url+"/login", url.Values{"login": {login}, "password": {readerPassword}}) //nolint:noctx // it is on this machine
	if err != nil {
		return nil, err
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusSeeOther {
		return nil, fmt.Errorf("log in: %s", resp.Status)
	}
	return r, nil
}

// read reads one page after the other until it is stopped.
func (r *reader) read(ctx context.Context) (stop func() error) {
	ctx, cancel := context.WithCancel(ctx)
	var failed error
	var wg sync.WaitGroup
	wg.Go(func() {
		tick := time.NewTicker(pageEvery)
		defer tick.Stop()
		for n := 0; failed == nil; n++ {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				failed = r.page(ctx, r.pages[n%len(r.pages)])
			}
		}
	})
	return func() error {
		cancel()
		wg.Wait()
		if errors.Is(failed, context.Canceled) {
			return nil
		}
		return failed
	}
}

// page measures from the request to the last byte.
func (r *reader) page(ctx context.Context, address string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return err
	}
	began := time.Now()
	resp, err := r.http.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("read %s: %s", address, resp.Status)
	}
	r.took = append(r.took, time.Since(began))
	return nil
}
