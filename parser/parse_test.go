package parser

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"slipway/internal/golden"
	"slipway/internal/slowtest"
)

// dockerfiles lists Dockerfiles with edge cases of lines, words and heredocs. The tests compare
// the result of Parse for each file with the result of BuildKit's parser.
var dockerfiles = []string{
	"FROM a\n",
	"FROM a",
	" \t\u00a0\u3000FROM a \u00a0\n",
	// byte order mark, directives
	bom + "FROM a\n",
	bom + "# c\nFROM a\n",
	bom + "\nFROM a\n",
	bom + bom + "FROM a\n",
	"\n" + bom + "FROM a\n",
	bom + "# syntax=x\n# escape=`\nFROM a\nRUN x `\n  y\n",
	"# syntax = x  y \r\n#check=skip=all;error=true\r\n  #\tESCAPE\f=\f`\f\r\nFROM a\r\n",
	"#\u00a0escape=`\nFROM a `\nb\n",
	"# escape=\u00a0`\u00a0\nFROM a\n",
	"# syntax=x\n\n# escape=`\nFROM a \\\nb\n",
	"#!/bin/x\n# escape=`\nFROM a \\\nb\n",
	"# other=x\n# escape=`\nFROM a\n",
	"# escape=\\\n# syntax=a=b\n# check = \n# check=x\nFROM a\n",
	"FROM a\n# escape=`\nRUN x `\nRUN y\n",
	// comments, blank lines and the instructions they belong to
	"# comment\n\n  # indented\nFROM a AS b # c\n#\n# doc\n\nRUN a \\\n# in between\n\n  b \\  \n c\n",
	"# a\n#\n  #\n# b\n\n\n \t\nFROM a\n# end\n\n",
	"# a\nFROM a\nRUN b\n#\u3000c\u3000\n\u3000# d\nRUN c",
	"  \nFROM a\n\n\n# \xff\xfe\n\u00a0#x\nRUN b\n",
	"# <<E\n# b\n\n# c\nFROM a\n\n  # d <<\n#\n\nRUN <<E\n# x\n\n# y\n#z\nE\n# z\n\nRUN b\n",
	"# syntax=x\n\n#\n\nFROM a\n# a\n \n\n# b\nRUN b \\\n\n# c\n\n# d\nc\n\n\nRUN d \\\n\n# e\n",
	// continuations
	"\\\nFROM a\n",
	"  \\ \t\n  FROM a\n",
	"FROM \\\n\n\n\\\n   \\\n a\n",
	"FROM a\nRUN a \\",
	"FROM a\nRUN a \\\n",
	"FROM a\nRUN a \\\n# c",
	"FROM a\nRUN a \\\n\n",
	"FROM a\nRUN a \\\\\nRUN b\\\\\\\nRUN c \\ \\\n d\n",
	"FROM a\nRUN a\\\n#c\n #c\n\u3000#c\n\u00a0\n b\\\u00a0\nRUN c\n",
	"FR\\\nOM a\nRU\\\n# x\nN --mou\\\n\nnt=type=c\\\n ache,target=/x a\n",
	"FROM a\nEXPOSE 8\\\n0 90\\\n 100\\\n\t110\n",
	"FROM a\n\\\n\n",
	"FROM a\n\\",
	"# escape=`\nFROM a\nRUN a `\n b ``\nRUN c \\\nRUN d`\n",
	// line ends
	"FROM a\r\nRUN a \\\r\n  b\r\nCOPY <<A <<-B /\r\nx\r\nA\r\n\ty\r\n\tB\r\n",
	"FROM a\r\r\n\r\nRUN a\rb \\\r\r\n c\\ \r\n\r\n# x\r\n d\r\n",
	"FROM a\rRUN b\r",
	"FROM a\nRUN b \\ \r \nRUN c\\\v\nRUN d\n",
	// flags
	"FROM --platform=$X a\nRUN --mount=a --network=none --x\nRUN --\nRUN -- --a\nRUN --a -- --b\n",
	"FROM a\nCOPY --chown=a --from=\"b c\" -- x y\nCOPY --a='b \"c' --d=\"e f\"g x y\nCOPY --\"a=b\" --'c d' x\n",
	"FROM a\nCOPY --a\\=b=c --\\d --e\\ f=\\\"g x\nCOPY --\"\" --x y\nCOPY --'' \nCOPY --a=\"b\n",
	"FROM a\nCOPY --a=\u00e0b\u0085 x y\nCOPY --a=b\\\\\\\nc x\nCOPY --a=\\\\\u00a0\n- x\nCOPY - --a\n",
	"FROM a\nRUN --a=\xff\x00 \xff\nRUN --a\xa0b\x85c\nCOPY --a=b\\\u00a0\n",
	// every form
	"FROM a\nENV a=b c=\"d e\" f='g h' i=j\\ k\nENV x y z\nENV x\ty  z\nLABEL \"a b\"=c\nENV a= b=\"\" =c a==b\n",
	"FROM a\nENV \"x y\" z\nENV a\u00a0b c\nENV 'a\\' b=c\nENV a='b\\' c=\"d\\\" e\" f=\"g\nLABEL a \\\n  b \\\n  c\n",
	"FROM a\nENV a=b\\\\\\\nENV a=\\\\\u00a0\nENV a=b \\\u00a0\nENV a=\\\u00a0\u3000c b=\xff\\\xfe\nENV\nLABEL \n",
	"FROM a\nARG a b=c\\\nARG \"d e\"=f 'g\nARG\nARG --x y\nARG = == a\\ b\n",
	"FROM a\nADD [\"a\\\"b\", \"c\" ] \nCMD [\"x\",\nCMD []\nCMD [ ]\nRUN [\"a\", 'b']\nRUN [\"a\"] b\nRUN []a\n",
	"FROM a\nCMD [\"\\u00e9\\ud800\\n\", \"\xff\", \"a\\\\\" , \"\"]\nCMD\u00a0[\"a\"]\nSHELL [\"a\" \\\n # c\n , \\\n\"b\\\n c\"]\nVOLUME [\"a]\", \"[b\"]\n",
	"FROM a\nHEALTHCHECK --interval=3s CMD [\"a\", \"b\"]\nHEALTHCHECK CMD a b\nHEALTHCHECK NONE\nHEALTHCHECK\nHEALTHCHECK CMD []\nHEALTHCHECK CMD \\\n  [\"x\"\\\n]\n",
	"FROM a\nHEALTHCHECK CMD\u00a0a\nHEALTHCHECK \u00e0 b\nHEALTHCHECK \xa0 b\nHEALTHCHECK CMD\va\n",
	"FROM a\nONBUILD RUN --mount=type=cache,target=/x <<E\nbody\nE\nONBUILD COPY [\"a\",\"b\"]\nONBUILD\nONBUILD ONBUILD RUN <<E\nONBUILD ENV a b\nONBUILD ENV a=b\n",
	"FROM a\nONBUILD --x RUN y\nonbuild \\\n run \\\n  --a=b <<A \\\n <<B\n1\nA\n2\nB\nONBUILD FOO bar\nONBUILD CMD []\n",
	"\\\nFROM a\nUNKNOWN x --y\nmaintainer x y\nrun\nCMD\nENTRYPOINT  x\nUSER a b\nWOR\u212aDIR /\nFOO --a [\"b\"] <<E\nSTOPSIGNAL\n",
	"FROM a\nEXPOSE 80  90\t100\v1\f2\r3\nVOLUME a\u00a0b c\nCOPY a\u3000b c\n",
	// heredocs
	"FROM a\nRUN <<E cat && <<\"F G\" cat\n1\nE\n2\nF G\nRUN <<E\nE\nRUN <<E\n\n\nE\n",
	"FROM a\nRUN 3<<-E <<-'F'\n\tE\n\t\n \tF\n\tF\nRUN <<  E <<\tF\n\nE\nF\nRUN <<<E\nRUN \"<<E\" '<<E' \\<<E a<<E\n",
	"FROM a\nRUN <<E \\\n# c\n <<F\nx\\\n# not a comment\nE\n\nF\nCOPY <<a$b <<c\\ d /\na$b\nc d\n",
	"FROM a\nRUN <<E\nRUN <<F\n# escape=`\nE \n E\nE\nADD [\"<<E\", \"b\"]\nENV a=<<E\nRUN <<\"\"\n\n",
	"FROM a\nRUN <<E ${x:-y} ${z:+<<F}\nE\nRUN a${v-b}<<E\nE\nRUN ${x:- <<E }\nE\nRUN ${x <<E\nRUN 'x <<E\n",
	"FROM a\nRUN <<E\nx\nE",
	"FROM a\nRUN <<\xff <<\u00e0\n\ufffd\n\u00e0\nCOPY <<E <<E /\n1\nE\n2\nE\n",
	"FROM a\nRUN <<" + bom + "E \\\n" + bom + "<<F\nE\n",
	// bytes
	"FROM a\n\u00a0RUN x\u3000\nRUN a\x00b\nRUN \xff\xfe\nENV a=\xff\n\x00\nRUN\x00a\nRUN\u00a0b\n\x85 \xa0\n",
	// errors
	"", "\n", "# c", "# c\n\n", bom, "# escape=`",
	"# escape=a\nFROM x\n", "# syntax=x\n#escape = ab\nFROM x\n", "# escape=\\\\\n",
	"# escape=`\n# ESCAPE=`\nFROM x\n", "\n# escape=a\n# escape=b\n",
	"FROM x\nENV a=b c d=e\n", "#\n\n#\nFROM x\n\n#\n\nENV a=b \\\n\n#\n\nc d=e\n#\n\n\n", "FROM x\nLABEL a=b \\\n# c\n \"c d\" e\n", "FROM x\nENV a\nRUN\n", "ENV a=b \\\\", "LABEL \"a b\"",
	"FROM x\nRUN cat <<EOF\nbody\n", "FROM x\nRUN <<A <<B \\\n <<C\nA\nB\n\n\n", "RUN <<E", "ONBUILD RUN <<E\n\tE\n", "COPY <<E /\nE \n",
	"FROM x\nCMD [\"a\", 1]\n", "SHELL [\"a]\", \\\n [1,\"b]\"], \"c\"]\n", "ADD [null]", "HEALTHCHECK CMD [ {\"a\":[]} ]\n", "ONBUILD ONBUILD HEALTHCHECK --x=y CMD [\"[\",true]",
	"FROM x\nRUN <<'E\n", "FROM x\nRUN <<\"${x\" \nRUN\n", "RUN <<${\n", "RUN <<E'\"'F\n",
	"FROM x\n" + strings.Repeat("x", maxLine) + "\n", "FROM x\nRUN \\\n" + strings.Repeat("x", maxLine+1), strings.Repeat("x", maxLine+1), "FROM x\n" + strings.Repeat("x", maxLine) + "\r\n",
	"FROM x\nRUN <<E\n" + strings.Repeat("x", maxLine+1) + "\nE\n",
}

