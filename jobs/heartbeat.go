package jobs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"
)

// How the heartbeat is sent: in at most so long, over at most so many redirects.
const (
	heartbeatLimit     = 5 * time.Second
	heartbeatRedirects = 3
)

// Beat calls the heartbeat's address when nothing is wrong with any backup. When something is, or when the guard does not run any more,
// nothing is sent, and whoever waits for it outside raises the alarm. A call that fails is recorded and logged, and no error.
func Beat(ctx context.Context, o Options) error {
	address := o.Service.HeartbeatURL()
	if address == "" {
		return nil
	}
	well, err := o.Service.BackupsWell(ctx)
	if err != nil || !well {
		return err
	}
	problem := ""
	if err := ping(ctx, address); err != nil {
		problem = err.Error()
		o.Log.Warn("the heartbeat of the backups did not arrive", "host", hostOf(address), "error", problem)
	}
	return o.Service.KeepHeartbeat(ctx, problem)
}

// hostOf is the part of an address that is no secret.
func hostOf(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	return u.Host
}

// ping calls an address once. Whoever knows it could pretend to be MyDB, so it is in no error, and goes to no other host.
func ping(ctx context.Context, address string) error {
	ctx, cancel := context.WithTimeout(ctx, heartbeatLimit)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return errors.New("its address is none")
	}
	r.Header.Set("User-Agent", "MyDB")
	client := http.Client{CheckRedirect: sameHost}
	answer, err := client.Do(r)
	if err != nil {
		return withoutAddress(ctx, err)
	}
	defer answer.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(answer.Body, 64<<10)) // so that the server need not see it cut off
	if answer.StatusCode/100 != 2 {
		return fmt.Errorf("it answers %s", answer.Status)
	}
	return nil
}

func sameHost(r *http.Request, via []*http.Request) error {
	first := via[0].URL
	if len(via) > heartbeatRedirects || r.URL.Host != first.Host || first.Scheme == "https" && r.URL.Scheme != "https" {
		return errors.New("it leads somewhere else, where it is not followed")
	}
	return nil
}

// withoutAddress is what went wrong, without where.
func withoutAddress(ctx context.Context, err error) error {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return fmt.Errorf("it did not answer within %s", heartbeatLimit)
	}
	var where *url.Error
	if errors.As(err, &where) {
		err = where.Err
	}
	return err
}
