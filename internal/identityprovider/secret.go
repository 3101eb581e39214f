package identityprovider

import (
	"bytes"
	"fmt"
	"os"

	"github.com/gatehouse-iap/gatehouse/internal/regularfile"
)

// maxSecret bounds what is read of a secret: a private key in PEM at most.
const maxSecret = 64 << 10

// Read returns the secret as it is now, without the line end that editors add. Its errors name where it was
// looked for, and never hold any of it.
func (s *Secret) Read() ([]byte, error) {
	var value []byte
	switch {
	case s == nil:
		return nil, fmt.Errorf("no secret is configured")
	case s.File != "":
		var err error
		if value, _, err = regularfile.Read(s.File, maxSecret); err != nil {
			return nil, fmt.Errorf("read secret: %w", err)
		}
	default:
		value = []byte(os.Getenv(s.Env))
	}
	if value = bytes.TrimRight(value, "\r\n"); len(value) == 0 {
		return nil, fmt.Errorf("the secret in %s is empty", s)
	}
	return value, nil
}

// String says where the secret is.
func (s *Secret) String() string {
	if s.File != "" {
		return "file " + s.File
	}
	return "environment variable " + s.Env
}

func (s *Secret) check(where string, fault faultFunc) {
	if s != nil && (s.File == "") == (s.Env == "") {
		fault("%s must have exactly one of file and env", where)
	}
}
