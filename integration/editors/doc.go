// Package editors tests slipway lsp with real editors, and slipway lint with ShellCheck.
//
// The tests install Debian's neovim and ShellCheck if they are missing.
package editors
