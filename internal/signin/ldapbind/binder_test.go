package ldapbind_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	ber "github.com/go-asn1-ber/asn1-ber"
	"github.com/go-ldap/ldap/v3"

	"github.com/gatehouse-iap/gatehouse/internal/identityprovider"
	"github.com/gatehouse-iap/gatehouse/internal/signin"
	"github.com/gatehouse-iap/gatehouse/internal/signin/ldapbind"
)

// entry is what a fake directory answers to a search.
type entry struct {
	dn         string
	attributes map[string][]string
}

// fake is a directory that says what a test wants. It takes any password, so that only we can refuse one.
type fake struct {
	entries     []entry
	searchCode  int // result of searches
	bindCode    int // of binds with a name
	reference   bool
	flood       bool // never ends its answer to a search
	connections chan struct{}
	hold        chan struct{} // when set, nothing is answered before it is closed
	startTLS    int           // result of the request to encrypt; whatever it is, nothing is encrypted
	said        chan struct{} // messages other than that request
	searches    chan string   // when set, the filters of searches
}

func (f *fake) start(t testing.TB) identityprovider.LDAPConfig {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f.connections, f.said = make(chan struct{}, 1000), make(chan struct{}, 1000)
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			f.connections <- struct{}{}
			go f.serve(conn)
		}
	}()
	return identityprovider.LDAPConfig{URL: "ldap://" + listener.Addr().String(), UserBase: "dc=corp", SubjectAttribute: "uid"}
}

func (f *fake) serve(conn net.Conn) {
	defer conn.Close()
	for {
		request, err := ber.ReadPacket(conn)
		if err != nil || len(request.Children) < 2 {
			return
		}
		if f.hold != nil {
			<-f.hold
		}
		id, _ := request.Children[0].Value.(int64)
		if request.Children[1].Tag == ldap.ApplicationExtendedRequest {
			f.send(conn, id, result(ldap.ApplicationExtendedResponse, f.startTLS))
			continue
		}
		f.said <- struct{}{}
		switch request.Children[1].Tag {
		case ldap.ApplicationBindRequest:
			name, _ := request.Children[1].Children[1].Value.(string)
			code := 0
			if name != "" {
				code = f.bindCode
			}
			f.send(conn, id, result(ldap.ApplicationBindResponse, code))
		case ldap.ApplicationSearchRequest:
			if f.searches != nil {
				filter, _ := ldap.DecompileFilter(request.Children[1].Children[6])
				f.searches <- filter
			}
			for _, e := range f.entries {
				f.send(conn, id, e.packet())
			}
			for f.flood {
				if f.send(conn, id, f.entries[0].packet()) != nil {
					return
				}
			}
			if f.reference {
				reference := ber.Encode(ber.ClassApplication, ber.TypeConstructed, ldap.ApplicationSearchResultReference, nil, "")
				reference.AppendChild(octets("ldap://elsewhere.example/dc=corp"))
				f.send(conn, id, reference)
			}
			f.send(conn, id, result(ldap.ApplicationSearchResultDone, f.searchCode))
		default:
			return
		}
	}
}

func (f *fake) send(conn net.Conn, id int64, op *ber.Packet) error {
	message := ber.Encode(ber.ClassUniversal, ber.TypeConstructed, ber.TagSequence, nil, "")
	message.AppendChild(ber.NewInteger(ber.ClassUniversal, ber.TypePrimitive, ber.TagInteger, id, ""))
	message.AppendChild(op)
	_, err := conn.Write(message.Bytes())
	return err
}

func octets(s string) *ber.Packet {
	return ber.NewString(ber.ClassUniversal, ber.TypePrimitive, ber.TagOctetString, s, "")
}

func result(tag ber.Tag, code int) *ber.Packet {
	op := ber.Encode(ber.ClassApplication, ber.TypeConstructed, tag, nil, "")
	op.AppendChild(ber.NewInteger(ber.ClassUniversal, ber.TypePrimitive, ber.TagEnumerated, code, ""))
	op.AppendChild(octets(""))
	op.AppendChild(octets(""))
	return op
}

func (e entry) packet() *ber.Packet {
	op := ber.Encode(ber.ClassApplication, ber.TypeConstructed, ldap.ApplicationSearchResultEntry, nil, "")
	op.AppendChild(octets(e.dn))
	list := ber.Encode(ber.ClassUniversal, ber.TypeConstructed, ber.TagSequence, nil, "")
	for name, values := range e.attributes {
		attribute := ber.Encode(ber.ClassUniversal, ber.TypeConstructed, ber.TagSequence, nil, "")
		attribute.AppendChild(octets(name))
		set := ber.Encode(ber.ClassUniversal, ber.TypeConstructed, ber.TagSet, nil, "")
		for _, value := range values {
			set.AppendChild(octets(value))
		}
		attribute.AppendChild(set)
		list.AppendChild(attribute)
	}
	op.AppendChild(list)
	return op
}

