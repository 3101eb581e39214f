package assertion_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/gatehouse-iap/gatehouse/assertion"
	"github.com/gatehouse-iap/gatehouse/assertion/assertiontest"
)

// benchmarkVerifier has the real surroundings, a fetched key set and the real clock. What to compare: the first
// verification of an assertion with the bare signature check, repeated ones with half a microsecond.
func benchmarkVerifier(b *testing.B, cacheSize int) (*assertion.Verifier, string) {
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
	if _, err := verifier.Verify(context.Background(), token); err != nil {
		b.Fatal(err)
	}
	return verifier, token
}

type handlerTransport struct{ http.Handler }

func (h handlerTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	recorder := httptest.NewRecorder()
	h.ServeHTTP(recorder, r)
	response := recorder.Result()
	response.Request = r
	return response, nil
}

func BenchmarkVerifyFirst(b *testing.B) {
	verifier, token := benchmarkVerifier(b, -1)
	b.ReportAllocs()
	b.ResetTimer()
	for range b.N {
		if _, err := verifier.Verify(context.Background(), token); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkVerifyAgain(b *testing.B) {
	verifier, token := benchmarkVerifier(b, 0)
	b.ReportAllocs()
	b.ResetTimer()
	for range b.N {
		if _, err := verifier.Verify(context.Background(), token); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkVerifyAgainParallel(b *testing.B) {
	verifier, token := benchmarkVerifier(b, 0)
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
	signer := newRawSigner(b)
	digest := sha256.Sum256([]byte("content"))
	r, s, err := ecdsa.Sign(rand.Reader, signer.private, digest[:])
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	b.ResetTimer()
	for range b.N {
		if !ecdsa.Verify(&signer.private.PublicKey, digest[:], r, s) {
			b.Fatal("wrong")
		}
	}
}
