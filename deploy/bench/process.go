package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// process is a running mydb.
type process struct {
	cmd     *exec.Cmd
	url     string // of its portal, if it has one
	logFile string
	started time.Time
	ended   chan struct{}
}

// start runs `mydb role`, with more settings than all processes have. It does not wait until the process is ready.
func (l *lab) start(role string, settings ...string) (*process, error) {
	listen, err := freeAddress()
	if err != nil {
		return nil, err
	}
	p := &process{url: "http://" + listen, logFile: l.path(fmt.Sprintf("%s-%d.log", role, time.Now().UnixNano())), ended: make(chan struct{})}
	log, err := os.Create(p.logFile)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	p.cmd = exec.Command(l.binary, role)
	p.cmd.Env = append(withoutMyDB(os.Environ()),
		"MYDB_LISTEN="+listen, "MYDB_DATABASE_URL="+l.appURL, "MYDB_KEY_FILE="+l.path("key"), "MYDB_CONFIG="+l.path("catalogue.yaml"),
		fmt.Sprintf("MYDB_PORT_RANGE=%d-%d", l.ports.First, l.ports.Last), "MYDB_DOCKER_HOST="+os.Getenv("MYDB_DOCKER_HOST"))
	p.cmd.Env = append(p.cmd.Env, settings...)
	p.cmd.Stdout, p.cmd.Stderr = log, log
	// It must not outlive a benchmark that is killed, nor see the Ctrl-C that the benchmark handles.
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	p.started = time.Now()
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	go func() { _ = p.cmd.Wait(); close(p.ended) }()
	l.later(func(context.Context) error { p.stop(); return nil })
	return p, nil
}

// withoutMyDB keeps the caller's own configuration from being measured.
func withoutMyDB(environ []string) []string {
	var out []string
	for _, e := range environ {
		if !strings.HasPrefix(e, "MYDB_") {
			out = append(out, e)
		}
	}
	return out
}

func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

// ready waits until the process says that it is, and tells how long that was after its start.
func (p *process) ready(ctx context.Context) (time.Duration, error) {
	var took time.Duration
	tick := time.NewTicker(readyPoll)
	defer tick.Stop()
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for {
		resp, err := http.Get(p.url + "/readyz") //nolint:noctx // it is on this machine
		if err == nil {
			took = time.Since(p.started)
			resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return took, nil
			}
		}
		select {
		case <-tick.C:
		case <-p.ended:
			return 0, p.failure(errors.New("it ended by itself"))
		case <-ctx.Done():
			return 0, p.failure(ctx.Err())
		}
	}
}

// readyPoll is short, because a start takes a fraction of a second.
const readyPoll = 2 * time.Millisecond

// failure adds the end of the process's log.
func (p *process) failure(err error) error {
	log, _ := os.ReadFile(p.logFile)
	return fmt.Errorf("mydb %s: %w; the end of its log:\n%s", p.cmd.Args[1], err, log[max(0, len(log)-2000):])
}

func (p *process) stop() {
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.ended:
	case <-time.After(20 * time.Second):
		p.kill()
	}
}

// kill ends the process as a crash would, and returns when it is gone.
func (p *process) kill() {
	_ = p.cmd.Process.Kill()
	<-p.ended
}

// memory reads the process's resident memory now (VmRSS) and at its highest (VmHWM), in bytes.
func (p *process) memory() (now, peak int64, err error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		return 0, 0, err
	}
	for line := range bytes.Lines(status) {
		name, rest, _ := strings.Cut(string(line), ":")
		kib, _ := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 10, 64)
		switch name {
		case "VmRSS":
			now = kib << 10
		case "VmHWM":
			peak = kib << 10
		}
	}
	return now, peak, nil
}

// startRuns is how often the start is measured.
const startRuns = 7

// measureStart measures from the exec of `mydb all` to the first 200 of /readyz: the configuration is read, the schema checked, the
// worker's lock taken, and the engine and the metadata database have answered.
func measureStart(ctx context.Context, l *lab) error {
	var took durations
	for range startRuns {
		p, err := l.start("all")
		if err != nil {
			return err
		}
		d, err := p.ready(ctx)
		if err != nil {
			return err
		}
		took = append(took, d)
		p.stop()
	}
	l.report.add("Start of `mydb all` until `/readyz` answers 200", "median of "+strconv.Itoa(startRuns), took.median(), "")
	return nil
}
