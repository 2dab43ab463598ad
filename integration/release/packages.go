package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
	"time"

	"github.com/klauspost/compress/gzip"

	"slipway/integration/checkout"
)

// packageFile is a file of a package, in the configuration of nfpm.
type packageFile struct {
	Source      string          `json:"src"`
	Destination string          `json:"dst"`
	Info        packageFileInfo `json:"file_info"`
}

type packageFileInfo struct {
	Mode  int64     `json:"mode"`
	Owner string    `json:"owner"`
	Group string    `json:"group"`
	Time  time.Time `json:"mtime"`
}

// writePackages writes a package for t in each format of Linux distributions.
func (r *release) writePackages(ctx context.Context, t target, files []file) error {
	if t.os != "linux" || r.nfpm == "" {
		return nil
	}
	stage := filepath.Join(r.tmp, "package-"+t.fileName())
	for _, format := range []string{"deb", "rpm", "apk"} {
		contents, err := r.stage(filepath.Join(stage, format), format, files)
		if err != nil {
			return err
		}
		config, err := json.Marshal(r.packageConfig(t, format, contents))
		if err != nil {
			return err
		}
		// JSON is YAML, too.
		configFile, out := filepath.Join(stage, format+".yaml"), filepath.Join(stage, "out."+format)
		if err := os.WriteFile(configFile, config, 0o644); err != nil {
			return err
		}
		cmd := exec.CommandContext(ctx, r.nfpm, "package", "-f", configFile, "-p", format, "-t", out)
		cmd.Env = []string{fmt.Sprintf("SOURCE_DATE_EPOCH=%d", r.Time.Unix()), "TZ=UTC", "LC_ALL=C"}
		if _, err := checkout.Output(cmd); err != nil {
			return err
		}
		data, err := os.ReadFile(out)
		if err != nil {
			return err
		}
		if err := r.add(r.base(t)+"."+format, data); err != nil {
			return err
		}
	}
	return nil
}

// packageConfig returns the configuration of nfpm for a package.
func (r *release) packageConfig(t target, format string, contents []packageFile) map[string]any {
	recommends := map[string][]string{"deb": {"ca-certificates", "uidmap"}, "rpm": {"ca-certificates", "shadow-utils"}}
	return map[string]any{
		"name": "slipway", "arch": t.arch + strings.TrimPrefix(t.variant, "v"), "platform": "linux", "version": r.Version, "release": "1",
		"section": "devel", "priority": "optional", "maintainer": "Slipway authors", "license": "Apache-2.0",
		"description":      "Build Dockerfiles without a daemon\nSlipway is a Dockerfile frontend for BuildKit, and a builder that needs no daemon.",
		"mtime":            r.Time,
		"umask":            0o022,
		"disable_globbing": true,
		"recommends":       recommends[format],
		"contents":         contents,
		"rpm":              map[string]any{"buildhost": "localhost", "packager": "Slipway authors"},
	}
}

// stage writes the files of a package below dir, and returns where they are installed.
func (r *release) stage(dir, format string, files []file) ([]packageFile, error) {
	var contents []packageFile
	for _, f := range files {
		installed := installedPath(f, format)
		if installed == "" {
			continue
		}
		data := f.data
		if path.Ext(installed) == ".gz" {
			var err error
			if data, err = compressed(data); err != nil {
				return nil, err
			}
		}
		src := filepath.Join(dir, filepath.FromSlash(installed))
		if err := os.MkdirAll(filepath.Dir(src), 0o755); err != nil {
			return nil, err
		}
		if err := os.WriteFile(src, data, 0o644); err != nil {
			return nil, err
		}
		contents = append(contents, packageFile{src, installed, packageFileInfo{f.mode(), "root", "root", r.Time}})
	}
	return contents, nil
}

// installedPath returns the path at which a package installs f, or "" if it does not. Debian's
// packages of zsh and fish search other directories than upstream's.
func installedPath(f file, format string) string {
	debian := format == "deb"
	dir, base := path.Split(f.name)
	switch {
	case f.executable:
		return "/usr/bin/" + base
	case dir == "man/":
		return "/usr/share/man/man1/" + base + ".gz"
	case base == "slipway.bash":
		return "/usr/share/bash-completion/completions/slipway"
	case base == "_slipway" && debian:
		return "/usr/share/zsh/vendor-completions/_slipway"
	case base == "_slipway":
		return "/usr/share/zsh/site-functions/_slipway"
	case base == "slipway.fish":
		return "/usr/share/fish/vendor_completions.d/slipway.fish"
	case dir == "completions/":
		return "" // PowerShell
	case f.name == "LICENSE" && debian:
		return "/usr/share/doc/slipway/copyright"
	case strings.HasPrefix(dir, "licenses/") || f.name == "LICENSE":
		return "/usr/share/licenses/slipway/" + strings.TrimPrefix(f.name, "licenses/")
	}
	return "/usr/share/doc/slipway/" + f.name
}

// compressed returns data as a gzip file without a name and a time.
func compressed(data []byte) ([]byte, error) {
	var b strings.Builder
	w, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(data); err != nil {
		return nil, err
	}
	err = w.Close()
	return []byte(b.String()), err
}
