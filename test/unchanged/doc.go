// Package unchanged runs applications that were written for Google Cloud, without a line changed for us, against
// the server in production: only names and trust are pointed at it, as docs/unchanged-apps.md says. It has tests only.
package unchanged
