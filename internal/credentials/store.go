// Package credentials owns what a person's command line knows about them: the file with the credentials of people and
// service accounts, the tokens that are got with them at an auth host, and signing in with a browser. It is the client
// side; it decides nothing, and no server reads it.
package credentials

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// Credential is one account at one auth host: a person's refresh token, or the key of a service account.
type Credential struct {
	Account string `json:"account"`
	// AuthHost is the auth host's URL, without a slash at the end.
	AuthHost     string   `json:"auth_host"`
	RefreshToken string   `json:"refresh_token,omitempty"`
	Key          *KeyFile `json:"key,omitempty"`
}

// Known are the credentials of a file.
type Known struct {
	// Active and ActiveHost name the credential that is used when none is named.
	Active      string       `json:"active,omitempty"`
	ActiveHost  string       `json:"active_host,omitempty"`
	Credentials []Credential `json:"credentials,omitempty"`
}

// ErrNone reports that no credential is the one that is meant.
var ErrNone = errors.New("no such credential")

// Find returns the credential of an account, or the active one for "". authHost tells apart the same account at several
// auth hosts; it may be empty.
func (k Known) Find(account, authHost string) (Credential, error) {
	if account == "" && authHost == "" {
		if k.Active == "" {
			return Credential{}, ErrNone
		}
		account, authHost = k.Active, k.ActiveHost
	}
	var found []Credential
	for _, c := range k.Credentials {
		if (account == "" || c.Account == account) && (authHost == "" || c.AuthHost == authHost) {
			found = append(found, c)
		}
	}
	switch {
	case len(found) == 0:
		return Credential{}, ErrNone
	case len(found) > 1:
		if i := slices.IndexFunc(found, k.IsActive); i >= 0 {
			return found[i], nil
		}
		hosts := make([]string, len(found))
		for i, c := range found {
			hosts[i] = c.Account + " at " + c.AuthHost
		}
		return Credential{}, fmt.Errorf("several credentials fit: %s; name the account, and --auth-host", strings.Join(hosts, ", "))
	}
	return found[0], nil
}

// IsActive reports whether a credential is the one that is used when none is named.
func (k Known) IsActive(c Credential) bool {
	return c.Account == k.Active && c.AuthHost == k.ActiveHost
}

// Put adds a credential, in the place of an older one of the same account there, and makes it the active one.
func (k *Known) Put(c Credential) {
	k.Remove(c)
	k.Credentials = append(k.Credentials, c)
	k.Active, k.ActiveHost = c.Account, c.AuthHost
}

// Remove forgets a credential. Of those that are left, none becomes active by itself.
func (k *Known) Remove(c Credential) {
	k.Credentials = slices.DeleteFunc(k.Credentials, func(other Credential) bool { return other.Account == c.Account && other.AuthHost == c.AuthHost })
	if k.IsActive(c) {
		k.Active, k.ActiveHost = "", ""
	}
}

// Store is the file that credentials are in, for its owner only.
type Store struct{ Path string }

// DefaultPath is where the file is: $XDG_CONFIG_HOME/gatehouse/credentials.json, or what stands for that on the system.
func DefaultPath(getenv func(string) string) (string, error) {
	dir := getenv("XDG_CONFIG_HOME")
	if dir == "" || !filepath.IsAbs(dir) {
		var err error
		if dir, err = os.UserConfigDir(); err != nil {
			return "", fmt.Errorf("no place for credentials: %w; set XDG_CONFIG_HOME", err)
		}
	}
	return filepath.Join(dir, "gatehouse", "credentials.json"), nil
}

const maxFile = 4 << 20

// Load reads the file; one that is not there knows nobody.
func (s Store) Load() (Known, error) {
	file, err := os.OpenFile(s.Path, os.O_RDONLY|unix.O_NOFOLLOW, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return Known{}, nil
	}
	if err != nil {
		return Known{}, fmt.Errorf("credentials: %w", err)
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return Known{}, fmt.Errorf("credentials: %w", err)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return Known{}, fmt.Errorf("credentials: others may read %s: take that away with chmod 600, and sign in again if they may have", s.Path)
	}
	text, err := io.ReadAll(io.LimitReader(file, maxFile))
	if err != nil {
		return Known{}, fmt.Errorf("credentials: %w", err)
	}
	var known Known
	if err := json.Unmarshal(text, &known); err != nil {
		return Known{}, fmt.Errorf("credentials: %s cannot be read: %w; move it away and sign in again", s.Path, err)
	}
	return known, nil
}

// Update changes the file: commands that run at the same time wait for each other, and what is written is there whole
// or not at all.
func (s Store) Update(f func(*Known) error) (err error) {
	dir := filepath.Dir(s.Path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("credentials: %w", err)
	}
	lock, err := os.OpenFile(s.Path+".lock", os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return fmt.Errorf("credentials: %w", err)
	}
	defer lock.Close() // gives the lock back
	for err = unix.EINTR; errors.Is(err, unix.EINTR); {
		err = unix.Flock(int(lock.Fd()), unix.LOCK_EX)
	}
	if err != nil {
		return fmt.Errorf("credentials: lock: %w", err)
	}
	known, err := s.Load()
	if err != nil {
		return err
	}
	if err := f(&known); err != nil {
		return err
	}
	return s.write(dir, known)
}

func (s Store) write(dir string, known Known) (err error) {
	text, err := json.MarshalIndent(known, "", "  ")
	if err != nil {
		return err
	}
	aside, err := os.CreateTemp(dir, ".credentials-*") // 0600
	if err != nil {
		return fmt.Errorf("credentials: %w", err)
	}
	defer func() {
		if err != nil {
			_ = os.Remove(aside.Name())
		}
	}()
	_, err = aside.Write(append(text, '\n'))
	if err = errors.Join(err, aside.Sync(), aside.Close()); err != nil {
		return fmt.Errorf("credentials: %w", err)
	}
	return os.Rename(aside.Name(), s.Path)
}
