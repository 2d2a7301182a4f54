package extract

import (
	"fmt"
	"runtime"
	"testing"
)

// The windows of these are so wide that nobody waits: what is measured is the price of a permit itself.
const wide = "1000000000/1s,2000000000000/1h"

// TestPermitAllocatesNothing holds the steady state to no garbage: where nobody waits, where every request does, and with
// a store to be written, which happens every few seconds only.
func TestPermitAllocatesNothing(t *testing.T) {
	for _, limit := range []*limiter{
		limiterOf(t, wide, false, nil), limiterOf(t, wide, false, &keyStore{}), limiterOf(t, "100000/1s,200000000/1h", false, nil),
	} {
		ctx := t.Context()
		permit := func() {
			if _, err := limit.acquire(ctx, false); err != nil {
				t.Fatal(err)
			}
			limit.release()
		}
		permit() // loads
		if allocations := testing.AllocsPerRun(2000, permit); allocations != 0 {
			t.Errorf("a permit allocates %v times", allocations)
		}
	}
}

// BenchmarkPermit asks ten keys for permits from eight goroutines.
func BenchmarkPermit(b *testing.B) {
	for _, keys := range []int{1, 10} {
		b.Run(fmt.Sprintf("keys=%d", keys), func(b *testing.B) {
			limits := make([]*limiter, keys)
			for i := range limits {
				limits[i] = limiterOf(b, wide, false, &keyStore{})
			}
			b.ReportAllocs()
			b.SetParallelism(max(1, 8/runtime.GOMAXPROCS(0))) // eight goroutines
			b.RunParallel(func(pb *testing.PB) {
				ctx := b.Context()
				for i := 0; pb.Next(); i++ {
					limit := limits[i%keys]
					if _, err := limit.acquire(ctx, i%7 == 0); err != nil {
						b.Fatal(err)
					}
					limit.release()
				}
			})
		})
	}
}