func alice() entry {
	return entry{"uid=alice,dc=corp", map[string][]string{"UID": {"alice"}, "Mail": {"alice@corp.example"}}}
}

func newBinder() (*ldapbind.Binder, *bytes.Buffer) {
	var log bytes.Buffer
	return &ldapbind.Binder{Log: slog.New(slog.NewTextHandler(&log, nil)), Timeout: 2 * time.Second}, &log
}

func TestWhatADirectoryAnswers(t *testing.T) {
	t.Parallel()
	with := func(change func(*entry)) []entry {
		e := alice()
		change(&e)
		return []entry{e}
	}
	for name, test := range map[string]struct {
		fake fake
		want error
	}{
		"one entry":                               {fake{entries: []entry{alice()}}, nil},
		"one entry, and a server to ask as well":  {fake{entries: []entry{alice()}, reference: true}, nil},
		"no entry":                                {fake{}, ldapbind.ErrPassword},
		"two entries":                             {fake{entries: []entry{alice(), alice()}}, ldapbind.ErrPassword},
		"more than it was asked for":              {fake{entries: []entry{alice(), alice(), alice()}}, ldapbind.ErrPassword},
		"that there are too many":                 {fake{entries: []entry{alice()}, searchCode: ldap.LDAPResultSizeLimitExceeded}, ldapbind.ErrPassword},
		"another server to ask instead":           {fake{searchCode: ldap.LDAPResultReferral}, ldapbind.ErrMisconfigured},
		"that it is busy":                         {fake{searchCode: ldap.LDAPResultBusy}, ldapbind.ErrUnavailable},
		"that we may not search":                  {fake{searchCode: ldap.LDAPResultInsufficientAccessRights}, ldapbind.ErrMisconfigured},
		"that the password is wrong":              {fake{entries: []entry{alice()}, bindCode: ldap.LDAPResultInvalidCredentials}, ldapbind.ErrPassword},
		"that the account is locked":              {fake{entries: []entry{alice()}, bindCode: ldap.LDAPResultUnwillingToPerform}, ldapbind.ErrPassword},
		"to the bind that another should do it":   {fake{entries: []entry{alice()}, bindCode: ldap.LDAPResultReferral}, ldapbind.ErrMisconfigured},
		"to the bind that it is shutting down":    {fake{entries: []entry{alice()}, bindCode: ldap.LDAPResultUnavailable}, ldapbind.ErrUnavailable},
		"without end":                             {fake{entries: []entry{alice()}, flood: true}, ldapbind.ErrPassword},
		"an entry without a name":                 {fake{entries: with(func(e *entry) { e.dn = "" })}, ldapbind.ErrMisconfigured},
		"an entry without a subject":              {fake{entries: with(func(e *entry) { delete(e.attributes, "UID") })}, ldapbind.ErrMisconfigured},
		"an entry with an empty subject":          {fake{entries: with(func(e *entry) { e.attributes["UID"] = []string{""} })}, ldapbind.ErrMisconfigured},
		"an entry with two subjects":              {fake{entries: with(func(e *entry) { e.attributes["UID"] = []string{"a", "b"} })}, ldapbind.ErrMisconfigured},
		"a subject in two spellings of its name":  {fake{entries: with(func(e *entry) { e.attributes["uid"] = []string{"root"} })}, ldapbind.ErrMisconfigured},
		"a subject that is no text":               {fake{entries: with(func(e *entry) { e.attributes["UID"] = []string{"\xff\x00"} })}, ldapbind.ErrMisconfigured},
		"an endless subject":                      {fake{entries: with(func(e *entry) { e.attributes["UID"] = []string{strings.Repeat("a", 256)} })}, ldapbind.ErrMisconfigured},
		"an entry with another's address":         {fake{entries: with(func(e *entry) { e.attributes["Mail"] = []string{"root@corp.example"} })}, ldapbind.ErrMisconfigured},
		"an entry with a Kelvin sign for a K":     {fake{entries: with(func(e *entry) { e.attributes["Mail"] = []string{"alice@corp.example\u212a"} })}, ldapbind.ErrMisconfigured},
		"an entry without an address":             {fake{entries: with(func(e *entry) { delete(e.attributes, "Mail") })}, ldapbind.ErrMisconfigured},
		"an entry with the address among several": {fake{entries: with(func(e *entry) { e.attributes["Mail"] = []string{"a@corp.example", "ALICE@corp.example"} })}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg := test.fake.start(t)
			b, _ := newBinder()
			person, err := b.Check(t.Context(), cfg, "alice@corp.example", "secret")
			if !errors.Is(err, test.want) {
				t.Fatalf("%+v, %v", person, err)
			}
			if test.want == nil && (person.Subject != "alice" || person.Email != "alice@corp.example" || person.DN != "uid=alice,dc=corp") {
				t.Errorf("%+v", person)
			}
		})
	}
}

