package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/mydb-project/mydb/core/config"
	"github.com/mydb-project/mydb/core/engine"
	"github.com/mydb-project/mydb/jobs"
	"github.com/mydb-project/mydb/jobs/store"
)

// subject is an instance that backups are made of or restored into, with the way to run the engine's tools on it as MyDB does.
type subject struct {
	*lab
	engine   engine.Engine
	about    string // begins the rows of the table that are about it
	id       string
	database string
	server   engine.Server
	secrets  engine.Secrets
	image    string
}

// filled makes an instance with data.
func (l *lab) filled(ctx context.Context, p *process, data dataOf, name string) (subject, error) {
	s, err := l.empty(ctx, p, data.engine, name+"-"+data.engine.Name())
	if err != nil {
		return s, err
	}
	gigabytes := data.size * l.scale
	s.about = fmt.Sprintf("%s, %.3g GB: ", data.engine.Title(), gigabytes)
	began := time.Now()
	if err := data.fill(ctx, s.server, s.secrets.Admin, s.database, gigabytes); err != nil {
		return s, fmt.Errorf("make the data: %w", err)
	}
	progress("%s %.3g GB of data made in %s", s.engine.Title(), gigabytes, inSeconds(time.Since(began)))
	return s, nil
}

// empty makes an instance without.
func (l *lab) empty(ctx context.Context, p *process, e engine.Engine, name string) (subject, error) {
	made, err := l.createOne(ctx, p, e.Name(), name)
	if err != nil {
		return subject{}, err
	}
	return l.subjectOf(ctx, e, made.instanceID)
}

func (l *lab) subjectOf(ctx context.Context, e engine.Engine, id string) (s subject, err error) {
	s = subject{lab: l, engine: e, id: id}
	m, err := l.modelOf(ctx, e, id)
	if err != nil {
		return s, err
	}
	s.image = m.spec.TaskTemplate.ContainerSpec.Image
	if s.secrets, err = l.service.ServerSecrets(ctx, id, func() (engine.Secrets, error) { return engine.Secrets{}, errors.New("no secrets") }); err != nil {
		return s, err
	}
	authority, err := l.service.Authority(ctx)
	if err != nil {
		return s, err
	}
	s.server = engine.Server{CA: authority.Pool(), PEM: authority.Certificate()}
	err = l.pool.QueryRow(ctx, "select i.host, p.port, i.database from instances i join ports p on p.instance_id = i.id where i.id = $1", id).Scan(&s.server.Host, &s.server.Port, &s.database)
	return s, err
}

// tool runs a tool as MyDB does. change may alter it; may be nil.
func (s subject) tool(change func(*engine.Tool)) engine.RunTool {
	return func(ctx context.Context, t engine.Tool, in io.Reader, w io.Writer) error {
		if change != nil {
			change(&t)
		}
		return s.runtime.Tool(ctx, jobs.ToolSpec{OperationID: "bench", Image: s.image, Tool: t, Stdin: in, Stdout: w})
	}
}

// dump writes the part that holds the data, and tells how long that took from its first byte.
func (s subject) dump(ctx context.Context, to io.Writer, change func(*engine.Tool)) (time.Duration, engine.Part, error) {
	dump, err := s.engine.Dump(ctx, s.server, s.secrets, s.tool(change))
	if err != nil {
		return 0, engine.Part{}, err
	}
	defer dump.Close()
	for _, p := range dump.Parts() {
		if p.Kind != engine.PartDatabase && p.Kind != engine.PartAll {
			continue
		}
		out := &timed{w: to}
		err := dump.Write(ctx, p, out)
		return time.Since(out.began), p, err
	}
	return 0, engine.Part{}, errors.New("there is nothing to dump")
}

// usual is the tool's own format with its own compression, uploaded through the same client.
func (s subject) usual(ctx context.Context) (time.Duration, int64, error) {
	where, err := config.Config{StoreURL: s.store}.Store()
	if err != nil {
		return 0, 0, err
	}
	to, err := store.Open(ctx, where)
	if err != nil {
		return 0, 0, err
	}
	read, write := io.Pipe()
	uploaded := make(chan error, 1)
	go func() { uploaded <- to.Put(ctx, "usual", read, 0) }()
	out := &timed{w: write}
	_, _, err = s.dump(ctx, out, func(t *engine.Tool) {
		t.Command = slices.DeleteFunc(slices.Clone(t.Command), func(word string) bool { return word == "--compress=0" })
	})
	_ = write.CloseWithError(err)
	if err = errors.Join(err, <-uploaded); err != nil {
		return 0, 0, err
	}
	return time.Since(out.began), out.n, nil
}

// timed notes when the first byte came.
type timed struct {
	w     io.Writer
	began time.Time
	n     int64
}

func (t *timed) Write(p []byte) (int, error) {
	if t.n == 0 {
		t.began = time.Now()
	}
	n, err := t.w.Write(p)
	t.n += int64(n)
	return n, err
}
