//go:build integration

package buildfaults

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"

	"github.com/opencontainers/go-digest"
)

// checkDigests checks that each file in the state directory has the digest that its name or
// its first line states.
func (s *site) checkDigests() {
	s.t.Helper()
	for _, kind := range []string{"blobs", "dirs"} {
		for _, file := range walk(s.t, filepath.Join(s.state, "store", kind)) {
			want := filepath.Base(filepath.Dir(file)) + filepath.Base(file)
			if data, err := os.ReadFile(file); err != nil || digest.FromBytes(data).Encoded() != want {
				s.t.Errorf("the content of %s does not match its digest: %v", file, err)
			}
		}
	}
	for _, dir := range []string{"cache", "layers"} {
		for _, file := range walk(s.t, filepath.Join(s.state, dir)) {
			if filepath.Ext(file) != ".json" {
				continue
			}
			data, err := os.ReadFile(file)
			sum, rest, _ := bytes.Cut(data, []byte("\n"))
			if err != nil || digest.FromBytes(rest) != digest.Digest(sum) {
				s.t.Errorf("%s is damaged: %v", file, err)
			}
		}
	}
}

// checkNoTemp checks that no build left temporary files or mounts.
func (s *site) checkNoTemp() {
	s.t.Helper()
	for _, dir := range []string{"store/tmp", "cache/tmp", "namespace/run", "outputs", "temp"} {
		list, err := os.ReadDir(filepath.Join(s.state, dir))
		if err != nil && !os.IsNotExist(err) {
			s.t.Error(err)
		}
		for _, d := range list {
			s.t.Errorf("temporary file %s/%s still exists", dir, d.Name())
		}
	}
	for _, file := range walk(s.t, s.dir) {
		if strings.Contains(file, "/.slipway-") {
			s.t.Errorf("temporary file %s still exists", file)
		}
	}
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil || bytes.Contains(mounts, []byte(s.state)) {
		s.t.Errorf("the state directory contains a mount: %v", err)
	}
}
