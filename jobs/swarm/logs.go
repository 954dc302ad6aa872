package swarm

import (
	"bytes"
	"context"
	"errors"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/pkg/stdcopy"
)

const (
	// Lines come from the tasks' nodes; one that is away must not keep the others' back for long.
	logsTimeout = 5 * time.Second
	logsBytes   = 4 << 20
)

// Logs implements jobs.Runtime. The lines of all tasks that the cluster remembers are merged by their time.
func (r *Runtime) Logs(ctx context.Context, instanceID string, lines int) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, logsTimeout)
	defer cancel()
	name := ServiceName(instanceID)
	stream, err := r.docker.ServiceLogs(ctx, name, container.LogsOptions{ShowStdout: true, ShowStderr: true, Timestamps: true, Tail: strconv.Itoa(lines)})
	if errdefs.IsNotFound(err) {
		return "", nil
	}
	if err != nil {
		return "", failed("read the logs of "+name, err)
	}
	defer stream.Close()
	var text bytes.Buffer
	_, err = stdcopy.StdCopy(&text, &text, io.LimitReader(stream, logsBytes))
	if err != nil && ctx.Err() == nil && !errors.Is(err, io.ErrUnexpectedEOF) {
		return "", failed("read the logs of "+name, err)
	}
	return lastOf(strings.ToValidUTF8(text.String(), "?"), lines), nil
}

// lastOf sorts lines that begin with their time, keeps the last ones, and takes the time off: servers write their own.
func lastOf(text string, lines int) string {
	all := strings.Split(strings.TrimRight(text, "\n"), "\n")
	slices.SortStableFunc(all, func(a, b string) int { return strings.Compare(stamp(a), stamp(b)) })
	all = all[max(0, len(all)-lines):]
	for i, line := range all {
		all[i] = strings.TrimPrefix(strings.TrimPrefix(line, stamp(line)), " ")
	}
	return strings.Join(all, "\n")
}

func stamp(line string) string {
	at, _, _ := strings.Cut(line, " ")
	return at
}
