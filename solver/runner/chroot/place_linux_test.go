package chroot

import (
	"testing"
	"time"

	"slipway/internal/testtree"
)

// TestDirTimes checks the time of /etc, in which the runner creates files while a process runs. If
// the process changes something in /etc, the time is new, unless the process sets it.
func TestDirTimes(t *testing.T) {
	w := newFixture(t)
	old := testtree.Must(w.root.Get("etc")).Meta().ModTime
	start := time.Now().Add(-time.Minute)
	for _, tc := range []struct {
		script string
		right  func(time.Time) bool
	}{
		{":", old.Equal},
		{"echo >> /etc/hosts", old.Equal}, // the result does not contain this file
		{"echo >> /etc/passwd", start.Before},
		{"echo > /etc/new; rm /etc/new", old.Equal},
		{"echo >> /etc/passwd; touch -d @2000 /etc", time.Unix(2000, 0).Equal},
		{"touch -d @2000 /etc", time.Unix(2000, 0).Equal},
	} {
		_, trees := w.mustRun(t, w.process(tc.script))
		if got := testtree.Must(trees[0].Get("etc")).Meta().ModTime; !tc.right(got) {
			t.Errorf("step %q: the time of /etc is %v, and was %v", tc.script, got, old)
		}
	}
}

// TestPassedDirs checks that a step creates the directories before ".." in the path of its working
// directory, with root as their owner.
func TestPassedDirs(t *testing.T) {
	w := newFixture(t)
	p := w.process("stat -c '%n %u' /passed /passed/deep /other; echo $PWD")
	p.Dir, p.User = "/passed/deep/../../other", "me"
	const want = "/passed 0\n/passed/deep 0\n/other 12\n/other\n"
	if out, _ := w.mustRun(t, p); out != want {
		t.Errorf("output %q, want %q", out, want)
	}
}
