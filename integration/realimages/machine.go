package realimages

import (
	"context"
	"os"
	"os/exec"
	"strings"
)

// authorities is the file in which Debian's programs expect trusted certificate authorities.
const authorities = "/etc/ssl/certs/ca-certificates.crt"

// proxies returns the build arguments for the proxies of this machine.
func proxies() map[string]string {
	args := map[string]string{}
	for _, name := range []string{"HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "NO_PROXY", "ALL_PROXY"} {
		for _, name := range []string{name, strings.ToLower(name)} {
			if v := os.Getenv(name); v != "" {
				args["build-arg:"+name] = v
			}
		}
	}
	return args
}

// secrets returns the build secrets for network access by id. The secret "ca" contains
// certificate authorities, "goenv" contains Go's settings for module proxies, and "npm"
// contains the URL of a registry.
func secrets(ctx context.Context) (map[string][]byte, error) {
	file := os.Getenv("SSL_CERT_FILE")
	if file == "" {
		file = authorities
	}
	ca, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var env strings.Builder
	for _, name := range []string{"GOPROXY", "GOSUMDB", "GOPRIVATE", "GONOPROXY", "GONOSUMDB"} {
		v, err := output(ctx, "go", "env", name)
		if err != nil {
			return nil, err
		}
		env.WriteString(name + "=" + string(v))
	}
	registry := []byte("https://registry.npmjs.org/")
	if _, err := exec.LookPath("npm"); err == nil {
		if registry, err = output(ctx, "npm", "config", "get", "registry"); err != nil {
			return nil, err
		}
	}
	return map[string][]byte{"ca": ca, "goenv": []byte(env.String()), "npm": []byte(strings.TrimSpace(string(registry)))}, nil
}
