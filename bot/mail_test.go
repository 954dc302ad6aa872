package bot_test

import (
	"testing"

	"github.com/mydb-project/mydb/core"
	"github.com/mydb-project/mydb/core/coretest"
)

// TestNotify chooses in chat what mail one gets.
func TestNotify(t *testing.T) {
	k := newTalk(t)
	ada, root := k.person("ada"), coretest.Actor(t, k.service, "root", true)
	k.hear(ada, "notify", "Mail goes to ada@example.com.", "on   expiring: the time of a database ends", "are always told")
	k.hear(ada, "/mydb NOTIFY Expiring OFF", "off  expiring: ", "on   ready: ")
	k.hear(ada, "notify expiring on", "on   expiring: ")
	k.hear(root, "notify digest off", "off  digest: once a day")
	k.refused(ada, "notify digest off", core.CodeInvalid, `There is no topic "digest" to choose`)
	k.refused(ada, "notify expiring", core.CodeInvalid, "notify expiring off")
	k.refused(ada, "notify state=off", core.CodeInvalid, "Say also of what")
	k.refused(ada, "notify passwords off", core.CodeInvalid, "passwords")
	reading := ada
	reading.Scope = core.ScopeRead
	k.refused(reading, "notify expiring off", core.CodeForbidden, "This token may only read")
}
