// Package hostile holds the stories of clients that want the gate to serve nobody else: slow ones, floods, and what
// breaks the rules of HTTP/2. It has tests only.
package hostile
