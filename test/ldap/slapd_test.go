package ldap

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-iap/gatehouse/internal/identityprovider"
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
	process          *os.Process
	directory        string
}

// start runs a directory. Lines of extra go into its configuration.
func start(t *testing.T, extra ...string) *slapd {
	t.Helper()
	dir := t.TempDir()
	s := &slapd{
		plain: "ldap://" + free(t), encrypted: "ldaps://" + free(t), directory: dir, secretFile: filepath.Join(dir, "secret"),
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
	command := exec.Command(tool(t, "slapd"), "-d", "0", "-f", filepath.Join(dir, "slapd.conf"), "-h", s.plain+" "+s.encrypted)
	var log bytes.Buffer
	command.Stdout, command.Stderr = &log, &log
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	s.process = command.Process
	t.Cleanup(func() {
		_ = command.Process.Kill()
		_ = command.Wait()
		if t.Failed() && log.Len() > 0 {
			t.Logf("slapd says:\n%s", log.String())
		}
	})
	for _, address := range []string{s.plain, s.encrypted} {
		await(t, strings.SplitN(address, "//", 2)[1])
	}
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

func tool(t *testing.T, name string) string {
	t.Helper()
	if path, err := exec.LookPath(name); err == nil {
		return path
	}
	for _, dir := range []string{"/usr/sbin/", "/usr/bin/"} {
		if _, err := os.Stat(dir + name); err == nil {
			return dir + name
		}
	}
	t.Fatalf("%s is not installed; run tools/setup.sh", name)
	return ""
}

func run(t *testing.T, name string, args ...string) {
	t.Helper()
	if out, err := exec.Command(tool(t, name), args...).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", name, err, out)
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func free(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}

// await waits until something answers, by trying.
func await(t *testing.T, address string) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); ; {
		conn, err := net.DialTimeout("tcp", address, time.Second)
		if err == nil {
			_ = conn.Close()
			return
		}
		if time.Now().After(end) {
			t.Fatalf("slapd does not answer: %v", err)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// certify writes an authority, a server certificate by it, and another authority that has signed nothing.
func certify(t *testing.T, dir string) {
	t.Helper()
	authority, key := newCertificate(t, "Corp CA", nil, nil)
	write(t, filepath.Join(dir, "ca.pem"), encode("CERTIFICATE", authority.Raw))
	other, _ := newCertificate(t, "Other CA", nil, nil)
	write(t, filepath.Join(dir, "other.pem"), encode("CERTIFICATE", other.Raw))
	server, serverKey := newCertificate(t, "directory", authority, key)
	write(t, filepath.Join(dir, "server.pem"), encode("CERTIFICATE", server.Raw))
	der, err := x509.MarshalPKCS8PrivateKey(serverKey)
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "server.key"), encode("PRIVATE KEY", der))
}

func newCertificate(t *testing.T, name string, parent *x509.Certificate, parentKey *ecdsa.PrivateKey) (*x509.Certificate, *ecdsa.PrivateKey) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: name}, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	signer := parentKey
	if parent == nil {
		template.IsCA, template.KeyUsage, parent, signer = true, x509.KeyUsageCertSign, template, key
	} else {
		template.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1)}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, signer)
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return certificate, key
}

func encode(kind string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}
