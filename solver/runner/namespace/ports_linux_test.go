package namespace

import (
	"bytes"
	"io"
	"strings"
	"testing"
)

// TestPortWatch checks that the messages of common programs are found in the output, however it is
// split, that others are not, and that the output is complete.
func TestPortWatch(t *testing.T) {
	for line, want := range map[string]bool{
		"nginx: [emerg] bind() to 0.0.0.0:80 failed (13: Permission denied)":                           true,
		"nc: bind: Permission denied":                                                                  true,
		"listen tcp :80: bind: permission denied":                                                      true,
		"Error: listen EACCES: permission denied 0.0.0.0:80":                                           true,
		"(13)Permission denied: AH00072: make_sock: could not bind to address [::]:80":                 true,
		"cat: /etc/shadow: Permission denied":                                                          false,
		"bind() to 0.0.0.0:80 failed (98: Address already in use)":                                     false,
		"binder: Permission denied":                                                                    false,
		strings.Repeat("x", maxLine) + " bind: Permission denied, which is too far from the beginning": false,
	} {
		for _, text := range []string{line, line + "\n", "before\n" + line + "\nafter\n"} {
			for _, size := range []int{1, 7, len(text)} {
				var out bytes.Buffer
				var p portWatch
				other, w := p.stream(&out), p.stream(&out)
				if _, err := io.CopyBuffer(struct{ io.Writer }{w}, struct{ io.Reader }{strings.NewReader(text)}, make([]byte, size)); err != nil {
					t.Fatal(err)
				}
				_, _ = other.Write([]byte("end"))
				if got := p.end(); got != want || out.String() != text+"end" {
					t.Errorf("%q in parts of %d bytes: %t, want %t; output %q", text, size, got, want, out.String())
				}
			}
		}
	}
}

// TestResolvConf checks that a step with a connector uses only the name server of the connector, and
// keeps the other settings of the machine.
func TestResolvConf(t *testing.T) {
	const machine = "search example.com\nnameserver 127.0.0.53\n  nameserver 8.8.8.8\noptions ndots:2"
	const want = "nameserver 10.0.2.3\nsearch example.com\noptions ndots:2"
	if got := string(resolvConf([]byte(machine))); got != want {
		t.Errorf("resolv.conf %q, want %q", got, want)
	}
}
