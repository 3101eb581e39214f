// Package providers holds the stories of sign-in at real identity providers, through `gatehouse serve` and in the
// real browser: Dex, npm's oidc-provider, and a crowd at a provider of our own.
package providers
