package frontend

import (
	"bytes"
	"encoding/json"

	"github.com/moby/buildkit/frontend/gateway/client"
	"github.com/moby/buildkit/frontend/subrequests"
	"github.com/moby/buildkit/solver/errdefs"
)

// subrequest answers what is not a build.
func subrequest(id string) (*client.Result, error) {
	switch id {
	case subrequests.RequestSubrequestsDescribe:
		return describe(subrequests.SubrequestsDescribeDefinition)
	}
	return nil, errdefs.NewUnsupportedSubrequestError(id)
}

// describe tells which sub-requests there are, for programs and for people.
func describe(known ...subrequests.Request) (*client.Result, error) {
	dt, err := json.MarshalIndent(known, "", "  ")
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
