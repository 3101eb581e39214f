// Package schema asks a validator of JSON Schema that others wrote whether the published schema of manifests is
// one, and takes the published example. It has tests only.
package schema
