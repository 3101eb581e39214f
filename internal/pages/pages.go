// Package pages owns every HTML page outside the console: sign-in, account chooser, refusal, error. It renders
// what it is given and decides nothing. No page needs a script.
package pages
