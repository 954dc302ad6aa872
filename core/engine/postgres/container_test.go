package postgres_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/mydb-project/mydb/core/engine"
	"github.com/mydb-project/mydb/core/engine/enginetest"
	"github.com/mydb-project/mydb/core/engine/postgres"
)

// eachImage runs a test once for each PostgreSQL image at hand.
func eachImage(t *testing.T, test func(t *testing.T, image string)) {
	t.Helper()
	for _, image := range enginetest.Images(t, "MYDB_TEST_POSTGRES_IMAGE", "mydb-dev/postgres:17", "mydb-dev/postgres:15") {
		_, tag, _ := strings.Cut(image, ":")
		t.Run(tag, func(t *testing.T) { test(t, image) })
	}
}

// box is a container with a PostgreSQL server.
type box struct {
	*enginetest.Box
	t *testing.T
}

// newBox prepares a container and a new volume. It starts nothing.
func newBox(t *testing.T, image string) *box {
	t.Helper()
	return &box{enginetest.NewBox(t, postgres.Engine{}, image), t}
}

// waitForLog waits until the container's log holds the text.
func (b *box) waitForLog(text string) {
	b.t.Helper()
	b.Eventually("log says "+text, func() error {
		if !strings.Contains(b.Logs(), text) {
			return fmt.Errorf("the log does not hold %q", text)
		}
		return nil
	})
}

// provisioned makes a scientist with a database, and proves it.
func (b *box) provisioned(name string) engine.Tenant {
	b.t.Helper()
	tenant := enginetest.Tenant(name)
	b.provision(tenant)
	b.prove(tenant)
	return tenant
}

func (b *box) provision(tenant engine.Tenant) {
	b.t.Helper()
	if err := (postgres.Engine{}).Provision(b.t.Context(), b.Server, b.Secrets.Admin, tenant); err != nil {
		b.t.Fatalf("%v\n%s", err, b.Logs())
	}
}

func (b *box) prove(tenant engine.Tenant) {
	b.t.Helper()
	if err := (postgres.Engine{}).Prove(b.t.Context(), b.Server, tenant); err != nil {
		b.t.Fatalf("%v\n%s", err, b.Logs())
	}
}
