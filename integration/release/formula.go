package main

import (
	"bytes"
	"fmt"
	"strings"
	"text/template"
)

// formulaText is the Homebrew formula. Each archive has one directory, which Homebrew enters.
const formulaText = `class Slipway < Formula
  desc "Build Dockerfiles without a daemon"
  homepage "{{.URL}}"
  version "{{.Version}}"
  license "Apache-2.0"
{{range $system := .Systems}}
  on_{{.Name}} do
{{- range .Archives}}
    on_{{.CPU}} do
      url "{{.URL}}"
      sha256 "{{.Sum}}"
    end
{{- end}}
  end
{{end}}
  def install
    bin.install "slipway"
    bash_completion.install "completions/slipway.bash" => "slipway"
    zsh_completion.install "completions/_slipway"
    fish_completion.install "completions/slipway.fish"
    man1.install Dir["man/*.1"]
  end

  test do
    assert_match version.to_s, shell_output("#{bin}/slipway version")
  end
end
`

type formulaSystem struct {
	Name     string // macos or linux
	Archives []formulaArchive
}

type formulaArchive struct{ CPU, URL, Sum string }

// writeFormula writes the Homebrew formula. Without a URL, it writes no formula and reports the reason.
func (r *release) writeFormula() error {
	if r.url == "" {
		fmt.Fprintln(r.log, "release: no Homebrew formula, because no URL of the archives is known (set RELEASE_URL)")
		return nil
	}
	cpus := map[string]string{"amd64": "intel", "arm64": "arm"}
	base := strings.TrimSuffix(r.url, "/")
	var systems []formulaSystem
	for _, s := range []struct{ os, name string }{{"darwin", "macos"}, {"linux", "linux"}} {
		system := formulaSystem{Name: s.name}
		for _, t := range r.targets {
			if cpu := cpus[t.arch]; t.os == s.os && cpu != "" {
				name := r.archiveName(t)
				system.Archives = append(system.Archives, formulaArchive{cpu, base + "/" + name, r.sums[name]})
			}
		}
		if system.Archives != nil {
			systems = append(systems, system)
		}
	}
	if systems == nil {
		fmt.Fprintln(r.log, "release: no Homebrew formula, because it needs a target of darwin or linux on amd64 or arm64")
		return nil
	}
	var b bytes.Buffer
	err := template.Must(template.New("formula").Parse(formulaText)).Execute(&b, map[string]any{"URL": base, "Version": r.Version, "Systems": systems})
	if err != nil {
		return err
	}
	return r.add("slipway.rb", b.Bytes())
}
