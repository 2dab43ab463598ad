package realimages

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"

	"slipway/integration/rig"
	"slipway/integration/toolbox"
)

// A mirror is a Debian repository for the packages in the base image.
type mirror struct {
	uri, suite string
	settings   string // text for apt.conf: proxies and accepted dates of indexes
}

// Base returns a minimal Debian image, with the suite and the mirror that apt on this machine
// is configured with. The first call runs debootstrap, which needs root, and stores the layer
// for later calls.
func Base(ctx context.Context, log io.Writer) (v1.Image, error) {
	if err := rig.EnsurePackages(ctx, log, "debootstrap"); err != nil {
		return nil, err
	}
	m, err := configuredMirror(ctx)
	if err != nil {
		return nil, err
	}
	root, err := toolbox.Root()
	if err != nil {
		return nil, err
	}
	dir := filepath.Join(root, "bin", "realimages")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	archive := filepath.Join(dir, fmt.Sprintf("%s-%.8x.tar.gz", m.suite, sha256.Sum256(fmt.Append(nil, m))))
	if _, err := os.Stat(archive); errors.Is(err, os.ErrNotExist) {
		fmt.Fprintf(log, "debootstrap %s to %s\n", m.suite, archive)
		if err := m.bootstrap(ctx, dir, archive); err != nil {
			return nil, err
		}
	}
	layer, err := tarball.LayerFromFile(archive)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", archive, err)
	}
	image, err := mutate.AppendLayers(empty.Image, layer)
	if err != nil {
		return nil, err
	}
	config, err := image.ConfigFile()
	if err != nil {
		return nil, err
	}
	config = config.DeepCopy()
	config.OS, config.Architecture = "linux", runtime.GOARCH
	config.Config.Cmd = []string{"bash"}
	config.Config.Env = []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}
	return mutate.ConfigFile(image, config)
}

// settings matches the lines of this machine's apt configuration that apt in the base image
// also needs.
var settings = regexp.MustCompile(`(?im)^Acquire::(https?::(.*::)?Proxy|Check-Date|Check-Valid-Until|Retries|ForceIPv[46]) .*\n`)

// configuredMirror returns the first repository in apt's sources that contains binary
// packages and does not only contain updates of another repository.
func configuredMirror(ctx context.Context) (mirror, error) {
	list, err := output(ctx, "apt-get", "indextargets", "--format", "$(REPO_URI) $(RELEASE) $(COMPONENT)", "Created-By: Packages")
	if err != nil {
		return mirror{}, err
	}
	config, err := output(ctx, "apt-config", "dump", "Acquire")
	if err != nil {
		return mirror{}, err
	}
	for scan := bufio.NewScanner(bytes.NewReader(list)); scan.Scan(); {
		fields := strings.Fields(scan.Text())
		if len(fields) == 3 && fields[2] == "main" && !strings.ContainsAny(fields[1], "-/") {
			return mirror{fields[0], fields[1], strings.Join(settings.FindAllString(string(config), -1), "")}, nil
		}
	}
	return mirror{}, errors.New("apt has no source with the component main for the base image (see /etc/apt/sources.list)")
}

// bootstrap runs debootstrap in dir and writes the result as a compressed layer to archive.
func (m mirror) bootstrap(ctx context.Context, dir, archive string) (err error) {
	tmp, err := os.MkdirTemp(dir, "tmp-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(tmp)) }()
	root, packed := filepath.Join(tmp, "root"), filepath.Join(tmp, "layer.tar.gz")
	// debootstrap prints its errors as the last line of standard output.
	if out, err := output(ctx, "debootstrap", "--variant=minbase", m.suite, root, m.uri); err != nil {
		lines := strings.Split(strings.TrimSpace(string(out)), "\n")
		return fmt.Errorf("%w: %s", err, lines[len(lines)-1])
	}
	if err := m.configure(root); err != nil {
		return err
	}
	if _, err := output(ctx, "tar", "--create", "--gzip", "--file", packed, "--sort=name", "--numeric-owner", "--xattrs",
		"--anchored", "--exclude=./dev/*", "--exclude=./proc/*", "--exclude=./sys/*", "--exclude=./run/*",
		"--exclude=./var/lib/apt/lists/*_*", "--exclude=./var/cache/apt/*.bin", "--exclude=./var/cache/apt/archives/*.deb",
		"--directory", root, "."); err != nil {
		return err
	}
	return os.Rename(packed, archive)
}

// configure configures dpkg and apt in a root filesystem as in Debian's images, and adds the
// apt settings that this machine's network needs. The parameter root is the directory of the
// root filesystem. configure also removes files that debootstrap copied from the machine.
func (m mirror) configure(root string) error {
	for name, text := range map[string]string{
		"etc/apt/apt.conf.d/90machine":         m.settings,
		"etc/apt/apt.conf.d/docker-clean":      "Dir::Cache::pkgcache \"\";\nDir::Cache::srcpkgcache \"\";\nDPkg::Post-Invoke { \"rm -f /var/cache/apt/archives/*.deb\"; };\n",
		"etc/dpkg/dpkg.cfg.d/docker-unsafe-io": "force-unsafe-io\n",
		"usr/sbin/policy-rc.d":                 "#!/bin/sh\nexit 101\n",
	} {
		if err := os.WriteFile(filepath.Join(root, name), []byte(text), 0o644); err != nil {
			return err
		}
	}
	if err := os.Chmod(filepath.Join(root, "usr/sbin/policy-rc.d"), 0o755); err != nil {
		return err
	}
	for _, name := range []string{"etc/hostname", "etc/resolv.conf", "var/log/bootstrap.log"} {
		if err := os.RemoveAll(filepath.Join(root, name)); err != nil {
			return err
		}
	}
	return nil
}

// output runs a program and returns its standard output. Errors include its standard error.
func output(ctx context.Context, program string, args ...string) ([]byte, error) {
	out, err := exec.CommandContext(ctx, program, args...).Output()
	if err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) && len(exit.Stderr) > 0 {
			err = fmt.Errorf("%w: %s", err, bytes.TrimSpace(exit.Stderr))
		}
		return out, fmt.Errorf("%s: %w", program, err)
	}
	return out, nil
}
