package swarm

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// FreeDisk implements jobs.Runtime. It looks at the folder of the engine's volumes where that can be seen. A worker in a container of the
// engine has its own root on the same disk, unless the volumes have one of their own.
func (r *Runtime) FreeDisk(ctx context.Context) (bytes int64, known bool, err error) {
	if !strings.HasPrefix(r.docker.DaemonHost(), "unix://") {
		return 0, false, nil // the engine is on another machine
	}
	info, err := r.docker.Info(ctx)
	if err != nil {
		return 0, false, failed("ask the engine where it keeps volumes", err)
	}
	places := []string{filepath.Join(info.DockerRootDir, "volumes"), info.DockerRootDir}
	if _, err := os.Stat("/.dockerenv"); err == nil {
		places = append(places, "/")
	}
	for _, place := range places {
		var st syscall.Statfs_t
		if err := syscall.Statfs(place, &st); err == nil {
			return int64(st.Bavail) * st.Bsize, true, nil
		}
	}
	return 0, false, nil
}
