// Package export converts build results to outputs: images as OCI and Docker archives or
// in a registry, directories, and plain archives.
//
// Files are written atomically, and the same result yields the same bytes.
package export
