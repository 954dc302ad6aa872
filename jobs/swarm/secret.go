package swarm

import (
	"bytes"
	"context"
	"fmt"
	"io"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/pkg/stdcopy"

	"github.com/mydb-project/mydb/jobs"
)

const secretBytes = 512 << 10 // more than the cluster allows

// ReadSecret implements jobs.Runtime. The cluster gives no secret back, but the container has it as a file.
func (r *Runtime) ReadSecret(ctx context.Context, instanceID, path string) ([]byte, error) {
	list, err := r.docker.ContainerList(ctx, container.ListOptions{Filters: filters.NewArgs(filters.Arg("label", LabelInstance+"="+instanceID))})
	if err != nil {
		return nil, failed("list the containers of "+instanceID, err)
	}
	if len(list) == 0 {
		return nil, &jobs.Problem{
			Cause: jobs.CauseData, Message: fmt.Sprintf("The server does not run, so the secret that it has cannot be read. Start it on a manager: docker service scale %s=1", ServiceName(instanceID)),
		}
	}
	made, err := r.docker.ContainerExecCreate(ctx, list[0].ID, container.ExecOptions{User: "0", Cmd: []string{"cat", path}, AttachStdout: true, AttachStderr: true})
	if err != nil {
		return nil, failed("read the secret of "+instanceID, err)
	}
	stream, err := r.docker.ContainerExecAttach(ctx, made.ID, container.ExecAttachOptions{})
	if err != nil {
		return nil, failed("read the secret of "+instanceID, err)
	}
	defer stream.Close()
	defer context.AfterFunc(ctx, stream.Close)()
	var content, said bytes.Buffer
	if _, err := stdcopy.StdCopy(&content, &said, io.LimitReader(stream.Reader, secretBytes)); err != nil {
		return nil, failed("read the secret of "+instanceID, err)
	}
	ended, err := r.docker.ContainerExecInspect(ctx, made.ID)
	if err != nil {
		return nil, failed("read the secret of "+instanceID, err)
	}
	if ended.ExitCode != 0 {
		return nil, fmt.Errorf("read the secret of %s: cat ended with %d: %s", instanceID, ended.ExitCode, said.String())
	}
	return content.Bytes(), nil
}
