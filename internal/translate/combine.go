package translate

import "github.com/spanway/spanway/internal/ir"

// weighted are groups of targets with a share of the calls.
type weighted struct {
	Weight int
	Groups [][]ir.Target
}

// maxWeight bounds a target's weight; with more the shares are rounded.
const maxWeight = 1_000_000

// combine merges groups of the same rank, each with its share: first come the first groups of all parts. A part of weight 0 has
// no share.
func combine(parts []weighted) [][]ir.Target {
	var out [][]ir.Target
	for rank := 0; ; rank++ {
		scale, any := 1, false
		for _, p := range parts {
			if p.Weight > 0 && rank < len(p.Groups) {
				any = true
				scale = lcm(scale, total(p.Groups[rank]))
			}
		}
		if !any {
			return out
		}
		var group []ir.Target
		for _, p := range parts {
			if p.Weight == 0 || rank >= len(p.Groups) {
				continue
			}
			each := float64(p.Weight) * float64(scale) / float64(total(p.Groups[rank]))
			for _, t := range p.Groups[rank] {
				t.Weight = int(float64(t.Weight)*each + 0.5)
				group = append(group, t)
			}
		}
		if scale > 1 {
			group = bounded(group)
		}
		out = append(out, group)
	}
}

// total is the sum of the weights, 1 at least.
func total(group []ir.Target) int {
	sum := 0
	for _, t := range group {
		sum += t.Weight
	}
	return max(sum, 1)
}

// bounded divides the weights by what they have in common, and keeps them at maxWeight or less, those over 0 over 0.
func bounded(group []ir.Target) []ir.Target {
	common, most := 0, 0
	for _, t := range group {
		common, most = gcd(common, t.Weight), max(most, t.Weight)
	}
	if common == 0 {
		return group
	}
	most /= common
	for i := range group {
		w := group[i].Weight / common
		if most > maxWeight && w > 0 {
			w = max(1, int(float64(w)/float64(most)*maxWeight))
		}
		group[i].Weight = w
	}
	return group
}

func gcd(a, b int) int {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}

// lcm is at most 1<<20, above which it need not be exact.
func lcm(a, b int) int { return min(a/gcd(a, b)*b, 1<<20) }
