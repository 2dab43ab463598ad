package solver

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/moby/buildkit/solver/pb"

	"slipway/solver/device"
	"slipway/solver/runner"
	"slipway/solver/tree"
)

// TestProcessDevices checks what a process gets for the CDI devices of its operation. A mount of
// the operation replaces a mount of a device.
func TestProcessDevices(t *testing.T) {
	mount := func(target string) runner.Mount {
		return runner.Mount{Kind: runner.MountDir, Target: target, HostPath: "/host"}
	}
	devices := func(list []*pb.CDIDevice) (*device.Edits, error) {
		if list[0].Name == "missing" {
			return nil, errors.New("no such device")
		}
		return &device.Edits{
			Env: []string{"D=" + list[0].Name}, Groups: []uint32{7},
			Devices: []runner.Device{{Path: "/dev/d"}}, Mounts: []runner.Mount{mount("/lib"), mount("/data")},
		}, nil
	}
	run := func(devices func([]*pb.CDIDevice) (*device.Edits, error), d *pb.CDIDevice) (*runner.Process, error) {
		s, err := tree.OpenStore(t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		r := &recorder{}
		b := New(t.Context(), Options{
			Store: s, Cache: NewMemoryCache(), Sources: emptySources{}, Runner: r, Devices: devices,
			Now: func() time.Time { return time.Unix(0, 0) },
		})
		defer b.Wait()
		g, err := Load(marshal(t, mkdirs(func(int) string { return "/d" })(0), &pb.Op{Op: &pb.Op_Exec{Exec: &pb.ExecOp{
			Meta: &pb.Meta{Args: []string{"x"}, Cwd: "/"}, CdiDevices: []*pb.CDIDevice{d},
			Mounts: []*pb.Mount{
				{Input: 0, Dest: "/", Output: 0},
				{Input: -1, Output: -1, Dest: "/data", MountType: pb.MountType_TMPFS},
			},
		}}}))
		if err != nil {
			t.Fatal(err)
		}
		_, err = b.Result(g).Snapshot(t.Context())
		return r.last, err
	}
	p, err := run(devices, &pb.CDIDevice{Name: "a"})
	if err != nil {
		t.Fatal(err)
	}
	var mounts []string
	for _, m := range p.Mounts {
		mounts = append(mounts, m.Target+map[runner.MountKind]string{runner.MountDir: " of the device"}[m.Kind])
	}
	if want := []string{"/", "/data", "/lib of the device"}; !slices.Equal(mounts, want) {
		t.Errorf("mounts %q, want %q", mounts, want)
	}
	if !slices.Contains(p.Env, "D=a") || !slices.Equal(p.Groups, []uint32{7}) || len(p.Devices) != 1 {
		t.Errorf("environment %q, groups %d, devices %v, want those of the device", p.Env, p.Groups, p.Devices)
	}
	if _, err := run(devices, &pb.CDIDevice{Name: "missing"}); err == nil || !strings.Contains(err.Error(), "no such device") {
		t.Errorf("a missing device: error %v, want that it does not exist", err)
	}
	if _, err := run(nil, &pb.CDIDevice{Name: "a"}); err == nil || !strings.Contains(err.Error(), "device a: this build has no devices") {
		t.Errorf("a build without devices: error %v, want one about the device", err)
	}
	if _, err := run(nil, &pb.CDIDevice{Name: "a", Optional: true}); err != nil {
		t.Errorf("an optional device: error %v, want nil", err)
	}
}
