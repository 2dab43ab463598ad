package export

import "testing"

// TestLayerMediaType checks the conversion of media types of layers between OCI and Docker.
func TestLayerMediaType(t *testing.T) {
	for _, tc := range [][2]string{
		{"application/vnd.oci.image.layer.v1.tar", "application/vnd.docker.image.rootfs.diff.tar"},
		{"application/vnd.oci.image.layer.v1.tar+gzip", "application/vnd.docker.image.rootfs.diff.tar.gzip"},
		{"application/vnd.oci.image.layer.v1.tar+zstd", "application/vnd.docker.image.rootfs.diff.tar.zstd"},
		{"application/vnd.oci.image.layer.nondistributable.v1.tar+gzip", "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"},
		{"application/vnd.in-toto+json", "application/vnd.in-toto+json"},
	} {
		for _, from := range tc {
			if got := (MediaTypes{}).Layer(from); got != tc[0] {
				t.Errorf("OCI type of %s: got %s, want %s", from, got, tc[0])
			}
			if got := (MediaTypes{Docker: true}).Layer(from); got != tc[1] {
				t.Errorf("Docker type of %s: got %s, want %s", from, got, tc[1])
			}
		}
	}
}
