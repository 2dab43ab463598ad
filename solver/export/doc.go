// Package export turns what a build made into what users want: images as OCI and
// Docker archives or in a registry, directories, and plain archives.
//
// A file that is written is written whole or not at all, and the same result
// gives the same bytes.
package export
