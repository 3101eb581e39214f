package ldapbind

import (
	"context"
	"errors"
)

// Span begins the span of one operation, such as "search", toward the directory at an address; the result ends it, and
// says whether the directory failed. It is told no more: names, filters and passwords are nobody else's business.
type Span func(ctx context.Context, operation, address string) func(failed bool)

// begin is what functions defer: it ends the span by the error that they return. A wrong password is an answer.
func (s Span) begin(ctx context.Context, operation, address string) func(*error) {
	if s == nil {
		return func(*error) {}
	}
	end := s(ctx, operation, address)
	return func(err *error) { end(*err != nil && !errors.Is(*err, ErrPassword)) }
}

func (d *directory) begin(operation string) func(*error) {
	return d.span.begin(d.ctx, operation, d.address)
}
