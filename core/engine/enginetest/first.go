package enginetest

import (
	"errors"
	"strings"
	"testing"

	"github.com/mydb-project/mydb/core/engine"
)

var errStillThere = errors.New("it still works")

// initScript runs once, however often the tenant is provisioned, and as a whole or not at all.
func (s suite) initScript(t *testing.T) {
	if why, lacks := s.Engine.Lacks()[engine.CanInitScript]; lacks {
		t.Skipf("%s lacks %s: %s", s.Engine.Title(), engine.CanInitScript, why)
	}
	b := NewBox(t, s.Engine, s.image)
	b.Start()
	f := &fixture{suite: s, box: b, tenant: Tenant("ada")}
	f.tenant.InitSQL = s.Words.InitBroken("made")
	WantRefusal(t, s.Engine.Provision(t.Context(), b.Server, b.Secrets.Admin, f.tenant), "init script")
	f.tenant.InitSQL = s.Words.Init("made")
	for range 2 {
		f.must(t, "provision", s.Engine.Provision(t.Context(), b.Server, b.Secrets.Admin, f.tenant))
		wantCount(t, f.owner(t), "made", 1)
	}
	f.must(t, "prove", s.Engine.Prove(t.Context(), b.Server, f.tenant))
}

// emptyVolume is what is left of a server whose volume was lost: container engines make a missing volume without a word.
func (s suite) emptyVolume(t *testing.T) {
	b := NewBox(t, s.Engine, s.image)
	b.ExpireInit()
	b.Run()
	if code := b.Wait(); code != 78 || !strings.Contains(b.Logs(), "refusing to initialise") {
		t.Errorf("exit code %d, log:\n%s", code, b.Logs())
	}
	if left := b.OnVolume("find /data -type f"); left != "" { // folders may be those that the image mounts other volumes at
		t.Errorf("the volume holds %s", left)
	}
}
