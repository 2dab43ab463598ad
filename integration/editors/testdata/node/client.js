// Drives the server $SLIPWAY with Microsoft's client library and writes what it received to $RESULT.
'use strict'
const { spawn } = require('child_process')
const fs = require('fs')
const rpc = require('vscode-jsonrpc/node')
const lsp = require('vscode-languageserver-protocol/node')

const uri = 'file:///project/Dockerfile'
const result = {}

// start starts a server and a connection to it.
function start() {
  const child = spawn(process.env.SLIPWAY, ['lsp', '--stdio'], { stdio: ['pipe', 'pipe', 'inherit'] })
  const errors = []
  const logger = { error: (m) => errors.push(m), warn: () => {}, info: () => {}, log: () => {} }
  const connection = lsp.createProtocolConnection(new rpc.StreamMessageReader(child.stdout), new rpc.StreamMessageWriter(child.stdin), logger)
  const ended = new Promise((resolve) => child.on('exit', resolve))
  const published = []
  let wake = () => {}
  connection.onNotification(lsp.PublishDiagnosticsNotification.type, (p) => { published.push(p); wake() })
  connection.onNotification(lsp.LogMessageNotification.type, () => {})
  connection.listen()
  // diagnostics waits for the diagnostics of a version.
  async function diagnostics(version) {
    for (;;) {
      const found = published.find((p) => p.version === version)
      if (found) return found.diagnostics
      await new Promise((resolve) => { wake = resolve })
    }
  }
  return { child, connection, ended, errors, diagnostics }
}

// failure returns the code of the error with which a request ends.
async function failure(promise) {
  try {
    await promise
    return 'no error'
  } catch (err) {
    return err.code
  }
}

// apply applies edits to a text.
function apply(text, edits) {
  const lines = text.split('\n')
  const offset = (p) => lines.slice(0, p.line).join('\n').length + (p.line > 0 ? 1 : 0) + p.character
  for (const e of [...edits].sort((a, b) => offset(b.range.start) - offset(a.range.start))) {
    text = text.slice(0, offset(e.range.start)) + e.newText + text.slice(offset(e.range.end))
  }
  return text
}

