package signin

import (
	"encoding/json"
	"net/http"
	"time"
)

const (
	// deviceLifetime is how long a browser stays known to an account that does not sign in there any more.
	deviceLifetime = 180 * 24 * time.Hour
	// maxDeviceAccounts bounds how many accounts a browser is known to: a family's computer.
	maxDeviceAccounts = 4
)

// device is what the cookie of a browser holds, sealed: the accounts that have signed in there by password, newest
// first. It opens nothing; the wrong guesses of such a browser are only counted apart.
type device struct {
	ID       string        `json:"i"`
	Accounts []deviceEntry `json:"a"`
}

type deviceEntry struct {
	Subject string `json:"s"`
	Time    int64  `json:"t"` // of the last sign-in, in seconds since 1970
}

// readDevice returns what the browser's cookie says; nothing when it has none of ours.
func (s *SignIn) readDevice(r *http.Request) device {
	value := cookieValue(r, deviceCookie)
	if value == "" || len(value) > maxState {
		return device{}
	}
	sealed, err := encoding.DecodeString(value)
	if err != nil {
		return device{}
	}
	plain, err := s.Sealer.Open(sealed, deviceUse)
	if err != nil {
		return device{}
	}
	var d device
	if err := json.Unmarshal(plain, &d); err != nil {
		return device{}
	}
	return d
}

func (s *SignIn) writeDevice(w http.ResponseWriter, d device) {
	plain, err := json.Marshal(d)
	if err != nil {
		return // cannot happen: strings and numbers only; the browser stays unknown
	}
	setCookie(w, deviceCookie, encoding.EncodeToString(s.Sealer.Seal(plain, deviceUse)), s.Now(), deviceLifetime)
}

// bucket names the browser to the throttle, if it is known to the account; else it is empty.
func (d device) bucket(subject string, now time.Time) string {
	for _, entry := range d.Accounts {
		if entry.Subject == subject && now.Sub(time.Unix(entry.Time, 0)) < deviceLifetime {
			return d.ID + "/" + subject
		}
	}
	return ""
}

// with returns the device with a sign-in noted.
func (d device) with(subject string, now time.Time) device {
	if d.ID == "" {
		d.ID = newSecret()
	}
	accounts := []deviceEntry{{subject, now.Unix()}}
	for _, entry := range d.Accounts {
		if entry.Subject != subject && len(accounts) < maxDeviceAccounts {
			accounts = append(accounts, entry)
		}
	}
	d.Accounts = accounts
	return d
}
