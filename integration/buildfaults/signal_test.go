//go:build integration

package buildfaults

import (
	"bytes"
	"math/rand/v2"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// TestInterrupted interrupts builds at random times. They end soon with the
// right exit code and leave no files.
func TestInterrupted(t *testing.T) {
	k := newKiller(t, rand.New(rand.NewPCG(*seed, 100)))
	interrupted := 0
	for i := range 24 {
		if i%3 == 0 {
			k.clear()
		}
		k.vary(i % variants)
		cmd := k.command(append(k.outputs(), "--no-cache")...)
		var told bytes.Buffer
		cmd.Stdout, cmd.Stderr = &told, &told
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Duration(k.Int64N(int64(k.whole[0]))))
		start := time.Now()
		sig := []os.Signal{syscall.SIGINT, syscall.SIGTERM}[i%2]
		_ = cmd.Process.Signal(sig)
		_ = cmd.Wait()
		if took := time.Since(start); took > 10*time.Second {
			t.Errorf("%v: the build ends after %v", sig, took)
		}
		switch code := cmd.ProcessState.ExitCode(); code {
		case map[os.Signal]int{syscall.SIGINT: 130, syscall.SIGTERM: 143}[sig]:
			interrupted++
		case 0, -1: // before the start or after the end of the build
		default:
			t.Errorf("%v: exit code %d\n%s", sig, code, told.String())
		}
		noProcess(t, cmd.Process.Pid)
		if cmd.ProcessState.ExitCode() > 0 {
			k.tidy()
		}
		k.judge(sig.String())
	}
	if t.Logf("%d builds were interrupted", interrupted); interrupted == 0 {
		t.Error("no build was interrupted")
	}
}

// TestInterruptedTwice checks that a second interrupt ends the build
// immediately.
func TestInterruptedTwice(t *testing.T) {
	s := newSite(t, "FROM base\nRUN echo started; sleep 100\n")
	told, err := os.Create(filepath.Join(s.dir, "told"))
	if err != nil {
		t.Fatal(err)
	}
	defer told.Close()
	cmd := s.command()
	cmd.Stdout, cmd.Stderr = told, told
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if !eventually(t.Context(), time.Minute, func() bool {
		data, err := os.ReadFile(told.Name())
		return err == nil && bytes.Contains(data, []byte(" started"))
	}) {
		t.Error("the step does not start")
	}
	start := time.Now()
	_ = cmd.Process.Signal(os.Interrupt)
	time.Sleep(20 * time.Millisecond)
	_ = cmd.Process.Signal(os.Interrupt)
	_ = cmd.Wait()
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("the build ends after %v", took)
	}
	noProcess(t, cmd.Process.Pid)
}
