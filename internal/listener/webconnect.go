package listener

import "github.com/gatehouse-iap/gatehouse/internal/listener/extendedconnect"

// By now net/http has been initialised, which this package imports.
func init() { extendedconnect.Restore() }
