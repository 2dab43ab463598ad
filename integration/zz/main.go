// Command zztmp is temporary.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"sort"
	"strings"

	"slipway/integration/differential"
	"slipway/internal/golden"
)

func main() {
	re := regexp.MustCompile(os.Args[1])
	root, _ := golden.Root()
	cases, err := golden.Load(root)
	if err != nil {
		panic(err)
	}
	verbose := len(os.Args) > 2
	for _, c := range cases {
		if !re.MatchString(c.Name) {
			continue
		}
		ps := c.Platforms()
		p := ps[0]
		if len(ps) > 1 {
			p = ps[1]
		}
		r, err := differential.Run(context.Background(), differential.Upstream(), c, p)
		if err != nil {
			panic(err)
		}
		if r.Err != nil {
			fmt.Printf("%s: ERROR %v\n", c.Name, r.Err)
			continue
		}
		fmt.Printf("%s: ok\n", c.Name)
		if verbose {
			for _, k := range []string{"containerimage.config"} {
				var v map[string]any
				json.Unmarshal(r.Metadata[k], &v)
				b, _ := json.Marshal(v["config"])
				fmt.Printf("   %s\n", b)
			}
			for id, d := range r.Results {
				var names []string
				for _, m := range d.GetMetadata() {
					names = append(names, m.Description["llb.customname"])
				}
				sort.Strings(names)
				fmt.Printf("   %s %s\n", id, strings.Join(names, "\n     "))
			}
		}
	}
}
