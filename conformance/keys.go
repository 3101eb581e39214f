package conformance

import (
	"bytes"
	"context"
	"encoding/asn1"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/gatehouse-iap/gatehouse/assertion"
)

// published is what the gate tells everybody about its keys. Everything in it is public: that is why none of it
// may serve as a secret.
type published struct {
	ids     []string          // sorted
	current int               // the one that forgeries name
	pem     map[string]string // as published, byte for byte; empty where the PEM form could not be had
	jwk     map[string]string // likewise
}

// keyID is one that the application knows.
func (p *published) keyID() string { return p.ids[p.current] }

// secrets are the spellings of a public key that an application may hold, and hand to an HMAC by mistake.
func (p *published) pemSecrets() map[string][]byte {
	text := p.pem[p.keyID()]
	secrets := map[string][]byte{}
	if text == "" {
		return secrets
	}
	secrets["the PEM as published"] = []byte(text)
	secrets["the PEM without its last line feed"] = []byte(strings.TrimRight(text, "\n"))
	secrets["the PEM with one line feed at its end"] = []byte(strings.TrimRight(text, "\n") + "\n")
	if block, _ := pem.Decode([]byte(text)); block != nil {
		secrets["the key in DER"] = block.Bytes
	}
	return secrets
}

func (p *published) jwkSecrets() map[string][]byte {
	text := p.jwk[p.keyID()]
	secrets := map[string][]byte{}
	if text == "" {
		return secrets
	}
	secrets["the JWK as published"] = []byte(text)
	var compacted bytes.Buffer
	var members map[string]any
	if json.Compact(&compacted, []byte(text)) == nil && json.Unmarshal([]byte(text), &members) == nil {
		secrets["the JWK without spaces"] = compacted.Bytes()
		secrets["the JWK with its members sorted"] = marshal(members)
		if x, ok := members["x"].(string); ok {
			secrets["the JWK's x"] = []byte(x)
		}
	}
	return secrets
}

const maxKeyBytes = 256 << 10

// fetchKeys asks for both forms of the keys, of which one suffices. Google and Gatehouse publish them beside each
// other, under names that differ by "-jwk".
func fetchKeys(ctx context.Context, client *http.Client, address string) (*published, error) {
	base, err := url.Parse(address)
	if err != nil || base.Scheme != "https" && base.Scheme != "http" || base.Host == "" {
		return nil, fmt.Errorf("%q is not the URL of keys, such as %s", address, assertion.GoogleKeysURL)
	}
	if strings.HasSuffix(base.Path, "/iap/verify") || strings.HasSuffix(base.Path, "/iap/verify/") {
		base = base.JoinPath("public_key")
	}
	base.Path = strings.TrimSuffix(base.Path, "-jwk")
	all := &published{pem: map[string]string{}, jwk: map[string]string{}}
	var faults []error
	for _, form := range []struct {
		suffix string
		into   map[string]string
	}{{"", all.pem}, {"-jwk", all.jwk}} {
		target := *base
		target.Path += form.suffix
		data, err := get(ctx, client, target.String(), maxKeyBytes)
		if err == nil {
			err = parsePublished(data, form.into)
		}
		if err != nil {
			faults = append(faults, fmt.Errorf("%s: %w", target.Redacted(), err))
		}
	}
	for _, form := range []map[string]string{all.pem, all.jwk} {
		for id := range form {
			if !slices.Contains(all.ids, id) {
				all.ids = append(all.ids, id)
			}
		}
	}
	if len(all.ids) == 0 {
		return nil, errors.Join(faults...)
	}
	slices.Sort(all.ids)
	return all, nil
}

// parsePublished reads either form into a map from key id to the key's text.
func parsePublished(data []byte, into map[string]string) error {
	usable, err := assertion.ParseKeys(data)
	if err != nil {
		return err
	}
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if json.Unmarshal(data, &set) == nil && set.Keys != nil {
		for _, raw := range set.Keys {
			var key struct {
				ID string `json:"kid"`
			}
			if json.Unmarshal(raw, &key) == nil && usable[key.ID] != nil {
				into[key.ID] = string(raw)
			}
		}
		return nil
	}
	var texts map[string]string
	if err := json.Unmarshal(data, &texts); err != nil {
		return errors.New("neither a JWK set nor an object that maps key ids to PEM")
	}
	for id, text := range texts {
		if usable[id] != nil {
			into[id] = text
		}
	}
	return nil
}

// get fetches a small document.
func get(ctx context.Context, client *http.Client, address string, limit int64) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	response, err := client.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("answered %s", response.Status)
	}
	data, err := io.ReadAll(io.LimitReader(response.Body, limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(data)) > limit {
		return nil, fmt.Errorf("longer than %d bytes", limit)
	}
	return data, nil
}

// derSignature writes a signature in ASN.1, which JOSE does not use.
func derSignature(r, s *big.Int) []byte {
	der, err := asn1.Marshal(struct{ R, S *big.Int }{r, s})
	if err != nil {
		panic(err) // two numbers have such a form
	}
	return der
}

// prefer makes a key the one that forgeries name, if it is published: best the one that signs at the moment.
func (p *published) prefer(keyID string) {
	if i := slices.Index(p.ids, keyID); i >= 0 {
		p.current = i
	}
}
