package main

import (
	"fmt"
	"strings"
)

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

// through is a Dockerfile in which each stage copies the same file from the stage before it.
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

// application is the Dockerfile of a Node.js application. The files that its build stage
// creates are copied to a new image.
const application = `FROM busybox AS build
COPY modules /modules
RUN cp -r /modules /app
COPY src /app/src
RUN echo 1 > /app/out
RUN echo 2 > /app/out2
FROM busybox
COPY --from=build /app /app
RUN echo 3 > /x
`

// writeFiles returns a shell command that writes 100 small files to each of n directories.
func writeFiles(n int) string {
	return fmt.Sprintf("d=0; while [ $d -lt %d ]; do mkdir -p /out/$d; f=0; "+
		"while [ $f -lt 100 ]; do echo $d.$f > /out/$d/$f; f=$((f+1)); done; d=$((d+1)); done\n", n)
}

// writeBig returns a shell command that writes two files of about size bytes each.
func writeBig(size int) string {
	return fmt.Sprintf("for f in a b; do { echo $f; head -c %d /dev/zero; } > /$f; done\n", size)
}

// instructions returns a Dockerfile with n instructions. It starts with FROM and COPY. Of the
// other instructions, a quarter are RUN and a quarter are COPY.
func instructions(n int) string {
	var b strings.Builder
	b.WriteString("FROM busybox\nCOPY stamp /first\n")
	for i := range n - 2 {
		switch i % 4 {
		case 0:
			fmt.Fprintf(&b, "RUN echo %d > /run%[1]d\n", i)
		case 1:
			fmt.Fprintf(&b, "COPY Dockerfile /copy%d\n", i)
		case 2:
			fmt.Fprintf(&b, "ENV v%d=%[1]d\n", i)
		case 3:
			fmt.Fprintf(&b, "WORKDIR /dir%d\n", i)
		}
	}
	return b.String()
}
