package durability

import (
	"bufio"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gatehouse-iap/gatehouse/test/harness"
)

// settled is after how long a decision is in the log for certain, unless the machine itself fails.
const settled = 1500 * time.Millisecond

// requests sends requests that pass, until they fail, and returns when each was answered, by its path.
func requests(t *testing.T, gate *harness.Gate, token string) (answered map[string]time.Time) {
	t.Helper()
	answered = map[string]time.Time{}
	client := harness.Client(nil)
	for i := 0; ; i++ {
		path := fmt.Sprintf("/under-load/%d", i)
		request, err := http.NewRequest(http.MethodGet, gate.App+path, nil)
		if err != nil {
			t.Error(err)
			return answered
		}
		request.Header.Set("Authorization", "Bearer "+token)
		response, err := client.Do(request)
		if err != nil {
			return answered // the gate has been killed
		}
		_ = response.Body.Close()
		answered[path] = time.Now()
	}
}

// follow runs audit tail until the gate is gone, and tells how many decisions it showed.
func follow(t *testing.T, gate *harness.Gate) <-chan int {
	t.Helper()
	tail := gate.Command(t, "audit", "tail", "--path=/under-load/", "--lines=0", "--format=json")
	out, err := tail.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := tail.Start(); err != nil {
		t.Fatal(err)
	}
	shown := make(chan int, 1)
	go func() {
		n := 0
		for lines := bufio.NewScanner(out); lines.Scan(); {
			if strings.HasPrefix(lines.Text(), `{"type":"decision","id":"`) {
				n++
			}
		}
		if err := tail.Wait(); err == nil {
			t.Error("audit tail ends as if it had been asked to, and its server was killed")
		}
		shown <- n
	}()
	return shown
}

// checkRecords looks for all that must be there in both records.
func checkRecords(t *testing.T, gate *harness.Gate, accounts map[string]bool, paths map[string]bool) {
	t.Helper()
	for _, record := range []struct {
		what    string
		command []string
		want    map[string]bool
	}{
		{"the change to ", []string{"audit", "search", "--action=users.create", "--format=json"}, accounts},
		{"the decision about ", []string{"audit", "search", "--path=/under-load/", "--format=json", "--order=asc"}, paths},
	} {
		if len(record.want) == 0 {
			continue
		}
		found, missing := gate.CLI(t, record.command...), 0
		for name := range record.want {
			if !strings.Contains(found, `"`+name+`"`) {
				if missing++; missing < 5 {
					t.Errorf("%s%s is gone", record.what, name)
				}
			}
		}
		if missing > 0 {
			t.Errorf("%d of %d are gone", missing, len(record.want))
		}
	}
}

// changes creates accounts until that fails, and returns those that were acknowledged.
func changes(gate *harness.Gate, writer int) (acknowledged []string) {
	socket := gate.Socket()
	for i := 0; ; i++ {
		email := fmt.Sprintf("account-%d-%d@example.com", writer, i)
		if err := socket.Call(http.MethodPost, "/gatehouse/v1/users", map[string]any{"email": email}, &struct{}{}); err != nil {
			return acknowledged
		}
		acknowledged = append(acknowledged, email)
	}
}

// The gate is killed while requests are decided and changes are made without a pause. Then both records can be read:
// every change that was acknowledged is there, and every decision but those of the last moment.
func TestTheRecordsSurviveKillUnderLoad(t *testing.T) {
	t.Parallel()
	data := filepath.Join(t.TempDir(), "data")
	gate := harness.Start(t, "--data", data)
	token := gate.IdentityToken(t, harness.Alice)
	followed := follow(t, gate)
	accounts, paths := map[string]bool{}, map[string]bool{}
	var load sync.WaitGroup
	var mu sync.Mutex
	var answered map[string]time.Time
	load.Go(func() { answered = requests(t, gate, token) })
	for writer := range 2 {
		load.Go(func() {
			acknowledged := changes(gate, writer)
			mu.Lock()
			defer mu.Unlock()
			for _, email := range acknowledged {
				accounts[email] = true
			}
		})
	}
	<-time.After(settled + 400*time.Millisecond) // of load
	killed := time.Now()
	gate.Kill(t)
	load.Wait()
	for path, at := range answered {
		if killed.Sub(at) > settled {
			paths[path] = true
		}
	}
	t.Logf("%d acknowledged changes, %d decisions, %d of them settled", len(accounts), len(answered), len(paths))
	if len(accounts) == 0 || len(paths) == 0 {
		t.Fatal("there was no load")
	}
	if n := <-followed; n == 0 {
		t.Error("audit tail showed none of the decisions")
	}
	again := harness.Start(t, "--data", data)
	checkRecords(t, again, accounts, paths)
	again.CLI(t, "audit", "stats", "--by=day")
}
