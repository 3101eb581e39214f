package oidcrp

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/gatehouse-iap/gatehouse/internal/session"
	"github.com/gatehouse-iap/gatehouse/internal/signin"
)

// elsewhere reports whether a claim is replaced by a reference to where it could be fetched, as Entra does for people
// in more than 200 groups.
func (c *claims) elsewhere(name string) bool {
	var names map[string]json.RawMessage
	if json.Unmarshal(c.raw["_claim_names"], &names) == nil {
		if _, found := names[name]; found {
			return true
		}
	}
	return c.isTrue("hasgroups")
}

// person is whom claims speak of, with the groups that were left out of them. What was looked up less than maxAge ago
// is not looked up again; with stale, what is older serves where the lookup fails.
func (c *client) person(ctx context.Context, found *claims, accessToken string, maxAge time.Duration, stale bool) (signin.Vouched, error) {
	v, err := found.vouched(c)
	if err != nil || c.provider.Groups == nil || !found.elsewhere(c.provider.Groups.ClaimName()) {
		return v, err
	}
	if c.provider.Groups.Lookup == "" {
		c.log.WarnContext(ctx, "the provider left groups out of the token, and groups.lookup does not say where to ask for them: the person has "+
			"none here. Set it, or limit the claim to the groups that are assigned to the application",
			"claim", c.provider.Groups.ClaimName(), "subject", v.Subject)
		return v, nil
	}
	known, has := c.looked.get(v.Subject)
	if has && c.now().Sub(known.at) < maxAge {
		v.Groups, v.AsOf = known.groups, known.at
		return v, nil
	}
	now := c.now()
	groups, err := c.lookUpGroups(ctx, accessToken)
	switch {
	case err == nil:
		c.looked.put(v.Subject, looked{groups, now})
		v.Groups = groups
	case stale && has && now.Sub(known.at) < session.ConfirmGrace:
		c.log.WarnContext(ctx, "a person's groups could not be looked up; those of the last time count", "subject", v.Subject, "since", known.at, "error", err)
		v.Groups, v.AsOf, err = known.groups, known.at, nil
	}
	return v, err
}

// lookUpGroups asks where the configuration says, and nowhere else: the address in the token is that of an interface
// which Microsoft has switched off, and a token must not choose who gets an access token.
func (c *client) lookUpGroups(ctx context.Context, accessToken string) ([]string, error) {
	fault := func(kind error, format string, args ...any) error {
		return fmt.Errorf("%w: groups.lookup: "+format, append([]any{kind}, args...)...)
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, c.provider.Groups.Lookup, bytes.NewReader([]byte(`{"securityEnabledOnly":false}`)))
	if err != nil {
		return nil, fault(signin.ErrProviderSetup, "%w", err)
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Authorization", "Bearer "+accessToken)
	body, err := answerOf(c.http, request)
	var status *statusError
	switch {
	case errors.As(err, &status) && status.code >= 400 && status.code < 500 && status.code != http.StatusTooManyRequests:
		return nil, fault(signin.ErrProviderSetup, "%w: does the access token give the permission?", err)
	case err != nil:
		return nil, fault(signin.ErrProviderDown, "%w", err)
	}
	raw, err := members(body)
	if err != nil {
		return nil, fault(signin.ErrProviderDown, "%w", err)
	}
	if _, pages := raw["@odata.nextLink"]; pages {
		return nil, fault(signin.ErrProviderSetup, "it answers in pages: name one that answers with all groups at once, as getMemberObjects does")
	}
	var values []string
	if err := json.Unmarshal(raw["value"], &values); err != nil || values == nil {
		return nil, fault(signin.ErrProviderDown, "its answer has no list of texts called value")
	}
	if values = c.counting(values); len(values) > maxGroups {
		return nil, fault(signin.ErrProviderSetup, "it names more than %d groups: use groups.table for those that count here", maxGroups)
	}
	return values, nil
}

// counting are those values of the groups claim that can become an address here: thousands of others need not be kept.
func (c *client) counting(values []string) []string {
	table := c.provider.Groups.Table
	if table == nil {
		return values
	}
	kept := []string{}
	for _, value := range values {
		if _, counts := table[value]; counts {
			kept = append(kept, value)
		}
	}
	return kept
}

// looked are the groups of one person, and when they were looked up.
type looked struct {
	groups []string
	at     time.Time
}

// maxRemembered bounds what is remembered of lookups, in groups.
const maxRemembered = 200_000

// lookups remembers what was looked up, by subject.
type lookups struct {
	mu        sync.Mutex
	bySubject map[string]looked
	size      int
}

func (l *lookups) get(subject string) (looked, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	found, has := l.bySubject[subject]
	return found, has
}

func (l *lookups) put(subject string, found looked) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.size += 1 + len(found.groups)
	if before, has := l.bySubject[subject]; has {
		l.size -= 1 + len(before.groups)
	}
	if l.bySubject == nil || l.size > maxRemembered { // anew: it can all be looked up again
		l.bySubject, l.size = map[string]looked{}, 1+len(found.groups)
	}
	l.bySubject[subject] = found
}