// TestParse compares Parse with BuildKit's parser for each edge case: as written, with CRLF
// line ends, without the last line end, and with another escape character.
func TestParse(t *testing.T) {
	for i, text := range dockerfiles {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			check(t, []byte(text))
			check(t, []byte(strings.ReplaceAll(text, "\n", "\r\n")))
			check(t, []byte(strings.TrimRight(text, "\n")))
			if !strings.Contains(text, "escape") {
				check(t, []byte("# escape=`\n"+strings.ReplaceAll(text, "\\", "`")))
			}
		})
	}
}

// TestPieces compares Parse with BuildKit's parser for combinations of fragments that produce
// edge cases. It tries every pair of fragments, and every triple of certain fragments, such as
// quotes, which change the meaning of the text that follows. FuzzParse tries longer
// combinations.
func TestPieces(t *testing.T) {
	slowtest.Skip(t, "parses hundreds of files")
	changing := []string{"#", "\\", "\n", "\\\n", " ", "\"", "'", "<<E", "\nE\n", "${"}
	all := append([]string{
		"FROM a", "RUN ", "COPY ", "ENV ", "ONBUILD ", "HEALTHCHECK CMD ", "\t", "\r\n",
		"--a=", "--", "=", "a b", "[\"a\"", "]", "$", "}", "\u00a0", "\xa0", "\x00", ",", "1", bom,
	}, changing...)
	pieces := func(s string) {
		check(t, []byte(s))
		check(t, []byte("RUN x"+s+"\nE\n"))
		check(t, []byte("COPY "+s))
		check(t, []byte("ENV "+s+"z"))
		if t.Failed() {
			t.FailNow()
		}
	}
	for _, a := range all {
		for _, b := range all {
			pieces(a + b)
		}
	}
	for _, a := range changing {
		for _, b := range changing {
			for _, c := range changing {
				pieces(a + b + c)
			}
		}
	}
}

