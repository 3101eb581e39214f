package sqlite

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"testing"
	"time"

	"github.com/gatehouse-iap/gatehouse/internal/admin"
	"github.com/gatehouse-iap/gatehouse/internal/audit"
	"github.com/gatehouse-iap/gatehouse/internal/catalog"
	"github.com/gatehouse-iap/gatehouse/internal/directory"
	"github.com/gatehouse-iap/gatehouse/internal/issuer"
	"github.com/gatehouse-iap/gatehouse/internal/policy/iam"
	"github.com/gatehouse-iap/gatehouse/internal/principal"
	"github.com/gatehouse-iap/gatehouse/internal/resource"
	"github.com/gatehouse-iap/gatehouse/internal/storage"
)

// childDir names the data directory on which this binary, started again by a test, writes until it is killed.
const childDir = "GATEHOUSE_STORAGE_TEST_DIR"

func TestMain(m *testing.M) {
	if dir := os.Getenv(childDir); dir != "" {
		fmt.Fprintln(os.Stderr, "child:", write(context.Background(), dir))
		os.Exit(1) // only an error brings us here
	}
	os.Exit(m.Run())
}

// opening is what a child prints first; then one line for each write that was acknowledged.
const opening = "opening"

// write commits one change after the other, each through several stores, and acknowledges them on stdout.
func write(ctx context.Context, dir string) error {
	fmt.Println(opening)
	db, err := Open(ctx, dir)
	if err != nil {
		return err
	}
	written, err := db.Entries(ctx, 1<<20)
	if err != nil {
		return err
	}
	for number := len(written); ; number++ {
		position, err := writeNumber(ctx, db, number)
		if err != nil {
			return err
		}
		fmt.Println(number, position)
	}
}

var epoch = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// membersEach is how many members the group of each write has, so that one write spans several statements.
const membersEach = 100

func writeNumber(ctx context.Context, db *storage.DB, number int) (int64, error) {
	name := strconv.Itoa(number)
	entry := &audit.Entry{Time: epoch, Actor: audit.Actor{Kind: "system", Name: "child"}, Action: name}
	return db.Do(ctx, entry, func(tx admin.Tx) error {
		members := make([]string, membersEach)
		for i := range members {
			members[i] = fmt.Sprintf("m%d@example.com", i)
		}
		_, policyErr := tx.Policies().PutPolicy(ctx, "projects/1", iam.Policy{
			Bindings: []iam.Binding{{Role: iam.RoleOwner, Members: []string{name}}}}, "")
		return errors.Join(
			policyErr,
			tx.Catalog().PutService(ctx, catalog.Service{Name: name, Service: resource.Service{
				Kind: resource.BackendService, ProjectID: "dev-project", ProjectNumber: 1, ID: strconv.Itoa(number + 1)}}),
			tx.Directory().CreateAccount(ctx, directory.Account{
				Kind: principal.User, Email: "a" + name + "@example.com", Subject: name, Created: epoch}),
			tx.Directory().PutGroup(ctx, directory.Group{Email: "g" + name + "@example.com", Members: members}),
			rotate(ctx, tx.Keys(), number))
	})
}

// rotate puts a key, and the moment at which it takes over from the one before.
func rotate(ctx context.Context, keys issuer.Store, number int) error {
	at := epoch.Add(time.Duration(number) * time.Hour)
	next := issuer.Key{
		ID: strconv.Itoa(number), Purpose: issuer.Assertion, Sealed: []byte{1}, Public: []byte{byte(number)}, Created: at, SignFrom: at,
	}
	if number > 0 {
		stored, err := keys.Keys(ctx)
		if err != nil {
			return err
		}
		last := stored[len(stored)-1]
		last.SignUntil = at
		if err := keys.PutKey(ctx, last); err != nil {
			return err
		}
	}
	return keys.PutKey(ctx, next)
}

// child is this binary, writing in another process.
type child struct {
	t       *testing.T
	command *exec.Cmd
	lines   *bufio.Scanner
}

// startChild starts a child that writes to dir. It is killed when the test ends, at the latest.
func startChild(t *testing.T, dir string) *child {
	t.Helper()
	command := exec.CommandContext(t.Context(), os.Args[0])
	command.Env = append(os.Environ(), childDir+"="+dir)
	command.Stderr = os.Stderr
	output, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	c := &child{t: t, command: command, lines: bufio.NewScanner(output)}
	if line, _ := c.line(); line != opening {
		t.Fatalf("the child says %q", line)
	}
	return c
}

func (c *child) line() (string, bool) {
	more := c.lines.Scan()
	return c.lines.Text(), more
}

// acknowledged reads up to so many acknowledgements into positions, by the number of the write.
func (c *child) acknowledged(count int, positions map[int]int64) {
	c.t.Helper()
	for range count {
		line, more := c.line()
		if !more {
			return
		}
		var number int
		var position int64
		if _, err := fmt.Sscan(line, &number, &position); err != nil {
			c.t.Fatalf("the child says %q", line)
		}
		positions[number] = position
	}
}

// kill sends SIGKILL and takes in the acknowledgements that were still on their way.
func (c *child) kill(positions map[int]int64) {
	c.t.Helper()
	if err := c.command.Process.Kill(); err != nil {
		c.t.Fatal(err)
	}
	c.acknowledged(1<<20, positions)
	if err := c.command.Wait(); err == nil {
		c.t.Error("the child ended by itself")
	}
}
