package settings

import (
	"encoding/json"
	"errors"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// enumValue is one value of an enum of Google's, by name and number, and how it reads here.
type enumValue struct {
	name   string
	number int
	reads  string // empty: as not set
}

func enums(t reflect.Type) ([]enumValue, bool) {
	switch t {
	case reflect.TypeFor[ReauthMethod]():
		return []enumValue{
			{"METHOD_UNSPECIFIED", 0, ""}, {"LOGIN", 1, string(ReauthLogin)}, {"PASSWORD", 2, string(ReauthLogin)},
			{"SECURE_KEY", 3, string(ReauthSecureKey)}, {"ENROLLED_SECOND_FACTORS", 4, string(ReauthEnrolledSecondFactors)},
		}, true
	case reflect.TypeFor[ReauthPolicyType]():
		return []enumValue{
			{"POLICY_TYPE_UNSPECIFIED", 0, ""}, {"MINIMUM", 1, string(ReauthMinimum)}, {"DEFAULT", 2, string(ReauthDefault)},
		}, true
	case reflect.TypeFor[OutputCredential]():
		return []enumValue{
			{"HEADER", 1, string(OutputHeader)}, {"JWT", 2, string(OutputJWT)}, {"RCTOKEN", 3, string(OutputRCToken)},
		}, true
	default:
		return nil, false
	}
}

func (r *reader) enum(node *yaml.Node, v reflect.Value, values []enumValue, path string) {
	number, err := strconv.Atoi(node.Value)
	numbered := err == nil && node.ShortTag() == "!!int"
	i := slices.IndexFunc(values, func(value enumValue) bool {
		return numbered && value.number == number || node.ShortTag() == "!!str" && value.name == node.Value
	})
	if i < 0 {
		names := make([]string, 0, len(values))
		for _, value := range values {
			if value.reads != "" {
				names = append(names, value.name)
			}
		}
		r.fault(node, path, "%q is none of %s", node.Value, strings.Join(names, ", "))
		return
	}
	v.SetString(values[i].reads)
}

var errDuration = errors.New("not a duration")

// maxSeconds is more than anybody means, and less than time.Duration can hold.
const maxSeconds = 100 * 366 * 24 * 60 * 60

// parseDuration reads google.protobuf.Duration in its JSON form: seconds with up to nine decimals, and an s.
func parseDuration(s string) (time.Duration, error) {
	number, found := strings.CutSuffix(s, "s")
	whole, decimals, dotted := strings.Cut(number, ".")
	digits := func(s string) bool { return s != "" && strings.Trim(s, "0123456789") == "" }
	if !found || !digits(whole) || dotted && (!digits(decimals) || len(decimals) > 9) || len(whole) > 12 {
		return 0, errDuration
	}
	seconds, err := strconv.ParseInt(whole, 10, 64)
	if err != nil || seconds > maxSeconds {
		return 0, errDuration
	}
	nanos, _ := strconv.ParseInt((decimals + "000000000")[:9], 10, 64)
	return time.Duration(seconds)*time.Second + time.Duration(nanos), nil
}

// FormatDuration writes what parseDuration reads.
func FormatDuration(d time.Duration) string {
	text := strconv.FormatInt(int64(d/time.Second), 10)
	if nanos := int64(d % time.Second); nanos > 0 {
		decimals := strconv.FormatInt(nanos+1_000_000_000, 10)[1:]
		text += "." + strings.TrimRight(decimals, "0")
	}
	return text + "s"
}

// reauthJSON is ReauthSettings as Google's JSON has it.
type reauthJSON struct {
	Method     ReauthMethod     `json:"method,omitempty"`
	MaxAge     string           `json:"maxAge,omitempty"`
	PolicyType ReauthPolicyType `json:"policyType,omitempty"`
}

// MarshalJSON writes Google's form.
func (r ReauthSettings) MarshalJSON() ([]byte, error) {
	out := reauthJSON{Method: r.Method, PolicyType: r.PolicyType}
	if r.MaxAge != 0 {
		out.MaxAge = FormatDuration(r.MaxAge)
	}
	return json.Marshal(out)
}

// UnmarshalJSON reads what MarshalJSON wrote.
func (r *ReauthSettings) UnmarshalJSON(b []byte) (err error) {
	var in reauthJSON
	if err := json.Unmarshal(b, &in); err != nil {
		return err
	}
	*r = ReauthSettings{Method: in.Method, PolicyType: in.PolicyType}
	if in.MaxAge != "" {
		r.MaxAge, err = parseDuration(in.MaxAge)
	}
	return err
}
