package namespace

import (
	"bytes"
	"fmt"
	"io/fs"
	"slices"
	"strconv"

	"golang.org/x/sys/unix"
)

// reportMark starts each overlay report that the init process writes to its error file.
// Because the mark is a NUL byte, it cannot be part of an error text in this file.
const reportMark = "\x00"

// reportOverlay sends the builder the device number of an overlay. The parameter merged is the
// path at which the overlay is mounted.
func reportOverlay(merged string) error {
	var st unix.Stat_t
	if err := unix.Stat(merged, &st); err != nil {
		return &fs.PathError{Op: "stat", Path: merged, Err: err}
	}
	_, err := unix.Write(errorFile, fmt.Appendf(nil, "%s%d\n", reportMark, st.Dev))
	return err
}

// takeReports extracts overlay reports from text, the content of an init process's error file.
// It appends the device number in each report to c.overlays. It returns the rest of text,
// which is an error message or empty.
func (c *container) takeReports(text []byte) []byte {
	for {
		rest, ok := bytes.CutPrefix(text, []byte(reportMark))
		if !ok {
			return text
		}
		var number []byte
		number, text, _ = bytes.Cut(rest, []byte("\n"))
		if dev, err := strconv.ParseUint(string(number), 10, 64); err == nil {
			c.overlays = append(c.overlays, dev)
		}
	}
}

// isInUse reports whether an overlay of the container still exists after its processes have
// ended. In this case, a process of another step has a file or directory of the overlay open,
// and could change the upper directory after it was read. Such an upper directory must not
// become a layer.
//
// The kernel may have reused the device number for an overlay of another container. This costs
// only time, because the layer is then written again.
func (c *container) isInUse() bool {
	c.closeSpaces() // open namespaces would keep the overlays in use
	return slices.ContainsFunc(c.overlays, isMounted)
}
