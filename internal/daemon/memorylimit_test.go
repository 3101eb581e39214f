package daemon

import (
	"testing"
	"testing/fstest"
)

func TestTheLeastLimitOfAllControlGroupsCounts(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		files map[string]string
		want  uint64 // 0 for none
	}{
		"no control groups":                          {nil, 0},
		"a container with a limit":                   {map[string]string{"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": "67108864\n"}, 64 << 20},
		"a container without one":                    {map[string]string{"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": "max\n"}, 0},
		"a unit of systemd":                          {map[string]string{"proc/self/cgroup": "0::/system.slice/gatehouse.service\n", "sys/fs/cgroup/system.slice/gatehouse.service/memory.max": "100\n"}, 100},
		"a slice that limits units":                  {map[string]string{"proc/self/cgroup": "0::/a.slice/b.service\n", "sys/fs/cgroup/a.slice/memory.max": "50\n", "sys/fs/cgroup/a.slice/b.service/memory.max": "100\n"}, 50},
		"a group that is not to be seen from inside": {map[string]string{"proc/self/cgroup": "0::/docker/0123\n", "sys/fs/cgroup/memory.max": "100\n"}, 100},
		"version 1":                                  {map[string]string{"proc/self/cgroup": "12:cpu,cpuacct:/\n7:memory:/docker/0123\n1:name=systemd:/\n", "sys/fs/cgroup/memory/docker/0123/memory.limit_in_bytes": "100\n"}, 100},
		"a path that leads away":                     {map[string]string{"proc/self/cgroup": "0::/../..\n", "sys/fs/cgroup/memory.max": "100\n"}, 100},
		"nonsense":                                   {map[string]string{"proc/self/cgroup": "::::\n\n0\n0::/\n", "sys/fs/cgroup/memory.max": "much\n"}, 0},
	} {
		root := fstest.MapFS{}
		for file, text := range c.files {
			root[file] = &fstest.MapFile{Data: []byte(text)}
		}
		if got, limited := memoryLimit(root); got != c.want || limited != (c.want != 0) {
			t.Errorf("%s: %d, %v", name, got, limited)
		}
	}
}
