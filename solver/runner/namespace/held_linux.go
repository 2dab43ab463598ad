package namespace

import (
	"bytes"
	"fmt"
	"io/fs"
	"slices"
	"strconv"

	"golang.org/x/sys/unix"
)

// reportMark begins each report of an overlay among what the init process writes to
// its fault file. Errors are text.
const reportMark = "\x00"

// reportOverlay tells the builder the number of the device that an overlay is.
func reportOverlay(merged string) error {
	var st unix.Stat_t
	if err := unix.Stat(merged, &st); err != nil {
		return &fs.PathError{Op: "stat", Path: merged, Err: err}
	}
	_, err := unix.Write(faultFile, fmt.Appendf(nil, "%s%d\n", reportMark, st.Dev))
	return err
}

// takeReports takes the numbers of overlays from what an init process wrote, and
// returns the rest: its error.
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

// isHeld reports whether an overlay of the container is in use after its processes have
// ended. A process of another step then holds a file or a directory of it, and can change
// what is kept as a layer after it was read. The kernel may have given the number to an
// overlay of another container in between, for which this one is only written anew.
func (c *container) isHeld() bool {
	c.closeSpaces() // which hold the overlays, too
	return slices.ContainsFunc(c.overlays, isMounted)
}
