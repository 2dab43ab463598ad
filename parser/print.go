package parser

import "io"

// Print writes the nodes of f to w. The output equals the parsed file byte for byte.
func Print(w io.Writer, f *File) error {
	for _, n := range f.Nodes {
		r := n.Range()
		if _, err := w.Write(r.File.Bytes[r.Start:r.End]); err != nil {
			return err
		}
	}
	return nil
}
