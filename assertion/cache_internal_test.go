package assertion

import (
	"fmt"
	"testing"
)

func TestTheCacheForgetsTheLeastUsed(t *testing.T) {
	t.Parallel()
	c := newCache(2 * cacheShards * 4) // four in each generation of each shard
	favourite := "favourite.aaaa"
	c.put(favourite, &verified{})
	for i := range 10_000 {
		if c.get(favourite) == nil {
			t.Fatalf("forgot what is used all the time after %d others", i)
		}
		c.put(fmt.Sprintf("%d.aaaa", i), &verified{})
	}
	if c.get("0.aaaa") != nil {
		t.Error("remembers what was used once, long ago")
	}
	held := 0
	for i := range c.shards {
		held += len(c.shards[i].younger) + len(c.shards[i].older)
	}
	if held > 2*cacheShards*4 {
		t.Errorf("holds %d", held)
	}
	c.remove(favourite)
	if c.get(favourite) != nil {
		t.Error("remembers what was removed")
	}
}