// dumpLimit is the size in bytes above which a Dockerfile of the corpus has no section
// out/parse.
const dumpLimit = 4096

// TestCorpus parses the Dockerfile of every corpus case. If the case has a section
// out/parse, it compares the tree, or the error of an invalid file, with this section.
// Cases in lex/ must have this section unless they exceed dumpLimit.
func TestCorpus(t *testing.T) {
	golden.Run(t, func(t *testing.T, c *golden.Case) {
		content := c.Dockerfile()
		f := check(t, content)
		if len(content) > dumpLimit {
			c.Record(t, "parse", "")
			return
		}
		var b bytes.Buffer
		if f == nil {
			b.WriteString(errorText(t, content))
		} else if err := Dump(&b, f); err != nil {
			t.Fatal(err)
		}
		if strings.HasPrefix(c.Name, "lex/") {
			c.Record(t, "parse", b.String())
		} else {
			c.Check(t, "parse", b.Bytes())
		}
	})
}

// FuzzParse checks that, for any file, Parse returns the same tree or error as BuildKit's
// parser, and that the nodes cover the file.
func FuzzParse(f *testing.F) {
	for _, text := range dockerfiles {
		if len(text) < 1000 {
			f.Add([]byte(text))
		}
	}
	f.Fuzz(func(t *testing.T, content []byte) { check(t, content) })
}

// TestSeeds checks that the seed corpus of FuzzParse exists. Without this test, a missing
// corpus would go unnoticed.
func TestSeeds(t *testing.T) {
	seeds, err := filepath.Glob(filepath.Join("testdata", "fuzz", "FuzzParse", "*"))
	if err != nil || len(seeds) == 0 {
		t.Fatalf("no seeds: %v", err)
	}
	for _, s := range seeds {
		if b, err := os.ReadFile(s); err != nil || !bytes.HasPrefix(b, []byte("go test fuzz v1\n")) {
			t.Errorf("%s is not a seed: %v", s, err)
		}
	}
}
