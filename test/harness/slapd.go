package harness

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// Slapd's tree, and who may search it, with what password.
const (
	SlapdBase     = "dc=corp,dc=example"
	SlapdSearcher = "cn=gatehouse,ou=services," + SlapdBase
	SlapdSecret   = "search-secret"
)

// slapdConfiguration lets nobody but the service account search, and people only prove their passwords.
const slapdConfiguration = `
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

// slapdPeople has a person with an address twice, one whose DN is full of the characters that filters are made of, and one
// whom the filter finds though the address is another's.
const slapdPeople = `
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

// Slapd is a running directory.
type Slapd struct {
	Plain, Encrypted string // URLs
	CAFile, OtherCA  string // of the authority that vouches for it, and of one that does not
	SecretFile       string // holds SlapdSecret
	Dir              string // of its configuration
	Process          *Process
}

// StartSlapd runs a directory until the test ends. Lines of extra go into its configuration. The password of a person is
// their uid, or first name, with "-password".
func StartSlapd(t testing.TB, extra ...string) *Slapd {
	t.Helper()
	dir := t.TempDir()
	plain, encrypted := FreeAddress(t), FreeAddress(t)
	s := &Slapd{
		Plain: "ldap://" + plain, Encrypted: "ldaps://" + encrypted, Dir: dir, SecretFile: filepath.Join(dir, "secret"),
		CAFile: filepath.Join(dir, "ca.pem"), OtherCA: filepath.Join(dir, "other.pem"),
	}
	authority := NewAuthority("Corp CA")
	server := authority.Issue("directory", "127.0.0.1")
	for file, content := range map[string][]byte{
		s.CAFile: authority.PEM, s.OtherCA: NewAuthority("Other CA").PEM,
		filepath.Join(dir, "server.pem"): server.PEM, filepath.Join(dir, "server.key"): server.KeyPEM,
		s.SecretFile: []byte(SlapdSecret + "\n"), filepath.Join(dir, "slapd.conf"): fmt.Appendf(nil, slapdConfiguration, dir, strings.Join(extra, "\n")),
		filepath.Join(dir, "people.ldif"): []byte(strings.TrimSpace(slapdPeople) + "\n"),
	} {
		if err := os.WriteFile(file, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(dir, "data"), 0o700); err != nil {
		t.Fatal(err)
	}
	mustRun(t, "slapadd", "-q", "-f", filepath.Join(dir, "slapd.conf"), "-l", filepath.Join(dir, "people.ldif"))
	command := exec.Command(Program(t, "slapd"), "-d", "0", "-f", filepath.Join(dir, "slapd.conf"), "-h", s.Plain+" "+s.Encrypted)
	s.Process = StartProcess(t, "slapd", command)
	s.Process.AwaitListener(t, plain, encrypted)
	return s
}

// Modify changes the directory as its administrator.
func (s *Slapd) Modify(t testing.TB, ldif string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "change.ldif")
	if err := os.WriteFile(path, []byte(strings.TrimSpace(ldif)+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	mustRun(t, "ldapmodify", "-x", "-H", s.Plain, "-D", "cn=admin,"+SlapdBase, "-w", "admin", "-f", path)
}

func mustRun(t testing.TB, name string, args ...string) {
	t.Helper()
	if out, err := exec.Command(Program(t, name), args...).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", name, err, out)
	}
}
