-- Opens the file $DOCKERFILE with the server $SLIPWAY and writes what the editor received to $RESULT.
local result = {}

local function shown()
  local list = {}
  for _, d in ipairs(vim.diagnostic.get(0)) do
    table.insert(list, string.format('%d:%d %s: %s', d.lnum, d.col, d.code or d.source, d.message))
  end
  table.sort(list)
  return list
end

local function await(what, condition)
  if not vim.wait(20000, condition, 20) then
    error(what .. ' did not happen')
  end
end

local ok, err = pcall(function()
  vim.cmd('edit ' .. vim.env.DOCKERFILE)
  local id = vim.lsp.start_client({ name = 'slipway', cmd = { vim.env.SLIPWAY, 'lsp' }, root_dir = vim.fn.getcwd() })
  vim.lsp.buf_attach_client(0, id)
  await('a diagnostic', function() return #vim.diagnostic.get(0) > 0 end)
  result.opened = shown()

  -- Fix the misspelt instruction. The checks of the other instructions are reported then.
  vim.api.nvim_buf_set_lines(0, 1, 2, false, { 'COPY 🐳 \\', '  b /' })
  await('a new diagnostic', function() return vim.inspect(shown()) ~= vim.inspect(result.opened) end)
  result.changed = shown()

  local function ask(method, line, character, more)
    local params = { textDocument = vim.lsp.util.make_text_document_params(), position = { line = line, character = character } }
    local answers = vim.lsp.buf_request_sync(0, method, vim.tbl_extend('error', params, more or {}), 20000)
    return answers[id].result
  end

  -- Follow, complete and rename the stage.
  vim.api.nvim_buf_set_lines(0, -1, -1, false, { 'from Name', 'copy --from=' })
  local names = {}
  for _, item in ipairs(ask('textDocument/completion', 5, 12).items) do
    table.insert(names, item.label)
  end
  result.completed = names
  vim.api.nvim_buf_set_lines(0, 5, 6, false, { 'copy --from=Name x /' })
  result.defined = ask('textDocument/definition', 5, 13).range.start
  vim.lsp.util.apply_workspace_edit(ask('textDocument/rename', 5, 13, { newName = 'base' }), 'utf-16')
  result.renamed = vim.api.nvim_buf_get_lines(0, 0, -1, false)

  -- Suppress the finding about WORKDIR, then remove the comment and the lines that were added.
  local workdir = { start = { line = 3, character = 0 }, ['end'] = { line = 3, character = 9 } }
  for _, action in ipairs(ask('textDocument/codeAction', 0, 0, { range = workdir, context = { diagnostics = {} } })) do
    if action.title == 'Ignore WorkdirRelativePath here' then
      vim.lsp.util.apply_workspace_edit(action.edit, 'utf-16')
    end
  end
  result.ignored = vim.api.nvim_buf_get_lines(0, 3, 5, false)
  vim.api.nvim_buf_set_lines(0, 3, 4, false, {})
  vim.api.nvim_buf_set_lines(0, 4, -1, false, {})

  local params = vim.lsp.util.make_formatting_params({ tabSize = 4, insertSpaces = true })
  local answers = vim.lsp.buf_request_sync(0, 'textDocument/formatting', params, 20000)
  local client = vim.lsp.get_client_by_id(id)
  vim.lsp.util.apply_text_edits(answers[id].result, 0, client.offset_encoding)
  result.formatted = vim.api.nvim_buf_get_lines(0, 0, -1, false)

  client.stop()
  await('the end of the server', function() return client.is_stopped() end)
end)
if not ok then
  result.error = err
end
local f = assert(io.open(vim.env.RESULT, 'w'))
f:write(vim.json.encode(result))
f:close()
vim.cmd(ok and 'qall!' or 'cquit 1')
