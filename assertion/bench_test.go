package assertion_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/sha256"
	"encoding/asn1"
	"encoding/base64"
	"math/big"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-iap/gatehouse/assertion"
	"github.com/gatehouse-iap/gatehouse/assertion/assertiontest"
)

// benchmarkVerifier has the real surroundings, a fetched key set and the real clock, and has verified the token.
// What to compare: the first verification of an assertion with the bare signature check, repeated ones with half
// a microsecond.
func benchmarkVerifier(b testing.TB, cacheSize int) (*assertion.Verifier, string, bareCheck) {
	b.Helper()
	iap := newIAP()
	client := &http.Client{Transport: handlerTransport{iap.KeyHandler()}}
	keys, err := assertion.NewRemoteKeySet(assertion.RemoteConfig{Client: client})
	if err != nil {
		b.Fatal(err)
	}
	iap.Now = nil
	verifier, err := assertion.NewVerifier(assertion.Config{Audiences: []string{iap.Audience}, Keys: keys, CacheSize: cacheSize})
	if err != nil {
		b.Fatal(err)
	}
	token := iap.Mint("alice@example.com", assertiontest.Claim("hd", "example.com"))
	claims, err := verifier.Verify(context.Background(), token)
	if err != nil {
		b.Fatal(err)
	}
	key, err := keys.Key(context.Background(), claims.KeyID)
	if err != nil {
		b.Fatal(err)
	}
	return verifier, token, newBareCheck(b, key, token)
}

// bareCheck is the part of a verification that nobody can leave out, with everything that precedes it done: the
// digest is made, and the signature has the form that crypto/ecdsa reads.
type bareCheck struct {
	key       *ecdsa.PublicKey
	digest    [sha256.Size]byte
	signature []byte
}

func newBareCheck(b testing.TB, key *ecdsa.PublicKey, token string) bareCheck {
	b.Helper()
	end := strings.LastIndexByte(token, '.')
	raw, err := base64.RawURLEncoding.DecodeString(token[end+1:])
	if err != nil {
		b.Fatal(err)
	}
	signature, err := asn1.Marshal(struct{ R, S *big.Int }{new(big.Int).SetBytes(raw[:32]), new(big.Int).SetBytes(raw[32:])})
	if err != nil {
		b.Fatal(err)
	}
	return bareCheck{key: key, digest: sha256.Sum256([]byte(token[:end])), signature: signature}
}

func (c bareCheck) run(b testing.TB) {
	if !ecdsa.VerifyASN1(c.key, c.digest[:], c.signature) {
		b.Fatal("wrong")
	}
}

type handlerTransport struct{ http.Handler }

func (h handlerTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	recorder := httptest.NewRecorder()
	h.ServeHTTP(recorder, r)
	response := recorder.Result()
	response.Request = r
	return response, nil
}

// BenchmarkVerifyFirst also says how many times a bare check the first verification takes. Both take turns for
// that, in batches so short that what else the machine does meets both alike; one loop after the other would
// compare two moments of the machine.
func BenchmarkVerifyFirst(b *testing.B) {
	verifier, token, bare := benchmarkVerifier(b, -1)
	first := func() {
		if _, err := verifier.Verify(context.Background(), token); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportAllocs()
	b.ResetTimer()
	for range b.N {
		first()
	}
	b.StopTimer()
	reportRatio(b, first, func() { bare.run(b) })
}

// reportRatio reports the median of the ratios of many pairs of batches as ×bare, and between which bounds the
// medians of the ten parts of the run lie.
func reportRatio(b *testing.B, of, to func()) {
	const (
		parts = 10
		pairs = 25 // in each part
		batch = 4
	)
	if b.N < parts { // the framework's trial runs; their metrics are thrown away
		return
	}
	spend := func(f func()) time.Duration {
		start := time.Now()
		for range batch {
			f()
		}
		return time.Since(start)
	}
	var all, medians []float64
	for range parts {
		var ratios []float64
		for i := range pairs {
			var numerator, denominator time.Duration
			if i%2 == 0 {
				numerator, denominator = spend(of), spend(to)
			} else {
				denominator, numerator = spend(to), spend(of)
			}
			ratios = append(ratios, float64(numerator)/float64(denominator))
		}
		slices.Sort(ratios)
		medians = append(medians, ratios[pairs/2])
		all = append(all, ratios...)
	}
	slices.Sort(all)
	b.ReportMetric(all[len(all)/2], "×bare")
	b.ReportMetric(slices.Min(medians), "least×bare")
	b.ReportMetric(slices.Max(medians), "most×bare")
}

func BenchmarkVerifyAgain(b *testing.B) {
	verifier, token, _ := benchmarkVerifier(b, 0)
	b.ReportAllocs()
	b.ResetTimer()
	for range b.N {
		if _, err := verifier.Verify(context.Background(), token); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkVerifyAgainParallel(b *testing.B) {
	verifier, token, _ := benchmarkVerifier(b, 0)
	b.ReportAllocs()
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := verifier.Verify(context.Background(), token); err != nil {
				b.Error(err)
			}
		}
	})
}

func BenchmarkBareECDSAVerify(b *testing.B) {
	_, _, bare := benchmarkVerifier(b, -1)
	b.ReportAllocs()
	b.ResetTimer()
	for range b.N {
		bare.run(b)
	}
}

// Time cannot be held in a test that shares its machine; what grows with it can. AllocsPerRun wants no parallel tests.
func TestTheFirstVerificationAllocatesLittleMoreThanTheBareCheck(t *testing.T) {
	verifier, token, bare := benchmarkVerifier(t, -1)
	check := testing.AllocsPerRun(100, func() { bare.run(t) })
	first := testing.AllocsPerRun(100, func() {
		if _, err := verifier.Verify(context.Background(), token); err != nil {
			t.Fatal(err)
		}
	})
	const most = 32 // 29, and a few for other versions of Go
	if first-check > most {
		t.Errorf("%v allocations, %v of them in the bare check: at most %v beyond that", first, check, most)
	}
}
