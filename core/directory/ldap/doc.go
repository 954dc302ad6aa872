// Package ldap is the directory of a site that has an Active Directory, or any other server that speaks LDAP (RFC 4511).
//
// The way through: conn.go keeps connections to the servers, and turns to another when one does not answer; find.go looks for people
// and reads what their account says; groups.go finds the groups that they are in, also through other groups; authenticate.go logs in.
// Everything that somebody typed is escaped before it is part of a filter, and an empty password never reaches a server, which would take
// it for an anonymous bind (RFC 4513, 5.1.2) and succeed.
package ldap