func TestPasswordsThatMeanNoneAreNeverSent(t *testing.T) {
	t.Parallel()
	f := &fake{entries: []entry{alice()}}
	cfg := f.start(t)
	b, _ := newBinder()
	for _, password := range []string{"", "\x00", "secret\x00", strings.Repeat("a", 1025)} {
		if person, err := b.Check(t.Context(), cfg, "alice@corp.example", password); !errors.Is(err, ldapbind.ErrPassword) {
			t.Errorf("%.10q: %+v, %v", password, person, err)
		}
	}
	if n := len(f.connections); n != 0 {
		t.Errorf("the directory was asked %d times", n)
	}
}

func TestADirectoryThatSendsTooMuchIsCutOff(t *testing.T) {
	t.Parallel()
	e := alice()
	e.attributes["jpegPhoto"] = []string{strings.Repeat("x", 9<<20)}
	b, _ := newBinder()
	if _, err := b.Check(t.Context(), (&fake{entries: []entry{e}}).start(t), "alice@corp.example", "secret"); !errors.Is(err, ldapbind.ErrUnavailable) {
		t.Errorf("an answer of 9 MiB: %v", err)
	}
}

func TestOtherMachinesGetNoPasswordInTheClear(t *testing.T) {
	t.Parallel()
	addresses, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, address := range addresses {
		network, ok := address.(*net.IPNet)
		if !ok || network.IP.IsLoopback() || network.IP.IsLinkLocalUnicast() {
			continue
		}
		listener, err := net.Listen("tcp", net.JoinHostPort(network.IP.String(), "0"))
		if err != nil {
			continue // an address that is not up
		}
		t.Cleanup(func() { _ = listener.Close() })
		sent := make(chan int, 1)
		go func() {
			defer close(sent)
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			defer conn.Close()
			n, _ := conn.Read(make([]byte, 1))
			sent <- n
		}()
		b, _ := newBinder()
		cfg := identityprovider.LDAPConfig{URL: "ldap://" + listener.Addr().String(), UserBase: "dc=corp"}
		if _, err := b.Check(t.Context(), cfg, "alice@corp.example", "secret"); !errors.Is(err, ldapbind.ErrMisconfigured) {
			t.Errorf("%s: %v", listener.Addr(), err)
		}
		if n := <-sent; n != 0 {
			t.Errorf("%s was sent something", listener.Addr())
		}
	}
}

// Whoever is between us and the directory can say that it does not encrypt, or that it does and then not.
func TestADirectoryThatDoesNotEncryptIsToldNothing(t *testing.T) {
	t.Parallel()
	for name, code := range map[string]int{
		"it says no": ldap.LDAPResultProtocolError, "it is not able to now": ldap.LDAPResultUnavailable, "it says yes and does not": ldap.LDAPResultSuccess,
		"another should": ldap.LDAPResultReferral,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := &fake{entries: []entry{alice()}, startTLS: code}
			cfg := f.start(t)
			cfg.StartTLS = true
			b, _ := newBinder()
			if person, err := b.Check(t.Context(), cfg, "alice@corp.example", "secret"); !errors.Is(err, ldapbind.ErrUnavailable) {
				t.Errorf("%+v, %v", person, err)
			}
			if n := len(f.said); n != 0 {
				t.Errorf("%d messages in the clear", n)
			}
		})
	}
}

func TestAnAddressIsOnlyEverAValueOfTheFilter(t *testing.T) {
	t.Parallel()
	for _, address := range []string{"*@corp.example", "a*b@corp.example", "alice|uid=root@corp.example", "alice&x=y@corp.example", "{dn}@corp.example"} {
		f := &fake{entries: []entry{alice()}, searches: make(chan string, 4)}
		b, _ := newBinder()
		if person, err := b.Check(t.Context(), f.start(t), address, "secret"); err == nil {
			t.Errorf("%s is %+v", address, person)
		}
		if got, want := <-f.searches, "(mail="+ldap.EscapeFilter(address)+")"; got != want {
			t.Errorf("%s is searched by %s, want %s", address, got, want)
		}
	}
}

func TestSubjectsOfBytesAreHexadecimal(t *testing.T) {
	t.Parallel()
	for _, guid := range []string{"\x00\x01\xfe\xffbinary-guid!", "looks like text!"} {
		e := alice()
		e.attributes["objectGUID"] = []string{guid}
		cfg := (&fake{entries: []entry{e}}).start(t)
		cfg.SubjectAttribute = "objectGUID"
		b, _ := newBinder()
		person, err := b.Check(t.Context(), cfg, "alice@corp.example", "secret")
		if err != nil || len(person.Subject) != 32 || strings.Trim(person.Subject, "0123456789abcdef") != "" {
			t.Errorf("%q: %+v, %v", guid, person, err)
		}
	}
}

