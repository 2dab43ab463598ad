package rules_test

import (
	"bytes"
	"fmt"
	"testing"

	"slipway/lint"
	"slipway/lint/rules"
	"slipway/source"
)

// BenchmarkCorpus checks the Dockerfiles of the corpus and of the fixtures, one after another in
// one process. ms/file is the time for a file.
func BenchmarkCorpus(b *testing.B) {
	files := append(dockerfiles(b, "../../testdata"), dockerfiles(b, "testdata")...)
	l := lint.New(rules.All(), lint.Settings{})
	for b.Loop() {
		for _, content := range files {
			l.Lint(b.Context(), source.NewFile("Dockerfile", content), lint.Options{})
		}
	}
	b.ReportMetric(float64(b.Elapsed().Microseconds())/1000/float64(b.N*len(files)), "ms/file")
}

// BenchmarkLength checks files of several lengths. If the time is linear in the length, ns/line
// is the same for all of them.
func BenchmarkLength(b *testing.B) {
	unit := []byte("RUN apt-get update && apt-get install -y curl=1 | tee x\nCOPY a b\nENV A=1 B=$A\nUSER root\n")
	l := lint.New(rules.All(), lint.Settings{})
	for _, n := range []int{25, 250, 2500} {
		content := append([]byte("FROM debian:12\n"), bytes.Repeat(unit, n)...)
		b.Run(fmt.Sprintf("lines=%d", 4*n), func(b *testing.B) {
			for b.Loop() {
				l.Lint(b.Context(), source.NewFile("Dockerfile", content), lint.Options{})
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*4*n), "ns/line")
		})
	}
}
