package durability

import (
	"encoding/json"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/gatehouse-iap/gatehouse/test/harness"
)

// Each round kills the gate while writers write without a pause, and starts it again on the same directory: what
// was acknowledged must be there, and nothing half done.
const rounds = 6

// before is how many writes are acknowledged before a kill; it differs from round to round, so that the kill falls
// into different moments of a write.
func before(round int) int { return 3 + 5*round }

func TestAcknowledgedPolicyWritesSurviveKill(t *testing.T) {
	t.Parallel()
	data := filepath.Join(t.TempDir(), "data")
	last := map[string]int{} // resource to the number of its last acknowledged policy
	total := 0
	for round := range rounds {
		gate := harness.Start(t, "--data", data)
		checkPolicies(t, gate, last)
		service := fmt.Sprintf("projects/%s/iap_web/compute/services/%s", gate.ProjectNumber, gate.Audience[strings.LastIndex(gate.Audience, "/")+1:])
		compute := strings.TrimSuffix(service, service[strings.Index(service, "/services/"):])
		web := strings.TrimSuffix(compute, "/compute")
		acknowledged := writeUntilKilled(t, gate, before(round), []string{service, compute, web}, func(s *harness.Socket, resource string, i int) error {
			var stored policy
			return s.Call(http.MethodPost, "/v1/"+resource+":setIamPolicy", map[string]any{"policy": numbered(last[resource] + i + 1)}, &stored)
		})
		for resource, count := range acknowledged {
			last[resource] += count
			total += count
		}
	}
	t.Logf("%d acknowledged policies over %d kills", total, rounds)
	checkPolicies(t, harness.Start(t, "--data", data), last)
}

// policy is an IAM policy on the wire.
type policy struct {
	Bindings []binding `json:"bindings"`
	Etag     string    `json:"etag,omitempty"`
}

type binding struct {
	Role    string   `json:"role"`
	Members []string `json:"members"`
}

// numbered is a policy that carries its number in two bindings: a policy with two numbers would be half of two.
func numbered(n int) policy {
	return policy{Bindings: []binding{
		{"roles/iap.httpsResourceAccessor", []string{"user:alice@example.com", member(n)}},
		{"roles/owner", []string{member(n)}},
	}}
}

func member(n int) string { return fmt.Sprintf("user:n%d@example.com", n) }

// checkPolicies looks for the last acknowledged policy of each resource, or the one after it: that may have been
// committed and not yet acknowledged when the gate was killed.
func checkPolicies(t *testing.T, gate *harness.Gate, last map[string]int) {
	t.Helper()
	for resource, n := range last {
		var stored policy
		if err := gate.Socket().Call(http.MethodPost, "/v1/"+resource+":getIamPolicy", nil, &stored); err != nil {
			t.Error(err)
			continue
		}
		text, err := json.Marshal(stored)
		if err != nil {
			t.Fatal(err)
		}
		switch count := func(n int) int { return strings.Count(string(text), `"`+member(n)+`"`) }; {
		case count(n) == 2:
		case count(n+1) == 2:
			last[resource] = n + 1
		default:
			t.Errorf("%s: policy %d was acknowledged, and after the kill there is %s", resource, n, text)
		}
	}
}

func TestAcknowledgedKeyRotationsSurviveKill(t *testing.T) {
	t.Parallel()
	data := filepath.Join(t.TempDir(), "data")
	acknowledged := map[string]map[string]bool{"assertion": {}, "id-token": {}} // purpose to key ids
	for round := range rounds {
		gate := harness.Start(t, "--data", data)
		checkKeys(t, gate, acknowledged)
		var mu sync.Mutex
		writeUntilKilled(t, gate, before(round), []string{"assertion", "id-token"}, func(s *harness.Socket, purpose string, _ int) error {
			var rotation struct{ Key key }
			err := s.Call(http.MethodPost, "/gatehouse/v1/keys/"+purpose+":rotate", map[string]any{"now": true}, &rotation)
			if err == nil {
				mu.Lock()
				defer mu.Unlock()
				acknowledged[purpose][rotation.Key.ID] = true
			}
			return err
		})
	}
	t.Logf("%d and %d acknowledged rotations over %d kills", len(acknowledged["assertion"]), len(acknowledged["id-token"]), rounds)
	checkKeys(t, harness.Start(t, "--data", data), acknowledged)
}

// key is a signing key as administration shows it.
type key struct {
	ID, Purpose, State string
}

func checkKeys(t *testing.T, gate *harness.Gate, acknowledged map[string]map[string]bool) {
	t.Helper()
	// Whatever was cut short: tokens are minted, assertions are signed, and both verify.
	answer := harness.Get(t, harness.Client(nil), gate.App+"/", "Authorization", "Bearer "+gate.IdentityToken(t, harness.Alice))
	if answer.StatusCode != http.StatusOK || !strings.Contains(answer.Text, "Hello "+harness.Alice) {
		t.Errorf("the application gets no assertion that it can verify: status %d\n%s", answer.StatusCode, answer.Text)
	}
	var listed struct{ Keys []key }
	if err := gate.Socket().Call(http.MethodGet, "/gatehouse/v1/keys", nil, &listed); err != nil {
		t.Fatal(err)
	}
	found, active := map[string]bool{}, map[string]int{}
	for _, k := range listed.Keys {
		found[k.ID] = true
		if k.State == "active" {
			active[k.Purpose]++
		}
	}
	for purpose, ids := range acknowledged {
		if active[purpose] != 1 {
			t.Errorf("%d keys sign for %s, not one", active[purpose], purpose)
		}
		for id := range ids {
			if !found[id] {
				t.Errorf("the rotation to key %s (%s) was acknowledged, and the key is gone", id, purpose)
			}
		}
	}
}

// writeUntilKilled has one writer for each target write without a pause, and kills the gate once they have had a
// number of acknowledgements. It returns how many each target had in the end.
func writeUntilKilled(t *testing.T, gate *harness.Gate, enough int, targets []string, write func(s *harness.Socket, target string, i int) error) map[string]int {
	t.Helper()
	acknowledgements := make(chan string)
	var killed atomic.Bool
	kill := func() {
		killed.Store(true)
		gate.Kill(t)
	}
	var writers sync.WaitGroup
	for _, target := range targets {
		writers.Go(func() {
			socket := gate.Socket()
			for i := 0; ; i++ {
				if err := write(socket, target, i); err != nil {
					if i == 0 && !killed.Load() {
						t.Errorf("the first write failed: %v", err)
					}
					return
				}
				acknowledgements <- target
			}
		})
	}
	go func() {
		writers.Wait()
		close(acknowledgements)
	}()
	var killing sync.WaitGroup
	counts, total := map[string]int{}, 0
	for target := range acknowledgements {
		counts[target]++
		if total++; total == enough {
			killing.Go(kill)
		}
	}
	if total < enough {
		t.Errorf("the writers stopped after %d writes, before the kill", total)
		kill()
	}
	killing.Wait()
	return counts
}
