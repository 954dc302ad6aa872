package config

import (
	"errors"
	"strings"
)

// Where people's passwords are.
const (
	AuthLocal = "local" // MyDB keeps them itself
	AuthLDAP  = "ldap"  // an Active Directory, or any other server that speaks LDAP
)

// checkLDAP looks at what is said about the directory. What needs the directory itself, `mydb check` looks at.
func (c Config) checkLDAP() []error {
	said := len(c.LDAPURL) > 0 || c.LDAPBaseDN != "" || c.LDAPBindDN != ""
	if c.Auth != AuthLDAP {
		if said {
			return []error{errors.New("MYDB_LDAP_... is set, but MYDB_AUTH is not: write MYDB_AUTH=ldap, or take the others away")}
		}
		return nil
	}
	var errs []error
	if len(c.LDAPURL) == 0 {
		errs = append(errs, errors.New("MYDB_LDAP_URL is not set: write the directory's servers, such as ldaps://dc1.example.org,ldaps://dc2.example.org"))
	}
	if c.LDAPBaseDN == "" {
		errs = append(errs, errors.New("MYDB_LDAP_BASE_DN is not set: write where people and groups are, such as dc=example,dc=org"))
	}
	if c.LDAPAdminGroup == "" {
		errs = append(errs, errors.New("MYDB_LDAP_ADMIN_GROUP is not set: nobody would be an administrator. Write a group's name or DN"))
	}
	if (c.LDAPBindDN == "") != (c.LDAPBindPassword == "") {
		errs = append(errs, errors.New("MYDB_LDAP_BIND_DN and MYDB_LDAP_BIND_PASSWORD belong together: set both or neither"))
	}
	for _, address := range c.LDAPURL {
		plain := strings.HasPrefix(address, "ldap://")
		if !plain && !strings.HasPrefix(address, "ldaps://") {
			errs = append(errs, wrong("MYDB_LDAP_URL", address, "write addresses such as ldaps://dc1.example.org, with commas between them"))
		}
		if plain && !c.LDAPStartTLS {
			errs = append(errs, wrong("MYDB_LDAP_URL", address, "passwords would cross the network in the clear: write ldaps://, or set MYDB_LDAP_STARTTLS=true"))
		}
	}
	return errs
}
