package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/docker/cli/cli/config"

	"slipway/internal/fakeregistry"
)

// stdin replaces standard input with a text for the duration of the test.
func stdin(t *testing.T, text string) {
	t.Helper()
	name := filepath.Join(t.TempDir(), "stdin")
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	old := os.Stdin
	os.Stdin = f
	t.Cleanup(func() {
		os.Stdin = old
		f.Close()
	})
}

// TestLogin checks that slipway login stores credentials that the registry accepts, and
// that slipway logout removes the stored credentials.
func TestLogin(t *testing.T) {
	before, dir := config.Dir(), t.TempDir()
	t.Cleanup(func() { config.SetDir(before) })
	config.SetDir(dir)
	t.Setenv("DOCKER_AUTH_CONFIG", "")
	s := fakeregistry.Start(t, fakeregistry.Token)
	stored := func() string {
		data, _ := os.ReadFile(filepath.Join(dir, "config.json"))
		return string(data)
	}
	stdin(t, "wrong\n")
	if code, told := slipway(t, "login", "-u", fakeregistry.User, "--password-stdin", s.Host); code != exitFailed || !strings.Contains(told, s.Host+" refuses the user name or the password") || stored() != "" {
		t.Errorf("exit code %d, told %q, stored %s", code, told, stored())
	}
	stdin(t, fakeregistry.Password+"\n")
	code, out, told := slipwayOut(t, "login", "-u", fakeregistry.User, "--password-stdin", "https://"+s.Host+"/v2/")
	if code != 0 || out != "Login Succeeded\n" || !strings.Contains(stored(), s.Host) {
		t.Errorf("exit code %d, out %q, told %q, stored %s", code, out, told, stored())
	}
	if code, out, told := slipwayOut(t, "logout", s.Host); code != 0 || out != "Removing login credentials for "+s.Host+"\n" || strings.Contains(stored(), s.Host) {
		t.Errorf("exit code %d, out %q, told %q, stored %s", code, out, told, stored())
	}
}

func TestLoginUsage(t *testing.T) {
	stdin(t, "")
	for args, want := range map[string]string{
		"login -u a -p b --password-stdin": "both give the password",
		"login --password-stdin":           "the user is missing",
		"login":                            "login needs a terminal",
		"login a b":                        "takes one registry",
		"logout a b":                       "takes one registry",
	} {
		if code, told := slipway(t, strings.Fields(args)...); code != exitUsage || !strings.Contains(told, want) {
			t.Errorf("%s: exit code %d, told %q, want %s", args, code, told, want)
		}
	}
	if code, told := slipway(t, "login", "-u", "a", "--password-stdin"); code != exitFailed || !strings.Contains(told, "standard input is empty") {
		t.Errorf("exit code %d, told %q", code, told)
	}
}
