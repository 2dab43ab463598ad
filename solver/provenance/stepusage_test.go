package provenance

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/moby/buildkit/executor/resources/types"
	"github.com/moby/buildkit/solver/pb"
	"github.com/opencontainers/go-digest"
)

// fakeGroup returns a directory with the given control files of a group.
func fakeGroup(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, data := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(data), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// TestGroupSample checks samples of groups with all controllers, with none, and without files.
func TestGroupSample(t *testing.T) {
	for _, c := range []struct {
		about string
		files map[string]string
		want  string
	}{
		{"all controllers", map[string]string{
			"cpu.stat":      "usage_usec 5\nuser_usec 3\nsystem_usec 2\nnr_periods 7\nnr_throttled 1\nthrottled_usec 9\n",
			"cpu.pressure":  "some avg10=0.50 avg60=0.25 avg300=0.00 total=12\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=0\n",
			"memory.stat":   "anon 4096\nfile 1\nkernel_stack 2\nslab 3\npgfault 10\nworkingset_refault_anon 4\n",
			"memory.events": "low 0\nhigh 1\nmax 2\noom 3\noom_kill 4\n",
			"memory.peak":   "8192\n",
			"io.stat":       "8:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=0 dios=0\n8:16 rbytes=10 wbytes=x rios=30\n7:0\n",
			"pids.current":  "6\n",
		}, `{"timestamp":"0001-01-01T00:00:00Z",` +
			`"cpuStat":{"usageNanos":5000,"userNanos":3000,"systemNanos":2000,"nrPeriods":7,"nrThrottled":1,"throttledNanos":9000,` +
			`"pressure":{"some":{"avg10":0.5,"avg60":0.25,"avg300":0,"total":12},"full":{"avg10":0,"avg60":0,"avg300":0,"total":0}}},` +
			`"memoryStat":{"anon":4096,"file":1,"kernelStack":2,"slab":3,"pgfault":10,"peak":8192,"highEvents":1,"maxEvents":2,"oomEvents":3,"oomKillEvents":4},` +
			`"ioStat":{"readBytes":11,"writeBytes":2,"discardBytes":0,"readIOs":33,"writeIOs":4,"discardIOs":0},` +
			`"pidsStat":{"current":6}}`},
		{"no controllers", map[string]string{"cpu.stat": "usage_usec 5\n"}, `{"timestamp":"0001-01-01T00:00:00Z","cpuStat":{"usageNanos":5000},"pidsStat":{}}`},
		{"no files", nil, `{"timestamp":"0001-01-01T00:00:00Z","pidsStat":{}}`},
	} {
		data, err := json.Marshal(groupSample(fakeGroup(t, c.files)))
		if err != nil || string(data) != c.want {
			t.Errorf("%s: sample, error %v:\n%s\nwant\n%s", c.about, err, data, c.want)
		}
	}
}

// TestStepUsage checks that a step has samples taken at intervals and at its end, and that only the
// provenance whose request asks for them contains them.
func TestStepUsage(t *testing.T) {
	op, err := (&pb.Op{Op: &pb.Op_Exec{Exec: &pb.ExecOp{Meta: &pb.Meta{Args: []string{"x"}}}}}).Marshal()
	if err != nil {
		t.Fatal(err)
	}
	operation, group := digest.FromBytes(op), fakeGroup(t, map[string]string{"cpu.stat": "usage_usec 5\n"})
	u := recordUsage(fakeProc(t), time.Millisecond, time.Now)
	defer u.Stop()
	end := u.Measure(operation, group)
	time.Sleep(50 * time.Millisecond)
	if n := len(u.Steps()); n != 0 {
		t.Errorf("%d steps have samples before their end, want 0", n)
	}
	end()
	got := u.Steps()[operation]
	if got == nil || len(got.Samples) < 2 || *got.Samples[0].CPUStat.UsageNanos != 5000 || got.SysCPUStat == nil || got.SysCPUStat.User != 0 {
		t.Fatalf("samples of the step: %+v, want at least two of 5000 ns", got)
	}
	b := Build{Definition: &pb.Definition{Def: [][]byte{op}}, StepUsage: u.Steps()}
	for _, c := range []struct {
		r    Request
		want *types.Samples
	}{
		{Request{Usage: true}, got},
		{Request{}, nil},
	} {
		p := predicate(t, c.r, b)
		if steps := p.BuildDefinition.InternalParameters.BuildConfig.Definition; len(steps) != 1 || !cmp.Equal(steps[0].ResourceUsage, c.want) {
			t.Errorf("request %+v: steps %+v, want one with %+v", c.r, steps, c.want)
		}
	}
	if (*Usage)(nil).Steps() != nil {
		t.Error("a build without a record has samples of steps")
	}
}
