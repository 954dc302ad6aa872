package main

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"time"

	dockerswarm "github.com/docker/docker/api/types/swarm"
	"github.com/rs/xid"

	"github.com/mydb-project/mydb/core/engine"
	"github.com/mydb-project/mydb/jobs/swarm"
)

// model is an instance of MyDB's that bare services are copied from. It goes on running, as others do where MyDB is in use, so
// that the configs that all instances share exist for both sides.
type model struct {
	engine engine.Engine
	id     string
	spec   dockerswarm.ServiceSpec
	server engine.Server
	admin  string // the password of MyDB's admin account on it
	secret []byte // what its Swarm secret holds
}

func (l *lab) modelOf(ctx context.Context, e engine.Engine, instanceID string) (model, error) {
	m := model{engine: e, id: instanceID}
	service, _, err := l.docker.ServiceInspectWithRaw(ctx, swarm.ServiceName(instanceID), dockerswarm.ServiceInspectOptions{})
	if err != nil {
		return m, err
	}
	m.spec = service.Spec
	secrets, err := l.service.ServerSecrets(ctx, instanceID, func() (engine.Secrets, error) {
		return engine.Secrets{}, errors.New("the model has no secrets")
	})
	if err != nil {
		return m, err
	}
	m.admin = secrets.Admin
	if m.secret, err = e.SecretFile(secrets); err != nil {
		return m, err
	}
	ca, err := l.service.Authority(ctx)
	if err != nil {
		return m, err
	}
	m.server.CA = ca.Pool()
	return m, l.pool.QueryRow(ctx, "select host from instances where id = $1", instanceID).Scan(&m.server.Host)
}

// copyFor is the model's spec for another id and port. Names, labels and mounts all hold the id.
func (m model) copyFor(id string, port int, secretID string) (dockerswarm.ServiceSpec, error) {
	var spec dockerswarm.ServiceSpec
	text, err := json.Marshal(m.spec)
	if err != nil {
		return spec, err
	}
	if err := json.Unmarshal([]byte(strings.ReplaceAll(string(text), m.id, id)), &spec); err != nil {
		return spec, err
	}
	spec.EndpointSpec.Ports[0].PublishedPort = uint32(port)
	spec.TaskTemplate.ContainerSpec.Secrets[0].SecretID = secretID
	return spec, nil
}

// createBare measures from before the request to make the service until the first login as the admin account over TLS, and
// removes the service again. The secret exists before, as somebody would have it who prepared the service by hand.
func (l *lab) createBare(ctx context.Context, m model, port int) (time.Duration, error) {
	id := xid.New().String()
	l.later(func(ctx context.Context) error { return l.removeServer(ctx, id) })
	secret, err := l.docker.SecretCreate(ctx, dockerswarm.SecretSpec{
		Annotations: dockerswarm.Annotations{Name: swarm.ServiceName(id), Labels: map[string]string{swarm.LabelInstance: id}},
		Data:        m.secret,
	})
	if err != nil {
		return 0, err
	}
	spec, err := m.copyFor(id, port, secret.ID)
	if err != nil {
		return 0, err
	}
	m.server.Port = port
	start := time.Now()
	if _, err := l.docker.ServiceCreate(ctx, spec, dockerswarm.ServiceCreateOptions{}); err != nil {
		return 0, err
	}
	err = until(ctx, createLimit, func() (bool, error) { return m.engine.Ping(ctx, m.server, m.admin) == nil, nil })
	if err != nil {
		return 0, err
	}
	took := time.Since(start)
	return took, l.removeServer(ctx, id)
}
