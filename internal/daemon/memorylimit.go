package daemon

import (
	"io/fs"
	"path"
	"strconv"
	"strings"
)

// memoryLimit returns how many bytes the control groups of this process may hold, the least of all that it is in; false
// where nothing limits them, or nobody says. The root is the file system's.
func memoryLimit(root fs.FS) (limit uint64, limited bool) {
	groups, err := fs.ReadFile(root, "proc/self/cgroup")
	if err != nil {
		return 0, false
	}
	for line := range strings.Lines(string(groups)) {
		_, line, _ = strings.Cut(strings.TrimSuffix(line, "\n"), ":")
		controllers, group, _ := strings.Cut(line, ":")
		dir, file := "sys/fs/cgroup", "memory.max"
		switch controllers {
		case "": // version 2
		case "memory":
			dir, file = "sys/fs/cgroup/memory", "memory.limit_in_bytes"
		default:
			continue
		}
		// In a container, the group may be named as the machine outside has it, and its files be those of the root.
		for group = path.Clean("/" + group); ; group = path.Dir(group) {
			if text, err := fs.ReadFile(root, path.Join(dir, group, file)); err == nil {
				if here, err := strconv.ParseUint(strings.TrimSpace(string(text)), 10, 64); err == nil && (!limited || here < limit) {
					limit, limited = here, true // version 1 says a number beyond all memory for none, version 2 "max"
				}
			}
			if group == "/" {
				break
			}
		}
	}
	return limit, limited
}
