// Package emulator tests `gatehouse dev` from outside: programs that were written for Google Cloud and know nothing of
// us, and what tests tell the emulator. It has tests only.
package emulator
