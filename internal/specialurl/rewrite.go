package specialurl

import "strings"

// Strip returns path and query of a special URL without what makes it one: where somebody goes when it has been carried
// out. What is left stays byte for byte. An older path leaves nothing but the root.
func Strip(path, query string) (string, string) {
	if reserved(path) {
		path = "/"
	}
	return path, without(query, Parameter)
}

// Resume returns path and query of the address that a sign-in comes back to which was begun at path and query. That
// is the same address, except that signing in has done what it asked for, or that it does not make sense twice.
func Resume(path, query string) (string, string) {
	call, err := Parse(path, query)
	switch {
	case err != nil:
		path, query = Strip(path, query)
	case call.Mode == DoSessionRefresh:
		path, query = Strip(path, query)
		query = with(query, Parameter+"="+string(SessionRefresher))
	case call.ByPath && call.Mode == SecureTokenTest:
		path, query = "/", with(query, Parameter+"="+string(call.Mode)+"&"+TestParameter+"="+string(call.Test))
	case call.ByPath && (call.Mode == Identity || call.Mode == SessionRefresher):
		// The way back has a parameter of its own, which an older path cannot have.
		path, query = "/", with(query, Parameter+"="+string(call.Mode))
	case call.Mode == "", call.Mode == Identity, call.Mode == SessionRefresher, call.Mode == SecureTokenTest, call.Mode == SignIn:
	default:
		path, query = Strip(path, query)
	}
	return path, without(without(query, TokenParameter), RestartParameter)
}

// without takes a parameter out of a raw query, however its name is spelled.
func without(query, name string) string {
	if _, count, _ := find(query, name); count == 0 {
		return query
	}
	var kept []string
	for parameter := range strings.SplitSeq(query, "&") {
		if !named(parameter, name) {
			kept = append(kept, parameter)
		}
	}
	return strings.Join(kept, "&")
}

// with adds parameters to a raw query.
func with(query, parameters string) string {
	if query == "" {
		return parameters
	}
	return query + "&" + parameters
}
