package settings

import (
	"reflect"
	"strings"
)

// field is one field of the message, by both names that Google's formats give it.
type field struct {
	camel, snake string
	index        int
}

// fieldsOf lists the fields of one of the structures of settings.go.
func fieldsOf(t reflect.Type) []field {
	var fields []field
	for i := range t.NumField() {
		camel, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
		fields = append(fields, field{camel, snakeCase(camel), i})
	}
	return fields
}

func fieldNamed(t reflect.Type, name string) (field, bool) {
	for _, f := range fieldsOf(t) {
		if name == f.camel || name == f.snake {
			return f, true
		}
	}
	return field{}, false
}

func snakeCase(camel string) string {
	var b strings.Builder
	for _, c := range camel {
		if c >= 'A' && c <= 'Z' {
			b.WriteByte('_')
			c += 'a' - 'A'
		}
		b.WriteRune(c)
	}
	return b.String()
}

func camelCase(snake string) string {
	parts := strings.Split(snake, "_")
	for i, part := range parts {
		if i > 0 && part != "" {
			parts[i] = strings.ToUpper(part[:1]) + part[1:]
		}
	}
	return strings.Join(parts, "")
}

// notOffered says why a field of Google's message is not there; empty for names that Google does not have either.
// gcloud prints these fields empty, and empty they are accepted.
func notOffered(t reflect.Type, name string) string {
	name = camelCase(name)
	switch t {
	case reflect.TypeFor[AccessSettings]():
		switch name {
		case "gcipSettings":
			return "external identities are not offered yet: leave it out"
		case "workforceIdentitySettings", "identitySources":
			return "workforce pools are configured as identity providers here (kind IdentityProvider), for all services: leave it out"
		case "policyDelegationSettings":
			return "policy delegation is not offered: leave it out"
		}
	case reflect.TypeFor[OAuthSettings]():
		switch name {
		case "clientId":
			return "the OAuth client id belongs to the service: write oauthClientId in its document, and leave it out here"
		case "clientSecret", "clientSecretSha256":
			return "services have no OAuth client secret of their own; that of an identity provider is in its document: leave it out"
		}
	}
	return ""
}

// join joins the names of a path.
func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}
