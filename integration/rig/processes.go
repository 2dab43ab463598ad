package rig

import (
	"bytes"
	"os"
	"strconv"
	"strings"
)

// Processes returns the command lines of all descendants of buildkitd. Descendants are
// frontends and the processes of steps.
func (d *Daemon) Processes() ([]string, error) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil, err
	}
	children := map[int][]int{}
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		if parent, ok := parentOf(pid); ok {
			children[parent] = append(children[parent], pid)
		}
	}
	var list []string
	for todo := children[d.process.PID()]; len(todo) > 0; todo = todo[1:] {
		todo = append(todo, children[todo[0]]...)
		line, err := os.ReadFile("/proc/" + strconv.Itoa(todo[0]) + "/cmdline")
		if err == nil && len(line) > 0 { // skip zombies, whose command line is empty
			list = append(list, string(bytes.TrimSpace(bytes.ReplaceAll(line, []byte{0}, []byte{' '}))))
		}
	}
	return list, nil
}

// parentOf returns the parent of the process with the given id, as recorded in /proc. If
// the process has exited, ok is false.
func parentOf(pid int) (parent int, ok bool) {
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return 0, false
	}
	// The second field of stat is the name in parentheses, which may itself contain blanks and
	// parentheses.
	_, rest, _ := strings.Cut(string(stat[bytes.LastIndexByte(stat, ')')+1:]), " ")
	fields := strings.Fields(rest)
	if len(fields) < 2 {
		return 0, false
	}
	parent, err = strconv.Atoi(fields[1])
	return parent, err == nil
}
