package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// killsInCI is how often TestKilledDrills kills where nobody says.
const killsInCI = 100

// recoveryMax is how many processes in a row are killed before one is left alone: all but the first of them while they
// clear up after the one before.
const recoveryMax = 8

// drillRounds is how many rounds a world lives: the first one makes the tables.
const drillRounds = 6

// TestKilledDrills kills the program with SIGKILL at every one of its statements, before, during and after it, on each
// way to ClickHouse, and what goes on after that as well. After each round a run is left alone; then everything that is
// stored must be what the partner's books say: nothing lost, nothing double, no version wrong.
func TestKilledDrills(t *testing.T) {
	t.Parallel()
	kills := killsInCI
	if text := os.Getenv(killsSetting); text != "" {
		var err error
		if kills, err = strconv.Atoi(text); err != nil {
			t.Fatalf("%s: %v", killsSetting, err)
		}
	}
	ways := []string{"embedded"}
	server := startServer(t)
	if server != nil {
		ways = append(ways, "native", "http")
	}
	tally := &drillTally{counts: map[string]map[string]int{}}
	t.Run("ways", func(t *testing.T) {
		for i, way := range ways {
			t.Run(way, func(t *testing.T) {
				t.Parallel()
				share := kills / len(ways)
				if i < kills%len(ways) {
					share++
				}
				d := &drill{t: t, way: way, server: server, share: share, tally: tally, random: rand.New(rand.NewPCG(uint64(kills), uint64(i)))}
				d.run()
			})
		}
	})
	tally.print(t, ways)
	tally.check(t, ways, kills)
}

// drill is the kills of one way to ClickHouse.
type drill struct {
	t      *testing.T
	way    string
	server *serverProcess
	share  int // kills that are due
	tally  *drillTally
	random *rand.Rand

	queue  []string // points that are to come, each often enough
	killed int
	worlds int
}

// run kills until the share is reached.
func (d *drill) run() {
	for d.killed < d.share && !d.t.Failed() {
		d.worlds++
		d.t.Run(fmt.Sprint("world ", d.worlds), d.live)
	}
}

// live is the life of one world, on tables of its own.
func (d *drill) live(t *testing.T) {
	dsn := ""
	if d.server != nil && d.way != "embedded" {
		dsn = d.server.dsn(d.way)
	}
	w := newDrillWorld(t, d.random.Uint64(), dsn)
	for round := 0; round < drillRounds && d.killed < d.share && !t.Failed(); round++ {
		d.playRound(w, round)
	}
}

// playRound changes the world, kills some processes in a row, and lets the next one finish.
func (d *drill) playRound(w *drillWorld, round int) {
	arguments := []string{"sync", "--allow", "unproven"}
	if w.change(round) {
		arguments = append(arguments, "--full")
	}
	w.noteStates()
	recovering := false
	for range 1 + d.random.IntN(recoveryMax) {
		if d.killed == d.share {
			break
		}
		point := d.next(round)
		if !w.runInto(point, d.random, arguments) {
			d.queue = append(d.queue, point) // it was not reached; another time
			recovering = false
			continue
		}
		w.remember()
		d.killed++
		d.tally.add(d.way, point, recovering)
		recovering = true
	}
	w.nextKey().must(exitDone, arguments...)
	w.finish()
}

// next returns the point that is due. Where tables are made first, the points of that come first; elsewhere they wait.
func (d *drill) next(round int) string {
	if len(d.queue) == 0 {
		d.queue = points()
		d.random.Shuffle(len(d.queue), func(i, j int) { d.queue[i], d.queue[j] = d.queue[j], d.queue[i] })
	}
	fits := func(point string) bool { return (round == 0) == strings.Contains(point, "migration") }
	at := slices.IndexFunc(d.queue, fits)
	if at < 0 {
		at = 0
		if round > 0 || len(d.queue) == 0 { // only migrations are left: any other point will do meanwhile
			all := points()
			for {
				if point := all[d.random.IntN(len(all))]; fits(point) {
					return point
				}
			}
		}
	}
	point := d.queue[at]
	d.queue = slices.Delete(d.queue, at, at+1)
	return point
}

