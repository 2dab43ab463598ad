package golden

import (
	"encoding/json"
	"fmt"
	"time"

	dockerspec "github.com/moby/docker-image-spec/specs-go/v1"
	"github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
)

// DefaultImages returns the images that every case can use. Unless the list states otherwise,
// an image exists for any platform and has two layers, a history and a realistic config.
//
//	alpine busybox ubuntu debian python node    PATH and CMD
//	golang            WORKDIR and more environment
//	nginx             ENTRYPOINT, CMD, EXPOSE, STOPSIGNAL, labels
//	mcr.microsoft.com/windows/nanoserver
//	                  windows for any platform: version, ContainerUser
//	mcr.microsoft.com/windows/servercore
//	                  the same with SHELL and os.features
//	example.com/rich  every field: USER, WORKDIR, ENV, HEALTHCHECK, VOLUME …
//	example.com/onbuild       ONBUILD triggers of many kinds
//	example.com/onbuild-deps  triggers with --from and --mount
//	example.com/onbuild-bad   a trigger that does not parse
//	example.com/nopath        linux without PATH and without WORKDIR
//	example.com/nolayers      a config without layers and history
//	example.com/unknownfields fields outside of any specification
//	example.com/amd64         linux/amd64 for any platform
//	example.com/arm64only     linux/arm64, does not exist for other platforms
//	example.com/badconfig     a config that is not JSON
func DefaultImages() *Images {
	entries := map[string]imageEntry{}
	for _, name := range []string{"alpine", "busybox", "ubuntu", "debian", "python", "node"} {
		entries[name] = plainImage(name, func(c *dockerspec.DockerOCIImage) { c.Config.Cmd = []string{"/bin/sh"} })
	}
	entries["golang"] = plainImage("golang", golang)
	entries["nginx"] = plainImage("nginx", nginx)
	entries["mcr.microsoft.com/windows/nanoserver"] = plainImage("nanoserver", nanoserver)
	entries["mcr.microsoft.com/windows/servercore"] = plainImage("servercore", servercore)
	entries["example.com/rich"] = plainImage("rich", rich)
	entries["example.com/onbuild"] = plainImage("onbuild", onbuild(
		"ENV TRIGGERED=yes", "COPY . /src", "WORKDIR /src", "RUN make $TRIGGERED", "ARG AFTER=1", "LABEL by=trigger"))
	entries["example.com/onbuild-deps"] = plainImage("onbuild-deps", onbuild(
		"COPY --from=busybox /bin/busybox /bin/", "RUN --mount=type=bind,from=alpine,target=/mnt ls /mnt"))
	entries["example.com/onbuild-bad"] = plainImage("onbuild-bad", onbuild("NOSUCH instruction"))
	entries["example.com/nopath"] = plainImage("nopath", func(c *dockerspec.DockerOCIImage) {
		c.Config.Env = []string{"LANG=C"}
		c.Config.WorkingDir = ""
	})
	entries["example.com/nolayers"] = plainImage("nolayers", func(c *dockerspec.DockerOCIImage) {
		c.RootFS.DiffIDs = nil
		c.History = nil
		c.Config.Labels = map[string]string{"empty": "yes"}
	})
	entries["example.com/unknownfields"] = unknownFields
	amd64 := plainImage("amd64", func(*dockerspec.DockerOCIImage) {})
	entries["example.com/amd64"] = func(ocispecs.Platform) []byte {
		return amd64(ocispecs.Platform{OS: "linux", Architecture: "amd64"})
	}
	arm64 := plainImage("arm64only", func(*dockerspec.DockerOCIImage) {})
	entries["example.com/arm64only"] = func(p ocispecs.Platform) []byte {
		if p.OS != "linux" || p.Architecture != "arm64" {
			return nil
		}
		return arm64(p)
	}
	entries["example.com/badconfig"] = func(ocispecs.Platform) []byte { return []byte("{not json") }
	return &Images{entries: entries}
}

// plainImage returns the entry of an image with a simple config. Each time the entry creates
// the config, it passes the config to f, which may modify it.
func plainImage(name string, f func(*dockerspec.DockerOCIImage)) imageEntry {
	return func(p ocispecs.Platform) []byte {
		c := plainConfig(name, p)
		f(c)
		data, err := json.Marshal(c)
		if err != nil {
			panic(fmt.Sprintf("an image config does not marshal: %v", err)) // the config contains no type that cannot be marshaled
		}
		return data
	}
}

