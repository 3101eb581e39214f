package config

import (
	"fmt"
	"io"
	"regexp"
	"strings"
)

// Entry is one key of the reference.
type Entry struct {
	Key      string // "listeners[].tls.minVersion"
	Kind     string // "a version of TLS"
	Default  string // in words; empty where nothing holds
	Required bool
	Restart  bool // a change takes effect when the server is started again
	Meaning  string
	Example  string // in YAML
}

// Reference lists every key of the file, each before those within it.
func Reference() []Entry { return entries("", new(Config).keys()) }

func entries(path string, keys []key) (all []Entry) {
	for _, k := range keys {
		at := join(path, k.name)
		within := k.value.keys()
		all = append(all, Entry{
			Key: at, Kind: k.value.kind(), Default: k.standard, Required: k.required, Meaning: k.meaning, Example: k.example,
			Restart: k.restart,
		})
		if k.value.list() {
			at += "[]"
		}
		all = append(all, entries(at, within)...)
	}
	return all
}

var index = regexp.MustCompile(`\[\d*\]`)

// Explain returns the key, and those within it, or all keys when it is empty. Lists may be written with or
// without an index.
func Explain(name string) ([]Entry, error) {
	all := Reference()
	if name == "" {
		return all, nil
	}
	bare := index.ReplaceAllString(name, "")
	var found []Entry
	for _, e := range all {
		if key := index.ReplaceAllString(e.Key, ""); key == bare || strings.HasPrefix(key, bare+".") {
			found = append(found, e)
		}
	}
	if found == nil {
		return nil, fmt.Errorf("there is no key %q; `gatehouse config explain` lists all", name)
	}
	return found, nil
}

// WriteTerminal prints keys for reading in a terminal.
func WriteTerminal(w io.Writer, keys []Entry) error {
	for i, e := range keys {
		if i > 0 {
			fmt.Fprintln(w)
		}
		fmt.Fprintf(w, "%s (%s)\n", e.Key, e.traits())
		for _, line := range wrap(e.Meaning, 96) {
			fmt.Fprintf(w, "    %s\n", line)
		}
		if e.Example != "" {
			fmt.Fprintf(w, "    Example: %s: %s\n", e.name(), e.Example)
		}
		if _, err := fmt.Fprintf(w, "    A change takes effect %s.\n", e.effect()); err != nil {
			return err
		}
	}
	return nil
}

func (e Entry) name() string { return e.Key[strings.LastIndexByte(e.Key, '.')+1:] }

func (e Entry) traits() string {
	traits := e.Kind
	if e.Required {
		traits += ", required"
	}
	if e.Default != "" {
		traits += ", default: " + e.Default
	}
	return traits
}

func (e Entry) effect() string {
	if e.Restart {
		return "at the next start"
	}
	return "at once"
}

func wrap(text string, width int) (lines []string) {
	line := ""
	for word := range strings.FieldsSeq(text) {
		if line != "" && len(line)+1+len(word) > width {
			lines, line = append(lines, line), ""
		}
		if line != "" {
			line += " "
		}
		line += word
	}
	return append(lines, line)
}

const referenceHead = `# gatehouse.yaml

The file of ` + "`gatehouse serve`" + `. Unknown and repeated keys are refused; all faults are listed at once, by
` + "`gatehouse config check FILE`" + ` too. Relative paths begin where the file is. Secrets stand in files or environment
variables, never here. The same text in a terminal: ` + "`gatehouse config explain [KEY]`" + `.

"Takes effect": what changes while the server runs is taken up *at once* (within a second, or on SIGHUP). A change of
a key that is read at *start* only is refused until the server is restarted, and the file's other changes with it.

| key | value | default | takes effect | meaning |
|---|---|---|---|---|
`

// WriteReference prints the page docs/reference/config.md.
func WriteReference(w io.Writer) error {
	if _, err := io.WriteString(w, referenceHead); err != nil {
		return err
	}
	cell := strings.NewReplacer("|", `\|`)
	for _, e := range Reference() {
		standard := cell.Replace(e.Default)
		if e.Required {
			standard = "**required**"
		}
		effect := "at once"
		if e.Restart {
			effect = "start"
		}
		meaning := cell.Replace(e.Meaning)
		if e.Example != "" {
			meaning += " Example: `" + cell.Replace(e.Example) + "`"
		}
		if _, err := fmt.Fprintf(w, "| `%s` | %s | %s | %s | %s |\n", e.Key, e.Kind, standard, effect, meaning); err != nil {
			return err
		}
	}
	return nil
}
