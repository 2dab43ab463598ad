package provenance

import (
	"maps"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/moby/buildkit/executor/resources/types"
	"github.com/opencontainers/go-digest"
)

// Measure records what the processes of a step use, until the caller calls end. The directory
// group is the version 2 control group of the step.
func (u *Usage) Measure(operation digest.Digest, group string) (end func()) {
	var samples []*types.Sample
	add := func() {
		s := groupSample(group)
		s.Timestamp_ = u.now().UTC()
		samples = append(samples, s)
	}
	started := u.cpu()
	stop := repeat(u.interval, maxStepSamples, add)
	return func() {
		stop()
		add()
		all := &types.Samples{Samples: samples, SysCPUStat: cpuDifference(started, u.cpu())}
		u.mu.Lock()
		defer u.mu.Unlock()
		u.steps[operation] = all
	}
}

// Steps returns the samples of the steps that have ended, by the digests of their operations.
func (u *Usage) Steps() map[digest.Digest]*types.Samples {
	if u == nil {
		return nil
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	return maps.Clone(u.steps)
}

// cpu returns the CPU times of this machine, or nil if they are unknown.
func (u *Usage) cpu() *types.SysCPUStat {
	stat, err := fields(filepath.Join(u.proc, "stat"))
	if err != nil {
		return nil
	}
	return cpuStat(stat["cpu"])
}

// cpuDifference returns the CPU times between two samples. If one is unknown, it returns nil.
func cpuDifference(from, to *types.SysCPUStat) *types.SysCPUStat {
	if from == nil || to == nil {
		return nil
	}
	return &types.SysCPUStat{
		User: to.User - from.User, Nice: to.Nice - from.Nice, System: to.System - from.System, Idle: to.Idle - from.Idle,
		Iowait: to.Iowait - from.Iowait, IRQ: to.IRQ - from.IRQ, SoftIRQ: to.SoftIRQ - from.SoftIRQ, Steal: to.Steal - from.Steal,
		Guest: to.Guest - from.Guest, GuestNice: to.GuestNice - from.GuestNice,
	}
}

// groupSample returns a sample of a control group, without a time. Controllers that are not enabled
// in the group have no files, and no statistics in the sample.
func groupSample(dir string) *types.Sample {
	return &types.Sample{
		CPUStat: groupCPU(dir), MemoryStat: groupMemory(dir), IOStat: groupIO(dir),
		PIDsStat: &types.PIDsStat{Current: groupNumber(dir, "pids.current")},
	}
}

func groupCPU(dir string) *types.CPUStat {
	stat, err := fields(filepath.Join(dir, "cpu.stat"))
	if err != nil {
		return nil
	}
	return &types.CPUStat{
		UsageNanos: nanos(stat["usage_usec"]), UserNanos: nanos(stat["user_usec"]), SystemNanos: nanos(stat["system_usec"]),
		NrPeriods: number32(stat["nr_periods"]), NrThrottled: number32(stat["nr_throttled"]), ThrottledNanos: nanos(stat["throttled_usec"]),
		Pressure: groupPressure(dir, "cpu.pressure"),
	}
}

func groupMemory(dir string) *types.MemoryStat {
	stat, err := fields(filepath.Join(dir, "memory.stat"))
	if err != nil {
		return nil
	}
	events, err := fields(filepath.Join(dir, "memory.events"))
	if err != nil {
		events = nil // its counters are 0
	}
	return &types.MemoryStat{
		SwapBytes: groupNumber(dir, "memory.swap.current"), Peak: groupNumber(dir, "memory.peak"),
		Anon: number(stat["anon"]), File: number(stat["file"]), KernelStack: number(stat["kernel_stack"]), PageTables: number(stat["pagetables"]),
		Sock: number(stat["sock"]), Shmem: number(stat["shmem"]), FileMapped: number(stat["file_mapped"]), FileDirty: number(stat["file_dirty"]),
		FileWriteback: number(stat["file_writeback"]), Slab: number(stat["slab"]), Pgscan: number(stat["pgscan"]), Pgsteal: number(stat["pgsteal"]),
		Pgfault: number(stat["pgfault"]), Pgmajfault: number(stat["pgmajfault"]),
		LowEvents: first(events["low"]), HighEvents: first(events["high"]), MaxEvents: first(events["max"]),
		OomEvents: first(events["oom"]), OomKillEvents: first(events["oom_kill"]),
		Pressure: groupPressure(dir, "memory.pressure"),
	}
}

// groupIO returns the sums over all devices.
func groupIO(dir string) *types.IOStat {
	stat, err := fields(filepath.Join(dir, "io.stat"))
	if err != nil {
		return nil
	}
	s := &types.IOStat{Pressure: groupPressure(dir, "io.pressure")}
	sums := map[string]**uint64{
		"rbytes": &s.ReadBytes, "wbytes": &s.WriteBytes, "dbytes": &s.DiscardBytes,
		"rios": &s.ReadIOs, "wios": &s.WriteIOs, "dios": &s.DiscardIOs,
	}
	for _, words := range stat {
		for _, word := range words {
			key, value, _ := strings.Cut(word, "=")
			n, err := strconv.ParseUint(value, 10, 64)
			sum, ok := sums[key]
			if err != nil || !ok {
				continue
			}
			if *sum == nil {
				*sum = new(uint64)
			}
			**sum += n
		}
	}
	return s
}

// groupPressure returns the pressure according to a file of a group, or nil if the kernel does not
// record it.
func groupPressure(dir, name string) *types.Pressure {
	p, err := fields(filepath.Join(dir, name))
	if err != nil {
		return nil
	}
	return &types.Pressure{Some: pressure(p["some"]), Full: pressure(p["full"])}
}

// groupNumber returns the number in a file of a group, or nil if the file does not exist.
func groupNumber(dir, name string) *uint64 {
	// The number is the first word of the file, and therefore a key.
	lines, err := fields(filepath.Join(dir, name))
	if err != nil {
		return nil
	}
	for word := range lines {
		return number([]string{word})
	}
	return nil
}

// nanos converts a number of microseconds to nanoseconds.
func nanos(words []string) *uint64 {
	n := number(words)
	if n != nil {
		*n *= 1000
	}
	return n
}

func number32(words []string) *uint32 {
	n := number(words)
	if n == nil {
		return nil
	}
	short := uint32(*n)
	return &short
}
