package ldapbind

import (
	"errors"
	"slices"

	"github.com/go-ldap/ldap/v3"
)

// misfit reports results which say that the directory and our configuration of it do not fit together.
func misfit(err error) bool {
	return ldap.IsErrorAnyOf(err, ldap.LDAPResultReferral, ldap.LDAPResultStrongAuthRequired, ldap.LDAPResultConfidentialityRequired,
		ldap.LDAPResultAuthMethodNotSupported, ldap.LDAPResultInvalidDNSyntax, ldap.LDAPResultProtocolError)
}

// down reports results which say that the directory cannot answer now.
func down(err error) bool {
	codes := []uint16{
		ldap.LDAPResultBusy, ldap.LDAPResultUnavailable, ldap.LDAPResultOperationsError, ldap.LDAPResultTimeLimitExceeded,
		ldap.LDAPResultAdminLimitExceeded, ldap.LDAPResultOther, ldap.LDAPResultServerDown, ldap.LDAPResultTimeout,
	}
	var result *ldap.Error
	if !errors.As(err, &result) {
		return true // no result at all: the connection failed
	}
	return result.ResultCode >= ldap.ErrorNetwork || slices.Contains(codes, result.ResultCode)
}
