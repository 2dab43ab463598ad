package builds

import "testing"

// TestUnexcused checks that excuses cover differences from actual runs, and nothing else.
func TestUnexcused(t *testing.T) {
	const char = "-layer 2: char     0644 0:0        0 etc/c dev 7:0 new\n"
	const block = "+layer 2: block    0644 0:0        0 etc/c dev 7:0 new\n"
	const copies = "RUN mknod /etc/c b 7 0\nFROM busybox\nCOPY --from=s0 /etc/* /etc/\n"
	for _, tc := range []struct{ text, diff, want string }{
		{copies, char + block, ""},
		{copies, char, char},
		{copies, block, block},
		{"RUN mknod /etc/c c 7 0\n", char + block, char + block},
		{"COPY --parents a /\n", "-layer 0: dir      0755 0:0        0 x new\n+layer 0: dir      0755 0:0        0 x 2024-01-01T00:00:00Z\n", ""},
		{"COPY --parents a /\n", "-layer 0: dir      0755 0:0        0 x new\n+layer 0: dir      0700 0:0        0 x 2024-01-01T00:00:00Z\n", "-layer 0: dir      0755 0:0        0 x new\n+layer 0: dir      0700 0:0        0 x 2024-01-01T00:00:00Z\n"},
		{"RUN --mount=from=s0,source=/,target=/m true\n", "-layer 1: dir      0755 0:0        0 c 2020-01-02T03:04:05Z\n+layer 1: dir      0755 0:0        0 c new\n", ""},
		{"", "-error at [\"a\"]: \"/x\": not found\n+error at [\"b\"]: open /y: no such file or directory\n", ""},
		{"", "-error at [\"a\"]: \"/x\": not found\n+error at [\"b\"]: exit code: 1\n", "-error at [\"a\"]: \"/x\": not found\n+error at [\"b\"]: exit code: 1\n"},
		{"", "build 1 (-BuildKit +solver):\n    what a step printed\n", ""},
	} {
		if got := Unexcused([]byte(tc.text), tc.diff); got != tc.want {
			t.Errorf("%q: unexcused lines %q, want %q", tc.diff, got, tc.want)
		}
	}
}
