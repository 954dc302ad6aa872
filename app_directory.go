package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/mydb-project/mydb/core"
	"github.com/mydb-project/mydb/core/config"
	"github.com/mydb-project/mydb/core/directory/ldap"
	"github.com/mydb-project/mydb/core/directory/local"
)

// lookupLimit is how long the directory has to answer about one person: somebody may be waiting.
const lookupLimit = 10 * time.Second

// openDirectory makes the directory that knows people's passwords. It reaches nothing yet.
func (a *App) openDirectory() (core.Directory, error) {
	if a.Config.Auth == config.AuthLDAP {
		return a.ldap()
	}
	return local.New(a.Service)
}

func (a *App) ldap() (*ldap.Directory, error) {
	c := a.Config
	attributes, err := ldap.ReadAttributes(c.LDAPAttributes)
	if err != nil {
		return nil, fmt.Errorf("MYDB_LDAP_ATTRIBUTES is %q: %w", c.LDAPAttributes, err)
	}
	d, err := ldap.New(ldap.Options{
		URLs: c.LDAPURL, StartTLS: c.LDAPStartTLS, CAFile: c.LDAPCAFile, BaseDN: c.LDAPBaseDN, BindDN: c.LDAPBindDN, BindPassword: c.LDAPBindPassword,
		UserFilter: c.LDAPUserFilter, AdminGroup: c.LDAPAdminGroup, UserGroup: c.LDAPUserGroup, Attributes: attributes, Log: a.Log,
	}, a.Service)
	if err != nil {
		return nil, fmt.Errorf("MYDB_LDAP_...: %w", err)
	}
	return d, nil
}

// lookup asks the directory about somebody. Nil for accounts that MyDB keeps itself: there, nobody knows more than the catalogue.
func (a *App) lookup() func(context.Context, string) (core.Account, error) {
	if a.Config.Auth != config.AuthLDAP {
		return nil
	}
	open := sync.OnceValues(a.ldap)
	return func(ctx context.Context, login string) (core.Account, error) {
		d, err := open()
		if err != nil {
			return core.Account{}, err
		}
		ctx, cancel := context.WithTimeout(ctx, lookupLimit)
		defer cancel()
		return d.Lookup(ctx, login)
	}
}

// checkDirectory reaches the directory.
func (a *App) checkDirectory(ctx context.Context) (string, error) {
	if a.Config.Auth != config.AuthLDAP {
		return "local accounts", nil
	}
	d, err := a.ldap()
	if err != nil {
		return "", err
	}
	defer d.Close()
	return d.Check(ctx)
}

func directoryCommand() *cobra.Command {
	c := &cobra.Command{Use: "directory", Short: "Read everybody anew from the directory"}
	refresh := simple("refresh", "Read everybody anew now, which MyDB otherwise does by itself, and say who is missing", func(cmd *cobra.Command) error {
		accept, _ := cmd.Flags().GetBool("accept")
		return withCatalogue(func(ctx context.Context, out io.Writer, a *App) error { return a.refreshPeople(ctx, out, accept) })(cmd)
	})
	refresh.Flags().Bool("accept", false, "those who are missing have left, however many they are")
	c.AddCommand(refresh)
	return c
}

// refreshPeople exits with 1 when the directory did not answer, or too many are missing.
func (a *App) refreshPeople(ctx context.Context, out io.Writer, accept bool) error {
	if a.Config.Auth != config.AuthLDAP {
		return errors.New("MYDB_AUTH is local: MyDB keeps the accounts itself, and there is no directory to read")
	}
	r, err := a.Service.Refresh(ctx, core.RefreshOptions{Everybody: true, Accept: accept})
	if err != nil {
		return err
	}
	switch {
	case r.Away:
		fmt.Fprintln(out, "WRONG The directory does not answer, so nobody has lost anything. To see why: mydb check")
	case r.Held:
		fmt.Fprintf(out, "WRONG %d people are missing at once, so nobody has lost anything. If they have left, say so with --accept\n", r.Missing)
	default:
		fmt.Fprintf(out, "%d people were read anew; %d are missing, and %d have lost their access. Who is missing for the first time loses theirs when that is still so after %s.\n",
			r.Asked, r.Missing, r.Left, a.Policy.Directory.Confirm)
		return nil
	}
	return errFailed
}