async function session() {
  const s = start()
  const c = s.connection
  const textDocument = { uri }
  const initialized = await c.sendRequest(lsp.InitializeRequest.type, {
    processId: process.pid, rootUri: null,
    capabilities: {
      general: { positionEncodings: [lsp.PositionEncodingKind.UTF16] },
      workspace: { workspaceEdit: { documentChanges: true } },
      textDocument: { publishDiagnostics: { relatedInformation: true }, documentSymbol: { hierarchicalDocumentSymbolSupport: true } },
    },
  })
  result.encoding = initialized.capabilities.positionEncoding
  await c.sendNotification(lsp.InitializedNotification.type, {})

  let text = 'FROM debian:12 AS Name\nCOPPY 🐳 b /\nRUN apt-get install curl=1\nFROM Name\n'
  await c.sendNotification(lsp.DidOpenTextDocumentNotification.type, { textDocument: { uri, languageId: 'dockerfile', version: 1, text } })
  const shown = (list) => list.map((d) => `${d.range.start.line}:${d.range.start.character} ${d.code || d.source}: ${d.message}`)
  const first = await s.diagnostics(1)
  result.diagnostics = shown(first)

  // Take the fix of a finding, then correct the instruction by an edit whose range has a surrogate pair.
  const finding = first.find((d) => d.code === 'AptWithoutYes')
  const actions = await c.sendRequest(lsp.CodeActionRequest.type, { textDocument, range: finding.range, context: { diagnostics: [finding], only: ['quickfix'] } })
  const fix = actions.find((a) => a.isPreferred)
  const change = fix.edit.documentChanges[0]
  result.fixed = apply(text, change.edits)
  result.fixedVersion = change.textDocument.version
  const edit = { range: { start: { line: 1, character: 2 }, end: { line: 1, character: 9 } }, text: 'PY 🐳 ' }
  text = apply(text, [{ range: edit.range, newText: edit.text }])
  await c.sendNotification(lsp.DidChangeTextDocumentNotification.type, { textDocument: { uri, version: 2 }, contentChanges: [edit] })
  result.changed = text
  result.diagnosticsAfter = shown(await s.diagnostics(2))

  const items = await c.sendRequest(lsp.CompletionRequest.type, { textDocument, position: { line: 3, character: 5 } })
  result.completion = items.items.map((i) => i.label)
  const rename = await c.sendRequest(lsp.RenameRequest.type, { textDocument, position: { line: 3, character: 6 }, newName: 'base' })
  result.renamed = apply(text, rename.documentChanges[0].edits)
  result.renameRefused = await failure(c.sendRequest(lsp.RenameRequest.type, { textDocument, position: { line: 3, character: 6 }, newName: 'a b' }))

  const innermost = (await c.sendRequest(lsp.SelectionRangeRequest.type, { textDocument, positions: [{ line: 2, character: 6 }] }))[0].range
  result.selection = text.split('\n')[2].slice(innermost.start.character, innermost.end.character)
  result.folding = (await c.sendRequest(lsp.FoldingRangeRequest.type, { textDocument })).map((r) => `${r.startLine}-${r.endLine}`)
  result.tokens = (await c.sendRequest(lsp.SemanticTokensRequest.type, { textDocument })).data.length / 5
  result.links = (await c.sendRequest(lsp.DocumentLinkRequest.type, { textDocument })).map((l) => l.target)
  const everything = { start: { line: 0, character: 0 }, end: { line: 4, character: 0 } }
  result.hints = (await c.sendRequest(lsp.InlayHintRequest.type, { textDocument, range: everything })).length

  // Cancel a request about a long document, which the server has not parsed yet.
  const long = 'file:///project/long.Dockerfile'
  await c.sendNotification(lsp.DidOpenTextDocumentNotification.type, {
    textDocument: { uri: long, languageId: 'dockerfile', version: 1, text: 'FROM scratch\n' + 'RUN echo a | tee b && cd /c\n'.repeat(5000) },
  })
  const source = new rpc.CancellationTokenSource()
  const cancelled = failure(c.sendRequest(lsp.DocumentSymbolRequest.type, { textDocument: { uri: long } }, source.token))
  source.cancel()
  result.cancelled = await cancelled
  await c.sendNotification(lsp.DidCloseTextDocumentNotification.type, { textDocument: { uri: long } })

  // A body that is not JSON, one that is not a request, and a message in pieces.
  s.child.stdin.write('Content-Length: 2\r\n\r\n{]')
  s.child.stdin.write('Content-Length: 2\r\nContent-Type: application/vscode-jsonrpc; charset=utf-8\r\n\r\n[]')
  const hover = JSON.stringify({ jsonrpc: '2.0', id: 'pieces', method: 'nonsense' })
  for (const byte of `Content-Length: ${hover.length}\r\n\r\n${hover}`) {
    await new Promise((resolve) => s.child.stdin.write(byte, resolve))
  }
  result.unknownMethod = await failure(c.sendRequest('nonsense'))
  result.malformed = s.errors.filter((e) => e.includes('without id')).length
  result.symbols = (await c.sendRequest(lsp.DocumentSymbolRequest.type, { textDocument })).map((d) => d.name)

  await c.sendRequest(lsp.ShutdownRequest.type)
  await c.sendNotification(lsp.ExitNotification.type)
  result.exit = await s.ended
}

// brokenHeader checks that the server ends if it cannot find the next message.
async function brokenHeader() {
  const s = start()
  s.child.stdin.write('Content-Length: many\r\n\r\n{}')
  result.exitAfterBrokenHeader = await s.ended
}

session().then(brokenHeader).then(() => {
  fs.writeFileSync(process.env.RESULT, JSON.stringify(result))
  process.exit(0)
}, (err) => {
  console.error(err)
  process.exit(1)
})
