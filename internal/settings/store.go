package settings

import (
	"context"
	"errors"

	"github.com/gatehouse-iap/gatehouse/internal/resource"
)

// EmptyEtag is the etag of settings that were never written, as that of an IAM policy.
const EmptyEtag = "ACAB"

// ErrEtag reports that the stored settings have changed since their etag was read.
var ErrEtag = errors.New("the settings have changed since they were read")

// Stored is what stands on one resource, with the etag of that version.
type Stored struct {
	Settings IapSettings
	Etag     string
}

// Reader is what the snapshot reads of stored settings.
type Reader interface {
	// AllSettings returns everything that is stored, by resource.
	AllSettings(ctx context.Context) (map[resource.Name]Stored, error)
	// Settings returns what stands on a resource; nothing, with EmptyEtag, where none was ever stored.
	Settings(ctx context.Context, name resource.Name) (Stored, error)
}

// Store is what administration reads and writes.
type Store interface {
	Reader
	// PutSettings replaces what stands on a resource. expected is the etag that must be stored now, or empty for any;
	// otherwise ErrEtag. It returns what is stored, with its new etag.
	PutSettings(ctx context.Context, name resource.Name, s IapSettings, expected string) (Stored, error)
}
