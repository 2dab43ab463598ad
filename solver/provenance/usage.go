package provenance

import (
	"cmp"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/moby/buildkit/executor/resources/types"
	"github.com/opencontainers/go-digest"
)

// Usage records how much of this machine's CPUs and memory is used during a build. It samples the
// whole machine, and with [Usage.Measure] also single steps. A nil *Usage has no samples. Safe for
// concurrent use.
type Usage struct {
	proc     string // the file system /proc
	interval time.Duration
	now      func() time.Time
	stop     func() // ends the samples of the machine

	mu      sync.Mutex
	samples []*types.SysSample
	err     error // of the first sample that could not be taken
	steps   map[digest.Digest]*types.Samples
}

// sampleInterval is the initial time between two samples, as in BuildKit. The other constants are the
// numbers of samples of the machine and of a step after which this time doubles.
const (
	sampleInterval = 2 * time.Second
	maxSamples     = 20
	maxStepSamples = 10
)

// RecordUsage starts a record of the usage. The caller must call Stop. The record of a machine
// without /proc stays empty.
func RecordUsage(now func() time.Time) *Usage { return recordUsage("/proc", sampleInterval, now) }

func recordUsage(proc string, interval time.Duration, now func() time.Time) *Usage {
	u := &Usage{proc: proc, interval: interval, now: now, steps: map[digest.Digest]*types.Samples{}}
	u.stop = repeat(interval, maxSamples, u.add)
	return u
}

// repeat calls add at intervals, until the caller calls stop. The interval doubles after each n
// calls. After stop has returned, add is not called.
func repeat(interval time.Duration, n int, add func()) (stop func()) {
	end, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for i := 1; ; i++ {
			select {
			case <-end:
				return
			case <-time.After(interval):
			}
			if add(); i%n == 0 {
				interval *= 2
			}
		}
	}()
	return func() {
		close(end)
		<-done
	}
}

// Stop ends the record.
func (u *Usage) Stop() {
	if u != nil {
		u.stop()
	}
}

// Samples takes a last sample and returns all samples.
func (u *Usage) Samples() ([]*types.SysSample, error) {
	if u == nil {
		return nil, nil
	}
	u.add()
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.samples, u.err
}

// add takes a sample.
func (u *Usage) add() {
	s, err := sample(u.proc)
	u.mu.Lock()
	defer u.mu.Unlock()
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		u.err = cmp.Or(u.err, err)
	default:
		s.Timestamp_ = u.now().UTC()
		u.samples = append(u.samples[:len(u.samples):len(u.samples)], s)
	}
}

// sample returns the usage according to the files in the directory proc, without a time.
func sample(proc string) (*types.SysSample, error) {
	stat, err := fields(filepath.Join(proc, "stat"))
	if err != nil {
		return nil, err
	}
	memory, err := fields(filepath.Join(proc, "meminfo"))
	if err != nil {
		return nil, err
	}
	s := &types.SysSample{CPUStat: cpuStat(stat["cpu"]), ProcStat: &types.ProcStat{
		ContextSwitches: first(stat["ctxt"]), ProcessCreated: first(stat["processes"]), ProcessesRunning: first(stat["procs_running"]),
	}}
	s.MemoryStat = memoryStat(memory)
	for name, to := range map[string]**types.Pressure{"cpu": &s.CPUPressure, "memory": &s.MemoryPressure, "io": &s.IOPressure} {
		// The kernel may not record the pressure. It then has no file, or one that cannot be read.
		if p, err := fields(filepath.Join(proc, "pressure", name)); err == nil {
			*to = &types.Pressure{Some: pressure(p["some"]), Full: pressure(p["full"])}
		}
	}
	return s, nil
}

// fields reads a file of /proc or of a control group. It returns the words after the first word of
// each line, by the first word without a colon.
func fields(name string) (map[string][]string, error) {
	data, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	lines := map[string][]string{}
	for line := range strings.Lines(string(data)) {
		if words := strings.Fields(line); len(words) > 0 {
			lines[strings.TrimSuffix(words[0], ":")] = words[1:]
		}
	}
	return lines, nil
}

// number returns the first of some words as a number, or nil.
func number(words []string) *uint64 {
	if len(words) == 0 {
		return nil
	}
	n, err := strconv.ParseUint(words[0], 10, 64)
	if err != nil {
		return nil
	}
	return &n
}

// first returns the first of some words as a number, or 0.
func first(words []string) uint64 {
	if n := number(words); n != nil {
		return *n
	}
	return 0
}

// clockTicks is the number of units per second in which the kernel reports CPU time (USER_HZ).
const clockTicks = 100

// cpuStat converts the times in the line cpu of /proc/stat.
func cpuStat(words []string) *types.SysCPUStat {
	var t [10]float64
	for i := range min(len(t), len(words)) {
		t[i] = float64(first(words[i:])) / clockTicks
	}
	return &types.SysCPUStat{
		User: t[0], Nice: t[1], System: t[2], Idle: t[3], Iowait: t[4],
		IRQ: t[5], SoftIRQ: t[6], Steal: t[7], Guest: t[8], GuestNice: t[9],
	}
}

// memoryStat converts the lines of /proc/meminfo.
//
// Upstream: the numbers are in KiB.
func memoryStat(m map[string][]string) *types.SysMemoryStat {
	return &types.SysMemoryStat{
		Total: number(m["MemTotal"]), Free: number(m["MemFree"]), Available: number(m["MemAvailable"]),
		Buffers: number(m["Buffers"]), Cached: number(m["Cached"]), Active: number(m["Active"]), Inactive: number(m["Inactive"]),
		Swap: number(m["SwapTotal"]), Dirty: number(m["Dirty"]), Writeback: number(m["Writeback"]), Slab: number(m["Slab"]),
	}
}

// pressure converts the values in a line of a file in /proc/pressure, such as avg10=0.00. Without
// values, it returns nil.
func pressure(words []string) *types.PressureValues {
	if len(words) == 0 {
		return nil
	}
	p := &types.PressureValues{}
	for _, word := range words {
		key, value, _ := strings.Cut(word, "=")
		f, err := strconv.ParseFloat(value, 64)
		if err != nil {
			continue
		}
		switch key {
		case "avg10":
			p.Avg10 = &f
		case "avg60":
			p.Avg60 = &f
		case "avg300":
			p.Avg300 = &f
		case "total":
			p.Total = number([]string{value})
		}
	}
	return p
}
