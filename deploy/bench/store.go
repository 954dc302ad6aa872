package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"time"

	"github.com/mydb-project/mydb/core"
	"github.com/mydb-project/mydb/core/engine"
)

// measuringBackups starts a process that keeps backups in a real S3 server, with more of a policy than others have. It gives none when this
// machine has no such server.
func (l *lab) measuringBackups(ctx context.Context, policy string) (*process, error) {
	address, err := l.serveS3(ctx)
	if err != nil || address == "" {
		return nil, err
	}
	site, err := os.ReadFile(l.path("catalogue.yaml"))
	if err != nil {
		return nil, err
	}
	file := l.path(fmt.Sprintf("site-%d.yaml", time.Now().UnixNano()))
	if err := os.WriteFile(file, append(site, policy...), 0o600); err != nil {
		return nil, err
	}
	p, err := l.start("all", "MYDB_STORE_URL="+address, "AWS_ACCESS_KEY_ID="+s3Key, "AWS_SECRET_ACCESS_KEY="+s3Key, "MYDB_CONFIG="+file)
	if err != nil {
		return nil, err
	}
	_, err = p.ready(ctx)
	return p, err
}

// unverified is the policy of a site whose backups are read back, and no more.
const unverified = "\npolicy: {backup: {verify: never}}\n"

// backUp makes a backup through the API and waits until it is done, or verified. It gives the time and size of the databases' parts.
func (l *lab) backUp(ctx context.Context, c *apiClient, instanceID string, state core.BackupState) (b core.Backup, took time.Duration, size int64, err error) {
	var receipt core.Receipt
	if err := c.call(ctx, http.MethodPost, "/databases/"+instanceID+"/backups", "", nil, http.StatusAccepted, &receipt); err != nil {
		return b, 0, 0, err
	}
	if b, err = c.awaitBackup(ctx, instanceID, receipt.Backup.ID, state); err != nil {
		return b, 0, 0, err
	}
	m, err := l.service.Manifest(ctx, b.ID)
	for _, part := range m.Parts {
		if part.Kind != engine.PartAccounts {
			took += time.Duration(part.Seconds * float64(time.Second))
			size += part.Size
		}
	}
	return b, took, size, err
}

func (c *apiClient) awaitBackup(ctx context.Context, instanceID, id string, state core.BackupState) (b core.Backup, err error) {
	err = untilEvery(ctx, backupEvery, backupWait, func() (bool, error) {
		b = core.Backup{}
		err := c.call(ctx, http.MethodGet, "/databases/"+instanceID+"/backups/"+id, "", nil, http.StatusOK, &b)
		if err == nil && b.State == core.BackupFailed {
			err = errors.New(b.Error)
		}
		return b.State == state, err
	})
	return b, err
}

// s3Key is both halves of the key of the S3 server.
const s3Key = "mydb-bench-key"

// serveS3 starts the S3 server that MYDB_TEST_S3_SERVER names, once, and gives a store on it; empty when there is none.
func (l *lab) serveS3(ctx context.Context) (string, error) {
	if l.store != "" {
		return l.store, nil
	}
	program := os.Getenv("MYDB_TEST_S3_SERVER")
	if program == "" {
		progress("backups are not measured: MYDB_TEST_S3_SERVER names no S3 server; `make bench` builds one")
		return "", nil
	}
	for _, name := range []string{"store/backups", "sidecar"} {
		if err := os.MkdirAll(l.path(name), 0o700); err != nil {
			return "", err
		}
	}
	listen, err := freeAddress()
	if err != nil {
		return "", err
	}
	cmd := exec.Command(program, "--access", s3Key, "--secret", s3Key, "--port", listen, "posix", "--sidecar", l.path("sidecar"), l.path("store"))
	log, err := os.Create(l.path("s3.log"))
	if err != nil {
		return "", err
	}
	defer log.Close()
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		return "", err
	}
	l.later(func(context.Context) error { _ = cmd.Process.Kill(); _ = cmd.Wait(); return nil })
	for _, name := range []string{"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"} {
		if err := os.Setenv(name, s3Key); err != nil {
			return "", err
		}
	}
	err = until(ctx, time.Minute, func() (bool, error) {
		conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", listen)
		if err != nil {
			return false, nil //nolint:nilerr // not yet
		}
		return true, conn.Close()
	})
	if err != nil {
		said, _ := os.ReadFile(l.path("s3.log"))
		return "", fmt.Errorf("start the S3 server: %w\n%s", err, said)
	}
	l.store = "s3://backups?path_style=true&endpoint=http://" + listen
	return l.store, nil
}
