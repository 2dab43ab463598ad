package main

import (
	"fmt"
	"math"
)

// benchCase is a build to measure, with a function that changes the build context between
// measured builds.
type benchCase struct {
	name       string
	dockerfile string
	files      func(dir string) error // creates the files that the Dockerfile copies; nil if it copies none
	cold       bool                   // set if each build starts with an empty state
	// change modifies the build context before each turn. If change is nil, the context stays
	// unchanged. The turn -1 is not counted and only fills the caches.
	change func(dir string, turn int) error

	large  bool   // set for builds that take seconds; they have half as many turns, and omit buildah
	output string // replaces the flag -output unless it is ""
	layout bool   // set if builders read the image "large" from an OCI layout
	series int    // number of turns if the case measures how builds become slower; 0 otherwise
}

// turns returns the number of measured builds of the case. The parameter runs is the value of
// the flag -runs.
func (c *benchCase) turns(runs int) int {
	switch {
	case c.series > 0:
		return c.series
	case c.large:
		return (runs + 1) / 2
	}
	return runs
}

// largeFiles is the number of files in the base image "large", and also the number of files
// that steps copy into this image.
const largeFiles = 17_000

// cases returns all cases. The parameter scale multiplies the number of files, instructions
// and builds in each case, and the sizes of files.
func cases(scale float64) []*benchCase {
	n := func(count int) int { return max(1, int(math.Round(float64(count)*scale))) }
	many, big := manyFiles(n(50_000)), n(500_000_000)
	list := []*benchCase{
		{name: "cold build", dockerfile: project, files: sources, cold: true},
		{name: "no-op rebuild", dockerfile: project, files: sources},
		{name: "one changed source file", dockerfile: project, files: sources, change: changeSource},
		{name: "20 independent stages", dockerfile: stages(20, 0.1), files: stamp, change: changeStamp},
		{name: "2 independent stages of 3 s", dockerfile: stages(2, 3), files: stamp, change: changeStamp},
		{name: "50,000 small files", dockerfile: "FROM busybox\nCOPY files /files/\n", files: many, cold: true},
		{name: "50,000 small files, then RUN", dockerfile: "FROM busybox\nCOPY files /files/\nRUN ls /files/1 > /list\n", files: many, cold: true},
		{name: "50,000 small files, no-op", dockerfile: "FROM busybox\nCOPY files /files/\n", files: many},
		{name: "300 MB written, then RUN", dockerfile: fmt.Sprintf("FROM busybox\nRUN head -c %d /dev/zero > /zeros\nRUN ls -l /zeros > /list\n", n(300_000_000)), cold: true},
		{name: "500 MB through 5 stages", dockerfile: through, files: bigFile("big", big), cold: true},
	}
	for _, count := range []struct {
		about string
		files int
	}{{"60", 60}, {"46,000", n(46_000)}, {"60,000", n(60_000)}} {
		list = append(list,
			&benchCase{name: "application of " + count.about + " files, no-op", dockerfile: application, files: modules(count.files)},
			&benchCase{name: "application of " + count.about + " files, one changed", dockerfile: application, files: modules(count.files), change: changeModule},
		)
	}
	return append(list, largeCases(n)...)
}

// largeCases returns the cases whose builds take seconds. The function n multiplies a number by
// the scale factor of the benchmark.
func largeCases(n func(count int) int) []*benchCase {
	export := "FROM scratch\nCOPY first second /\n"
	bigFiles := func(dir string) error {
		if err := bigFile("first", n(700_000_000))(dir); err != nil {
			return err
		}
		return bigFile("second", n(700_000_000))(dir)
	}
	copied := manyFiles(n(largeFiles))
	return []*benchCase{
		{name: "RUN writes 60,000 files", dockerfile: "FROM busybox\nRUN " + writeFiles(n(600)), cold: true, large: true},
		{name: "RUN writes 2 × 700 MB", dockerfile: "FROM busybox\nRUN " + writeBig(n(700_000_000)), cold: true, large: true},
		{name: "RUN cp -a of 17,000 files", dockerfile: "FROM busybox\nCOPY files /files/\nCOPY stamp /\nRUN cp -a /files /copy\n", files: copied, change: changeStamp, large: true},
		{name: "RUN chown -R of 17,000 files", dockerfile: "FROM busybox\nCOPY files /files/\nCOPY stamp /\nRUN chown -R 1000:1000 /files\n", files: copied, change: changeStamp, large: true},
		{name: "first RUN on 17,000 files, pulled", dockerfile: "FROM large\nRUN ls /files > /list\n", cold: true, large: true},
		{name: "first RUN on 17,000 files, layout", dockerfile: "FROM large\nRUN ls /files > /list\n", cold: true, large: true, layout: true},
		{name: "500 instructions, cold", dockerfile: instructions(n(500)), files: stamp, cold: true, large: true},
		{name: "500 instructions, no-op", dockerfile: instructions(n(500)), files: stamp},
		{name: "500 instructions, first COPY changed", dockerfile: instructions(n(500)), files: stamp, change: changeStamp, large: true},
		{name: "200 stages", dockerfile: stages(n(200), 0), files: stamp, change: changeStamp, large: true},
		{name: "1.4 GB as OCI archive", dockerfile: export, files: bigFiles, cold: true, large: true, output: "oci"},
		{name: "1.4 GB pushed", dockerfile: export, files: bigFiles, cold: true, large: true, output: "push"},
		{name: "1,000 builds", dockerfile: project, files: sources, change: changeSource, large: true, series: n(1000)},
	}
}
