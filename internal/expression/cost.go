package expression

import (
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/common/types/traits"
)

// Whoever may write the settings of one application writes expressions, and every request of that application evaluates
// them on the processors of all. So a request stops where its evaluation has cost too much, and is refused.

// compareCost is what comparing one attribute with another costs.
const compareCost = 5

// costs are those that the library does not know: of functions of our own, and of comparing lists, which it takes for
// comparing two numbers.
type costs struct{}

// CallCost implements interpreter.ActualCostEstimator; nil leaves the cost to the library.
func (costs) CallCost(function, _ string, args []ref.Val, _ ref.Val) *uint64 {
	each := uint64(1)
	switch function {
	case functionSelect:
	case operators.Equals, operators.NotEquals, operators.In:
		each = compareCost
	default:
		return nil
	}
	cost := uint64(1)
	for _, arg := range args {
		if list, is := arg.(traits.Lister); is {
			if size, known := list.Size().(types.Int); known {
				cost += each * uint64(size)
			}
		}
	}
	return &cost
}
