package durability

import (
	"fmt"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/gatehouse-iap/gatehouse/test/harness"
)

var web = []string{"--resource-type=backend-services", "--service=app"}

// Each round kills the gate in the middle of writes that follow each other without a pause, and starts it again on
// the same directory: what was acknowledged must be there, and nothing half done.
const rounds = 5

func TestAcknowledgedPolicyWritesSurviveKill(t *testing.T) {
	t.Parallel()
	data := t.TempDir() + "/data"
	acknowledged := map[string]bool{}
	for round := range rounds {
		gate := harness.Start(t, "--data", data)
		checkPolicy(t, gate, acknowledged)
		for _, member := range writeUntilKilled(t, gate, func(i int) []string {
			member := fmt.Sprintf("user:round%d-%d@example.com", round, i)
			return append([]string{"iap", "web", "add-iam-policy-binding", "--member=" + member, "--role=roles/iap.httpsResourceAccessor"}, web...)
		}) {
			acknowledged[strings.TrimPrefix(member, "--member=")] = true
		}
	}
	if len(acknowledged) == 0 {
		t.Fatal("no write was acknowledged before a kill: this test has shown nothing")
	}
	t.Logf("%d acknowledged writes over %d kills", len(acknowledged), rounds)
	checkPolicy(t, harness.Start(t, "--data", data), acknowledged)
}

func TestAcknowledgedKeyRotationsSurviveKill(t *testing.T) {
	t.Parallel()
	data := t.TempDir() + "/data"
	for range rounds {
		gate := harness.Start(t, "--data", data)
		before := keyIDs(t, gate)
		acknowledged := writeUntilKilled(t, gate, func(int) []string { return []string{"keys", "rotate", "--now"} })

		gate = harness.Start(t, "--data", data)
		after := keyIDs(t, gate)
		// Every acknowledged rotation made one key; the one that was cut short made one or none.
		if made := len(after) - len(before); made < len(acknowledged) || made > len(acknowledged)+1 {
			t.Errorf("%d rotations were acknowledged, and %d keys were made", len(acknowledged), made)
		}
		for id := range before {
			if !after[id] {
				t.Errorf("the key %s is gone", id)
			}
		}
		// Whatever was cut short, one key signs, and it is published.
		answer := harness.Get(t, harness.Client(nil), gate.App+"/", "Authorization", "Bearer "+gate.IdentityToken(t, harness.Alice))
		if answer.StatusCode != 200 || !strings.Contains(answer.Text, "Hello "+harness.Alice) {
			t.Errorf("after the kill the application gets no assertion that it can verify: status %d\n%s", answer.StatusCode, answer.Text)
		}
		gate.Stop(t)
	}
}

// writeUntilKilled runs one command after another and kills the gate in the middle of one. It returns the names of
// those that were acknowledged.
func writeUntilKilled(t *testing.T, gate *harness.Gate, command func(i int) []string) []string {
	t.Helper()
	const before = 4 // writes that are acknowledged before the kill is armed
	armed := make(chan struct{})
	var killed sync.WaitGroup
	killed.Go(func() {
		<-armed
		gate.Kill(t)
	})
	var acknowledged []string
	for i := 0; ; i++ {
		if i == before {
			close(armed)
		}
		args := command(i)
		if err := gate.Command(t, args...).Run(); err != nil {
			if i < before {
				t.Fatalf("gatehouse %s failed before the kill: %v", strings.Join(args, " "), err)
			}
			break
		}
		acknowledged = append(acknowledged, name(args))
	}
	killed.Wait()
	return acknowledged
}

// name returns what tells one write from another: its member, or the command itself.
func name(args []string) string {
	for _, arg := range args {
		if strings.HasPrefix(arg, "--member=") {
			return arg
		}
	}
	return strings.Join(args, " ")
}

func checkPolicy(t *testing.T, gate *harness.Gate, members map[string]bool) {
	t.Helper()
	policy := gate.CLI(t, append([]string{"iap", "web", "get-iam-policy"}, web...)...)
	for member := range members {
		if !strings.Contains(policy, member) {
			t.Errorf("%s was acknowledged and is not in the policy", member)
		}
	}
}

var keyID = regexp.MustCompile(`(?m)^([A-Za-z0-9_-]{6}|[0-9a-f]{40})\s`)

func keyIDs(t *testing.T, gate *harness.Gate) map[string]bool {
	t.Helper()
	ids := map[string]bool{}
	for _, match := range keyID.FindAllStringSubmatch(gate.CLI(t, "keys", "list"), -1) {
		ids[match[1]] = true
	}
	return ids
}
