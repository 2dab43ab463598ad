package frontend

import (
	"bytes"
	"context"
	"encoding/json"

	"github.com/moby/buildkit/frontend/gateway/client"
	"github.com/moby/buildkit/frontend/subrequests"
)

// describe answers the subrequest describe with the list of all subrequests, as JSON and
// as text.
func (*build) describe(context.Context) (*client.Result, error) {
	var list []subrequests.Request
	for _, r := range allSubrequests() {
		list = append(list, r.Request)
	}
	dt, err := json.MarshalIndent(list, "", "  ")
	if err != nil {
		return nil, err
	}
	var text bytes.Buffer
	if err := subrequests.PrintDescribe(dt, &text); err != nil {
		return nil, err
	}
	res := client.NewResult()
	res.AddMeta("result.json", dt)
	res.AddMeta("result.txt", text.Bytes())
	res.AddMeta("version", []byte(subrequests.SubrequestsDescribeDefinition.Version))
	return res, nil
}
