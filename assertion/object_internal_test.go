package assertion

import (
	"bytes"
	"encoding/asn1"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"
)

// manyNames returns an object of n members, and one more.
func manyNames(n int, more string) string {
	var b strings.Builder
	b.WriteString("{")
	for i := range n {
		fmt.Fprintf(&b, `"n%d":%d,`, i, i)
	}
	return b.String() + more + "}"
}

var objects = []string{
	`{}`, ` { } `, `{"a":1}`, "\t{\n\"a\" :\r[ 1 , \"b\" ] , \"c\":{ } }\n", `{"a":-1.5e+7,"b":true,"c":null,"d":false}`,
	`{"a":"\"","b":"\\","c":"\\\"}","d":"{[,:"}`, `{"":1}`, `{"\u0061":"\u0062\ud83d\ude00"}`, `{"a":"é☃😀"}`,
	`{"a":[],"b":[[]],"c":["x","y",""],"d":[null],"e":["\u0000"],"f":[{"g":[1]}]}`,
	`{"a":1,"a":1}`, `{"a":1,"\u0061":1}`, `{"\ud800":1,"\udfff":1}`, `{"a":1,"A":1}`, `{"a":{"b":1,"b":1}}`, `{"a":[{"b":1,"b":1}]}`,
	`{"a":{"a":1},"b":{"a":1}}`, `{"a":"b","b":"a"}`, `[{"a":1,"a":1}]`,
	manyNames(fewNames-1, `"x":1`), manyNames(fewNames, `"x":1`), manyNames(100, `"x":1`),
	manyNames(fewNames-1, `"n0":1`), manyNames(fewNames, `"n0":1`), manyNames(fewNames, `"n15":1`), manyNames(100, `"n99":1`), manyNames(100, `"\u006e3":1`),
	`{"a":` + strings.Repeat("[", maxDepth-1) + strings.Repeat("]", maxDepth-1) + `}`,
	`{"a":` + strings.Repeat("[", maxDepth) + strings.Repeat("]", maxDepth) + `}`,
	`{"a":[` + strings.Repeat(`[],{"b":{}},`, maxDepth) + `1]}`,
	strings.Repeat(`{"a":`, maxDepth) + "1" + strings.Repeat("}", maxDepth),
	strings.Repeat(`{"a":`, maxDepth+1) + "1" + strings.Repeat("}", maxDepth+1),
	``, ` `, `null`, `7`, `"a"`, `[]`, `true`, `{`, `{"a"`, `{"a":`, `{"a":1`, `{"a":1,`, `{"a":1,}`, `{,}`, `{"a" 1}`, `{"a":1}}`, `{"a":1} {}`, `{a:1}`,
	`{"a":01}`, `{"a":+1}`, `{"a":.5}`, `{"a":NaN}`, `{"a":tru}`, `{"a":"\x"}`, "{\"a\":\"\n\"}", "{\"a\":\"\xff\"}", `{"a":"\u12"}`, `{"a":"b}`, `{"a":"\`,
	`{"a":[1,]}`, `{"a":[1 2]}`, `{"a":[}`, `{"a":1]`, "\ufeff{}", "{}\x00",
}

func TestAnObjectIsReadAsEncodingJSONReadsIt(t *testing.T) {
	t.Parallel()
	accepted := 0
	for _, text := range objects {
		if compareWithEncodingJSON(t, []byte(text)) {
			accepted++
		}
	}
	if accepted != 19 {
		t.Errorf("%d of the texts are good", accepted)
	}
}

func FuzzObject(f *testing.F) {
	for _, text := range objects {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) { compareWithEncodingJSON(t, text) })
}

// compareWithEncodingJSON reports whether the text is accepted, which both must agree on, as on each member and
// on each list of strings.
func compareWithEncodingJSON(t *testing.T, text []byte) bool {
	t.Helper()
	want, wantErr := readSlowly(text)
	got, err := parseObject(text)
	if (err == nil) != (wantErr == nil) || len(got) != len(want) {
		t.Fatalf("%q: %d members, %v; want %d, %v", text, len(got), err, len(want), wantErr)
	}
	for _, m := range got {
		value, found := want[string(m.name)]
		if !found || !bytes.Equal(m.value, value) {
			t.Errorf("%q: %q is %q, want %q", text, m.name, m.value, value)
		}
		f := &fields{object: got}
		var list []*string
		err := json.Unmarshal(value, &list)
		for _, s := range list {
			if s == nil {
				err = errors.New("null")
			}
		}
		texts := f.texts(string(m.name))
		if (f.err == nil) != (err == nil) || err == nil && !reflect.DeepEqual(texts, values(list)) {
			t.Errorf("%q as a list: %q, %v; want %q, %v", value, texts, f.err, values(list), err)
		}
		f = &fields{object: got}
		var s string
		err = json.Unmarshal(value, &s)
		if text := f.text(string(m.name)); (f.err == nil) != (err == nil) || text != s {
			t.Errorf("%q as a string: %q, %v; want %q, %v", value, text, f.err, s, err)
		}
	}
	return err == nil
}

func values(list []*string) []string {
	if list == nil {
		return nil
	}
	all := []string{}
	for _, s := range list {
		if s != nil {
			all = append(all, *s)
		}
	}
	return all
}

// readSlowly is parseObject with nothing but encoding/json: its decoder tells the names, level by level.
func readSlowly(text []byte) (o map[string]json.RawMessage, err error) {
	if !utf8.Valid(text) || !json.Valid(text) {
		return nil, errors.New("not JSON")
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	if err := checkNames(decoder, 0); err != nil {
		return nil, err
	}
	if err := json.Unmarshal(text, &o); err != nil || o == nil {
		return nil, errors.New("not an object")
	}
	return o, nil
}

// checkNames reads one value.
func checkNames(decoder *json.Decoder, depth int) error {
	opening, err := decoder.Token()
	if err != nil {
		return err
	}
	if opening != json.Delim('{') && opening != json.Delim('[') {
		return nil
	}
	if depth == maxDepth {
		return errors.New("too deep")
	}
	names := map[any]bool{}
	for decoder.More() {
		if opening == json.Delim('{') {
			name, err := decoder.Token()
			if err != nil || names[name] {
				return errors.New("twice")
			}
			names[name] = true
		}
		if err := checkNames(decoder, depth+1); err != nil {
			return err
		}
	}
	_, err = decoder.Token()
	return err
}

func TestASignatureIsWrittenAsASN1Wants(t *testing.T) {
	t.Parallel()
	number := func(first ...byte) []byte { return append(first, bytes.Repeat([]byte{0x80}, 32-len(first))...) }
	numbers := [][]byte{
		number(), number(0x7f), number(0xff), number(0), number(0, 0x7f), number(0, 0, 0xff),
		make([]byte, 32), append(make([]byte, 31), 1), append(make([]byte, 31), 0x80),
	}
	for _, r := range numbers {
		for _, s := range numbers {
			want, err := asn1.Marshal([]*big.Int{new(big.Int).SetBytes(r), new(big.Int).SetBytes(s)})
			if err != nil {
				t.Fatal(err)
			}
			if got := inASN1(append(bytes.Clone(r), s...)); !bytes.Equal(got, want) {
				t.Errorf("%x %x: got %x, want %x", r, s, got, want)
			}
		}
	}
}
