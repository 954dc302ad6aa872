package swarm

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"maps"
	"path"
	"slices"
	"sync/atomic"
	"time"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/pkg/stdcopy"

	"github.com/mydb-project/mydb/core/engine"
	"github.com/mydb-project/mydb/jobs"
)

// labelOperation is on containers and volumes that live no longer than an operation.
const labelOperation = "dev.mydb.operation"

// LabelPHI is on such containers while they work on health data about persons.
const LabelPHI = "dev.mydb.phi"

const (
	toolMemory = 2 << 30
	// stallLimit is how long a tool that only writes may write nothing.
	stallLimit = 15 * time.Minute
	stderrKept = 4 << 10
)

// toolWrapper puts the files, which come first on the standard input as lines "name base64" up to an empty line, on a file system in
// memory, and becomes the tool. The shell reads a pipe byte by byte, so the rest is the tool's.
const toolWrapper = `umask 077
while read -r name value && [ -n "$name" ]; do printf %s "$value" | base64 -d >"` + engine.ToolDir + `/$name" || exit 125; done
exec "$@"`

// Tool implements jobs.Runtime.
func (r *Runtime) Tool(ctx context.Context, t jobs.ToolSpec) (err error) {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	id, err := r.createTool(ctx, t)
	if err != nil {
		return failed("make a container for "+t.Tool.Command[0], err)
	}
	// Killed before anybody waits for it: a tool that nobody reads from would hang for ever.
	defer func() {
		removal := r.docker.ContainerRemove(context.WithoutCancel(ctx), id, container.RemoveOptions{Force: true})
		if removal != nil && !errdefs.IsNotFound(removal) {
			r.log.Warn("a tool's container could not be removed", "container", id, "error", removal)
		}
	}()
	return r.runTool(ctx, stop, id, t)
}

func (r *Runtime) createTool(ctx context.Context, t jobs.ToolSpec) (id string, err error) {
	config := &container.Config{
		Image: t.Image, Env: t.Tool.Env, Labels: r.operationLabels(t.OperationID, t.PHI),
		Entrypoint: []string{"/bin/sh", "-c", toolWrapper, path.Base(t.Tool.Command[0])}, Cmd: t.Tool.Command,
		AttachStdin: true, AttachStdout: true, AttachStderr: true, OpenStdin: true, StdinOnce: true,
	}
	host := &container.HostConfig{
		NetworkMode: "host", LogConfig: container.LogConfig{Type: "none"},
		Tmpfs:     map[string]string{engine.ToolDir: "size=1m,mode=0700"},
		Resources: container.Resources{Memory: toolMemory},
	}
	return r.createContainer(ctx, config, host)
}

// createContainer pulls the image when this node does not have it.
func (r *Runtime) createContainer(ctx context.Context, config *container.Config, host *container.HostConfig) (string, error) {
	made, err := r.docker.ContainerCreate(ctx, config, host, nil, nil, "")
	if errdefs.IsNotFound(err) {
		pull, pullErr := r.docker.ImagePull(ctx, config.Image, image.PullOptions{})
		if pullErr != nil {
			return "", errors.Join(err, pullErr)
		}
		_, pullErr = io.Copy(io.Discard, pull)
		if pullErr = errors.Join(pullErr, pull.Close()); pullErr != nil {
			return "", pullErr
		}
		made, err = r.docker.ContainerCreate(ctx, config, host, nil, nil, "")
	}
	return made.ID, err
}

func (r *Runtime) operationLabels(operationID string, phi bool) map[string]string {
	l := map[string]string{}
	maps.Copy(l, r.labels)
	l[labelOperation] = operationID
	if phi {
		l[LabelPHI] = "true"
	}
	return l
}

func (r *Runtime) runTool(ctx context.Context, stop context.CancelCauseFunc, id string, t jobs.ToolSpec) error {
	name := t.Tool.Command[0]
	stream, err := r.docker.ContainerAttach(ctx, id, container.AttachOptions{Stream: true, Stdin: true, Stdout: true, Stderr: true})
	if err != nil {
		return failed("attach to "+name, err)
	}
	defer stream.Close()
	defer context.AfterFunc(ctx, stream.Close)()
	ended, waitErr := r.docker.ContainerWait(ctx, id, container.WaitConditionNextExit)
	if err := r.docker.ContainerStart(ctx, id, container.StartOptions{}); err != nil {
		return failed("start "+name, err)
	}
	go func() {
		if err := feed(stream.Conn, t); err != nil {
			stop(err)
		}
		_ = stream.CloseWrite()
	}()
	said := &stderrTail{say: t.Tool.Say}
	out := &watched{w: t.Stdout}
	if t.Stdin == nil && t.Stdout != nil {
		defer out.watch(ctx, stop, name)()
	}
	_, copyErr := stdcopy.StdCopy(out, said, stream.Reader)
	said.flush()
	if out.err != nil {
		return out.err
	}
	if cause := context.Cause(ctx); cause != nil {
		return fmt.Errorf("%s was interrupted: %w", name, cause)
	}
	select {
	case end := <-ended:
		if end.StatusCode != 0 {
			return &engine.ToolError{Tool: name, ExitCode: int(end.StatusCode), Stderr: said.text(t.Tool)}
		}
		return failed("read what "+name+" writes", copyErr)
	case err := <-waitErr:
		return failed("wait for "+name, err)
	case <-ctx.Done():
		return fmt.Errorf("%s was interrupted: %w", name, context.Cause(ctx))
	}
}

