package ldap

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gatehouse-iap/gatehouse/internal/identityprovider"
	"github.com/gatehouse-iap/gatehouse/test/harness"
)

const (
	base         = "dc=corp,dc=example"
	searcher     = "cn=gatehouse,ou=services," + base
	searchSecret = "search-secret"
)

// configuration lets nobody but the service account search, and people only prove their passwords.
const configuration = `
include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
modulepath /usr/lib/ldap
moduleload back_mdb
pidfile %[1]s/slapd.pid
argsfile %[1]s/slapd.args
TLSCertificateFile %[1]s/server.pem
TLSCertificateKeyFile %[1]s/server.key
%[2]s
database mdb
suffix "dc=corp,dc=example"
rootdn "cn=admin,dc=corp,dc=example"
rootpw admin
directory %[1]s/data
index mail,member eq
access to attrs=userPassword by anonymous auth by * none
access to * by dn.exact="cn=gatehouse,ou=services,dc=corp,dc=example" read by * none
`

// people has a person with an address twice, one whose DN is full of the characters that filters are made of, and one
// whom the filter finds though the address is another's.
const people = `
dn: dc=corp,dc=example
objectClass: dcObject
objectClass: organization
o: Corp
dc: corp

dn: ou=services,dc=corp,dc=example
objectClass: organizationalUnit
ou: services

dn: cn=gatehouse,ou=services,dc=corp,dc=example
objectClass: organizationalRole
objectClass: simpleSecurityObject
cn: gatehouse
userPassword: search-secret

dn: ou=people,dc=corp,dc=example
objectClass: organizationalUnit
ou: people

dn: uid=alice,ou=people,dc=corp,dc=example
objectClass: inetOrgPerson
uid: alice
cn: Alice
sn: A
mail: Alice@corp.example
description: one
description: two
userPassword: alice-password

dn: cn=Bob \28*\29 \5C,ou=people,dc=corp,dc=example
objectClass: inetOrgPerson
cn: Bob (*) \
sn: B
mail: bob@corp.example
userPassword: bob-password

dn: uid=twin1,ou=people,dc=corp,dc=example
objectClass: inetOrgPerson
uid: twin1
cn: Twin
sn: T
mail: twin@corp.example
userPassword: twin-password

dn: uid=twin2,ou=people,dc=corp,dc=example
objectClass: inetOrgPerson
uid: twin2
cn: Twin
sn: T
mail: twin@corp.example
userPassword: twin-password

dn: uid=nopassword,ou=people,dc=corp,dc=example
objectClass: inetOrgPerson
uid: nopassword
cn: No password
sn: N
mail: nopassword@corp.example

dn: ou=groups,dc=corp,dc=example
objectClass: organizationalUnit
ou: groups

dn: cn=engineers,ou=groups,dc=corp,dc=example
objectClass: groupOfNames
cn: engineers
member: uid=alice,ou=people,dc=corp,dc=example
member: cn=Bob \28*\29 \5C,ou=people,dc=corp,dc=example

dn: cn=admins,ou=groups,dc=corp,dc=example
objectClass: groupOfNames
cn: admins
member: uid=alice,ou=people,dc=corp,dc=example

dn: cn=others,ou=groups,dc=corp,dc=example
objectClass: groupOfNames
cn: others
member: uid=twin1,ou=people,dc=corp,dc=example
`

// slapd is a running directory.
type slapd struct {
	plain, encrypted string // URLs
	caFile, otherCA  string
	secretFile       string
	process          *harness.Process
	directory        string
}

// start runs a directory. Lines of extra go into its configuration.
func start(t *testing.T, extra ...string) *slapd {
	t.Helper()
	dir := t.TempDir()
	plain, encrypted := harness.FreeAddress(t), harness.FreeAddress(t)
	s := &slapd{
		plain: "ldap://" + plain, encrypted: "ldaps://" + encrypted, directory: dir, secretFile: filepath.Join(dir, "secret"),
		caFile: filepath.Join(dir, "ca.pem"), otherCA: filepath.Join(dir, "other.pem"),
	}
	certify(t, dir)
	write(t, s.secretFile, searchSecret+"\n")
	write(t, filepath.Join(dir, "slapd.conf"), fmt.Sprintf(configuration, dir, strings.Join(extra, "\n")))
	write(t, filepath.Join(dir, "people.ldif"), strings.TrimSpace(people)+"\n")
	if err := os.Mkdir(filepath.Join(dir, "data"), 0o700); err != nil {
		t.Fatal(err)
	}
	run(t, "slapadd", "-q", "-f", filepath.Join(dir, "slapd.conf"), "-l", filepath.Join(dir, "people.ldif"))
	command := exec.Command(harness.Program(t, "slapd"), "-d", "0", "-f", filepath.Join(dir, "slapd.conf"), "-h", s.plain+" "+s.encrypted)
	s.process = harness.StartProcess(t, "slapd", command)
	s.process.AwaitListener(t, plain, encrypted)
	return s
}

// config is how the gate is told of the directory.
func (s *slapd) config() identityprovider.LDAPConfig {
	return identityprovider.LDAPConfig{
		URL: s.encrypted, CAFile: s.caFile, BindDN: searcher, BindPassword: &identityprovider.Secret{File: s.secretFile},
		UserBase: "ou=people," + base, GroupBase: "ou=groups," + base, GroupAttribute: "cn",
	}
}

// modify changes the directory as its administrator.
func (s *slapd) modify(t *testing.T, ldif string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "change.ldif")
	write(t, path, strings.TrimSpace(ldif)+"\n")
	run(t, "ldapmodify", "-x", "-H", s.plain, "-D", "cn=admin,"+base, "-w", "admin", "-f", path)
}

func run(t *testing.T, name string, args ...string) {
	t.Helper()
	if out, err := exec.Command(harness.Program(t, name), args...).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", name, err, out)
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// certify writes an authority, a server certificate by it, and another authority that has signed nothing.
func certify(t *testing.T, dir string) {
	t.Helper()
	authority := harness.NewAuthority("Corp CA")
	server := authority.Issue("directory", "127.0.0.1")
	write(t, filepath.Join(dir, "ca.pem"), string(authority.PEM))
	write(t, filepath.Join(dir, "other.pem"), string(harness.NewAuthority("Other CA").PEM))
	write(t, filepath.Join(dir, "server.pem"), string(server.PEM))
	write(t, filepath.Join(dir, "server.key"), string(server.KeyPEM))
}
