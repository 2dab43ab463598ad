//go:build integration

package buildfaults

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"

	"slipway/builder/state"
)

// checkDigests checks that each file in the state directory has the digest that its name or
// its first line states.
func (s *site) checkDigests() {
	s.t.Helper()
	for _, file := range walk(s.t, filepath.Join(s.state, "store", "blobs")) {
		want := filepath.Base(filepath.Dir(file)) + filepath.Base(file)
		if data, err := os.ReadFile(file); err != nil || digest.FromBytes(data).Encoded() != want {
			s.t.Errorf("the content of %s does not match its digest: %v", file, err)
		}
	}
	s.checkRecords()
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

// checkRecords checks that all directories and blobs to which cache records refer exist and
// match their digests, even if they are in the runner's layers.
func (s *site) checkRecords() {
	s.t.Helper()
	if _, err := os.Stat(filepath.Join(s.state, "cache")); errors.Is(err, fs.ErrNotExist) {
		return // the build has failed at once
	}
	d, err := state.Open(s.state, time.Now)
	if err != nil {
		s.t.Error(err)
		return
	}
	before := walk(s.t, filepath.Join(s.state, "cache"))
	if err := d.Cache.Repair(s.t.Context()); err != nil {
		s.t.Error(err)
	}
	if after := walk(s.t, filepath.Join(s.state, "cache")); len(after) != len(before) {
		s.t.Errorf("%d of %d cache records refer to damaged data", len(before)-len(after), len(before))
	}
}

// checkNoTemp checks that the builds so far have removed all of their temporary files and
// mounts.
func (s *site) checkNoTemp() {
	s.t.Helper()
	for _, dir := range []string{"store/tmp", "cache/tmp", "namespace/run", "chroot/run", "outputs", "temp"} {
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
