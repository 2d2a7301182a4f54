package main

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"unicode"
)

// configProblem is one thing that is wrong with one variable. It never holds the value of a variable, except a
// name of an account or a provider, a path or a word of ours.
type configProblem struct {
	Variable string // the name of the variable
	Problem  string // what is wrong, as the rest of a sentence that the name begins
}

// String returns the line that is shown.
func (p configProblem) String() string { return p.Variable + ": " + p.Problem }

// configProblems is everything that is wrong with the environment, as an error: one run shows all of it.
type configProblems []configProblem

// Error implements error: a line a problem.
func (p configProblems) Error() string {
	if len(p) == 1 {
		return p[0].String()
	}
	lines := make([]string, 0, len(p)+1)
	lines = append(lines, fmt.Sprintf("%d problems", len(p)))
	for _, problem := range p {
		lines = append(lines, problem.String())
	}
	return strings.Join(lines, "\n  ")
}

// add notes a problem. Names come from the environment and reasons from files, so both are made one line.
func (p *configProblems) add(variable, format string, args ...any) {
	*p = append(*p, configProblem{oneLine(variable), oneLine(fmt.Sprintf(format, args...))})
}

// sorted returns the problems by variable, each once, so that the same environment always gives the same list.
func (p configProblems) sorted() configProblems {
	slices.SortFunc(p, func(a, b configProblem) int {
		return cmp.Or(strings.Compare(a.Variable, b.Variable), strings.Compare(a.Problem, b.Problem))
	})
	return slices.Compact(p)
}

// oneLine replaces what a terminal or a log could act on.
func oneLine(text string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, text)
}
