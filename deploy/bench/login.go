package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mydb-project/mydb/core"
)

const (
	loginPeople   = 20 // at once
	loginRounds   = 10
	loginTarget   = 300 * time.Millisecond // p95
	wrongEvery    = time.Minute / 1000
	rightLogins   = 80
	rightEvery    = 250 * time.Millisecond
	slowdownLimit = 2.0
)

// measureLogins measures logins to the portal by a real Active Directory: many at once, and one while somebody guesses passwords.
func measureLogins(ctx context.Context, l *lab) error {
	in, err := l.openDirectory()
	if err != nil {
		return err
	}
	if in == nil {
		progress("logins are skipped: there is no directory; deploy/dev/bench.sh starts one as root")
		return nil
	}
	p, err := l.start("serve", in.settings()...)
	if err != nil {
		return err
	}
	defer p.stop()
	if _, err := p.ready(ctx); err != nil {
		return err
	}
	d := &doors{process: p, logins: in.logins}
	if _, err := d.many(ctx, 1); err != nil { // the first finds out what the directory is
		return p.failure(err)
	}
	took, err := d.many(ctx, loginRounds)
	if err != nil {
		return p.failure(err)
	}
	p95 := took.percentile(95)
	l.report.addText(fmt.Sprintf("Logins by an Active Directory, %d at once", loginPeople), fmt.Sprintf("p50 of %d", len(took)), inMilliseconds(took.median()), "", true)
	l.report.addText("", "**p95**", inMilliseconds(p95), "< "+inMilliseconds(loginTarget), p95 < loginTarget)
	quiet, err := d.oneByOne(ctx)
	if err != nil {
		return p.failure(err)
	}
	attacked, wrong, err := d.attacked(ctx)
	if err != nil {
		return p.failure(err)
	}
	ratio := attacked.median().Seconds() / quiet.median().Seconds()
	l.report.addText("One login at a time", fmt.Sprintf("p50 (p95) of %d", len(quiet)), inMilliseconds(quiet.median())+" ("+inMilliseconds(quiet.percentile(95))+")", "", true)
	l.report.addText("", fmt.Sprintf("while 1,000 wrong ones a minute are tried (%d)", wrong), inMilliseconds(attacked.median())+" ("+inMilliseconds(attacked.percentile(95))+")", "", true)
	l.report.addText("", "**times as long**, of the medians", fmt.Sprintf("%.2f", ratio), fmt.Sprintf("≤ %.2f", slowdownLimit), ratio <= slowdownLimit)
	return nil
}

// doors logs in from one address of the loopback network after another, because the portal slows down each one by itself.
type doors struct {
	*process
	logins  []string
	address atomic.Uint32
}

// login tries to log in, and gives how long that took and the status of the answer.
func (d *doors) login(ctx context.Context, login, password string) (time.Duration, int, error) {
	n := d.address.Add(1)
	dialer := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 1+byte(n>>16), byte(n>>8), byte(n))}}
	client := &http.Client{
		Transport:     &http.Transport{DialContext: dialer.DialContext, DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	form := url.Values{"login": {login}, "password": {password}}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, d.url+"/login", strings.NewReader(form.Encode()))
	if err != nil {
		return 0, 0, err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	start := time.Now()
	resp, err := client.Do(req)
	if err != nil {
		return 0, 0, err
	}
	defer resp.Body.Close()
	return time.Since(start), resp.StatusCode, nil
}

// right logs a person in with the right password.
func (d *doors) right(ctx context.Context, person int) (time.Duration, error) {
	took, status, err := d.login(ctx, d.logins[person], os.Getenv("MYDB_TEST_DIRECTORY_PASSWORD"))
	if err == nil && status != http.StatusSeeOther {
		err = fmt.Errorf("a login was answered with %d", status)
	}
	return took, err
}

// many lets many people log in at once, each again and again.
func (d *doors) many(ctx context.Context, rounds int) (durations, error) {
	all := make([]durations, loginPeople)
	errs := make([]error, loginPeople)
	var done sync.WaitGroup
	for i := range loginPeople {
		done.Go(func() {
			for range rounds {
				took, err := d.right(ctx, i)
				if err != nil {
					errs[i] = err
					return
				}
				all[i] = append(all[i], took)
			}
		})
	}
	done.Wait()
	var out durations
	for _, took := range all {
		out = append(out, took...)
	}
	return out, errors.Join(errs...)
}

func (d *doors) oneByOne(ctx context.Context) (out durations, err error) {
	tick := time.NewTicker(rightEvery)
	defer tick.Stop()
	for range rightLogins {
		took, err := d.right(ctx, 0)
		if err != nil {
			return out, err
		}
		out = append(out, took)
		select {
		case <-tick.C:
		case <-ctx.Done():
			return out, ctx.Err()
		}
	}
	return out, nil
}

// attacked does the same while somebody guesses passwords, of a person that there is and of one that there is not.
func (d *doors) attacked(ctx context.Context) (out durations, wrong int64, err error) {
	attack, stop := context.WithCancel(ctx)
	var tried, passed atomic.Int64
	var done sync.WaitGroup
	done.Go(func() {
		tick := time.NewTicker(wrongEvery)
		defer tick.Stop()
		for attack.Err() == nil {
			who := []string{d.logins[0], "nobody"}[tried.Add(1)%2]
			done.Go(func() {
				if _, status, err := d.login(attack, who, "wrong"); err == nil && status == http.StatusSeeOther {
					passed.Add(1)
				}
			})
			select {
			case <-tick.C:
			case <-attack.Done():
			}
		}
	})
	out, err = d.oneByOne(ctx)
	stop()
	done.Wait()
	if passed.Load() > 0 {
		err = errors.Join(err, core.Errorf(core.CodeInternal, "a wrong password was let in"))
	}
	return out, tried.Load(), err
}
