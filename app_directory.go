package main

import (
	"context"
	"fmt"

	"github.com/mydb-project/mydb/core"
	"github.com/mydb-project/mydb/core/config"
	"github.com/mydb-project/mydb/core/directory/ldap"
	"github.com/mydb-project/mydb/core/directory/local"
)

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
