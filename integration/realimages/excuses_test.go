package realimages

import "testing"

// TestUnexcused checks that an excuse covers the content of a file, but not its metadata.
func TestUnexcused(t *testing.T) {
	const log = "layer 1: file     0644 0:0       12 var/log/dpkg.log sha256:0123456789abcdef new\n"
	const other = "layer 1: file     0644 0:0      125 var/log/dpkg.log sha256:fedcba9876543210 new\n"
	const mode = "layer 1: file     0640 0:0      125 var/log/dpkg.log sha256:fedcba9876543210 new\n"
	const plain = "layer 1: file     0644 0:0       12 etc/x y sha256:0123456789abcdef new\n"
	for diff, want := range map[string]string{
		"-" + log + "+" + other:               "",
		"-" + log:                             "-" + log,
		"-" + log + "+" + mode:                "-" + log + "+" + mode,
		"-" + log + "-" + plain + "+" + other: "-" + plain,
	} {
		if got, _ := unexcused(diff); got != want {
			t.Errorf("unexcused(%q) = %q, want %q", diff, got, want)
		}
	}
}
