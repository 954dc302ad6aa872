package engine

import (
	"fmt"
	"maps"
	"slices"
)

// LeftOut counts what an import does not take along, by what it is in the plural, such as "grants".
type LeftOut map[string]int

// List tells of it for people.
func (l LeftOut) List() (out []string) {
	for _, what := range slices.Sorted(maps.Keys(l)) {
		out = append(out, fmt.Sprintf("%s (%d)", what, l[what]))
	}
	return out
}