func plainConfig(name string, p ocispecs.Platform) *dockerspec.DockerOCIImage {
	created := time.Date(2024, 3, 1, 12, 30, 45, 123456789, time.UTC)
	c := &dockerspec.DockerOCIImage{}
	c.Created = &created
	c.Platform = p
	c.RootFS = ocispecs.RootFS{Type: "layers", DiffIDs: []digest.Digest{
		digest.FromString(name + " layer 1"), digest.FromString(name + " layer 2"),
	}}
	c.History = []ocispecs.History{
		{Created: &created, CreatedBy: "ADD " + name + ".tar.gz / # buildkit", Comment: "buildkit.dockerfile.v0"},
		{Created: &created, CreatedBy: "RUN /bin/sh -c true # buildkit", Comment: "buildkit.dockerfile.v0"},
		{Created: &created, CreatedBy: `CMD ["/bin/sh"]`, Comment: "buildkit.dockerfile.v0", EmptyLayer: true},
	}
	c.Config.WorkingDir = "/"
	if p.OS == "windows" {
		c.Config.WorkingDir = `C:\`
		return c
	}
	c.Config.Env = []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}
	return c
}

func golang(c *dockerspec.DockerOCIImage) {
	c.Config.Env = []string{"PATH=/go/bin:/usr/local/go/bin:/usr/bin:/bin", "GOLANG_VERSION=1.26.8", "GOPATH=/go"}
	c.Config.Cmd = []string{"bash"}
	c.Config.WorkingDir = "/go"
}

func nginx(c *dockerspec.DockerOCIImage) {
	c.Config.Env = append(c.Config.Env, "NGINX_VERSION=1.29.0")
	c.Config.Entrypoint = []string{"/docker-entrypoint.sh"}
	c.Config.Cmd = []string{"nginx", "-g", "daemon off;"}
	c.Config.ExposedPorts = map[string]struct{}{"80/tcp": {}}
	c.Config.Labels = map[string]string{"maintainer": "somebody"}
	c.Config.StopSignal = "SIGQUIT"
}

func nanoserver(c *dockerspec.DockerOCIImage) {
	c.OS, c.OSVersion, c.Variant = "windows", "10.0.20348.2340", ""
	c.Config.Env = nil
	c.Config.WorkingDir = ""
	c.Config.User = "ContainerUser"
	c.Config.Cmd = []string{`c:\windows\system32\cmd.exe`}
}

func servercore(c *dockerspec.DockerOCIImage) {
	nanoserver(c)
	c.OSFeatures = []string{"win32k"}
	c.Config.User = ""
	c.Config.Shell = []string{"powershell", "-Command"}
	c.Config.WorkingDir = `C:\Windows`
	c.Config.Env = []string{`Path=C:\Windows\system32;C:\Windows`}
}

func rich(c *dockerspec.DockerOCIImage) {
	c.Author = "An Author <author@example.com>"
	c.Config = dockerspec.DockerOCIImageConfig{
		ImageConfig: ocispecs.ImageConfig{
			User:         "app:staff",
			ExposedPorts: map[string]struct{}{"8080/tcp": {}, "53/udp": {}},
			Env:          []string{"PATH=/opt/bin:/bin", "LANG=C.UTF-8", "HOME=/home/app", "EMPTY=", "LIST=a=b=c"},
			Entrypoint:   []string{"/entry", "--flag"},
			Cmd:          []string{"serve"},
			Volumes:      map[string]struct{}{"/data": {}, "/var/log": {}},
			WorkingDir:   "/home/app",
			Labels:       map[string]string{"vendor": "example", "tier": "backend"},
			StopSignal:   "SIGTERM",
			ArgsEscaped:  true, //nolint:staticcheck // Docker on Windows reads it
		},
		DockerOCIImageConfigExt: dockerspec.DockerOCIImageConfigExt{
			Healthcheck: &dockerspec.HealthcheckConfig{
				Test: []string{"CMD-SHELL", "curl -f localhost"}, Interval: 30 * time.Second, Retries: 2,
			},
			Shell: []string{"/bin/bash", "-o", "pipefail", "-c"},
		},
	}
}

func onbuild(triggers ...string) func(*dockerspec.DockerOCIImage) {
	return func(c *dockerspec.DockerOCIImage) { c.Config.OnBuild = triggers }
}

func unknownFields(p ocispecs.Platform) []byte {
	return fmt.Appendf(nil, `{"architecture":%q,"os":%q,"container":"0123","docker_version":"1.13",`+
		`"config":{"Hostname":"h","Domainname":"","AttachStdin":false,"Tty":true,"Env":["PATH=/bin","A=1"],`+
		`"Cmd":["sh"],"Image":"sha256:0","NetworkDisabled":true,"MacAddress":"0","StopTimeout":5},`+
		`"rootfs":{"type":"layers","diff_ids":[%q]},"history":[{"created_by":"old"}],"x":{"y":[1]}}`,
		p.Architecture, p.OS, digest.FromString("unknownfields layer"))
}
