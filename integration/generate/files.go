package generate

import (
	"fmt"
	"strings"
)

// ownership generates the flags that COPY and ADD share, for example --chown and --chmod.
func (g *generator) ownership() string {
	var b strings.Builder
	b.WriteString(g.optionalText(5, "--chown=%s ", g.simpleValue("1000", "1000:1000", "app", "app:staff", "root", "0:0", ":5", "a:b:c", "${A}")))
	b.WriteString(g.optionalText(6, "--chmod=%s ", g.simpleValue("644", "0755", "u+rwx", "a=r,u+w", "7777", "+x", "go-w")+g.invalidText(5, "8", "x", "99999", "u+", "+8")))
	b.WriteString(g.optionalText(5, "--link%s ", g.pick("", "", "=true", "=false")+g.invalidText(10, "=x", "=")))
	for g.chance(10) {
		fmt.Fprintf(&b, "--exclude=%s ", g.pick("*.o", "**/x", "!keep", "$A", "a b", `C:\x`, "[", "/a", ""))
	}
	b.WriteString(g.wrongFlag())
	return b.String()
}

// wrongFlag returns an invalid flag with a probability of 1/30, and otherwise "". Such a flag
// is unknown, is repeated, has an invalid form, or belongs to another instruction. If the build
// must not contain errors, the result is always "".
func (g *generator) wrongFlag() string {
	return g.invalidText(30, "--from=x ", "--platform=linux/amd64 ", "--mount=type=bind ", "--chown ", "--nosuch=1 ", "--checksum=sha256:x ", "--keep-git-dir ",
		"--chmod=1 --chmod=2 ", "--parents=maybe ", "-- ", "--lnik ", "--interval=1s ", "--network=none ", `--chown="1 `, `--"chown"=1 `, "--=x ", "--unpack ")
}

func (g *generator) copyWords() string {
	flags := g.ownership()
	if g.chance(3) {
		flags += "--from=" + g.source() + " "
	}
	flags += g.optionalText(10, "--parents%s ", g.pick("", "", "=true", "=false"))
	return flags + g.paths(false)
}

// source generates a value of --from: a stage by name or number, an image, or a named context.
func (g *generator) source() string {
	if g.chanceOfError(8) {
		return g.pick("$A", "${B}", "99", "-1", "later", "UPPER/x", "nosuch", "", "base", "+0", "07", "a:b:c", "${", "scratch", "context", "stage-0", "1e1", "own")
	}
	switch g.IntN(6) {
	case 0:
		return g.pick("0", "0", "1", "2")
	case 1, 2, 3:
		if len(g.stages) > 0 {
			s := g.pick(g.stages...)
			if g.chance(10) {
				return strings.ToUpper(s)
			}
			return s
		}
	case 4:
		return g.pick("ctx", "files", "scratch")
	}
	return g.image()
}

func (g *generator) addWords() string {
	flags := g.ownership()
	flags += g.optionalText(8, "--keep-git-dir%s ", g.pick("", "=true", "=false"))
	flags += g.optionalText(8, "--unpack%s ", g.pick("", "=true", "=false"))
	flags += g.optionalText(8, "--checksum=%s ", g.simpleValue("sha256:24454f830cdb571e2c4ad15481119c43b3cafd48dd869a9b2945d1036d1dc68d", "0123456789012345678901234567890123456789")+g.invalidText(6, "x", "md5:a"))
	return flags + g.paths(true)
}

// paths generates the sources and the destination of COPY or ADD, as words, JSON or heredocs.
func (g *generator) paths(add bool) string {
	if g.chanceOfError(30) {
		return g.pick("", "one", "[]", `["a"]`, "a <<EOF", "<<EOF")
	}
	var words []string
	for range 1 + g.IntN(2)*g.IntN(3) {
		if add && g.chance(3) || !add && g.chanceOfError(25) {
			words = append(words, g.url())
		} else {
			words = append(words, g.path())
		}
	}
	dest := g.path()
	if g.chance(6) {
		return g.jsonArray(append(words, dest)...)
	}
	if g.chance(7) {
		names := g.sample([]string{"EOF", "FILE1", "a.txt", "X", "$A"}, 2)
		for _, n := range names {
			words = append(words, g.heredocWord(n))
		}
		if g.chance(2) {
			words = words[len(words)-len(names):]
		}
		return g.heredocs(strings.Join(append(words, dest), " "), names...)
	}
	return strings.Join(append(words, dest), g.pick(" ", " ", " ", "  ", "\t"))
}

