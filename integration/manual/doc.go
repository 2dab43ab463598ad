// Command manual makes a static site of the manual in docs. `make manual` runs it.
//
// It copies the pages to a working directory, adapts their links, and starts VitePress, which npm
// installs in the versions of site/package-lock.json. VitePress was chosen over Hugo, whose
// themes have no search without a server, and over Docusaurus, which needs a plugin for it and
// many times as many packages. The directory site contains the configuration of VitePress and the
// browser test.
package main
