package provenance

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// fakeProc returns a directory with files of /proc.
func fakeProc(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "pressure"), 0o700); err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string]string{
		"stat":         "cpu  150 0 250 1000 3 0 0 0 0 0\ncpu0 1 2 3 4\nctxt 77\nprocesses 8\nprocs_running 2\n",
		"meminfo":      "MemTotal:  1000 kB\nMemFree:  10 kB\nActive:  5 kB\nActive(anon):  4 kB\nSwapTotal:  0 kB\n",
		"pressure/cpu": "some avg10=0.50 avg60=0.25 avg300=0.00 total=1234\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(data), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// TestUsage checks the samples of a build: at intervals, and one when they are read.
func TestUsage(t *testing.T) {
	at := time.Unix(5, 0).UTC()
	u := recordUsage(fakeProc(t), time.Millisecond, func() time.Time { return at })
	for range 1000 {
		u.mu.Lock()
		n := len(u.samples)
		u.mu.Unlock()
		if n >= 2 {
			break
		}
		time.Sleep(time.Millisecond)
	}
	u.Stop()
	got, err := u.Samples()
	if err != nil || len(got) < 3 {
		t.Fatalf("%d samples, %v, want at least 3", len(got), err)
	}
	data, err := json.Marshal(got[len(got)-1])
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"timestamp":"1970-01-01T00:00:05Z",` +
		`"cpuStat":{"user":1.5,"nice":0,"system":2.5,"idle":10,"iowait":0.03,"irq":0,"softirq":0,"steal":0,"guest":0,"guestNice":0},` +
		`"procStat":{"contextSwitches":77,"processCreated":8,"processesRunning":2},` +
		`"memoryStat":{"total":1000,"free":10,"available":null,"buffers":null,"cached":null,"active":5,"inactive":null,"swap":0,"dirty":null,"writeback":null,"slab":null},` +
		`"cpuPressure":{"some":{"avg10":0.5,"avg60":0.25,"avg300":0,"total":1234},"full":null}}`
	if string(data) != want {
		t.Errorf("sample\n%s\nwant\n%s", data, want)
	}
	p := predicate(t, Request{Usage: true, Min: true}, Build{Usage: got})
	if diff := cmp.Diff(got, p.RunDetails.Metadata.BuildKitMetadata.SysUsage); diff != "" {
		t.Errorf("samples in the provenance (-want +got):\n%s", diff)
	}
	if p := predicate(t, Request{}, Build{Usage: got}); p.RunDetails.Metadata.BuildKitMetadata.SysUsage != nil {
		t.Error("the provenance has samples without a request")
	}
}

// TestNoUsage checks builds that record nothing, and machines without /proc.
func TestNoUsage(t *testing.T) {
	var none *Usage
	none.Stop()
	other := recordUsage(t.TempDir(), time.Hour, time.Now)
	other.Stop()
	for _, u := range []*Usage{none, other} {
		if got, err := u.Samples(); len(got) > 0 || err != nil {
			t.Errorf("samples %v, %v, want none", got, err)
		}
	}
	dir := fakeProc(t)
	if err := os.Remove(filepath.Join(dir, "meminfo")); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(dir, "meminfo"), 0o700); err != nil {
		t.Fatal(err)
	}
	broken := recordUsage(dir, time.Hour, time.Now)
	broken.Stop()
	if _, err := broken.Samples(); err == nil {
		t.Error("a file that cannot be read is no error")
	}
}

// TestParseUsage checks which values of capture-usage request samples.
func TestParseUsage(t *testing.T) {
	for value, want := range map[string]bool{"true": true, "1": true, "false": false, "": false, "yes": false} {
		if r, err := ParseRequest(map[string]string{"capture-usage": value}); err != nil || r.Usage != want {
			t.Errorf("capture-usage=%s: %t, %v, want %t", value, r.Usage, err, want)
		}
	}
}