func (g *generator) url() string {
	u := g.pick("https://example.com/a.tar.gz", "http://example.com/", "https://example.com/x?y=z", "https://example.com/a/b%20c", "https://${A}/f",
		"https://github.com/moby/buildkit.git", "https://github.com/moby/buildkit.git#v0.1", "git@github.com:moby/buildkit.git", "ssh://git@host/repo.git#main:sub",
		"git://host/repo#:dir", "https://host/r.git?ref=main&subdir=a", "github.com/moby/buildkit", "https://host/r.git?tag=v1&keep-git-dir=true",
		"https://host/r.git?submodules=false&fetch-by-commit=1", "HTTPS://example.com/x", "ftp://example.com/x", "https://[::1]/x")
	return u + g.invalidText(8, "?ref=", "?nosuch=1", "#a:b:c", "?ref=a&tag=b", "%zz", "?checksum=x", " ", "?subdir=a#:b", "?mtime=x", "?branch=a&branch=b")
}

func (g *generator) run() string {
	var b strings.Builder
	b.WriteString(" ")
	for g.chance(4) {
		b.WriteString("--mount=" + g.mount() + " ")
	}
	b.WriteString(g.optionalText(15, "--network=%s ", g.pick("none", "host", "default")+g.invalidText(4, "x", "")))
	b.WriteString(g.optionalText(15, "--security=%s ", g.pick("insecure", "sandbox")+g.invalidText(4, "x", "")))
	b.WriteString(g.optionalText(20, "--device=%s ", g.pick("vendor.com/class=dev", "name=x", "a,required", "a,required=false")+g.invalidText(4, ",b", ",x=y", ",required=x", ",name=")))
	b.WriteString(g.wrongFlag())
	switch g.IntN(8) {
	case 0:
		return b.String() + g.jsonArray(g.sample([]string{"sh", "-c", "echo $A", "x", "", "--y"}, 3)...)
	case 1:
		return b.String() + g.heredocs(g.heredocWord("EOF"), "EOF")
	case 2:
		return b.String() + g.heredocs(g.pick("cat ", "sh -c 'x' ", "")+g.heredocWord("A1")+g.pick("", " && b ")+" "+g.heredocWord("B2")+g.pick("", " > x", " ; y"), "A1", "B2")
	}
	return b.String() + strings.TrimLeft(g.command(), " ")
}

// mount generates the value of a --mount flag.
func (g *generator) mount() string {
	typ := g.pick("bind", "cache", "tmpfs", "secret", "ssh", "")
	var fields []string
	if typ != "" {
		fields = append(fields, "type="+g.simpleValue(typ, typ, typ, strings.ToUpper(typ)))
	}
	add := func(n int, key string, values ...string) {
		if g.chance(n) {
			fields = append(fields, key+"="+g.simpleValue(values...))
		}
	}
	if !g.allowErrors && (typ == "" || typ == "bind" || typ == "tmpfs" || typ == "cache") {
		fields = append(fields, "target=/t")
	}
	add(2, g.pick("target", "dst", "destination"), "/m", "/root/.cache", "rel", "/a/../b", "/m2", "/m/$A", "${A:-/x}")
	add(4, g.pick("source", "src"), "a", "/b", "../c", "$A", ".", "dir/")
	switch typ {
	case "cache":
		add(3, "id", "one", "$A", "a/b")
		add(3, "sharing", "shared", "private", "locked", "LOCKED")
	case "secret", "ssh":
		add(2, "id", "key", "$A")
		add(4, "required", "true", "false", "1")
		add(5, "env", "TOKEN", "A")
	case "tmpfs":
		add(2, "size", "64m", "1G", "100", "1.5k")
	}
	if typ == "" || typ == "bind" || typ == "cache" {
		if g.chance(3) {
			fields = append(fields, "from="+g.source())
		}
	}
	if typ != "bind" && typ != "tmpfs" && typ != "" {
		add(6, "mode", "0400", "755", "0")
		add(8, "uid", "1000", "0")
		add(8, "gid", "1000", "0")
	}
	if g.chance(5) {
		fields = append(fields, g.pick("ro", "rw", "readonly", "readwrite", "ro=false", "rw=true", "readonly=$A")+g.invalidText(8, "=x", "="))
	}
	if g.chanceOfError(6) {
		fields = append(fields, g.pick("type=x", "nosuch=1", "required", "size=1", "mode=9", "uid=-1", "sharing=x", "from=$A", "from=a$", "x", "", "type=", "=", "sorce=a", `"id=a,b"`, `"target=/q`,
			"from=99", "from=0", "id=a", "source=b", "env=X", "target=", "size=x", "required=maybe", `id="a"`, "${", "target=${", "env", "target=/", "from=", "uid=4294967296", "mode=$A"))
	}
	if g.chance(4) {
		g.Shuffle(len(fields), func(i, j int) { fields[i], fields[j] = fields[j], fields[i] })
	}
	return strings.Join(fields, ",")
}
