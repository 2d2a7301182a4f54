package extract

import (
	"slices"

	"go.yaml.in/yaml/v3"
)

// pruned returns a tree without what has no right form.
func (c *definitionCheck) pruned(node *yaml.Node) *yaml.Node {
	if len(c.wrong) == 0 {
		return node
	}
	kept := *node
	kept.Content = nil
	step := 1
	if node.Kind == yaml.MappingNode {
		step = 2
	}
	for i := 0; i+step <= len(node.Content); i += step {
		if slices.ContainsFunc(node.Content[i:i+step], func(n *yaml.Node) bool { return c.wrong[n] }) {
			continue
		}
		for _, inner := range node.Content[i : i+step] {
			kept.Content = append(kept.Content, c.pruned(inner))
		}
	}
	return &kept
}

// shadowed reports whether a mistake of form was found in what a place is about, or in what it is judged by. What was
// meant there is not known, so nothing is said of its meaning yet.
func (c *definitionCheck) shadowed(place []string) bool {
	about := matter(place)
	return slices.ContainsFunc(c.places, func(wrong []string) bool {
		other := matter(wrong)
		return begins(about, other) || begins(other, about) || c.leansOn(about, other)
	})
}

// matter returns the part of a place that is judged as a whole: a key at the top, a key of a list, a single column or
// status.
func matter(place []string) []string {
	length := 1
	if len(place) > 0 && place[0] == "resources" {
		length = 3
		if len(place) > 3 && (place[2] == "fields" || place[2] == "statuses") {
			length = 4
		}
	}
	return place[:min(length, len(place))]
}

func begins(place, with []string) bool {
	return len(with) <= len(place) && slices.Equal(place[:len(with)], with)
}

// leansOn reports whether one matter is judged by another one.
func (c *definitionCheck) leansOn(about, other []string) bool {
	switch {
	case about[0] == "signing":
		return other[0] == "credentials"
	case about[0] == "rate_limits", about[0] == "resources" && len(about) == 1:
		return other[0] == "template"
	case len(about) < 3:
		return false
	case about[2] == "fields" && other[0] == "times":
		return true // constants are instants, too
	case len(other) < 3:
		return false
	case about[2] == "split":
		return other[2] == "split" || other[2] == "path" // of any list
	case about[1] != other[1]:
		return false
	case about[2] == "fields":
		return other[2] == "slices"
	case about[2] == "path":
		return other[2] == "parts"
	}
	return false
}
