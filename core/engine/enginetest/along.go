package enginetest

import (
	"strings"
	"testing"

	"github.com/mydb-project/mydb/core/engine"
)

// takeAlong lets people in with the passwords that they had, after those were changed, and after the accounts were gone or locked. Rights
// are another matter.
func (f *fixture) takeAlong(t *testing.T) {
	e, s, secrets := f.Engine, f.box.Server, f.box.Secrets
	before, err := e.Accounts(t.Context(), s, secrets)
	f.must(t, "read the accounts", err)
	found := map[string]engine.Account{}
	for _, a := range before {
		found[a.Username] = a
		if strings.HasPrefix(a.Username, "mydb") || a.Verifier != "" && a.String() != a.Username {
			t.Errorf("account %q, verifier %q", a, a.Verifier)
		}
	}
	if len(found) != 2 || found[f.tenant.Username].Username == "" || found[colleague.Username].Username == "" || found[f.tenant.Username].Old {
		t.Fatalf("accounts %v, want the owner and the colleague", before)
	}
	if found[f.tenant.Username].Verifier == "" {
		if err := e.PutAccounts(t.Context(), s, secrets, before); err == nil {
			t.Error("accounts without a password were taken along")
		}
		t.Skipf("%s tells nobody what it keeps in the place of passwords", e.Title())
	}
	put := func() {
		t.Helper()
		for range 2 { // again, as after a crash of the worker
			f.must(t, "take the passwords along", e.PutAccounts(t.Context(), s, secrets, before))
		}
	}
	const hers = "secret-of-grace-2" // as shareToWrite has it
	login := func(user, password string) error {
		return e.Login(t.Context(), s, engine.Tenant{Username: user, Password: password, Database: f.tenant.Database})
	}
	f.must(t, "set another password", e.SetPassword(t.Context(), s, secrets.Admin, f.tenant.Username, "passing-"+f.tenant.Password))
	locked, err := e.LockAccounts(t.Context(), s, secrets, f.tenant.Username)
	f.must(t, "lock the others", err)
	if len(locked) != 1 || login(colleague.Username, hers) == nil {
		t.Errorf("locked %v, and she gets in", locked)
	}
	put()
	f.refusesLogin(t, f.tenant.Username, "passing-"+f.tenant.Password)
	wantCount(t, f.owner(t), "kept", 1)
	wantCount(t, f.dial(t, colleague.Username, hers), "kept", 1)

	f.must(t, "remove her", e.Revoke(t.Context(), s, secrets.Admin, f.tenant, colleague.Username))
	put()
	if client, err := f.Dial(t.Context(), s, colleague.Username, hers, f.tenant.Database); err == nil {
		if _, err := client.Count(t.Context(), "kept"); err == nil {
			t.Error("an account that was only made has rights")
		}
		client.Close()
	}
	f.must(t, "give her the rights again", e.Grant(t.Context(), s, secrets.Admin, f.tenant, engine.Access{Username: colleague.Username, Write: true}))
	grace := f.dial(t, colleague.Username, hers)
	wantCount(t, grace, "kept", 1)
	may(t, grace, f.Words.CreateTable("again"), f.Words.Insert("again"))
	may(t, f.owner(t), f.Words.DropTable("again"))

	before[0].Verifier = "nonsense'; select 1 --"
	if err := e.PutAccounts(t.Context(), s, secrets, before[:1]); err == nil || strings.Contains(err.Error(), "nonsense") {
		t.Errorf("a verifier of no known form: %v", err)
	}
}
