package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
)

// solverSuites returns the names of the suites that compare builders:
//
//   - client: the tests of BuildKit's client;
//   - dockerfile: the Dockerfile tests, with the frontend in the builder;
//   - dockerfile-image: the Dockerfile tests, with upstream's frontend image.
func solverSuites() []string { return []string{"client", "dockerfile", "dockerfile-image"} }

// solverWorker is the kind of BuildKit worker in comparisons of builders.
const solverWorker = "oci"

// compareSolvers runs suites with buildkitd and with slipway serve, and compares the outcomes. ok
// is false if slipway serve fails a test that buildkitd passes, unless the reason is recorded.
// With -record, compareSolvers only records the outcomes of buildkitd.
func (set settings) compareSolvers(ctx context.Context, bed *testbed, root string) (ok bool, err error) {
	programs, err := bed.compileServer(ctx, root)
	if err != nil {
		return false, err
	}
	ok = true
	for _, name := range set.suites {
		set := set
		if set.quick {
			if set.pattern, err = quickPattern(name); err != nil {
				return false, err
			}
		}
		s, env, err := bed.solverSuite(ctx, root, name)
		if err != nil {
			return false, err
		}
		outcomesOf := func(builder, programs string) (outcomes, error) {
			opt := runOptions{programs: programs, env: env, worker: solverWorker, pattern: set.pattern}
			return s.outcomes(ctx, opt, builder+", suite "+name, filepath.Join(root, "bin", "conformance-solver-"+name+"-"+builder+".log"))
		}
		fine, err := set.compareSuite(root, name, programs, outcomesOf)
		if err != nil {
			return false, err
		}
		ok = ok && fine
	}
	return ok, nil
}

// compareSuite compares the outcomes of one suite. The function outcomesOf runs the suite with a
// builder whose programs are in a directory, or "" for buildkitd.
func (set settings) compareSuite(root, name, programs string, outcomesOf func(builder, programs string) (outcomes, error)) (ok bool, err error) {
	record := "solver-" + name
	var want outcomes
	if set.recorded {
		want, err = readRecord(recordOf(name), set.pattern)
	} else {
		want, err = outcomesOf("buildkitd", "")
	}
	if err != nil {
		return false, err
	}
	if set.record {
		fmt.Printf("suite %s: %s\n", name, want)
		return true, writeRecord(root, recordOf(name), want)
	}
	got, err := outcomesOf("slipway", programs)
	if err != nil {
		return false, err
	}
	want.dropOuter()
	got.dropOuter()
	lost, err := readLost(record)
	if err != nil {
		return false, err
	}
	c := comparison{title: "suite " + name, upstream: "buildkitd", ours: "slipway serve"}
	return printReasons(os.Stdout, c.print(os.Stdout, want, got), got, lost), nil
}

// recordOf returns the name of the record with the outcomes of buildkitd for a suite. The suite
// with upstream's image runs as in comparisons of images, and has the same record.
func recordOf(suite string) string {
	if suite == "dockerfile-image" {
		return solverWorker
	}
	return "solver-" + suite
}

// printReasons prints for how many of the tests that only buildkitd passes a reason is recorded,
// and the others. It reports whether there are no others. It also prints the tests in lost that
// passed in our run, got.
func printReasons(w io.Writer, worse []difference, got outcomes, lost map[string]string) bool {
	unexpected := slices.DeleteFunc(slices.Clone(worse), func(d difference) bool { return lost[d.test] != "" })
	fmt.Fprintf(w, "  %d tests pass only with buildkitd, %d of them without a recorded reason\n", len(worse), len(unexpected))
	for _, d := range unexpected {
		fmt.Fprintf(w, "  no reason is recorded: %s\n", d.test)
	}
	for _, test := range slices.Sorted(maps.Keys(lost)) {
		if got.of(test) == passed {
			fmt.Fprintf(w, "  passes, but is recorded as lost: %s\n", test)
		}
	}
	return len(unexpected) == 0
}

// solverSuite returns a suite and the environment variables that select its frontend.
func (b *testbed) solverSuite(ctx context.Context, root, name string) (s *suite, env []string, err error) {
	switch name {
	case "client":
		s, err = b.clientSuite(ctx)
		return s, nil, err
	case "dockerfile":
		s, err = b.dockerfileSuite(ctx)
		return s, []string{"FRONTEND_BUILTIN_ONLY=1"}, err
	}
	archive := filepath.Join(b.tmp, "upstream.tar")
	if err := writeFrontend(ctx, root, "upstream", archive); err != nil {
		return nil, nil, err
	}
	s, err = b.dockerfileSuite(ctx)
	return s, []string{"FRONTEND_GATEWAY_ONLY=local:" + archive}, err
}

// compileServer compiles slipway and the program buildkitd that starts it. It returns their
// directory.
func (b *testbed) compileServer(ctx context.Context, root string) (string, error) {
	dir := filepath.Join(b.tmp, "bin")
	if err := os.Mkdir(dir, 0o755); err != nil {
		return "", err
	}
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-o", dir+"/", "./cmd/slipway", "./integration/conformance/buildkitd")
	cmd.Dir, cmd.Env = root, append(os.Environ(), "CGO_ENABLED=0")
	cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("compile slipway: %w", err)
	}
	return dir, nil
}
