// Package ldap holds the tests of passwords at a real LDAP directory: OpenLDAP's slapd, started for each test on a
// port of its own, with data in a temporary directory and a certificate of its own authority. It is not the system's
// service and touches none of its files.
package ldap
