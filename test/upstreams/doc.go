// Package upstreams tells the same stories about applications in nginx, Node, Python and Go, each in a process of its
// own behind one gate. It has tests only.
//
// The application is written three times, with what the language brings along: net/http in app_test.go, Node's http in
// test/node/upstream.mjs, Python's http.server in test/python/upstream.py. nginx originates what it can: files with
// ranges and validators, PUT, trailers, packed pages, cookies, redirects, error pages, and what it was told about the
// person. For the rest (bodies that somebody has to look at, events, WebSocket, an application that dies) it stands
// between the gate and the Go application, which is where many have it.
package upstreams