// feed sends the files and then the standard input. An error is the reader's: one of the tool shows in its exit code.
func feed(to io.Writer, t jobs.ToolSpec) error {
	var head bytes.Buffer
	for _, name := range slices.Sorted(maps.Keys(t.Tool.Files)) {
		fmt.Fprintf(&head, "%s %s\n", name, base64.StdEncoding.EncodeToString(t.Tool.Files[name]))
	}
	head.WriteByte('\n')
	if _, err := to.Write(head.Bytes()); err != nil || t.Stdin == nil {
		return nil //nolint:nilerr // see above
	}
	in := &watchedReader{r: t.Stdin}
	_, _ = io.CopyBuffer(onlyWriter{to}, in, make([]byte, 256<<10))
	return in.err
}

// onlyWriter hides that a connection could read for itself.
type onlyWriter struct{ io.Writer }

// watchedReader keeps the error of its reader.
type watchedReader struct {
	r   io.Reader
	err error
}

func (w *watchedReader) Read(p []byte) (int, error) {
	n, err := w.r.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		w.err = err
	}
	return n, err
}

// watched keeps the error of its writer, and notices when nothing comes any more.
type watched struct {
	w     io.Writer
	err   error
	bytes atomic.Int64
}

func (w *watched) Write(p []byte) (int, error) {
	if w.w == nil {
		return len(p), nil
	}
	n, err := w.w.Write(p)
	w.bytes.Add(int64(n))
	if err != nil {
		w.err = err
	}
	return n, err
}

// watch ends the tool when it has written nothing for too long. The function it gives ends the watch.
func (w *watched) watch(ctx context.Context, stop context.CancelCauseFunc, name string) func() {
	ctx, end := context.WithCancel(ctx)
	go func() {
		tick := time.NewTicker(stallLimit)
		defer tick.Stop()
		last := int64(-1)
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			now := w.bytes.Load()
			if now == last {
				stop(fmt.Errorf("%s wrote nothing for %s", name, stallLimit))
				return
			}
			last = now
		}
	}()
	return end
}

// stderrTail tells lines, and keeps the last ones.
type stderrTail struct {
	say  func(string)
	line []byte
	kept []byte
}

func (s *stderrTail) Write(p []byte) (int, error) {
	s.kept = append(s.kept, p...)
	s.kept = s.kept[max(0, len(s.kept)-stderrKept):]
	for _, b := range p {
		if b == '\n' {
			s.flush()
		} else if len(s.line) < stderrKept {
			s.line = append(s.line, b)
		}
	}
	return len(p), nil
}

func (s *stderrTail) flush() {
	if len(s.line) > 0 && s.say != nil {
		s.say(string(s.line))
	}
	s.line = s.line[:0]
}

// text is what was kept, without what the tool's files hold.
func (s *stderrTail) text(t engine.Tool) string {
	kept := bytes.ToValidUTF8(bytes.TrimSpace(s.kept), []byte("?"))
	for _, secret := range t.Secrets {
		if secret != "" {
			kept = bytes.ReplaceAll(kept, []byte(secret), []byte("***"))
		}
	}
	for name, content := range t.Files {
		for _, word := range bytes.FieldsFunc(content, func(r rune) bool { return r == ':' || r == '"' || r == '=' || r <= ' ' }) {
			if name != "ca.crt" && len(word) >= 12 {
				kept = bytes.ReplaceAll(kept, word, []byte("***"))
			}
		}
	}
	return string(kept)
}

// Sweep implements jobs.Runtime.
func (r *Runtime) Sweep(ctx context.Context, operationID string) error {
	list, err := r.operationContainers(ctx, operationID)
	if err != nil {
		return err
	}
	for _, c := range list {
		err := r.docker.ContainerRemove(ctx, c.ID, container.RemoveOptions{Force: true, RemoveVolumes: true})
		if err != nil && !errdefs.IsNotFound(err) && !mentions(err.Error(), "already in progress") {
			return failed("remove what an operation has left", err)
		}
	}
	return nil
}

func (r *Runtime) operationContainers(ctx context.Context, operationID string) ([]container.Summary, error) {
	mine := filters.NewArgs(filters.Arg("label", labelOperation+"="+operationID))
	list, err := r.docker.ContainerList(ctx, container.ListOptions{All: true, Filters: mine})
	return list, failed("list what an operation has left", err)
}

// Leftovers implements jobs.Runtime.
func (r *Runtime) Leftovers(ctx context.Context) ([]string, error) {
	list, err := r.docker.ContainerList(ctx, container.ListOptions{All: true, Filters: filters.NewArgs(filters.Arg("label", labelOperation))})
	if err != nil {
		return nil, failed("list tools and throw-away servers", err)
	}
	var out []string
	for _, c := range list {
		if id := c.Labels[labelOperation]; !slices.Contains(out, id) {
			out = append(out, id)
		}
	}
	return out, nil
}
