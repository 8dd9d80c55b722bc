package daemon

import (
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"testing"
)

func heapMB() float64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return float64(m.HeapAlloc) / (1 << 20)
}

// rssMB is what the process keeps once it gave back what it could.
func rssMB(tb testing.TB) float64 {
	debug.FreeOSMemory()
	b, err := os.ReadFile("/proc/self/statm")
	must(tb, err)
	pages, err := strconv.ParseFloat(strings.Fields(string(b))[1], 64)
	must(tb, err)
	return pages * float64(os.Getpagesize()) / (1 << 20)
}
