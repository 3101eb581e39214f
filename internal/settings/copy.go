package settings

import (
	"net/netip"
	"reflect"
)

// clone copies settings, so that nothing is shared with the original.
func clone(s IapSettings) IapSettings {
	var out IapSettings
	deepCopy(reflect.ValueOf(&out).Elem(), reflect.ValueOf(s))
	return out
}

func deepCopy(to, from reflect.Value) {
	switch from.Kind() {
	case reflect.Pointer:
		if from.IsNil() {
			to.SetZero()
			return
		}
		to.Set(reflect.New(from.Type().Elem()))
		deepCopy(to.Elem(), from.Elem())
	case reflect.Struct:
		for i := range from.NumField() {
			deepCopy(to.Field(i), from.Field(i))
		}
	case reflect.Slice:
		to.Set(reflect.AppendSlice(reflect.Zero(from.Type()), from))
	default:
		to.Set(from)
	}
}

// prune takes out messages in which nothing is set, so that what says the same looks the same.
func prune(v reflect.Value) {
	for i := range v.NumField() {
		f := v.Field(i)
		if f.Kind() == reflect.Slice && f.Len() == 0 {
			f.SetZero()
		}
		if f.Kind() != reflect.Pointer || f.IsNil() || f.Type().Elem().Kind() != reflect.Struct {
			continue
		}
		if prune(f.Elem()); f.Elem().IsZero() {
			f.SetZero()
		}
	}
}

// IsZero reports whether nothing is set.
func (s IapSettings) IsZero() bool {
	c := clone(s)
	prune(reflect.ValueOf(&c).Elem())
	return c == IapSettings{}
}

func isAddress(host string) bool {
	_, err := netip.ParseAddr(host)
	return err == nil
}