// occurrences is how often a statement comes in a run, at least, where it is more than once.
var occurrences = map[string]int{
	"migration statement": 20, "migration journal": 3, "fetch": 10, "insert versions": 3, "insert sightings": 6, "look up": 6,
	"append checkpoint": 8, "record certificate": 2, "record run": 3, "insert balances": 2, "take lease": 2, "key ledger": 2,
}

// runInto runs the program into a point, and reports whether it died there.
func (w *drillWorld) runInto(point string, random *rand.Rand, arguments []string) bool {
	w.t.Helper()
	_, name, _ := strings.Cut(point, " ")
	count := 1 + random.IntN(max(1, occurrences[name]))
	place := w.nextKey()
	if name != "fetch" {
		place = place.with(fmt.Sprintf("%s=%s|%d", killPlan, point, count))
	}
	if name == "renew lease" {
		place = place.with("TIEOUT_COINUT_MAIN_RATE_LIMITS=15/1s")
	}
	command, _, stderr := place.command(context.Background(), arguments...)
	if err := command.Start(); err != nil {
		w.t.Fatal(err)
	}
	if name == "fetch" {
		victim := &fetchKill{after: strings.HasPrefix(point, "after"), kill: func() { _ = command.Process.Kill() }} // it may have ended
		victim.left.Store(int64(count))
		w.victim.Store(victim)
		defer w.victim.Store(nil)
	}
	_ = command.Wait() // what it ended with is looked at
	status, ok := command.ProcessState.Sys().(syscall.WaitStatus)
	switch {
	case ok && status.Signaled() && status.Signal() == syscall.SIGKILL:
		return true
	case command.ProcessState.ExitCode() != exitDone && name != "renew lease": // whose leases are short enough to be lost
		w.t.Errorf("a run that should have died at %s ended with %d: %s", point, command.ProcessState.ExitCode(), stderr)
	}
	return false
}

// drillTally counts kills.
type drillTally struct {
	mu       sync.Mutex                // guards the rest
	counts   map[string]map[string]int // by point and way
	recovery int                       // kills of processes that went on after a kill
}

func (c *drillTally) add(way, point string, recovering bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.counts[point] == nil {
		c.counts[point] = map[string]int{}
	}
	c.counts[point][way]++
	if recovering {
		c.recovery++
	}
}

// print shows the tally as a table.
func (c *drillTally) print(t *testing.T, ways []string) {
	var text strings.Builder
	sums := map[string]int{}
	fmt.Fprintf(&text, "%-28s", "killed")
	for _, way := range append(slices.Clone(ways), "all") {
		fmt.Fprintf(&text, "%10s", way)
	}
	for _, point := range points() {
		fmt.Fprintf(&text, "\n%-28s", point)
		sum := 0
		for _, way := range ways {
			fmt.Fprintf(&text, "%10d", c.counts[point][way])
			sums[way] += c.counts[point][way]
			sum += c.counts[point][way]
		}
		fmt.Fprintf(&text, "%10d", sum)
		sums["all"] += sum
	}
	fmt.Fprintf(&text, "\n%-28s", "all")
	for _, way := range append(slices.Clone(ways), "all") {
		fmt.Fprintf(&text, "%10d", sums[way])
	}
	t.Logf("%s\n%d of them were processes that went on after a kill", text.String(), c.recovery)
}

// check holds the tally to what was asked for. With enough kills every point must have been met on every way.
func (c *drillTally) check(t *testing.T, ways []string, kills int) {
	t.Helper()
	if t.Failed() {
		return
	}
	sum := 0
	for _, point := range points() {
		for _, way := range ways {
			if sum += c.counts[point][way]; c.counts[point][way] == 0 && kills >= 5*len(points())*len(ways)/4 {
				t.Errorf("nothing was killed %s (%s)", point, way)
			}
		}
	}
	if sum != kills || c.recovery < kills/10 {
		t.Errorf("%d kills, %d of them during recovery; want %d and %d", sum, c.recovery, kills, kills/10)
	}
}
