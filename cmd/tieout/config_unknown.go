package main

import (
	"slices"
	"strings"
)

// warnUnread notes every variable with our prefix that nothing asked for: a misspelt name would otherwise be a
// setting that silently does not hold. It must run after everything has been read.
func (r *configReader) warnUnread() {
	known := make([]string, 0, 2*len(r.lookuper.asked))
	for name := range r.lookuper.asked {
		known = append(known, name, name+fileSuffix)
	}
	slices.Sort(known)
	for name := range r.lookuper.values {
		if !strings.HasPrefix(name, variablePrefix) || strings.HasPrefix(name, testPrefix) {
			continue
		}
		if _, isKnown := slices.BinarySearch(known, name); isKnown {
			continue
		}
		reason := "is read by nothing: probably a typing error"
		if account := accountOf(name); account != "" {
			reason = "is read by nothing: " + variableAccounts + " lists no account " + account
		}
		if near := nearestName(name, known); near != "" {
			reason += "; did you mean " + near + "?"
		}
		r.warnings.add(name, "%s", reason)
	}
}

// accountOf returns the account, in small letters, that a variable's name would belong to, or nothing.
func accountOf(name string) string {
	name = strings.TrimSuffix(strings.TrimPrefix(name, variablePrefix), fileSuffix)
	for _, suffix := range accountSuffixes() {
		account, ok := strings.CutSuffix(name, "_"+suffix)
		if ok && isAccountName(account) && reservedBy(account) == "" {
			return strings.ToLower(account)
		}
	}
	return ""
}

// nearestName returns the known name that is the fewest slips away, or nothing if none is close; of several the
// first. One slip is allowed for every three characters after the prefix, and at most three.
func nearestName(name string, known []string) string {
	const slipsMax = 3
	nearest, slipsBelow := "", min(slipsMax, (len(name)-len(variablePrefix))/3)+1
	for _, candidate := range known {
		if apart := len(name) - len(candidate); apart >= slipsBelow || -apart >= slipsBelow {
			continue
		}
		if slips := typingSlips(name, candidate); slips < slipsBelow {
			nearest, slipsBelow = candidate, slips
		}
	}
	return nearest
}

// typingSlips counts the characters to insert, delete, replace or exchange with their neighbour that turn one
// name into the other (optimal string alignment).
func typingSlips(a, b string) int {
	// before, last and current are the rows i-2, i-1 and i of the table.
	var before []int
	last := make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		current := make([]int, len(b)+1)
		current[0] = i
		for j := 1; j <= len(b); j++ {
			replace := last[j-1]
			if a[i-1] != b[j-1] {
				replace++
			}
			current[j] = min(last[j]+1, current[j-1]+1, replace)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				current[j] = min(current[j], before[j-2]+1)
			}
		}
		before, last = last, current
	}
	return last[len(b)]
}
