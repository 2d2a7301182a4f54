package sync_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// planted is a mistake that programs of this kind are known to make, written into a copy of a file of this package.
type planted struct {
	name     string
	file     string
	old, new string
	guard    string // another condition of the same file that has to be taken away, as it would make up for the mistake
	tests    string // that must not pass then; empty: TestSimLives
}

var plantedBugs = []planted{
	{
		name: "the checkpoint is written before the records", file: "stream.go",
		old:   "	receipt, err := s.Destination.Write(ctx, batch)\n",
		new:   "	early := s.checkpoint\n	early.Seq++\n	early.Position = s.standing.position()\n	if err := s.Checkpoints.Append(ctx, early); err != nil {\n		return load.Receipt{}, s.broken(\"advance\", err)\n	}\n	receipt, err := s.Destination.Write(ctx, batch)\n",
		tests: "TestWriteThenAdvance",
	},
	{
		name: "a list is called complete before it is proven", file: "prove.go",
		old: "	if l.agrees && l.keeps() {\n", new: "	if l.keeps() {\n", guard: "ids.ids != last.Total",
	},
	{
		name: "the night stops at the first record that is known", file: "night.go",
		old: "		if l.agrees {\n			return false\n		}\n		others", new: "		if receipt.New < len(page.Rows) {\n			l.agrees = true\n			return false\n		}\n		others",
		tests: "TestSimLives|TestLateRecords",
	},
	{
		name: "the order of the list is believed", file: "prove.go",
		old: "	if l.agrees && l.keeps() {\n", new: "	if (l.agrees || l.known.Order == extract.OrderNewest) && l.keeps() {\n", guard: "ids.ids != last.Total",
	},
	{
		name: "records that leave are forgotten", file: "list.go",
		old: "	case extract.LeavingYes:\n		return false\n", new: "	case extract.LeavingYes:\n		return true\n",
	},
	{
		name: "a record that is met twice counts twice", file: "presence.go",
		old: "		p.change[first]++\n", new: "		p.change[first]++\n		if last > first {\n			p.change[first]++\n			p.change[first+1]--\n		}\n",
	},
	{
		name: "a count is compared with what was listed at another time", file: "list.go",
		old: "	l.counted = append(l.counted, a)\n", new: "	if len(l.counted) > 0 {\n		a.Total = l.counted[0].Total\n	}\n	l.counted = append(l.counted, a)\n",
	},
	{
		name: "a record is taken for listed since ever", file: "presence.go",
		old: "	first = sort.Search(len(p.answers), func(i int) bool { return !p.answers[i].AnsweredAt.Before(s.FirstAt) })\n", new: "	first = 0\n",
	},
	{
		name: "a record is taken for listed until now", file: "presence.go",
		old: "p.answers[i].AskedAt.After(s.LastAt) }) - 1\n", new: "p.answers[i].AskedAt.After(s.LastAt) }) - 1\n	last = len(p.answers) - 1\n",
	},
	{
		name: "a record that can be looked up is taken for listed", file: "changes.go",
		old: "record.AskedAt, record.ListedUnder = schema.NeverListed, l.list.Name", new: "record.AskedAt, record.ListedUnder = record.FirstSeenAt, l.list.Name", tests: "TestLookupIsNoSighting",
	},
	{
		name: "a list that was read once is called stable", file: "prove.go",
		old: "case l.pass.firstAt.IsZero():", new: "case false:",
	},
	{
		name: "a list whose records changed between two readings is called stable", file: "prove.go",
		old: "case l.pass.changed > 0:", new: "case false:", tests: "TestStableMeansTwice",
	},
	{
		name: "a restart goes on behind the next page", file: "pass.go",
		old: "		position = page.Next\n		l.known.Position = position\n", new: "		position = page.Next\n		l.known.Position = position + \"0\"\n", tests: "TestBackfillKilledTwentyTimes",
	},
	{
		name: "what may have changed is not read again", file: "night.go",
		old: "	return l.readChanges(ctx)\n", new: "	clear(l.open)\n	return nil\n", tests: "TestSimSixtyNights",
	},
	{
		name: "answers are dated by a clock that may be set back", file: "presence.go",
		old: "	if !asked.After(c.last) {\n", new: "	if false {\n", tests: "TestCalendar",
	},
}

// TestSimPlantedBugs plants each mistake in a copy of the code and runs the tests that are there to find it: they must
// fail. It compiles the package anew for each, so it runs only where a simulation is asked for.
func TestSimPlantedBugs(t *testing.T) {
	if simSetting(t, "SCALE") == 0 {
		t.Skip("make sim plants the bugs")
	}
	for _, bug := range plantedBugs {
		t.Run(bug.name, func(t *testing.T) {
			source, err := os.ReadFile(bug.file)
			if err != nil {
				t.Fatal(err)
			}
			if count := strings.Count(string(source), bug.old); count != 1 || bug.old == bug.new {
				t.Fatalf("the place for the bug is %d times in %s", count, bug.file)
			}
			here, err := filepath.Abs(bug.file)
			if err != nil {
				t.Fatal(err)
			}
			text := strings.Replace(string(source), bug.old, bug.new, 1)
			if bug.guard != "" {
				if strings.Count(text, bug.guard) != 1 {
					t.Fatalf("the guard is %d times in %s", strings.Count(text, bug.guard), bug.file)
				}
				text = strings.Replace(text, bug.guard, "false", 1)
			}
			mutant := filepath.Join(t.TempDir(), bug.file)
			if err := os.WriteFile(mutant, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			overlay, err := json.Marshal(map[string]map[string]string{"Replace": {here: mutant}})
			if err != nil {
				t.Fatal(err)
			}
			file := filepath.Join(t.TempDir(), "overlay.json")
			if err := os.WriteFile(file, overlay, 0o600); err != nil {
				t.Fatal(err)
			}
			tests := bug.tests
			if tests == "" {
				tests = "TestSimLives"
			}
			command := exec.CommandContext(t.Context(), "go", "test", "-count=1", "-overlay="+file, "-run=^("+tests+")$", ".")
			command.Env = append(os.Environ(), "TIEOUT_TEST_SIM_SCALE=")
			output, err := command.CombinedOutput()
			switch text := string(output); {
			case err == nil:
				t.Error("nothing found it")
			case !strings.Contains(text, "--- FAIL") && !strings.Contains(text, "panic:"):
				t.Errorf("the mutant was not tested: %s", text)
			default:
				for line := range strings.SplitSeq(text, "\n") {
					if strings.Contains(line, "_test.go:") {
						t.Log("found:", strings.TrimSpace(line))
						break
					}
				}
			}
		})
	}
}
