// Package assertion verifies IAP assertions.
package assertion