func TestOneDirectoryTakesSixteenChecksAtATime(t *testing.T) {
	t.Parallel()
	f := &fake{entries: []entry{alice()}, hold: make(chan struct{})}
	cfg := f.start(t)
	b, _ := newBinder()
	b.Timeout = 30 * time.Second
	done := make(chan error, 17)
	check := func(ctx context.Context) {
		_, err := b.Check(ctx, cfg, "alice@corp.example", "secret")
		done <- err
	}
	for range 16 {
		go check(t.Context())
	}
	for range 16 {
		<-f.connections
	}
	impatient, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	go check(impatient)
	if err := <-done; !errors.Is(err, ldapbind.ErrUnavailable) || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("the seventeenth: %v", err)
	}
	other := (&fake{entries: []entry{alice()}}).start(t)
	if _, err := b.Check(t.Context(), other, "alice@corp.example", "secret"); err != nil {
		t.Errorf("another directory: %v", err)
	}
	close(f.hold)
	for range 16 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	if len(f.connections) != 0 {
		t.Error("the seventeenth has reached the directory")
	}
}

func TestWhatIsRefusedBeforeTheDirectoryIsAsked(t *testing.T) {
	t.Parallel()
	b, _ := newBinder()
	pipe := filepath.Join(t.TempDir(), "ca.pem")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*identityprovider.LDAPConfig){
		"certificates from a pipe":      func(c *identityprovider.LDAPConfig) { c.URL, c.CAFile = "ldaps://127.0.0.1", pipe },
		"another protocol":              func(c *identityprovider.LDAPConfig) { c.URL = "http://127.0.0.1" },
		"a socket":                      func(c *identityprovider.LDAPConfig) { c.URL = "ldapi:///" },
		"no host":                       func(c *identityprovider.LDAPConfig) { c.URL = "ldap://" },
		"an attribute that is a filter": func(c *identityprovider.LDAPConfig) { c.EmailAttribute = "mail=*)(x" },
		"a filter that names nobody":    func(c *identityprovider.LDAPConfig) { c.UserFilter = "(objectClass=*)" },
		"no base":                       func(c *identityprovider.LDAPConfig) { c.UserBase = "" },
		"a name without a password":     func(c *identityprovider.LDAPConfig) { c.BindDN = "cn=x" },
		"an empty password for searches": func(c *identityprovider.LDAPConfig) {
			c.BindDN, c.BindPassword = "cn=x", &identityprovider.Secret{Env: "GATEHOUSE_TEST_NOT_SET"}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := &fake{entries: []entry{alice()}}
			cfg := f.start(t)
			change(&cfg)
			if person, err := b.Check(t.Context(), cfg, "alice@corp.example", "secret"); !errors.Is(err, ldapbind.ErrMisconfigured) {
				t.Errorf("%+v, %v", person, err)
			}
			if len(f.connections) != 0 {
				t.Error("the directory was asked")
			}
		})
	}
}

func TestSignInReadsTheErrorsAsItsOwn(t *testing.T) {
	t.Parallel()
	provider := identityprovider.Provider{Name: "corp", Kind: identityprovider.LDAP}
	b, _ := newBinder()
	if _, err := b.CheckPassword(t.Context(), provider, "alice@corp.example", "secret"); !errors.Is(err, signin.ErrProviderSetup) {
		t.Error(err)
	}
	cfg := (&fake{entries: []entry{alice()}}).start(t)
	provider.LDAP = &cfg
	vouched, err := b.CheckPassword(t.Context(), provider, "alice@corp.example", "secret")
	if err != nil || vouched.Subject != "alice" || !vouched.EmailVerified || !vouched.Refreshable {
		t.Errorf("%+v, %v", vouched, err)
	}
}

func FuzzAnswersOfADirectory(f *testing.F) {
	f.Add(result(ldap.ApplicationBindResponse, 0).Bytes())
	f.Add([]byte{0x30, 0x84, 0x7f, 0xff, 0xff, 0xff})
	f.Add([]byte{0x30, 0x80, 0x30, 0x80})
	f.Fuzz(func(t *testing.T, answer []byte) {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer listener.Close()
		go func() {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			_, _ = conn.Write(answer)
			_ = conn.Close()
		}()
		b, _ := newBinder()
		cfg := identityprovider.LDAPConfig{URL: "ldap://" + listener.Addr().String(), UserBase: "dc=corp"}
		if person, err := b.Check(t.Context(), cfg, "alice@corp.example", "secret"); err == nil {
			t.Fatalf("%+v from %x", person, answer)
		}
	})
}
