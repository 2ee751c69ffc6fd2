package main

import (
	"fmt"
	"sync/atomic"
	"syscall"
	"time"
)

const lookEvery = 10 * time.Millisecond

// Records done by a worker; apart in memory from the next one's.
type count struct {
	records atomic.Int64
	_       [120]byte
}

// What the run has done and used so far.
type mark struct {
	records int64
	time    time.Time
	cpu     time.Duration
}

func processCPU() time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		fail("getrusage: %v", err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// markAt waits until so many records are done.
func markAt(counts []count, records int64) mark {
	for {
		var done int64
		for i := range counts {
			done += counts[i].records.Load()
		}
		if done >= records {
			return mark{done, time.Now(), processCPU()}
		}
		time.Sleep(lookEvery)
	}
}

// since gives JSON.
func (m mark) since(begin mark) string {
	return fmt.Sprintf(`{"records":%d,"seconds":%.3f,"cpu_seconds":%.3f}`,
		m.records-begin.records, m.time.Sub(begin.time).Seconds(), (m.cpu - begin.cpu).Seconds())
}
