package lsp

import "encoding/json"

// Error codes of the protocol.
const (
	codeParseError      = -32700
	codeInvalidRequest  = -32600
	codeMethodNotFound  = -32601
	codeInvalidParams   = -32602
	codeInternalError   = -32603
	codeNotInitialized  = -32002
	codeCancelled       = -32800
	codeContentModified = -32801
	codeRequestFailed   = -32803
)

// position is a position in a document. Both numbers start at 0. The unit of character depends on
// the negotiated encoding.
type position struct {
	Line      int `json:"line"`
	Character int `json:"character"`
}

// textRange is a range of positions whose end is exclusive.
type textRange struct {
	Start position `json:"start"`
	End   position `json:"end"`
}

type initializeParams struct {
	ClientInfo struct {
		Name string `json:"name"`
	} `json:"clientInfo"`
	Capabilities struct {
		General struct {
			PositionEncodings []string `json:"positionEncodings"`
		} `json:"general"`
		Workspace struct {
			WorkspaceEdit workspaceEditSupport `json:"workspaceEdit"`
		} `json:"workspace"`
		TextDocument struct {
			Diagnostic         json.RawMessage `json:"diagnostic"`
			PublishDiagnostics struct {
				RelatedInformation bool `json:"relatedInformation"`
			} `json:"publishDiagnostics"`
			DocumentSymbol struct {
				Hierarchical bool `json:"hierarchicalDocumentSymbolSupport"`
			} `json:"documentSymbol"`
		} `json:"textDocument"`
	} `json:"capabilities"`
}

type initializeResult struct {
	Capabilities serverCapabilities `json:"capabilities"`
	ServerInfo   serverInfo         `json:"serverInfo"`
}

type serverInfo struct {
	Name    string `json:"name"`
	Version string `json:"version,omitempty"`
}

type serverCapabilities struct {
	PositionEncoding                string             `json:"positionEncoding"`
	TextDocumentSync                syncOptions        `json:"textDocumentSync"`
	DocumentFormattingProvider      bool               `json:"documentFormattingProvider"`
	DocumentRangeFormattingProvider bool               `json:"documentRangeFormattingProvider"`
	CodeActionProvider              *codeActionOptions `json:"codeActionProvider"`
	DiagnosticProvider              *diagnosticOptions `json:"diagnosticProvider,omitempty"`
}

// syncIncremental is the kind of synchronization in which clients send changes.
const syncIncremental = 2

type syncOptions struct {
	OpenClose bool `json:"openClose"`
	Change    int  `json:"change"`
}

type diagnosticOptions struct {
	InterFileDependencies bool `json:"interFileDependencies"`
	WorkspaceDiagnostics  bool `json:"workspaceDiagnostics"`
}

type documentID struct {
	URI     string `json:"uri"`
	Version int    `json:"version"`
}

type openParams struct {
	TextDocument struct {
		documentID
		Text string `json:"text"`
	} `json:"textDocument"`
}

type closeParams struct {
	TextDocument documentID `json:"textDocument"`
}

type changeParams struct {
	TextDocument   documentID `json:"textDocument"`
	ContentChanges []change   `json:"contentChanges"`
}

// change replaces a range of a document or, if Range is nil, the whole document.
type change struct {
	Range *textRange `json:"range"`
	Text  string     `json:"text"`
}

type cancelParams struct {
	ID json.RawMessage `json:"id"`
}

type documentParams struct {
	TextDocument documentID `json:"textDocument"`
}

type formattingParams struct {
	TextDocument documentID `json:"textDocument"`
	Range        *textRange `json:"range"` // nil for the whole document
	Options      struct {
		TabSize      int  `json:"tabSize"`
		InsertSpaces bool `json:"insertSpaces"`
	} `json:"options"`
}

type textEdit struct {
	Range      textRange `json:"range"`
	NewText    string    `json:"newText"`
	Annotation string    `json:"annotationId,omitempty"`
}

type publishParams struct {
	URI         string       `json:"uri"`
	Version     *int         `json:"version,omitempty"`
	Diagnostics []diagnostic `json:"diagnostics"`
}

type diagnosticReport struct {
	Kind     string       `json:"kind"`
	ResultID string       `json:"resultId"`
	Items    []diagnostic `json:"items"`
}

type diagnostic struct {
	Range              textRange        `json:"range"`
	Severity           int              `json:"severity"`
	Code               string           `json:"code,omitempty"`
	CodeDescription    *codeDescription `json:"codeDescription,omitempty"`
	Source             string           `json:"source"`
	Message            string           `json:"message"`
	Tags               []int            `json:"tags,omitempty"`
	RelatedInformation []related        `json:"relatedInformation,omitempty"`
	Data               *findingData     `json:"data,omitempty"`
}

// findingData is further data of a diagnostic: the code that hadolint has for it.
type findingData struct {
	Alias string `json:"alias"`
}

type codeDescription struct {
	Href string `json:"href"`
}

type related struct {
	Location location `json:"location"`
	Message  string   `json:"message"`
}

type location struct {
	URI   string    `json:"uri"`
	Range textRange `json:"range"`
}

type logParams struct {
	Type    int    `json:"type"`
	Message string `json:"message"`
}

// Values of numbers in the protocol.
const (
	severityError   = 1
	severityWarning = 2
	severityInfo    = 3
	severityHint    = 4
	tagUnnecessary  = 1
	tagDeprecated   = 2
	logError        = 1
	logWarning      = 2
)

// triggerAutomatic is the kind of a request for code actions that the user has not asked for.
const triggerAutomatic = 2

type workspaceEditSupport struct {
	DocumentChanges  bool            `json:"documentChanges"`
	ChangeAnnotation json.RawMessage `json:"changeAnnotationSupport"`
}

type codeActionOptions struct {
	Kinds []string `json:"codeActionKinds"`
}

type codeActionParams struct {
	TextDocument documentID `json:"textDocument"`
	Range        textRange  `json:"range"`
	Context      struct {
		Only        []string `json:"only"`
		TriggerKind int      `json:"triggerKind"`
	} `json:"context"`
}

type codeAction struct {
	Title       string         `json:"title"`
	Kind        string         `json:"kind"`
	Diagnostics []diagnostic   `json:"diagnostics,omitempty"`
	IsPreferred bool           `json:"isPreferred,omitempty"`
	Edit        *workspaceEdit `json:"edit"`
}

// workspaceEdit changes documents, with or without their versions.
type workspaceEdit struct {
	Changes           map[string][]textEdit       `json:"changes,omitempty"`
	DocumentChanges   []documentEdit              `json:"documentChanges,omitempty"`
	ChangeAnnotations map[string]changeAnnotation `json:"changeAnnotations,omitempty"`
}

type documentEdit struct {
	TextDocument documentID `json:"textDocument"`
	Edits        []textEdit `json:"edits"`
}

// changeAnnotation asks the user about edits.
type changeAnnotation struct {
	Label             string `json:"label"`
	NeedsConfirmation bool   `json:"needsConfirmation"`
	Description       string `json:"description,omitempty"`
}
