package main

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
)

// benchCase is a build to measure: its context, and a function that changes the context before
// each measured build.
type benchCase struct {
	name       string
	dockerfile string
	files      func(dir string) error // creates the files that the Dockerfile copies; nil if it copies none
	cold       bool                   // set if each build starts with an empty state
	// change modifies the directory before each turn. Nil changes nothing. Turn -1 is the
	// uncounted turn that fills the caches.
	change func(dir string, turn int) error
}

func cases() []*benchCase {
	return []*benchCase{
		{name: "cold build", dockerfile: project, files: sources, cold: true},
		{name: "no-op rebuild", dockerfile: project, files: sources},
		{name: "one changed source file", dockerfile: project, files: sources, change: changeSource},
		{name: "20 independent stages", dockerfile: stages(20, 0.1), files: stamp, change: changeStamp},
		{name: "2 independent stages of 3 s", dockerfile: stages(2, 3), files: stamp, change: changeStamp},
		{name: "50,000 small files", dockerfile: "FROM busybox\nCOPY files /files/\n", files: manyFiles, cold: true},
		{name: "50,000 small files, then RUN", dockerfile: "FROM busybox\nCOPY files /files/\nRUN ls /files/1 > /list\n", files: manyFiles, cold: true},
		{name: "50,000 small files, no-op", dockerfile: "FROM busybox\nCOPY files /files/\n", files: manyFiles},
		{name: "300 MB written, then RUN", dockerfile: "FROM busybox\nRUN head -c 300000000 /dev/zero > /zeros\nRUN ls -l /zeros > /list\n", cold: true},
		{name: "500 MB through 5 stages", dockerfile: through, files: bigFile, cold: true},
	}
}

// project is the Dockerfile of a typical project: it installs tools, compiles sources and
// copies the result to a new image.
const project = `FROM busybox AS tools
RUN echo tools > /tools
FROM busybox AS build
WORKDIR /src
COPY go.mod ./
RUN cat go.mod > /deps
COPY . .
RUN find . -name '*.go' | sort | xargs cat > /out
FROM busybox
ENV APP=/usr/local/bin
COPY --from=tools /tools /usr/local/bin/
COPY --from=build /out /usr/local/bin/app
WORKDIR /srv
CMD ["/usr/local/bin/app"]
`

func sources(dir string) error {
	if err := write(dir, "go.mod", "module example\n"); err != nil {
		return err
	}
	for i := range 300 {
		name := fmt.Sprintf("pkg%d/file%d.go", i%20, i)
		if err := write(dir, name, strings.Repeat(fmt.Sprintf("// line of file %d\n", i), 200)); err != nil {
			return err
		}
	}
	return nil
}

func changeSource(dir string, turn int) error {
	return write(dir, "pkg3/file3.go", fmt.Sprintf("package pkg3 // %d\n", turn))
}

// stages returns a Dockerfile with n independent stages, each of which sleeps for the given
// number of seconds.
func stages(n int, seconds float64) string {
	var b, last strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "FROM busybox AS s%d\nCOPY stamp /\nRUN sleep %g; cat /stamp > /out%[1]d\n", i, seconds)
		fmt.Fprintf(&last, "COPY --from=s%d /out%[1]d /\n", i)
	}
	return b.String() + "FROM scratch\n" + last.String()
}

func stamp(dir string) error { return write(dir, "stamp", "") }

func changeStamp(dir string, turn int) error {
	return write(dir, "stamp", fmt.Sprintf("turn %d\n", turn))
}

func manyFiles(dir string) error {
	for i := range 50_000 {
		if err := write(dir, fmt.Sprintf("files/%d/%d", i%200, i), fmt.Sprintf("content of file %d\n", i)); err != nil {
			return err
		}
	}
	return nil
}

// through is a Dockerfile that copies one file from stage to stage.
const through = `FROM scratch AS a
COPY big /a/
FROM scratch AS b
COPY --from=a /a/big /b/
FROM scratch AS c
COPY --from=b /b/big /c/
FROM scratch AS d
COPY --from=c /c/big /d/
FROM scratch
COPY --from=d /d/big /e/
`

// bigFile creates a file of random bytes, which no builder can compress.
func bigFile(dir string) error {
	f, err := os.Create(filepath.Join(dir, "big"))
	if err != nil {
		return err
	}
	random := rand.NewChaCha8([32]byte{})
	block := make([]byte, 1_000_000)
	for range 500 {
		if _, err = random.Read(block); err == nil {
			_, err = f.Write(block)
		}
		if err != nil {
			f.Close()
			return err
		}
	}
	return f.Close()
}

// write writes a file below dir. It creates missing parent directories.
func write(dir, name, content string) error {
	name = filepath.Join(dir, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	return os.WriteFile(name, []byte(content), 0o644)
}

func (c *benchCase) write(dir string) error {
	if err := write(dir, "Dockerfile", c.dockerfile); err != nil {
		return err
	}
	if c.files == nil {
		return nil
	}
	return c.files(dir)
}

func (c *benchCase) turn(dir string, turn int) error {
	if c.change == nil {
		return nil
	}
	return c.change(dir, turn)
}
