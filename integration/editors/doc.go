// Package editors tests slipway lsp with neovim and with Microsoft's client library for node, and
// slipway lint with ShellCheck and pre-commit.
//
// The tests install Debian's packages if they are missing, and the client library from npm.
package editors
