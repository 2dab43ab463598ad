package namespace

import (
	"bytes"
	"fmt"
	"io/fs"
	"slices"
	"strconv"

	"golang.org/x/sys/unix"
)

// reportMark begins each report of an overlay in the output of the init process to its
// fault file. Error texts do not contain it.
const reportMark = "\x00"

// reportOverlay sends the device number of an overlay to the builder.
func reportOverlay(merged string) error {
	var st unix.Stat_t
	if err := unix.Stat(merged, &st); err != nil {
		return &fs.PathError{Op: "stat", Path: merged, Err: err}
	}
	_, err := unix.Write(faultFile, fmt.Appendf(nil, "%s%d\n", reportMark, st.Dev))
	return err
}

// takeReports stores the device numbers of overlays from the output of an init process,
// and returns the rest: its error.
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

// isHeld reports whether an overlay of the container is still in use after its
// processes have ended. A process of another step then holds a file or a directory of
// the overlay, and could change a layer after it was read. The kernel may have reused
// the number for an overlay of another container. In this case the layer is only
// written again.
func (c *container) isHeld() bool {
	c.closeSpaces() // they keep the overlays in use as well
	return slices.ContainsFunc(c.overlays, isMounted)
}
