package pages

import (
	"bytes"
	"fmt"
	"html/template"
	"text/template/parse"
)

// The bounds of one page. Templates can repeat themselves: what is a few lines in a file may be more than all memory,
// or more time than anybody has, when it is shown.
const (
	maxPage  = 1 << 20
	maxSteps = 20_000 // some hundred times what the built-in pages take
)

var (
	errPageTooLarge = fmt.Errorf("the page becomes larger than %d KiB", maxPage>>10)
	errPageTooLong  = fmt.Errorf("the page takes more than %d steps: does it repeat itself without end?", maxSteps)
)

// bounded is memory for one page. The write that goes beyond what it has left, in bytes or in steps, ends the rendering.
type bounded struct {
	bytes.Buffer
	left, steps int
}

func newBounded() *bounded { return &bounded{left: maxPage, steps: maxSteps} }

func (b *bounded) Write(p []byte) (int, error) {
	if b.steps--; b.steps < 0 {
		return 0, errPageTooLong
	}
	if len(p) > b.left {
		return 0, errPageTooLarge
	}
	b.left -= len(p)
	return b.Buffer.Write(p)
}

// countSteps has templates write at each turn of a range, and at each call of one by another, even where they have
// nothing to say: nothing else stops one that loops in silence. It must be done before the first rendering.
func countSteps(t *template.Template) {
	for _, each := range t.Templates() {
		if each.Tree != nil && each.Tree.Root != nil {
			step(each.Tree.Root)
		}
	}
}

// step puts an empty text before the nodes of a list, and in the lists within it.
func step(list *parse.ListNode) {
	if list == nil {
		return
	}
	for _, node := range list.Nodes {
		switch n := node.(type) {
		case *parse.IfNode:
			step(n.List)
			step(n.ElseList)
		case *parse.WithNode:
			step(n.List)
			step(n.ElseList)
		case *parse.RangeNode:
			step(n.List)
			step(n.ElseList)
		}
	}
	list.Nodes = append([]parse.Node{&parse.TextNode{NodeType: parse.NodeText}}, list.Nodes...)
}
