package engine_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/mydb-project/mydb/core/engine"
)

func TestOfLater(t *testing.T) {
	refused := &engine.RefusedError{Message: "Line 3 is refused.", Err: errors.New("syntax")}
	for _, c := range []struct {
		dumped, server string
		later          bool
	}{
		{"17", "15", true}, {"15", "17", false}, {"17", "17", false}, {"11.8", "10.11", true}, {"10.11", "10.6", true}, {"10.6", "10.11", false}, {"", "15", false},
	} {
		err := engine.OfLater(refused, "PostgreSQL", c.dumped, c.server)
		if got := strings.Contains(err.Error(), "later than the new database's "+c.server); got != c.later || !errors.As(err, new(*engine.RefusedError)) {
			t.Errorf("%s into %s: %v", c.dumped, c.server, err)
		}
	}
	if err := engine.OfLater(errors.New("connection lost"), "PostgreSQL", "17", "15"); err.Error() != "connection lost" {
		t.Errorf("what no server has refused: %v", err)
	}
}
