//go:build integration

package buildfaults

import (
	"bytes"
	"math/rand/v2"
	"os"
	"syscall"
	"testing"
	"time"
)

// TestInterrupted checks that a build ends within ten seconds after SIGINT or SIGTERM. Its
// exit code must be 128 plus the signal number, and it must leave no temporary files.
func TestInterrupted(t *testing.T) {
	k := newKiller(t, rand.New(rand.NewPCG(*seed, 100)))
	interrupted := 0
	for i := range 12 {
		if i%3 == 0 {
			k.removeState()
		}
		k.setVariant(i % variants)
		cmd := k.command(append(k.outputs(), "--no-cache")...)
		var output bytes.Buffer
		cmd.Stdout, cmd.Stderr = &output, &output
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Duration(k.Int64N(int64(k.durations[0]))))
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
		case 0, -1: // the signal arrived before the command handled signals, or after the build
		default:
			t.Errorf("%v: exit code %d\n%s", sig, code, output.String())
		}
		wantNoProcess(t, cmd.Process.Pid)
		if cmd.ProcessState.ExitCode() > 0 {
			k.checkNoTemp()
		}
		k.checkState(sig.String())
	}
	if t.Logf("%d builds were interrupted", interrupted); interrupted == 0 {
		t.Error("no build was interrupted")
	}
}

// TestInterruptedTwice checks that a second SIGINT ends the build without waiting for its
// step.
func TestInterruptedTwice(t *testing.T) {
	s := newSite(t, "FROM base\nRUN echo started; sleep 100\n")
	cmd := s.startStep(t)
	start := time.Now()
	_ = cmd.Process.Signal(os.Interrupt)
	time.Sleep(20 * time.Millisecond)
	_ = cmd.Process.Signal(os.Interrupt)
	_ = cmd.Wait()
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("the build ends after %v", took)
	}
	wantNoProcess(t, cmd.Process.Pid)
}
