package jobs

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/mydb-project/mydb/core"
	"github.com/mydb-project/mydb/core/crypt"
	"github.com/mydb-project/mydb/core/engine"
)

// provision makes the owner's side on a server that was filled from a backup. The password is one that nobody knows: admit exchanges it.
func (x *exchange) provision(ctx context.Context) error {
	t := x.tenant()
	t.Password = crypt.NewPassword()
	if err := x.engine.Provision(ctx, x.other, x.secrets.Admin, t); err != nil {
		return fmt.Errorf("make user and database: %w", err)
	}
	return nil
}

// admit lets in on the other server whoever may log in now: the owner, colleagues and pipelines, with the passwords that they have now.
// Accounts that were taken back since are removed, and all others locked.
func (x *exchange) admit(ctx context.Context) (string, error) {
	accounts, err := x.Service.Admitted(ctx, x.instance.ID)
	if err != nil {
		return "", err
	}
	there, err := x.engine.Accounts(ctx, x.other, x.secrets)
	if err != nil {
		return "", err
	}
	for _, a := range there {
		if !slices.Contains(accounts.Ended, a.Username) {
			continue
		}
		if err := x.engine.Revoke(ctx, x.other, x.secrets.Admin, x.tenant(), a.Username); err != nil {
			return "", err
		}
	}
	if _, err := x.engine.LockAccounts(ctx, x.other, x.secrets, x.instance.Username); err != nil {
		return "", err
	}
	fresh, err := x.passwords(ctx, accounts, there)
	if err != nil {
		return "", err
	}
	if err := x.rights(ctx, accounts, fresh); err != nil {
		return "", err
	}
	return x.told(accounts), nil
}

// passwords gives the accounts their passwords of now. Those for which that cannot be have new ones, which it gives; or, after an undo before
// which nobody changed any, those of before.
func (x *exchange) passwords(ctx context.Context, accounts core.Admitted, there []engine.Account) (map[string]string, error) {
	names := []string{x.instance.Username}
	for _, w := range accounts.Live {
		names = append(names, w.Username)
	}
	stay, err := x.staysAsItWas(ctx)
	if err != nil {
		return nil, err
	}
	var put []engine.Account
	x.filled.Renewed, x.filled.Left, x.filled.Old = nil, nil, nil
	for _, name := range names {
		a := x.people[name]
		at := slices.IndexFunc(there, func(a engine.Account) bool { return a.Username == name })
		left := a.Verifier == "" && stay && at >= 0
		if left {
			a = there[at]
			x.filled.Left = append(x.filled.Left, name)
		}
		switch {
		case a.Verifier != "":
			put = append(put, a)
		case !left:
			x.filled.Renewed = append(x.filled.Renewed, name)
		}
		if a.Old {
			x.filled.Old = append(x.filled.Old, name)
		}
	}
	if err := x.engine.PutAccounts(ctx, x.other, x.secrets, put); err != nil {
		return nil, err
	}
	return x.Service.FreshPasswords(ctx, x.instance.ID, x.filled.Renewed)
}

// staysAsItWas reports whether passwords that are on the other volume may let people in.
func (x *exchange) staysAsItWas(ctx context.Context) (bool, error) {
	if x.args.KeptAt == nil {
		return false, nil
	}
	changed, err := x.Service.PasswordsChanged(ctx, x.instance.ID, *x.args.KeptAt)
	return !changed, err
}

// rights gives each account what it may do now, and proves the new passwords.
func (x *exchange) rights(ctx context.Context, accounts core.Admitted, fresh map[string]string) error {
	owner := x.instance.Username
	if password := fresh[owner]; password != "" {
		if err := x.engine.SetPassword(ctx, x.other, x.secrets.Admin, owner, password); err != nil {
			return err
		}
	}
	for _, w := range accounts.Live {
		access := engine.Access{Username: w.Username, Password: fresh[w.Username], Write: w.Writes}
		if err := x.engine.Grant(ctx, x.other, x.secrets.Admin, x.tenant(), access); err != nil {
			return err
		}
	}
	for name, password := range fresh {
		err := x.engine.Login(ctx, x.other, engine.Tenant{Username: name, Password: password, Database: x.instance.Database})
		if err != nil {
			return err
		}
	}
	return nil
}

// told sums up who may log in, and with which password.
func (x *exchange) told(accounts core.Admitted) string {
	out := "with the passwords of now"
	if n := len(accounts.Live); n > 0 {
		out += ", and " + counted(n, "further account")
	}
	if len(x.filled.Renewed) > 0 {
		out += "; new passwords for " + strings.Join(x.filled.Renewed, ", ")
	}
	if len(x.filled.Left) > 0 {
		out += "; those of before for " + strings.Join(x.filled.Left, ", ")
	}
	return out
}
