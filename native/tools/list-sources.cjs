'use strict'
// Prints every file the native build depends on, one per line, for binding.gyp's `inputs`.
const fs = require('node:fs')
const path = require('node:path')

process.chdir(path.join(__dirname, '../..'))
for (const entry of fs.readdirSync('native', { withFileTypes: true, recursive: true }))
  if (entry.isFile()) console.log(path.posix.join(entry.parentPath.replaceAll('\\', '/'), entry.name))
